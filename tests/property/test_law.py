"""Laws that hold for every date and history: arithmetic against a naive oracle, tables on random walks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianban.chassis.calendar_seed import announced_years
from lianban.contracts import intake, notification, routing
from lianban.contracts.codes import (
    AgencyRole,
    AssignmentState,
    Channel,
    ClockOutcome,
    ClosingReason,
    DecidedBy,
    DocumentKind,
    MatterState,
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
from lianban.law.clocks import Pause, Period, Rung, StepKind, Unit, china_day, due, explain, nth_day, warnings
from lianban.law.lifecycle import (
    ASSIGNMENT,
    ENDED,
    MATTER_MOVES,
    AssignmentAction,
    IllegalMove,
    Milestones,
    Part,
    allowed_actions,
    is_reachable,
    matter_state,
    missing_parts,
    next_assignment_state,
)
from lianban.law.projector import Clocks, Start, Stop, lapse, project, recompute, step
from lianban.law.rulebook import Lapse, standard

SEEDED = WorkCalendar(announced_years())
ONE = timedelta(days=1)
WORKED = {day.day for year in announced_years() for day in year.days if day.works}
RESTED = {day.day for year in announced_years() for day in year.days if not day.works}


def naively_works(day: date) -> bool:
    """Written without the code under test: the list of exchanged days first, then holidays, then the week."""
    if day in WORKED:
        return True
    if day in RESTED:
        return False
    return day.isoweekday() <= 5


days = st.dates(date(2004, 1, 2), date(2026, 6, 30))
lengths = st.integers(0, 90)
units = st.sampled_from(Unit)
periods = st.builds(Period, days, lengths, units, st.booleans(), st.integers(0, 30))


@st.composite
def pauses(draw: st.DrawFn, start: date) -> tuple[Pause, ...]:
    """Up to three pauses after the start, in order and apart from one another."""
    found: list[Pause] = []
    day = start
    for _ in range(draw(st.integers(0, 3))):
        day += timedelta(days=draw(st.integers(1, 20)))
        last = day + timedelta(days=draw(st.integers(0, 10)))
        found.append(Pause(day, last))
        day = last
    return tuple(found)


@given(st.dates(date(2004, 1, 1), date(2026, 12, 31)))
def test_a_day_works_as_the_plain_lists_say(day: date) -> None:
    assert SEEDED.is_work_day(day) is naively_works(day)


@given(days, st.integers(0, 60))
def test_work_days_are_counted_as_somebody_would_on_a_wall_calendar(start: date, length: int) -> None:
    day, left = start, length
    while left:
        day += ONE
        left -= naively_works(day)
    assert due(Period(start, length, Unit.WORK), SEEDED).raw_due == day


@given(days, st.integers(0, 120))
def test_calendar_days_end_and_roll_as_on_a_wall_calendar(start: date, length: int) -> None:
    raw = date.fromordinal(start.toordinal() + length)
    legal = raw
    while not naively_works(legal):
        legal = date.fromordinal(legal.toordinal() + 1)
    found = due(Period(start, length, Unit.CALENDAR), SEEDED)
    assert (found.raw_due, found.legal_due) == (raw, legal)


@given(periods)
def test_rolling_never_makes_an_end_earlier_and_lands_on_a_work_day(period: Period) -> None:
    end = due(period, SEEDED)
    assert end.legal_due >= end.raw_due >= period.start
    assert not period.roll or SEEDED.is_work_day(end.legal_due)
    assert period.roll or end.legal_due == end.raw_due


@given(periods, st.integers(0, 40))
def test_a_later_start_never_ends_earlier(period: Period, later: int) -> None:
    moved = Period(period.start + timedelta(days=later), period.length, period.unit, period.roll, period.extension)
    assert due(moved, SEEDED).raw_due >= due(period, SEEDED).raw_due
    assert due(moved, SEEDED).legal_due >= due(period, SEEDED).legal_due


@given(periods, st.integers(1, 40))
def test_a_longer_period_never_ends_earlier(period: Period, more: int) -> None:
    longer = Period(period.start, period.length + more, period.unit, period.roll, period.extension)
    assert due(longer, SEEDED).raw_due > due(period, SEEDED).raw_due
    assert due(longer, SEEDED).legal_due >= due(period, SEEDED).legal_due


@given(periods)
def test_an_extension_is_the_same_as_a_longer_period(period: Period) -> None:
    whole = Period(period.start, period.length + period.extension, period.unit, period.roll)
    assert due(whole, SEEDED) == due(period, SEEDED)


@given(st.data(), days, st.integers(0, 60), units)
def test_exactly_the_paused_days_are_left_out(data: st.DataObject, start: date, length: int, unit: Unit) -> None:
    paused = data.draw(pauses(start))
    raw = due(Period(start, length, unit, pauses=paused), SEEDED).raw_due
    within = [date.fromordinal(n) for n in range(start.toordinal() + 1, raw.toordinal() + 1)]
    counted = [
        day
        for day in within
        if not any(pause.first <= day <= pause.last for pause in paused)
        and (unit is Unit.CALENDAR or naively_works(day))
    ]
    assert len(counted) == length
    assert not counted or counted[-1] == raw


@given(st.data(), days, st.integers(0, 60))
def test_pauses_that_lie_inside_a_period_add_up(data: st.DataObject, start: date, length: int) -> None:
    paused = data.draw(pauses(start))
    raw = due(Period(start, length, Unit.CALENDAR, pauses=paused), SEEDED).raw_due
    inside = sum((pause.last - pause.first).days + 1 for pause in paused if pause.last < raw)
    assert (raw - start).days == length + inside


@given(periods)
def test_the_explanation_tells_the_same_ends_and_counts_as_the_arithmetic(period: Period) -> None:
    end, steps = due(period, SEEDED), explain(period, SEEDED)
    (raw,) = [step.day for step in steps if step.kind is StepKind.RAW_END]
    (legal,) = [step.day for step in steps if step.kind is StepKind.LEGAL_END]
    assert (raw, legal) == (end.raw_due, end.legal_due)
    counted = [step.number for step in steps if step.kind is StepKind.COUNTED]
    assert counted == (list(range(1, period.total + 1)) if period.unit is Unit.WORK else [])
    assert all(SEEDED.is_rest_day(step.day) for step in steps if step.kind is StepKind.SKIPPED)
    rolled = [step.day for step in steps if step.kind is StepKind.ROLLED]
    assert rolled == ([legal] if legal != raw else [])
    assert all(step.zh and step.en for step in steps)


@given(periods, st.lists(st.builds(lambda n: Rung(f"{n}%", percent=n), st.integers(1, 99)), max_size=4))
def test_warnings_lie_after_the_start_and_not_after_the_end(period: Period, rungs: list[Rung]) -> None:
    ladder = [*rungs, Rung("last", last_work_days=3)]
    found = warnings(period, ladder, SEEDED)
    assert all(period.start < item.day <= due(period, SEEDED).legal_due for item in found)
    assert [item.day for item in found] == sorted(item.day for item in found)
    assert period.total == 0 or len(found) == len(ladder)


@given(days, units, st.integers(0, 30), st.integers(0, 30))
def test_counting_can_be_done_in_two_parts(start: date, unit: Unit, first: int, second: int) -> None:
    period = Period(start, 0, unit)
    middle = nth_day(period, first, SEEDED)
    assert nth_day(Period(middle, 0, unit), second, SEEDED) == nth_day(period, first + second, SEEDED)


future = st.dates(date(2026, 11, 1), date(2027, 11, 30))
specials = st.builds(
    CalendarDay, day=st.dates(date(2027, 1, 1), date(2027, 12, 31)), works=st.booleans(), name=st.just("x")
)


@given(future, lengths, units, st.lists(specials, max_size=20, unique_by=lambda item: item.day))
def test_an_end_that_is_not_provisional_is_changed_by_no_announcement(
    start: date, length: int, unit: Unit, announced: list[CalendarDay]
) -> None:
    period = Period(start, length, unit)
    before = due(period, SEEDED)
    after = due(period, SEEDED.with_year(CalendarYear(2027, YearStatus.OFFICIAL, tuple(announced))))
    assert before.provisional or after == before


# --- Tables ----------------------------------------------------------------------------------------------------

actions = st.lists(st.sampled_from(AssignmentAction), max_size=25)


@given(st.sampled_from(AgencyRole), st.booleans(), actions)
def test_a_random_walk_never_leaves_the_table(role: AgencyRole, binding: bool, wanted: list[AssignmentAction]) -> None:
    state, seen = AssignmentState.PROPOSED, [AssignmentState.PROPOSED]
    for action in wanted:
        if action not in allowed_actions(state, role, binding=binding):
            with pytest.raises(IllegalMove) as refused:
                next_assignment_state(state, action, role, binding=binding)
            assert refused.value.slug
            continue
        following = next_assignment_state(state, action, role, binding=binding)
        assert following in ASSIGNMENT[state]
        assert state not in ENDED
        state = following
        seen.append(state)
    assert all(is_reachable(earlier, later) for n, earlier in enumerate(seen) for later in seen[n:])


@given(st.sampled_from(AgencyRole), st.booleans(), actions)
def test_whatever_has_not_ended_can_be_withdrawn_and_what_has_ended_can_do_nothing(
    role: AgencyRole, binding: bool, wanted: list[AssignmentAction]
) -> None:
    state = AssignmentState.PROPOSED
    for action in wanted:
        if action in allowed_actions(state, role, binding=binding):
            state = next_assignment_state(state, action, role, binding=binding)
        if state in ENDED:
            assert allowed_actions(state, role, binding=binding) == ()
        else:
            withdrawn = next_assignment_state(state, AssignmentAction.WITHDRAW, role, binding=binding)
            assert withdrawn is AssignmentState.WITHDRAWN


@given(st.data())
def test_every_walk_of_a_matter_ends_only_where_the_table_ends(data: st.DataObject) -> None:
    state = MatterState.RECEIVED
    for _ in range(data.draw(st.integers(0, 30))):
        nexts = sorted(MATTER_MOVES[state])
        if not nexts:
            break
        following = data.draw(st.sampled_from(nexts))
        assert is_reachable(state, following)
        state = following
    assert MATTER_MOVES[state] or state in {
        MatterState.ARCHIVED,
        MatterState.CLOSED_REPEAT,
        MatterState.DISCIPLINE,
        MatterState.WRONG_BODY,
    }


@given(st.data(), st.integers(0, 3), st.integers(0, 60))
def test_a_matter_follows_its_parts_along_its_own_table(data: st.DataObject, co_handlers: int, moves: int) -> None:
    roles = [AgencyRole.LEAD] + [AgencyRole.CO_HANDLER] * co_handlers
    parts = [Part(role, AssignmentState.SENT) for role in roles]
    before = matter_state(parts, Milestones())
    assert before is MatterState.ROUTED
    for _ in range(moves):
        index = data.draw(st.integers(0, len(parts) - 1))
        part = parts[index]
        choices = [
            action
            for action in allowed_actions(part.state, part.role)
            if action not in {AssignmentAction.WITHDRAW, AssignmentAction.FINISH}
        ]
        if not choices:
            continue
        action = data.draw(st.sampled_from(choices))
        parts[index] = Part(part.role, next_assignment_state(part.state, action, part.role))
        now = matter_state(parts, Milestones())
        assert is_reachable(before, now)
        assert now is not MatterState.DECIDED
        if parts[0].state is AssignmentState.REPLIED and not missing_parts(parts):
            assert matter_state(parts, Milestones(decided=True)) is MatterState.DECIDED
        before = now


# --- Clocks of a history ---------------------------------------------------------------------------------------

MATTER = UUID("6f2f1d1c-0000-4000-8000-000000000001")
AGENCIES = [AgencyRef(f"city-{name}", name) for name in ("ecology", "urban", "works")]
BEGIN = datetime(2025, 3, 3, 1, 0, tzinfo=UTC)


def possible_events(draw: st.DrawFn, at: datetime) -> list[Any]:
    """One event of each kind that clocks know, about any agency and round."""
    agency, role, round_ = draw(st.sampled_from(AGENCIES)), draw(st.sampled_from(AgencyRole)), draw(st.integers(1, 2))
    assignment = uuid5(MATTER, f"{agency.code}{round_}")
    about: dict[str, Any] = {"assignment_id": assignment, "agency": agency, "role": role}
    return [
        intake.MatterRegistered(
            number="1",
            channel=Channel.WEB,
            purpose=Purpose.APPEAL,
            region_code="990100000000",
            region_name="市",
            received_at=at,
            claims=(),
            group_size=1,
            reachable=draw(st.sampled_from([(), (NoticeChannel.EMAIL,)])),
        ),
        routing.CaseRouted(
            round=round_, decided_by=DecidedBy.POLICY, kind=TransferKind.ASSIGN, assignments=(), routed_at=at
        ),
        routing.AssignmentSent(
            **about,
            number="1",
            kind=TransferKind.ASSIGN,
            claims=(),
            round=round_,
            region_code="990100000000",
            region_name="市",
            matter_type=None,
            binding=draw(st.booleans()),
            sent_at=at,
        ),
        routing.AssignmentAccepted(**about, binding=False, accepted_at=at),
        routing.AssignmentObjected(
            **about, reason=ObjectionReason.OTHER_LEAD, proposed=None, statement_id=MATTER, objected_at=at
        ),
        routing.AssignmentReleased(**about, released_at=at),
        routing.AssignmentWithdrawn(**about, withdrawn_at=at),
        routing.CaseAccepted(assignment_id=assignment, lead=agency, co_handlers=(), round=round_, accepted_at=at),
        routing.CaseDecided(decision_id=MATTER, round=round_, lead=agency, results=(), parts=(), decided_at=at),
        notification.NoticeServed(
            notice_id=MATTER,
            kind=NoticeKind.DECIDED,
            means=NoticeChannel.PORTAL,
            document_id=MATTER,
            document_kind=draw(st.sampled_from(DocumentKind)),
            names=tuple(AGENCIES[:2]),
            round=round_,
            served_at=at,
        ),
        intake.MatterRated(round=round_, votes=(), solved=None, rated_at=at),
        routing.CaseReopened(round=round_, ordered_by=DecidedBy.OFFICER, reopened_at=at),
        routing.CaseClosed(reason=ClosingReason.RATED, closed_at=at),
        intake.MatterWithdrawn(withdrawn_at=at),
    ]


@st.composite
def histories(draw: st.DrawFn) -> list[Any]:
    """Events of one matter in any order and at any distance in time: also such as routing would never make."""
    at = BEGIN
    events = []
    for _ in range(draw(st.integers(1, 25))):
        at += timedelta(hours=draw(st.integers(0, 600)))
        events.append(draw(st.sampled_from(possible_events(draw, at))))
    return events


def moment(event: Any) -> datetime:
    (found,) = [getattr(event, name) for name in event.__dataclass_fields__ if name.endswith("_at")]
    assert isinstance(found, datetime)
    return found


@given(histories())
def test_a_clock_starts_once_ends_at_most_once_and_keeps_its_outcome(history: Sequence[Any]) -> None:
    state = Clocks(MATTER)
    started: set[UUID] = set()
    ended: set[UUID] = set()
    for event in history:
        before = state
        state, commands = step(state, event, SEEDED, standard())
        for command in commands:
            if isinstance(command, Start):
                assert command.clock.id not in started
                assert command.clock.started_on == china_day(moment(event))
                started.add(command.clock.id)
            else:
                assert isinstance(command, Stop)
                assert command.clock.id in started - ended
                ended.add(command.clock.id)
                right = standard().rule(command.clock.rule).lapse is Lapse.ENDS
                if china_day(moment(event)) <= command.clock.legal_due:
                    assert command.clock.outcome in {ClockOutcome.MET, ClockOutcome.CANCELLED}
                elif right:
                    assert command.clock.outcome is ClockOutcome.LAPSED
                else:
                    assert command.clock.outcome in {ClockOutcome.LATE, ClockOutcome.CANCELLED}
        assert all(state.by_id[key] == clock for key, clock in before.by_id.items() if not clock.running)
    assert {clock.id for clock in state.running} == started - ended


@given(histories())
def test_an_event_taken_twice_changes_nothing(history: Sequence[Any]) -> None:
    state = Clocks(MATTER)
    for event in history:
        state, _ = step(state, event, SEEDED, standard())
        again, commands = step(state, event, SEEDED, standard())
        assert (again, commands) == (state, ())


@given(histories())
def test_step_by_step_and_all_at_once_give_the_same_clocks(history: Sequence[Any]) -> None:
    state = Clocks(MATTER)
    for event in history:
        state, _ = step(state, event, SEEDED, standard())
    assert project(MATTER, history, SEEDED, standard()) == state


@given(histories())
def test_running_clocks_are_already_as_the_calendar_says(history: Sequence[Any]) -> None:
    state = project(MATTER, history, SEEDED, standard())
    assert recompute(state, SEEDED, standard()) == (state, ())


@given(histories(), st.integers(0, 400))
def test_only_rights_run_out_by_themselves(history: Sequence[Any], later: int) -> None:
    state = project(MATTER, history, SEEDED, standard())
    at = moment(history[-1]) + timedelta(days=later)
    ended, stops = lapse(state, at, standard())
    assert all(standard().rule(stop.clock.rule).lapse is Lapse.ENDS for stop in stops)
    assert all(
        clock.legal_due >= china_day(at) for clock in ended.running if standard().rule(clock.rule).lapse is Lapse.ENDS
    )


@given(histories())
def test_after_the_petitioners_withdrawal_nothing_runs(history: Sequence[Any]) -> None:
    last = intake.MatterWithdrawn(withdrawn_at=moment(history[-1]))
    assert project(MATTER, [*history, last], SEEDED, standard()).running == ()
