"""The rules of the case: routing, objections, disputes, the joint decision, re-handling."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from lianban.contracts import routing as events
from lianban.contracts.codes import (
    AgencyRole,
    AssignmentState,
    ClaimResult,
    ClosingReason,
    DecidedBy,
    MatterState,
    ObjectionReason,
    RatingTarget,
    RatingValue,
    TransferKind,
)
from lianban.contracts.refs import AgencyRef, ClaimOutcome, ClaimRef, RatingVote
from services.routing.domain.case import Case
from services.routing.domain.parts import Attention, NotApplicable, Objection, Wanted

NOW = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
ECOLOGY = AgencyRef("city-ecology", "清河市生态环境局")
URBAN = AgencyRef("city-urban", "清河市城市管理局")
TOWN = AgencyRef("dongping-town", "东平镇人民政府")
WATER = AgencyRef("city-water", "清河市水利局")
OFFICE = AgencyRef("city-petition", "清河市信访局")
LEAD, CO, COPY = AgencyRole.LEAD, AgencyRole.CO_HANDLER, AgencyRole.COPY


def a_case(*, claims: int = 2, **given: Any) -> Case:
    return Case(
        id=uuid4(),
        number="QH20261123000001",
        channel="web",
        purpose="appeal",
        region_code="990102101001",
        region_name="周家湾村",
        received_at=NOW,
        claims=tuple(ClaimRef(uuid4(), n) for n in range(1, claims + 1)),
        **given,
    )


def route(case: Case, *parts: tuple[AgencyRef, AgencyRole], **given: Any) -> None:
    case.route(
        [Wanted(agency, role) for agency, role in parts],
        kind=TransferKind.TRANSFER,
        decided_by=DecidedBy.OFFICER,
        at=NOW,
        new_id=uuid4,
        hop_limit=given.pop("hop_limit", 3),
        **given,
    )


def routed(*parts: tuple[AgencyRef, AgencyRole], claims: int = 2) -> Case:
    case = a_case(claims=claims)
    route(case, *(parts or ((ECOLOGY, LEAD), (URBAN, CO), (TOWN, CO))))
    case.said.clear()
    return case


def of(case: Case, agency: AgencyRef) -> UUID:
    return [item.id for item in case.assignments if item.agency == agency][-1]


def accept(case: Case, *agencies: AgencyRef) -> None:
    for agency in agencies:
        case.accept(of(case, agency), at=NOW, new_id=uuid4)


def object_(case: Case, agency: AgencyRef, proposed: AgencyRef | None = None, *, hop_limit: int = 3) -> None:
    def decider(parties: Sequence[AgencyRef]) -> AgencyRef | None:
        return OFFICE

    case.object(
        of(case, agency),
        Objection(ObjectionReason.OUTSIDE_POWERS, proposed, uuid4(), NOW),
        hop_limit=hop_limit,
        decider=decider,
        at=NOW,
        new_id=uuid4,
    )


def outcomes(case: Case) -> list[ClaimOutcome]:
    return [ClaimOutcome(claim.id, ClaimResult.SUPPORTED) for claim in case.claims]


def reply(case: Case, agency: AgencyRef) -> None:
    case.reply(of(case, agency), uuid4(), outcomes(case), at=NOW, new_id=uuid4)


def opine(case: Case, agency: AgencyRef) -> None:
    case.opine(of(case, agency), uuid4(), [], at=NOW, new_id=uuid4)


def told(case: Case) -> list[str]:
    return [type(event).__name__ for event in case.said]


def refused(slug: str) -> Any:
    return pytest.raises(NotApplicable, match=f"^{slug}$")


def decided(*parts: tuple[AgencyRef, AgencyRole]) -> Case:
    case = routed(*(parts or ((ECOLOGY, LEAD),)))
    accept(case, ECOLOGY)
    reply(case, ECOLOGY)
    return case


class TestRouting:
    def test_the_first_routing_sends_every_part_and_leaves_nothing_to_do(self) -> None:
        case = a_case()
        route(case, (ECOLOGY, LEAD), (URBAN, CO), (TOWN, COPY))
        assert told(case) == ["CaseRouted", "AssignmentSent", "AssignmentSent", "AssignmentSent"]
        assert (case.state, case.attention) == (MatterState.ROUTED, None)
        assert all(item.claims == tuple(claim.id for claim in case.claims) for item in case.assignments)

    @pytest.mark.parametrize(
        ("parts", "slug"),
        [
            ([(URBAN, CO)], "no-lead"),
            ([(ECOLOGY, LEAD), (URBAN, LEAD)], "two-leads"),
            ([(ECOLOGY, LEAD), (ECOLOGY, CO)], "duplicate-agency"),
            ([], "nothing-to-do"),
        ],
    )
    def test_a_routing_needs_exactly_one_lead_and_one_part_per_agency(self, parts: Any, slug: str) -> None:
        with refused(slug):
            route(a_case(), *parts)

    def test_an_accused_agency_never_gets_a_part_not_even_a_copy(self) -> None:
        case = a_case(blocked=frozenset({URBAN.code}))
        with refused("agency-blocked"):
            route(case, (ECOLOGY, LEAD), (URBAN, COPY))

    def test_every_claim_needs_a_lead_or_co_handler(self) -> None:
        case = a_case()
        first, _ = (claim.id for claim in case.claims)
        with refused("claim-uncovered"):
            case.route(
                [Wanted(ECOLOGY, LEAD, (first,)), Wanted(URBAN, COPY)],
                kind=TransferKind.TRANSFER,
                decided_by=DecidedBy.OFFICER,
                at=NOW,
                new_id=uuid4,
                hop_limit=3,
            )

    def test_routing_anew_keeps_the_parts_that_stay_and_releases_open_objections(self) -> None:
        case = routed()
        accept(case, ECOLOGY)
        object_(case, URBAN)
        case.said.clear()
        route(case, (ECOLOGY, LEAD), (WATER, CO), (TOWN, CO))
        assert told(case) == ["AssignmentReleased", "CaseRouted", "AssignmentSent"]
        assert {item.agency.code for item in case.current} == {"city-ecology", "city-water", "dongping-town"}
        assert case.state is MatterState.ACCEPTED

    def test_a_new_lead_needs_the_present_one_to_be_taken_back(self) -> None:
        case = routed()
        with refused("two-leads"):
            route(case, (WATER, LEAD))
        case = routed()
        route(case, (WATER, LEAD), withdraw=[of(case, ECOLOGY)])
        assert case.lead is not None
        assert case.lead.agency == WATER

    def test_a_co_handler_can_become_the_lead_after_the_lead_objected(self) -> None:
        case = routed()
        object_(case, ECOLOGY, URBAN)
        route(case, (URBAN, LEAD))
        states = {(item.agency.code, item.role): item.state for item in case.assignments}
        assert states["city-urban", CO] is AssignmentState.WITHDRAWN
        assert states["city-urban", LEAD] is AssignmentState.SENT

    def test_a_decided_case_is_not_routed_again(self) -> None:
        with refused("case-not-open"):
            route(decided(), (WATER, CO))


class TestObjections:
    def test_an_objection_waits_for_the_officer_and_can_be_refused(self) -> None:
        case = routed()
        object_(case, ECOLOGY)
        assert (case.state, case.attention) == (MatterState.OBJECTED, Attention.OBJECTION)
        case.uphold(of(case, ECOLOGY), at=NOW, new_id=uuid4)
        with refused("assignment-binding"):
            object_(case, ECOLOGY)
        accept(case, ECOLOGY)
        assert next(event for event in case.said if isinstance(event, events.AssignmentAccepted)).binding
        assert case.state is MatterState.ACCEPTED

    def test_a_released_lead_leaves_the_case_to_the_officer(self) -> None:
        case = routed()
        object_(case, ECOLOGY)
        case.release(of(case, ECOLOGY), at=NOW, new_id=uuid4)
        assert (case.lead, case.attention) == (None, Attention.ROUTE)

    def test_whoever_was_let_go_is_not_asked_to_lead_again(self) -> None:
        case = routed((ECOLOGY, LEAD))
        object_(case, ECOLOGY)
        with refused("ping-pong"):
            route(case, (ECOLOGY, LEAD))

    def test_sending_back_to_who_objected_before_is_a_dispute_that_only_a_designation_ends(self) -> None:
        case = routed((ECOLOGY, LEAD))
        object_(case, ECOLOGY, URBAN)
        route(case, (URBAN, LEAD))
        case.said.clear()
        object_(case, URBAN, ECOLOGY)
        assert told(case) == ["AssignmentObjected", "CaseDisputed"]
        assert case.said[1].parties == (ECOLOGY, URBAN)
        assert case.said[1].decider == OFFICE
        assert (case.state, case.attention) == (MatterState.DISPUTED, Attention.DISPUTE)
        with refused("disputed"):
            route(case, (WATER, LEAD))
        with refused("disputed"):
            case.uphold(of(case, URBAN), at=NOW, new_id=uuid4)

    def test_too_many_refusals_are_a_dispute(self) -> None:
        case = routed((ECOLOGY, LEAD))
        object_(case, ECOLOGY, hop_limit=2)
        route(case, (URBAN, LEAD), hop_limit=2)
        object_(case, URBAN, hop_limit=2)
        assert case.state is MatterState.DISPUTED

    def test_a_designation_binds_a_party_in_its_own_assignment(self) -> None:
        case = routed((ECOLOGY, LEAD))
        object_(case, ECOLOGY, URBAN)
        route(case, (URBAN, LEAD))
        object_(case, URBAN, ECOLOGY)
        case.said.clear()
        case.designate(URBAN, decided_by=OFFICE, kind=TransferKind.ASSIGN, at=NOW, new_id=uuid4)
        assert told(case) == ["CaseRouted", "AssignmentDesignated"]
        assert (case.state, case.dispute, case.attention) == (MatterState.ROUTED, None, None)
        with refused("assignment-binding"):
            object_(case, URBAN)
        accept(case, URBAN)
        assert case.state is MatterState.ACCEPTED

    def test_a_designation_of_somebody_else_sends_a_binding_part(self) -> None:
        case = routed((ECOLOGY, LEAD), (WATER, CO))
        object_(case, ECOLOGY)
        case.said.clear()
        case.designate(WATER, decided_by=OFFICE, kind=TransferKind.ASSIGN, at=NOW, new_id=uuid4)
        assert told(case) == [
            "AssignmentReleased",
            "AssignmentWithdrawn",
            "CaseRouted",
            "AssignmentSent",
            "AssignmentDesignated",
        ]
        sent = next(event for event in case.said if isinstance(event, events.AssignmentSent))
        assert (sent.agency, sent.role, sent.binding) == (WATER, LEAD, True)

    def test_without_an_objection_nothing_is_designated(self) -> None:
        with refused("no-dispute"):
            routed().designate(WATER, decided_by=OFFICE, kind=TransferKind.ASSIGN, at=NOW, new_id=uuid4)


class TestJointDecision:
    def test_the_leads_reply_is_held_until_every_opinion_is_there(self) -> None:
        case = routed()
        accept(case, ECOLOGY, URBAN, TOWN)
        opine(case, URBAN)
        case.said.clear()
        reply(case, ECOLOGY)
        assert told(case) == ["AssignmentReplied"]
        assert case.said[0].waiting_for == (TOWN,)
        assert str(case.state) == "handling"
        case.said.clear()
        opine(case, TOWN)
        assert told(case) == ["AssignmentOpinionGiven", "CaseDecided", *["AssignmentDone"] * 3]
        made = case.said[1]
        assert [part.agency for part in made.parts] == [ECOLOGY, URBAN, TOWN]
        assert made.results == tuple(outcomes(case))
        assert case.state is MatterState.DECIDED

    def test_letting_go_the_last_co_handler_completes_a_held_reply(self) -> None:
        case = routed((ECOLOGY, LEAD), (URBAN, CO))
        accept(case, ECOLOGY)
        reply(case, ECOLOGY)
        object_(case, URBAN)
        case.release(of(case, URBAN), at=NOW, new_id=uuid4)
        assert case.state is MatterState.DECIDED

    def test_a_copy_is_not_waited_for(self) -> None:
        case = routed((ECOLOGY, LEAD), (URBAN, COPY))
        accept(case, ECOLOGY)
        reply(case, ECOLOGY)
        assert case.state is MatterState.DECIDED

    def test_a_reply_must_answer_every_claim(self) -> None:
        case = routed((ECOLOGY, LEAD))
        accept(case, ECOLOGY)
        with refused("claims-unanswered"):
            case.reply(of(case, ECOLOGY), uuid4(), outcomes(case)[:1], at=NOW, new_id=uuid4)

    def test_a_claim_that_a_co_handler_has_alone_is_answered_by_its_opinion(self) -> None:
        case = a_case()
        first, second = (claim.id for claim in case.claims)
        case.route(
            [Wanted(ECOLOGY, LEAD, (first,)), Wanted(URBAN, CO, (second,))],
            kind=TransferKind.TRANSFER,
            decided_by=DecidedBy.OFFICER,
            at=NOW,
            new_id=uuid4,
            hop_limit=3,
        )
        accept(case, ECOLOGY, URBAN)
        case.reply(of(case, ECOLOGY), uuid4(), outcomes(case)[:1], at=NOW, new_id=uuid4)
        with refused("claims-unanswered"):
            opine(case, URBAN)
        explained = ClaimOutcome(second, ClaimResult.EXPLAINED)
        case.opine(of(case, URBAN), uuid4(), [explained], at=NOW, new_id=uuid4)
        made = next(event for event in case.said if isinstance(event, events.CaseDecided))
        assert made.results == (outcomes(case)[0], explained)

    @pytest.mark.parametrize("words", ["accept", "object", "progress", "reply"])
    def test_what_comes_after_the_end_is_refused(self, words: str) -> None:
        case = decided()
        with refused("assignment-ended"):
            match words:
                case "accept":
                    accept(case, ECOLOGY)
                case "object":
                    object_(case, ECOLOGY)
                case "progress":
                    case.progress(of(case, ECOLOGY), uuid4(), at=NOW, new_id=uuid4)
                case _:
                    reply(case, ECOLOGY)

    def test_a_lead_cannot_reply_before_it_accepts_nor_a_co_handler_reply_at_all(self) -> None:
        case = routed()
        with refused("not-accepted"):
            reply(case, ECOLOGY)
        accept(case, URBAN)
        with refused("role-not-allowed"):
            reply(case, URBAN)


class TestAfterTheDecision:
    UNTIL = NOW + timedelta(days=30)

    def serve(self, case: Case, *, everybody_rated: bool = False) -> None:
        case.serve(round=case.round, at=NOW, until=self.UNTIL, everybody_rated=everybody_rated)

    def test_the_rating_window_runs_from_service(self) -> None:
        case = decided()
        self.serve(case)
        assert (case.state, case.close_due) == (MatterState.SERVED, self.UNTIL)

    def test_a_decision_that_reaches_nobody_closes_at_once(self) -> None:
        case = a_case(reachable=False)
        route(case, (ECOLOGY, LEAD))
        accept(case, ECOLOGY)
        reply(case, ECOLOGY)
        assert case.close_due == NOW
        case.close(ClosingReason.WINDOW_OVER, at=NOW)
        assert case.state is MatterState.CLOSED

    def test_petition_office_and_every_agency_with_a_part_are_rated_copies_not(self) -> None:
        case = decided((ECOLOGY, LEAD), (URBAN, COPY))
        office = RatingVote(RatingTarget.PETITION_OFFICE, RatingValue.SATISFIED)
        assert not case.everybody_rated([office])
        assert case.everybody_rated([office, RatingVote(RatingTarget.AGENCY, RatingValue.DISSATISFIED, ECOLOGY)])

    def test_votes_that_came_before_the_proof_of_service_close_the_case_with_it(self) -> None:
        case = decided()
        self.serve(case, everybody_rated=True)
        assert case.state is MatterState.CLOSED

    def test_re_handling_is_a_new_round_with_the_same_agencies_or_their_successors(self) -> None:
        case = decided((ECOLOGY, LEAD), (TOWN, COPY))
        self.serve(case)
        case.not_solved()
        assert str(case.attention) == "reopen"
        case.said.clear()
        case.reopen(ordered_by=DecidedBy.OFFICER, successors={TOWN.code: WATER}, at=NOW, new_id=uuid4)
        assert told(case) == ["CaseReopened", "CaseRouted", "AssignmentSent", "AssignmentSent"]
        assert [(item.agency, item.role, item.round, item.binding) for item in case.current] == [
            (ECOLOGY, LEAD, 2, False),
            (WATER, COPY, 2, False),
        ]
        assert (case.state, case.attention, case.close_due) == (MatterState.ROUTED, None, None)

    def test_a_service_proof_of_an_earlier_round_changes_nothing(self) -> None:
        case = decided()
        with refused("not-decided"):
            case.serve(round=2, at=NOW, until=self.UNTIL, everybody_rated=False)


def test_withdrawing_takes_every_part_back_and_ends_the_case() -> None:
    case = routed()
    accept(case, ECOLOGY)
    case.said.clear()
    case.withdraw(at=NOW)
    assert told(case) == [*["AssignmentWithdrawn"] * 3, "CaseClosed"]
    assert (case.state, case.attention) == (MatterState.WITHDRAWN, None)
