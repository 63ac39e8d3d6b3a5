"""A matter's way through routing, from registration to closing, by events and decisions on a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from lianban.chassis import calendar, time, transaction
from lianban.chassis.errors import Rejected
from lianban.chassis.inbox import Received
from lianban.chassis.recent import Recent
from lianban.chassis.runtime import database
from lianban.contracts import agency_gateway as gateway
from lianban.contracts import routing as said
from lianban.contracts.codes import (
    AgencyRole,
    ClaimResult,
    ClosingReason,
    DecidedBy,
    DocumentKind,
    ExchangeKind,
    MatterState,
    NoticeChannel,
    NoticeKind,
    ObjectionReason,
    RatingTarget,
    RatingValue,
    TransferKind,
)
from lianban.contracts.intake import MatterRated, MatterSupplemented, MatterWithdrawn
from lianban.contracts.notification import NoticeServed
from lianban.contracts.refs import ClaimOutcome, RatingVote
from services.routing.app import assigning, looking, reopening, statements, suggestion
from services.routing.app import policy as site_policy
from services.routing.app.assigning import Chosen, Officer
from services.routing.app.hearing import HANDLERS
from services.routing.domain import suggesting
from services.routing.domain.case import Case
from services.routing.domain.policy import Policy, StatedCase
from services.routing.store import cases
from tests import unrolled
from tests.integration.routing.conftest import NOW, City, ref

OFFICER = Officer("李转办", None)
LEAD, CO = AgencyRole.LEAD, AgencyRole.CO_HANDLER


def assign(matter: UUID, *parts: tuple[str, AgencyRole], **given: Any) -> Case:
    return assigning.assign(
        matter,
        [Chosen(code, role) for code, role in parts],
        kind=TransferKind.TRANSFER,
        officer=OFFICER,
        expected_version=given.pop("expected_version", None),
        **given,
    )


def set_policy(monkeypatch: pytest.MonkeyPatch, policy: Policy) -> None:
    for module in (suggestion, statements, assigning):
        monkeypatch.setattr(module, "policy", lambda: policy)
    from services.routing.app import intake_events

    monkeypatch.setattr(intake_events, "policy", lambda: policy)
    assert site_policy.policy() == Policy()


class Departments:
    """What departments state about a matter, as the gateway says it."""

    def __init__(self, city: City, matter: UUID) -> None:
        self.city, self.matter = city, matter

    def part(self, code: str) -> UUID:
        row = self.city.one(
            "select id from assignment where case_id = %s and agency_code = %s order by position desc limit 1",
            self.matter,
            code,
        )
        return UUID(str(row["id"]))

    def claims(self) -> tuple[ClaimOutcome, ...]:
        texts = self.city.matters[self.matter]["claims"]
        return tuple(ClaimOutcome(UUID(c["id"]), ClaimResult.SUPPORTED) for c in texts)

    def say(self, kind: type[Any], code: str, **more: Any) -> UUID:
        statement = uuid4()
        event = kind(statement_id=statement, assignment_id=self.part(code), agency=ref(code), stated_at=NOW, **more)
        self.city.hear(event, self.matter, source="agency_gateway")
        return statement

    def accept(self, *codes: str) -> None:
        for code in codes:
            self.say(gateway.AgencyAccepted, code)

    def object_(self, code: str, proposed: str | None = None) -> UUID:
        return self.say(gateway.AgencyObjected, code, reason=ObjectionReason.OUTSIDE_POWERS, proposed_agency=proposed)

    def opine(self, code: str) -> UUID:
        return self.say(gateway.AgencyGaveOpinion, code, results=())

    def reply(self, code: str) -> UUID:
        return self.say(gateway.AgencyReplied, code, results=self.claims())


def serve(city: City, matter: UUID, round_: int = 1) -> None:
    city.hear(
        NoticeServed(
            notice_id=uuid4(),
            kind=NoticeKind.DECIDED,
            means=NoticeChannel.PORTAL,
            document_id=uuid4(),
            document_kind=DocumentKind.DECISION,
            names=(),
            round=round_,
            served_at=NOW,
        ),
        matter,
        source="notification",
    )


def rate(city: City, matter: UUID, *codes: str, solved: bool | None = None, round_: int = 1) -> None:
    votes = [RatingVote(RatingTarget.PETITION_OFFICE, RatingValue.SATISFIED)]
    votes += [RatingVote(RatingTarget.AGENCY, RatingValue.SATISFIED, ref(code)) for code in codes]
    city.hear(MatterRated(round=round_, votes=tuple(votes), solved=solved, rated_at=NOW), matter)


def state(city: City, matter: UUID) -> tuple[str, str | None]:
    row = city.one("select state, attention from petition_case where id = %s", matter)
    return row["state"], row["attention"]


def a_decided_matter(city: City, **given: Any) -> UUID:
    matter = city.register(**given)
    assign(matter, ("city-ecology", LEAD), ("city-urban", CO))
    departments = Departments(city, matter)
    departments.accept("city-ecology", "city-urban")
    departments.opine("city-urban")
    departments.reply("city-ecology")
    return matter


def test_a_registered_matter_waits_with_a_suggestion_and_its_reasons(city: City) -> None:
    matter = city.register()
    assert suggestion.run_due() == 1
    told = city.last(matter, said.CaseSuggested)
    assert told.lead == ref("city-ecology")
    assert told.co_handlers == (ref("city-urban"), ref("dongping-town"))
    assert state(city, matter) == ("registered", "route")
    assert suggestion.run_due() == 0


def test_nothing_that_the_petitioner_wrote_is_stored_in_the_clear_or_said(city: City) -> None:
    matter = city.register(title="王小明反映河水发黑")
    suggestion.run_due()
    assign(matter, ("city-ecology", LEAD), reason="王小明已来电")
    everything = ""
    for table in ("petition_case", "case_text", "suggestion", "history", "outbox", "assignment"):
        rows = city.connection.execute(f"select * from {table}").fetchall()
        everything += repr([[bytes(v) if isinstance(v, memoryview) else v for v in row.values()] for row in rows])
    bodies = b"".join(bytes(row["body"]) for row in city.connection.execute("select body from outbox"))
    for secret in ("王小明", "13900000000", "半夜往河里"):
        assert secret not in everything
        assert secret.encode() not in bodies


def test_an_accused_agency_is_neither_suggested_nor_accepted_as_recipient(city: City) -> None:
    matter = city.register(accused=(ref("city-ecology"),))
    suggestion.run_due()
    assert city.last(matter, said.CaseSuggested).lead == ref("city-government")
    with pytest.raises(Rejected, match="agency-blocked"):
        assign(matter, ("city-ecology", LEAD))


def test_the_sites_policy_confirms_stated_cases_by_itself(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    set_policy(monkeypatch, Policy(automatic_routing=(StatedCase(imported=True),)))
    by_hand, imported = city.register(), city.register(imported=True)
    accused = city.register(imported=True, accused=(ref("city-water"),))
    assert suggestion.run_due() == 3
    assert [state(city, m) for m in (by_hand, imported, accused)] == [
        ("registered", "route"),
        ("routed", None),
        ("registered", "route"),
    ]
    assert city.last(imported, said.CaseRouted).decided_by is DecidedBy.POLICY


def test_the_whole_way_of_a_matter_of_three_agencies(city: City) -> None:
    matter = city.register()
    suggestion.run_due()
    assign(matter, ("city-ecology", LEAD), ("city-urban", CO), ("dongping-town", CO))
    departments = Departments(city, matter)
    departments.accept("city-ecology", "city-urban", "dongping-town")
    departments.say(gateway.AgencyProgressed, "city-ecology")
    departments.opine("city-urban")
    departments.reply("city-ecology")
    assert city.last(matter, said.AssignmentReplied).waiting_for == (ref("dongping-town"),)
    assert state(city, matter) == ("handling", None)
    departments.opine("dongping-town")
    decided = city.last(matter, said.CaseDecided)
    assert [part.agency.code for part in decided.parts] == ["city-ecology", "city-urban", "dongping-town"]
    assert len([e for e in city.said(matter) if isinstance(e, said.AssignmentDone)]) == 3
    serve(city, matter)
    serve(city, matter)
    assert state(city, matter) == ("served", None)
    rate(city, matter, "city-ecology", "city-urban")
    assert state(city, matter)[0] == "served"
    rate(city, matter, "dongping-town", solved=True)
    assert state(city, matter)[0] == "closed"
    assert city.last(matter, said.CaseClosed).reason is ClosingReason.RATED


def test_a_co_handlers_objection_leads_to_another_agency(city: City) -> None:
    matter = city.register()
    assign(matter, ("city-ecology", LEAD), ("city-urban", CO))
    departments = Departments(city, matter)
    departments.accept("city-ecology")
    departments.object_("city-urban", "city-water")
    assert city.last(matter, said.AssignmentObjected).proposed == ref("city-water")
    assert state(city, matter) == ("accepted", "objection")
    assign(matter, ("city-water", CO))
    assert city.last(matter, said.AssignmentReleased).agency == ref("city-urban")
    assert city.last(matter, said.AssignmentSent).agency == ref("city-water")
    assert state(city, matter) == ("accepted", None)


def test_two_agencies_that_push_to_each_other_are_ended_by_a_designation(city: City) -> None:
    matter = city.register()
    assign(matter, ("city-ecology", LEAD))
    departments = Departments(city, matter)
    departments.object_("city-ecology", "city-urban")
    assign(matter, ("city-urban", LEAD))
    departments.object_("city-urban", "city-ecology")
    disputed = city.last(matter, said.CaseDisputed)
    assert disputed.parties == (ref("city-ecology"), ref("city-urban"))
    assert disputed.decider == ref("city-government")
    assert state(city, matter) == ("disputed", "dispute")
    with pytest.raises(Rejected, match="wrong-decider"):
        assigning.designate(
            matter,
            "city-ecology",
            decided_by="city-water",
            kind=TransferKind.ASSIGN,
            officer=OFFICER,
            expected_version=None,
        )
    assigning.designate(
        matter,
        "city-ecology",
        decided_by="city-petition",
        kind=TransferKind.ASSIGN,
        officer=OFFICER,
        expected_version=None,
    )
    sent = city.last(matter, said.AssignmentSent)
    assert (sent.agency, sent.binding) == (ref("city-ecology"), True)
    assert city.last(matter, said.AssignmentDesignated).decided_by == ref("city-petition")
    statement = departments.object_("city-ecology", "city-urban")
    refused = city.last(matter, said.AgencyStatementRefused)
    assert (refused.statement_id, refused.slug) == (statement, "assignment-binding")
    departments.accept("city-ecology")
    assert state(city, matter) == ("accepted", None)


def test_a_site_may_follow_objections_by_itself(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    set_policy(monkeypatch, Policy(automatic_objections=True))
    matter = city.register()
    assign(matter, ("city-ecology", LEAD))
    departments = Departments(city, matter)
    departments.object_("city-ecology", "city-urban")
    assert city.last(matter, said.CaseRouted).decided_by is DecidedBy.POLICY
    assert city.last(matter, said.AssignmentSent).agency == ref("city-urban")
    departments.object_("city-urban", "city-ecology")
    assert state(city, matter) == ("disputed", "dispute")


@pytest.mark.parametrize("proposed", ["no-such", "city-old", None])
def test_an_objection_that_names_nobody_usable_waits_for_the_officer(
    city: City, monkeypatch: pytest.MonkeyPatch, proposed: str | None
) -> None:
    set_policy(monkeypatch, Policy(automatic_objections=True))
    matter = city.register()
    assign(matter, ("city-ecology", LEAD))
    Departments(city, matter).object_("city-ecology", proposed)
    assert state(city, matter) == ("objected", "objection")


def test_an_objection_towards_the_accused_leaves_no_trace_of_a_half_routing(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_policy(monkeypatch, Policy(automatic_objections=True))
    matter = city.register(accused=(ref("city-urban"),))
    assign(matter, ("city-ecology", LEAD))
    Departments(city, matter).object_("city-ecology", "city-urban")
    assert state(city, matter) == ("objected", "objection")
    assert not [e for e in city.said(matter) if isinstance(e, said.AssignmentReleased)]


def test_a_statement_about_a_part_of_somebody_else_is_refused_and_kept(city: City) -> None:
    matter = city.register()
    assign(matter, ("city-ecology", LEAD), ("city-urban", CO))
    departments = Departments(city, matter)
    event = gateway.AgencyAccepted(
        statement_id=uuid4(), assignment_id=departments.part("city-ecology"), agency=ref("city-urban"), stated_at=NOW
    )
    city.hear(event, matter, source="agency_gateway")
    assert city.last(matter, said.AgencyStatementRefused).slug == "unknown-assignment"
    row = city.one("select refused, kind from statement where id = %s", event.statement_id)
    assert row == {"refused": "unknown-assignment", "kind": "accept"}


def test_revoking_and_accepting_cannot_race(city: City) -> None:
    matter = city.register()
    seen = assign(matter, ("city-ecology", LEAD)).version
    Departments(city, matter).accept("city-ecology")
    part = Departments(city, matter).part("city-ecology")
    with pytest.raises(Rejected, match="version-conflict"):
        assign(matter, ("city-urban", LEAD), withdraw=[part], expected_version=seen)
    assign(matter, ("city-urban", LEAD), withdraw=[part], expected_version=seen + 1)
    event = gateway.AgencyAccepted(statement_id=uuid4(), assignment_id=part, agency=ref("city-ecology"), stated_at=NOW)
    city.hear(event, matter, source="agency_gateway")
    assert city.last(matter, said.AgencyStatementRefused).slug == "assignment-ended"


@pytest.mark.parametrize(
    ("parts", "slug"),
    [
        ([("no-such-agency", LEAD)], "unknown-agency"),
        ([("city-old", LEAD)], "agency-inactive"),
        ([("city-urban", CO)], "no-lead"),
    ],
)
def test_a_routing_that_cannot_be_changes_nothing(city: City, parts: Any, slug: str) -> None:
    matter = city.register()
    with pytest.raises(Rejected, match=slug):
        assign(matter, *parts)
    assert state(city, matter) == ("registered", "route")
    assert city.one("select count(*) as n from assignment where case_id = %s", matter)["n"] == 0


def test_an_officer_decides_only_in_the_own_territory(city: City) -> None:
    matter = city.register()
    with pytest.raises(Rejected, match="unknown-case"):
        assigning.assign(
            matter,
            [Chosen("city-ecology", LEAD)],
            kind=TransferKind.TRANSFER,
            officer=Officer("锦川转办", "990101000000"),
            expected_version=None,
        )


class TestClosingAndReopening:
    def test_the_rating_window_closes_a_served_case(self, city: City) -> None:
        matter = a_decided_matter(city)
        serve(city, matter)
        with time.at(NOW + timedelta(days=29)):
            assert reopening.close_due() == 0
        with time.at(NOW + timedelta(days=31)):
            assert reopening.close_due() == 1
        assert city.last(matter, said.CaseClosed).reason is ClosingReason.WINDOW_OVER

    def test_the_rating_window_is_oversights_clock_with_the_sites_length(
        self, city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """45 days from service on 23 November end with 7 January, China's time."""
        unrolled.live_there(tmp_path, monkeypatch)
        matter = a_decided_matter(city)
        serve(city, matter)
        with time.at(datetime(2027, 1, 7, 15, 59, tzinfo=UTC)):
            assert reopening.close_due() == 0
        with time.at(datetime(2027, 1, 7, 16, 0, tzinfo=UTC)):
            assert reopening.close_due() == 1

    def test_a_window_that_became_longer_meanwhile_is_waited_for(
        self, city: City, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        matter = a_decided_matter(city)
        serve(city, matter)
        unrolled.live_there(tmp_path, monkeypatch)
        with time.at(NOW + timedelta(days=31)):
            assert reopening.close_due() == 0
        assert state(city, matter) == ("served", None)
        with time.at(NOW + timedelta(days=46)):
            assert reopening.close_due() == 1

    def test_a_decision_that_can_reach_nobody_closes_without_service(self, city: City) -> None:
        matter = a_decided_matter(city, reachable=())
        assert reopening.close_due() == 1
        assert state(city, matter)[0] == "closed"

    def test_not_solved_waits_for_the_officer_who_orders_a_new_round(self, city: City) -> None:
        matter = a_decided_matter(city)
        serve(city, matter)
        rate(city, matter, "city-ecology", "city-urban", solved=False)
        assert state(city, matter) == ("served", "reopen")
        assigning.decide_reopening(matter, reopen=True, officer=OFFICER, expected_version=None)
        assert city.last(matter, said.CaseReopened).ordered_by is DecidedBy.OFFICER
        assert [e.round for e in city.said(matter) if isinstance(e, said.AssignmentSent)] == [1, 1, 2, 2]
        assert state(city, matter) == ("routed", None)

    def test_a_site_may_reopen_by_itself_but_not_for_ever(self, city: City, monkeypatch: pytest.MonkeyPatch) -> None:
        set_policy(monkeypatch, Policy(automatic_reopening=True, reopen_rounds=2))
        matter = a_decided_matter(city)
        serve(city, matter)
        rate(city, matter, solved=False)
        assert state(city, matter) == ("routed", None)
        departments = Departments(city, matter)
        departments.accept("city-ecology", "city-urban")
        departments.opine("city-urban")
        departments.reply("city-ecology")
        serve(city, matter, 2)
        rate(city, matter, solved=False, round_=2)
        assert state(city, matter) == ("served", "reopen")

    def test_a_rating_of_an_earlier_round_does_not_reopen(self, city: City) -> None:
        matter = a_decided_matter(city)
        rate(city, matter, solved=False, round_=7)
        assert state(city, matter) == ("decided", None)


def test_withdrawal_takes_the_parts_back(city: City) -> None:
    matter = city.register()
    assign(matter, ("city-ecology", LEAD))
    city.hear(MatterWithdrawn(withdrawn_at=NOW), matter)
    assert state(city, matter) == (MatterState.WITHDRAWN.value, None)
    assert city.last(matter, said.CaseClosed).reason is ClosingReason.WITHDRAWN


def test_a_withdrawal_that_comes_in_one_batch_with_the_registration_has_its_effect(city: City) -> None:
    matter, other = city.register(), uuid4()
    registered = replace(city.registered[matter], number="QH000000000099")
    with database().transaction() as tx:
        tx.ask_for([other])
        cases.prepare(tx, [other])
        tx.settle()
        for event in (registered, MatterWithdrawn(withdrawn_at=NOW)):
            HANDLERS[type(event)](tx, Received(uuid4(), other, "intake", 1, NOW, event))
    assert state(city, other) == (MatterState.WITHDRAWN.value, None)


class Batch:
    """Events that routing hears as one batch, as soon as the block ends."""

    def __init__(self, city: City, monkeypatch: pytest.MonkeyPatch) -> None:
        self.heard: list[Received[Any]] = []
        self.patch = monkeypatch.context()
        self.city = city

    def hear(self, event: Any, subject: UUID, *, at: datetime = NOW, source: str = "intake") -> None:
        self.heard.append(Received(uuid4(), subject, source, 1, at, event))

    def __enter__(self) -> None:
        self.patch.__enter__().setattr(self.city, "hear", self.hear)

    def __exit__(self, *_: object) -> None:
        self.patch.__exit__(None, None, None)
        subjects = list(dict.fromkeys(event.subject for event in self.heard))
        with database().transaction() as tx:
            tx.ask_for(subjects)
            cases.prepare(tx, subjects)
            tx.settle()
            for event in self.heard:
                HANDLERS[type(event.data)](tx, event)


@pytest.mark.parametrize("detours", [False, True])
def test_a_batch_takes_two_matters_from_acceptance_to_their_end_with_one_statement_of_each_kind(
    city: City, monkeypatch: pytest.MonkeyPatch, detours: bool
) -> None:
    """``detours``: a statement that is refused and a rating that closes nothing, after which the case is read again."""
    monkeypatch.setattr(calendar, "_recent", Recent(3600.0))  # it is read again after two seconds, however slow we are

    def end(matter: UUID) -> None:
        departments = Departments(city, matter)
        departments.accept("city-ecology", "city-urban")
        departments.say(gateway.AgencyProgressed, "city-ecology")
        departments.opine("city-urban")
        departments.reply("city-ecology")
        if detours:
            departments.reply("city-ecology")
        serve(city, matter)
        if detours:
            rate(city, matter, "city-urban")
        rate(city, matter, "city-ecology", "city-urban", solved=True)

    def everything(matter: UUID) -> dict[str, list[tuple[Any, ...]]]:
        columns = {
            "petition_case": "state, attention, round, version, decided_at, served_at, close_due",
            "assignment": "position, agency_code, role, state, binding, results::text, statement_id is null as no",
            "statement": "agency_code, kind, refused",
            "history": "position, type, actor",
            "rating": "round, target, agency_code, value, rated_at",
        }
        found = {}
        for table, wanted in columns.items():
            key = "id" if table == "petition_case" else "case_id"
            order = "agency_code, kind, refused" if table == "statement" else "1, 2, 3"
            sql = f"select {wanted} from {table} where {key} = %s order by {order}"
            found[table] = [tuple(row.values()) for row in city.connection.execute(sql, (matter,))]
        for claim in city.matters[matter]["claims"]:
            found["assignment"] = [
                tuple(str(value).replace(claim["id"], str(claim["ordinal"])) for value in row)
                for row in found["assignment"]
            ]
        return found

    single, first, second = (city.register() for _ in range(3))
    for matter in (single, first, second):
        assign(matter, ("city-ecology", LEAD), ("city-urban", CO))
    end(single)
    monkeypatch.setattr(transaction, "statistics", transaction.QueryStatistics())
    with Batch(city, monkeypatch):
        end(first)
        end(second)
    expected = everything(single)
    assert expected["petition_case"][0][:2] == ("closed", None)
    assert [len(expected[table]) for table in ("assignment", "statement", "rating")] == [2, 6 if detours else 5, 3]
    assert everything(first) == everything(second) == expected
    if detours:
        return
    runs = {" ".join(sql.split()): row[0] for sql, row in transaction.statistics.runs.items()}
    for start in ("update petition_case", "insert into assignment", "insert into statement", "insert into rating"):
        assert [n for sql, n in runs.items() if sql.startswith(start)] == [1], start
    assert [n for sql, n in runs.items() if "from rating" in sql] == [1]


def test_a_lead_that_ends_in_a_batch_makes_room_for_the_next_one_in_it(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_policy(monkeypatch, Policy(automatic_objections=True))
    matter = city.register()
    assign(matter, ("city-ecology", LEAD), ("city-urban", CO))
    departments = Departments(city, matter)
    with Batch(city, monkeypatch):
        departments.accept("city-urban")
        departments.object_("city-ecology", proposed="city-water")
    rows = city.connection.execute(
        "select agency_code, role, state from assignment where case_id = %s order by position", (matter,)
    )
    assert [tuple(row.values()) for row in rows] == [
        ("city-ecology", "lead", "released"),
        ("city-urban", "co_handler", "accepted"),
        ("city-water", "lead", "sent"),
    ]
    with Batch(city, monkeypatch):
        departments.object_("city-water", proposed="dongping-town")
    assert departments.part("dongping-town") is not None


def test_a_supplement_that_comes_while_a_suggestion_is_made_is_fetched_all_the_same(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    matter = city.register()
    fetch: Any = suggestion.__dict__["fetch"]

    def fetch_and_hear(*args: Any, **kwargs: Any) -> Any:
        answer = fetch(*args, **kwargs)
        if "supplements" not in city.matters[matter]:
            city.matters[matter] = {
                **city.matters[matter],
                "supplements": [{"id": str(uuid4()), "text": "又来了罐车", "supplemented_at": NOW.isoformat()}],
            }
            city.hear(MatterSupplemented(supplement_id=uuid4(), attachments=0, supplemented_at=NOW), matter)
        return answer

    monkeypatch.setattr(suggestion, "fetch", fetch_and_hear)
    assert suggestion.run_due() == 1
    assert suggestion.run_due() == 1
    with database().transaction() as tx:
        seen = looking.view(tx, matter, territory=None)
    assert seen.text is not None
    assert [text for _, text in seen.text.supplements] == ["又来了罐车"]


def test_a_matter_whose_suggestion_fails_does_not_hold_up_the_others(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, bad, last = (city.register() for _ in range(3))
    suggest = suggesting.suggest

    def failing(**given: Any) -> Any:
        if "诉求的" in given["text"]:
            raise ZeroDivisionError
        return suggest(**given)

    city.matters[bad]["title"] = "诉求的"
    monkeypatch.setattr(suggesting, "suggest", failing)
    assert suggestion.run_due() == 3
    assert [len(city.said(matter)) for matter in (first, bad, last)] == [1, 0, 1]
    monkeypatch.setattr(suggesting, "suggest", suggest)
    with time.at(time.now() + suggestion.LENT + timedelta(seconds=1)):
        assert suggestion.run_due() == 1
    assert len(city.said(bad)) == 1


def test_what_happens_to_a_sealed_matter_is_not_routings_business(city: City) -> None:
    sealed = uuid4()
    city.hear(MatterSupplemented(supplement_id=uuid4(), attachments=0, supplemented_at=NOW), sealed)
    city.hear(MatterWithdrawn(withdrawn_at=NOW), sealed)
    assert city.said(sealed) == []


def test_a_supplement_fetches_the_text_again(city: City) -> None:
    matter = city.register()
    suggestion.run_due()
    assign(matter, ("city-ecology", LEAD))
    city.hear(MatterSupplemented(supplement_id=uuid4(), attachments=1, supplemented_at=NOW), matter)
    added = {"id": str(uuid4()), "text": "昨夜又看到罐车倒污水", "supplemented_at": NOW.isoformat()}
    city.matters[matter]["supplements"] = [added]
    assert suggestion.run_due() == 1
    assert len([e for e in city.said(matter) if isinstance(e, said.CaseSuggested)]) == 1
    with database().transaction() as tx:
        seen = looking.view(tx, matter, territory=None)
        found = looking.triage(tx, territory=None, q="罐车倒污水", everything=True, limit=9)
    assert seen.text is not None
    assert seen.text.supplements == ((NOW, "昨夜又看到罐车倒污水"),)
    assert [row.id for row in found] == [matter]


def test_a_message_that_a_department_never_takes_calls_the_officer(city: City) -> None:
    matter = city.register()
    assign(matter, ("city-ecology", LEAD))
    event = gateway.MessageRejected(
        delivery_id=uuid4(),
        kind=ExchangeKind.ASSIGNMENT,
        assignment_id=Departments(city, matter).part("city-ecology"),
        agency=ref("city-ecology"),
        adapter="rest_push",
        slug="refused",
        rejected_at=NOW,
    )
    city.hear(event, matter, source="agency_gateway")
    assert state(city, matter) == ("routed", "delivery")


def test_the_words_of_a_statement_are_fetched_and_kept_sealed(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    matter = city.register()
    assign(matter, ("city-ecology", LEAD))
    statement = Departments(city, matter).object_("city-ecology")

    def fetch(service: str, path: str, body: dict[str, Any], *, purpose: str) -> Any:
        return {"items": [{"id": str(statement), "text": "该厂由水利局管", "reason": "outside_powers"}]}

    monkeypatch.setattr(statements, "fetch", fetch)
    assert statements.fetch_due() == 1
    assert statements.fetch_due() == 0
    row = city.one("select body from statement where id = %s", statement)
    assert "水利局".encode() not in bytes(row["body"])


def test_a_round_fetches_the_words_of_as_many_statements_as_come_under_load(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    matters = [city.register() for _ in range(60)]
    for matter in matters:
        assign(matter, ("city-ecology", LEAD))
        Departments(city, matter).object_("city-ecology")
    asked: list[list[str]] = []

    def fetch(service: str, path: str, body: dict[str, Any], *, purpose: str) -> Any:
        asked.append(body["ids"])
        return {"items": [{"id": one, "text": "该厂由水利局管"} for one in body["ids"]]}

    monkeypatch.setattr(statements, "fetch", fetch)
    assert statements.fetch_due() == 60
    assert len(asked) == 1
    assert statements.FETCHED_AT_ONCE <= 500, "more than the gateway answers at once"
