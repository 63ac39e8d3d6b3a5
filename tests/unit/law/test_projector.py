"""From events to clocks: what starts, ends and cancels each clock of a matter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from lianban.chassis.calendar_seed import announced_years
from lianban.contracts import intake, notification, routing
from lianban.contracts.codes import (
    AgencyRole,
    Channel,
    ClockOutcome,
    ClosingReason,
    DecidedBy,
    DocumentKind,
    NoticeChannel,
    NoticeKind,
    ObjectionReason,
    Purpose,
    TransferKind,
    YearStatus,
)
from lianban.contracts.oversight import CalendarDay
from lianban.contracts.refs import AgencyRef
from lianban.law.calendar import CalendarYear, WorkCalendar
from lianban.law.clocks import Pause
from lianban.law.projector import (
    ClockError,
    Clocks,
    Command,
    Move,
    Start,
    Stop,
    clock_id,
    extend,
    lapse,
    overdue,
    period_of,
    project,
    recompute,
    step,
    warnings_of,
)
from lianban.law.rulebook import standard

SEEDED = WorkCalendar(announced_years())
MATTER = UUID("6f2f1d1c-0000-4000-8000-000000000001")
ECOLOGY = AgencyRef("city-ecology", "清河市生态环境局")
URBAN = AgencyRef("city-urban", "清河市城市管理局")
START = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)  # Monday, 10:00 in China
MET, LATE, CANCELLED, LAPSED = ClockOutcome.MET, ClockOutcome.LATE, ClockOutcome.CANCELLED, ClockOutcome.LAPSED


def after(days: int) -> datetime:
    return START + timedelta(days=days)


def an_assignment(agency: AgencyRef, round_: int = 1) -> UUID:
    return uuid5(MATTER, f"{agency.code}:{round_}")


def registered(*, reachable: bool = True) -> Any:
    return intake.MatterRegistered(
        number="QH2026-0001", channel=Channel.WEB, purpose=Purpose.APPEAL, region_code="990101000000",
        region_name="东平区", received_at=START, claims=(), group_size=1,
        reachable=(NoticeChannel.PORTAL,) if reachable else (),
    )  # fmt: skip


def routed(days: int) -> Any:
    return routing.CaseRouted(
        round=1, decided_by=DecidedBy.OFFICER, kind=TransferKind.TRANSFER, assignments=(), routed_at=after(days)
    )


def sent(
    agency: AgencyRef,
    days: int,
    *,
    role: AgencyRole = AgencyRole.LEAD,
    binding: bool = False,
    round_: int = 1,
) -> Any:
    return routing.AssignmentSent(
        assignment_id=an_assignment(agency, round_), number="QH2026-0001", agency=agency, role=role,
        kind=TransferKind.TRANSFER, claims=(), round=round_, region_code="990101000000", region_name="东平区",
        matter_type=None, binding=binding, sent_at=after(days),
    )  # fmt: skip


def accepted(agency: AgencyRef, days: int) -> Any:
    return routing.AssignmentAccepted(
        assignment_id=an_assignment(agency), agency=agency, role=AgencyRole.LEAD, binding=False, accepted_at=after(days)
    )


def objected(agency: AgencyRef, days: int) -> Any:
    return routing.AssignmentObjected(
        assignment_id=an_assignment(agency), agency=agency, role=AgencyRole.LEAD,
        reason=ObjectionReason.OUTSIDE_POWERS, proposed=None, statement_id=MATTER, objected_at=after(days),
    )  # fmt: skip


def released(agency: AgencyRef, days: int) -> Any:
    return routing.AssignmentReleased(
        assignment_id=an_assignment(agency), agency=agency, role=AgencyRole.LEAD, released_at=after(days)
    )


def withdrawn(agency: AgencyRef, days: int) -> Any:
    return routing.AssignmentWithdrawn(
        assignment_id=an_assignment(agency), agency=agency, role=AgencyRole.LEAD, withdrawn_at=after(days)
    )


def case_accepted(lead: AgencyRef, days: int, round_: int = 1) -> Any:
    return routing.CaseAccepted(
        assignment_id=an_assignment(lead, round_), lead=lead, co_handlers=(), round=round_, accepted_at=after(days)
    )


def decided(days: int) -> Any:
    return routing.CaseDecided(decision_id=MATTER, round=1, lead=ECOLOGY, results=(), parts=(), decided_at=after(days))


def served(kind: DocumentKind, days: int, *names: AgencyRef, round_: int = 1) -> Any:
    notice = NoticeKind.DECIDED if kind is DocumentKind.DECISION else NoticeKind.ACCEPTED
    return notification.NoticeServed(
        notice_id=uuid5(MATTER, f"{kind}{days}"), kind=notice, means=NoticeChannel.PORTAL, document_id=MATTER,
        document_kind=kind, names=names, round=round_, served_at=after(days),
    )  # fmt: skip


def closed(days: int) -> Any:
    return routing.CaseClosed(reason=ClosingReason.WINDOW_OVER, closed_at=after(days))


def reopened(days: int) -> Any:
    return routing.CaseReopened(round=2, ordered_by=DecidedBy.OFFICER, reopened_at=after(days))


def rated(days: int, round_: int = 1) -> Any:
    return intake.MatterRated(round=round_, votes=(), solved=True, rated_at=after(days))


def clocks(*events: Any) -> Clocks:
    return project(MATTER, events, SEEDED, standard())


def outcomes(state: Clocks) -> dict[str, ClockOutcome | None]:
    """Outcome by rule and agency; the round stands behind where it is not the first."""
    return {
        f"{c.rule}{f' {c.bound.code}' if c.bound else ''}{f' {c.round}' if c.round > 1 else ''}": c.outcome
        for c in state.by_id.values()
    }


NOTICE, DECISION = DocumentKind.ACCEPTANCE_NOTICE, DocumentKind.DECISION


def test_routing_ends_the_route_clock_in_time_on_its_last_day_and_late_after_it() -> None:
    (running,) = clocks(registered()).by_id.values()
    assert (running.started_on, running.raw_due, running.legal_due) == (
        date(2026, 3, 2), date(2026, 3, 17), date(2026, 3, 17),
    )  # fmt: skip
    assert outcomes(clocks(registered(), routed(15))) == {"route": MET}
    assert outcomes(clocks(registered(), routed(16))) == {"route": LATE}


def test_a_second_routing_does_not_start_or_change_the_route_clock() -> None:
    assert outcomes(clocks(registered(), routed(1), routed(30))) == {"route": MET}


def test_each_agency_has_its_own_notice_and_objection_clock_and_a_copy_has_none() -> None:
    state = clocks(
        sent(ECOLOGY, 0),
        sent(URBAN, 0, role=AgencyRole.CO_HANDLER),
        sent(AgencyRef("dongping-town", "东平镇"), 0, role=AgencyRole.COPY),
    )
    assert outcomes(state) == {
        "notice city-ecology": None,
        "objection city-ecology": None,
        "notice city-urban": None,
        "objection city-urban": None,
    }


def test_the_joint_notice_stops_the_notice_clock_of_every_agency_that_it_names() -> None:
    parts = (registered(), routed(0), sent(ECOLOGY, 0), sent(URBAN, 0, role=AgencyRole.CO_HANDLER))
    joint = outcomes(clocks(*parts, served(NOTICE, 3, ECOLOGY, URBAN)))
    assert (joint["notice city-ecology"], joint["notice city-urban"]) == (MET, MET)
    alone = outcomes(clocks(*parts, served(NOTICE, 3, ECOLOGY)))
    assert (alone["notice city-ecology"], alone["notice city-urban"]) == (MET, None)


def test_only_the_notice_of_acceptance_of_the_same_round_stops_a_notice_clock() -> None:
    other = served(DocumentKind.TRANSFER_NOTICE, 3, ECOLOGY)
    assert outcomes(clocks(sent(ECOLOGY, 0), other))["notice city-ecology"] is None
    earlier = served(NOTICE, 3, ECOLOGY, round_=1)
    assert outcomes(clocks(sent(ECOLOGY, 0, round_=2), earlier))["notice city-ecology 2"] is None


def test_accepting_or_objecting_ends_the_objection_clock_of_that_assignment_alone() -> None:
    parts = (sent(ECOLOGY, 0), sent(URBAN, 0, role=AgencyRole.CO_HANDLER))
    state = outcomes(clocks(*parts, objected(ECOLOGY, 7)))
    assert (state["objection city-ecology"], state["objection city-urban"]) == (MET, None)
    assert outcomes(clocks(*parts, accepted(URBAN, 1)))["objection city-urban"] is MET
    assert outcomes(clocks(*parts, withdrawn(URBAN, 1)))["objection city-urban"] is CANCELLED


def test_a_binding_assignment_leaves_nothing_to_object_to() -> None:
    assert outcomes(clocks(sent(ECOLOGY, 0, binding=True))) == {"notice city-ecology": None}
    designated = routing.AssignmentDesignated(
        assignment_id=an_assignment(ECOLOGY), agency=ECOLOGY, role=AgencyRole.LEAD, decided_by=URBAN,
        designated_at=after(2),
    )  # fmt: skip
    assert outcomes(clocks(sent(ECOLOGY, 0), designated)) == {
        "notice city-ecology": None,
        "objection city-ecology": CANCELLED,
    }


def test_an_objection_does_not_pause_the_notice_clock_and_its_release_cancels_it() -> None:
    assert outcomes(clocks(sent(ECOLOGY, 0), objected(ECOLOGY, 1)))["notice city-ecology"] is None
    state = clocks(sent(ECOLOGY, 0), objected(ECOLOGY, 1), released(ECOLOGY, 2), sent(URBAN, 3))
    assert outcomes(state) == {
        "notice city-ecology": CANCELLED,
        "objection city-ecology": MET,
        "notice city-urban": None,
        "objection city-urban": None,
    }


def test_handling_runs_from_the_leads_acceptance_to_the_service_of_the_decision() -> None:
    state = clocks(registered(), case_accepted(ECOLOGY, 7), decided(60))
    (handle,) = state.of_rule("handle")
    assert (handle.bound, handle.started_on, handle.legal_due) == (ECOLOGY, date(2026, 3, 9), date(2026, 5, 8))
    assert handle.running
    assert outcomes(clocks(case_accepted(ECOLOGY, 7), served(DECISION, 67, ECOLOGY)))["handle city-ecology"] is MET
    assert outcomes(clocks(case_accepted(ECOLOGY, 7), served(DECISION, 68, ECOLOGY)))["handle city-ecology"] is LATE


def test_where_nobody_can_be_reached_the_decision_itself_ends_handling_and_no_notice_or_rating_runs() -> None:
    state = clocks(
        registered(reachable=False), routed(1), sent(ECOLOGY, 1), accepted(ECOLOGY, 2), case_accepted(ECOLOGY, 2),
        decided(20),
    )  # fmt: skip
    assert outcomes(state) == {"route": MET, "objection city-ecology": MET, "handle city-ecology": MET}


def test_service_of_the_decision_starts_the_petitioners_windows_once() -> None:
    state = clocks(case_accepted(ECOLOGY, 0), served(DECISION, 10, ECOLOGY), served(DECISION, 12, ECOLOGY))
    assert outcomes(state) == {"handle city-ecology": MET, "ask_review": None, "rating": None}
    assert {clock.started_on for clock in state.running} == {date(2026, 3, 12)}


def test_rating_ends_the_window_of_its_round_and_closing_leaves_the_time_for_review() -> None:
    state = clocks(served(DECISION, 10, ECOLOGY), rated(11, round_=2), rated(12), closed(12))
    assert outcomes(state) == {"ask_review": None, "rating": MET}


def test_closing_cancels_what_else_runs() -> None:
    state = clocks(registered(), sent(ECOLOGY, 0), case_accepted(ECOLOGY, 1), closed(2))
    assert set(outcomes(state).values()) == {CANCELLED}


def test_a_petitioners_withdrawal_cancels_everything() -> None:
    history = (registered(), sent(ECOLOGY, 0), case_accepted(ECOLOGY, 1), served(DECISION, 2, ECOLOGY))
    state = clocks(*history, intake.MatterWithdrawn(withdrawn_at=after(3)))
    assert state.running == ()
    assert outcomes(state)["ask_review"] is CANCELLED


def test_a_sealed_accusation_has_no_route_clock() -> None:
    assert outcomes(clocks(registered(), intake.MatterSealed(number="QH2026-0001", received_at=START))) == {
        "route": CANCELLED
    }


def test_a_reopened_round_has_new_clocks_and_cancels_those_of_the_earlier_one() -> None:
    state = clocks(
        case_accepted(ECOLOGY, 0), served(DECISION, 10, ECOLOGY), reopened(12), sent(ECOLOGY, 12, round_=2),
        case_accepted(ECOLOGY, 13, round_=2), served(DECISION, 14, ECOLOGY, round_=1),
    )  # fmt: skip
    assert outcomes(state) == {
        "handle city-ecology": MET,
        "ask_review": CANCELLED,
        "rating": CANCELLED,
        "notice city-ecology 2": None,
        "objection city-ecology 2": None,
        "handle city-ecology 2": None,
    }


def test_a_new_lead_has_its_own_period_from_its_own_acceptance() -> None:
    state = clocks(case_accepted(ECOLOGY, 0), withdrawn(ECOLOGY, 5), case_accepted(URBAN, 9))
    assert outcomes(state) == {"handle city-ecology": CANCELLED, "handle city-urban": None}


def test_one_step_tells_ends_before_beginnings_and_a_repeat_changes_nothing() -> None:
    state, first = step(Clocks(MATTER), case_accepted(ECOLOGY, 0), SEEDED, standard())
    state, second = step(state, served(DECISION, 10, ECOLOGY), SEEDED, standard())
    again, third = step(state, served(DECISION, 10, ECOLOGY), SEEDED, standard())

    def told(commands: tuple[Command, ...]) -> list[tuple[str, str]]:
        return [(type(command).__name__, command.clock.rule) for command in commands]

    assert told(first) == [("Start", "handle")]
    assert told(second) == [("Stop", "handle"), ("Start", "ask_review"), ("Start", "rating")]
    assert (again, third) == (state, ())


def test_a_clocks_id_follows_from_what_it_is_about() -> None:
    (clock,) = clocks(case_accepted(ECOLOGY, 0)).by_id.values()
    assert clock.id == clock_id(MATTER, "handle", an_assignment(ECOLOGY), 1)
    assert clock.id != clock_id(MATTER, "handle", an_assignment(ECOLOGY), 2)
    assert clock_id(MATTER, "route", None, 1) == UUID("d035caa0-d2f9-5c81-9dad-61e01d1160c3")


def test_an_announced_calendar_moves_running_clocks_and_leaves_ended_ones() -> None:
    late_start = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    running = routing.CaseAccepted(assignment_id=MATTER, lead=ECOLOGY, co_handlers=(), round=1, accepted_at=late_start)
    state = clocks(registered(), routed(1), running)
    announced = SEEDED.with_year(
        CalendarYear(2027, YearStatus.OFFICIAL, (CalendarDay(date(2027, 1, 22), works=False, name="元旦"),))
    )
    moved, moves = recompute(state, announced, standard())
    assert [(m.clock.rule, m.clock.legal_due, m.clock.provisional) for m in moves] == [
        ("handle", date(2027, 1, 25), False)
    ]
    assert moved.of_rule("route") == state.of_rule("route")
    assert recompute(moved, announced, standard()) == (moved, ())
    assert isinstance(moves[0], Move)


def test_an_extension_reaches_ninety_days_from_acceptance_and_is_possible_once() -> None:
    state = clocks(case_accepted(ECOLOGY, 7))
    (handle,) = state.of_rule("handle")
    longer, move = extend(state, handle.id, 30, after(60), SEEDED, standard())
    assert (move.clock.raw_due, move.clock.legal_due) == (date(2026, 6, 7), date(2026, 6, 8))
    assert period_of(move.clock, standard()).total == 90
    with pytest.raises(ClockError) as caught:
        extend(longer, handle.id, 1, after(61), SEEDED, standard())
    assert caught.value.slug == "extended-already"


@pytest.mark.parametrize(
    ("rule", "days", "at", "slug"),
    [
        ("handle", 31, 20, "extension-too-long"),
        ("handle", 0, 20, "extension-too-long"),
        ("handle", 30, 68, "expired"),
        ("objection", 5, 1, "not-extendable"),
    ],
)
def test_an_extension_beyond_the_law_is_refused(rule: str, days: int, at: int, slug: str) -> None:
    state = clocks(sent(ECOLOGY, 0), case_accepted(ECOLOGY, 7))
    (clock,) = state.of_rule(rule)
    with pytest.raises(ClockError) as caught:
        extend(state, clock.id, days, after(at), SEEDED, standard())
    assert caught.value.slug == slug


def test_an_ended_clock_cannot_be_extended() -> None:
    state = clocks(case_accepted(ECOLOGY, 0), served(DECISION, 1, ECOLOGY))
    with pytest.raises(ClockError) as caught:
        extend(state, state.of_rule("handle")[0].id, 5, after(2), SEEDED, standard())
    assert caught.value.slug == "not-running"


def test_a_pause_stays_with_its_clock_when_the_dates_are_computed_again() -> None:
    state = clocks(case_accepted(ECOLOGY, 7))
    (handle,) = state.of_rule("handle")
    paused = state.with_clock(replace(handle, pauses=(Pause(date(2026, 4, 1), date(2026, 4, 10)),)))
    _, moves = recompute(paused, SEEDED, standard())
    assert moves[0].clock.raw_due == date(2026, 5, 18)


def test_windows_run_out_without_anybody_being_late_and_duties_become_overdue() -> None:
    state = clocks(registered(), case_accepted(ECOLOGY, 0), served(DECISION, 10, ECOLOGY))
    assert lapse(state, after(40), standard()) == (state, ())
    ended, stops = lapse(state, after(44), standard())
    assert [(stop.clock.rule, stop.clock.outcome) for stop in stops] == [("ask_review", LAPSED), ("rating", LAPSED)]
    assert isinstance(stops[0], Stop)
    assert stops[0].clock.stopped_at == datetime(2026, 4, 13, 16, 0, tzinfo=UTC)  # 24:00 in China on Monday, 13 April
    assert [clock.rule for clock in overdue(ended, after(44), standard())] == ["route"]
    assert overdue(ended, after(15), standard()) == ()


@pytest.mark.parametrize("answer", [accepted(ECOLOGY, 9), objected(ECOLOGY, 9), withdrawn(ECOLOGY, 9)])
def test_a_window_of_objection_that_passed_is_unused_whatever_comes_later(answer: object) -> None:
    state = clocks(sent(ECOLOGY, 0))
    assert overdue(state, after(8), standard()) == ()
    ended, (stop,) = lapse(state, after(8), standard())
    assert (stop.clock.rule, stop.clock.outcome) == ("objection", LAPSED)
    assert stop.clock.stopped_at == datetime(2026, 3, 9, 16, 0, tzinfo=UTC)  # 24:00 in China on the fifth work day
    assert [clock.rule for clock in overdue(ended, after(18), standard())] == ["notice"]
    assert step(state, answer, SEEDED, standard())[0].of_rule("objection") == ended.of_rule("objection")


def test_a_clock_knows_when_to_warn() -> None:
    state, commands = step(Clocks(MATTER), registered(), SEEDED, standard())
    assert isinstance(commands[0], Start)
    found = warnings_of(commands[0].clock, SEEDED, standard())
    assert [(item.step, item.day) for item in found] == [
        ("50%", date(2026, 3, 10)),
        ("last 3 work days", date(2026, 3, 13)),
        ("80%", date(2026, 3, 14)),
    ]
    assert state.reachable
