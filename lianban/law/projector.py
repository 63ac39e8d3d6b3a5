"""From events to clocks: which clocks of the rulebook run on one matter, and how each ended.

:func:`step` takes one event at a time and answers with what changed, for the service that keeps the records;
:func:`project` runs a whole history. Both know nothing but their arguments, and a clock's id follows from what
it is about, so the same event taken twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from lianban.contracts.codes import ClockOutcome
from lianban.contracts.intake import MatterRegistered
from lianban.contracts.refs import AgencyRef
from lianban.law.calendar import WorkCalendar
from lianban.law.clocks import Pause, Period, WarningDay, china_day, due, end_of, is_overdue, outcome, warnings
from lianban.law.errors import NotAllowed
from lianban.law.rulebook import Lapse, Per, Rule, Rulebook, Trigger, event_name


class ClockError(NotAllowed):
    """A change that the rule of a clock does not allow."""


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock of one matter; it runs until it has an outcome."""

    id: UUID
    rule: str
    bound: AgencyRef | None
    assignment_id: UUID | None
    round: int
    started_on: date
    raw_due: date
    legal_due: date
    provisional: bool
    extension: int = 0
    extended: int = 0
    pauses: tuple[Pause, ...] = ()
    outcome: ClockOutcome | None = None
    stopped_at: datetime | None = None

    @property
    def running(self) -> bool:
        """Whether the clock has not ended."""
        return self.outcome is None


@dataclass(frozen=True, slots=True)
class Start:
    """A clock begins to run."""

    clock: Clock


@dataclass(frozen=True, slots=True)
class Move:
    """A running clock's dates changed."""

    clock: Clock


@dataclass(frozen=True, slots=True)
class Stop:
    """A clock ended; its outcome and moment are in the clock."""

    clock: Clock


Command = Start | Move | Stop


@dataclass(frozen=True, slots=True)
class Clocks:
    """All clocks of one matter, ended ones too; ``reachable`` tells whether the petitioner can be told anything."""

    subject: UUID
    reachable: bool = True
    by_id: Mapping[UUID, Clock] = field(default_factory=dict)

    @property
    def running(self) -> tuple[Clock, ...]:
        """The clocks that still run, the one that ends first in front."""
        return tuple(sorted((c for c in self.by_id.values() if c.running), key=lambda c: (c.legal_due, c.rule)))

    def of_rule(self, rule_id: str) -> tuple[Clock, ...]:
        """The clocks of one rule in the order of their starts."""
        return tuple(clock for clock in self.by_id.values() if clock.rule == rule_id)

    def with_clock(self, clock: Clock) -> Clocks:
        """These clocks with one added or replaced."""
        return replace(self, by_id={**self.by_id, clock.id: clock})


def clock_id(subject: UUID, rule_id: str, assignment_id: UUID | None, round_: int) -> UUID:
    """The id of a clock: it follows from the matter, the rule, the assignment and the round."""
    return uuid5(NAMESPACE_URL, clock_name(subject, rule_id, assignment_id, round_))


def clock_name(subject: UUID, rule_id: str, assignment_id: UUID | None, round_: int) -> str:
    """What a clock's id is made from."""
    return f"urn:lianban:clock:{subject}:{rule_id}:{assignment_id or '-'}:{round_}"


def project(subject: UUID, events: Iterable[object], calendar: WorkCalendar, rulebook: Rulebook) -> Clocks:
    """The clocks of a matter after its history."""
    state = Clocks(subject)
    for event in events:
        state, _ = step(state, event, calendar, rulebook)
    return state


def step(
    state: Clocks, event: object, calendar: WorkCalendar, rulebook: Rulebook
) -> tuple[Clocks, tuple[Command, ...]]:
    """The clocks after one more event, and what changed: ends first, then beginnings."""
    commands: list[Command] = []
    if isinstance(event, MatterRegistered):
        state = replace(state, reachable=bool(event.reachable))
    for clock in state.running:
        ended = _ended_by(clock, rulebook.rule(clock.rule), event, state.reachable)
        if ended is not None:
            state = state.with_clock(ended)
            commands.append(Stop(ended))
    for rule in rulebook.rules:
        for trigger in rule.start:
            if not _applies(trigger, event, state.reachable):
                continue
            clock = _started(state.subject, rule, trigger, event, calendar, rulebook)
            if clock.id not in state.by_id:
                state = state.with_clock(clock)
                commands.append(Start(clock))
    return state, tuple(commands)


def _name_of(event: object) -> str:
    """An event's name in the rulebook; ``TYPE`` is set by the decorator that makes a class an event."""
    return event_name(str(getattr(event, "TYPE")))  # noqa: B009 - not visible to type checkers


def _applies(trigger: Trigger, event: object, reachable: bool) -> bool:
    if _name_of(event) != trigger.event:
        return False
    if trigger.contact is not None and trigger.contact != reachable:
        return False
    return all(getattr(event, name) in values for name, values in trigger.when)


def _ended_by(clock: Clock, rule: Rule, event: object, reachable: bool) -> Clock | None:
    for trigger in rule.stop:
        if _applies(trigger, event, reachable) and _is_about(clock, trigger, event):
            at: datetime = getattr(event, trigger.at)
            return _lapsed(clock, rule, at) or replace(clock, outcome=outcome(clock.legal_due, at), stopped_at=at)
    for trigger in rule.cancel:
        if _applies(trigger, event, reachable) and _is_about(clock, trigger, event):
            at = getattr(event, trigger.at)
            return _lapsed(clock, rule, at) or replace(clock, outcome=ClockOutcome.CANCELLED, stopped_at=at)
    return None


def _lapsed(clock: Clock, rule: Rule, at: datetime) -> Clock | None:
    """A clock whose right had run out at an instant: at 24:00 of its last day, however late anybody looks."""
    if rule.lapse is not Lapse.ENDS or not is_overdue(clock.legal_due, at):
        return None
    return replace(clock, outcome=ClockOutcome.LAPSED, stopped_at=end_of(clock.legal_due))


def _is_about(clock: Clock, trigger: Trigger, event: Any) -> bool:
    if "assignment" in trigger.same and event.assignment_id != clock.assignment_id:
        return False
    if "round" in trigger.same and event.round != clock.round:
        return False
    return "agency" not in trigger.same or (
        clock.bound is not None and clock.bound.code in {agency.code for agency in event.names}
    )


def _started(
    subject: UUID, rule: Rule, trigger: Trigger, event: object, calendar: WorkCalendar, rulebook: Rulebook
) -> Clock:
    assignment_id: UUID | None = getattr(event, "assignment_id", None) if rule.per is Per.ASSIGNMENT else None
    round_: int = getattr(event, "round", 1)
    period = rulebook.period(rule.id, china_day(getattr(event, trigger.at)))
    end = due(period, calendar)
    return Clock(
        id=clock_id(subject, rule.id, assignment_id, round_),
        rule=rule.id,
        bound=getattr(event, trigger.binds) if trigger.binds is not None else None,
        assignment_id=assignment_id,
        round=round_,
        started_on=period.start,
        raw_due=end.raw_due,
        legal_due=end.legal_due,
        provisional=end.provisional,
    )


def period_of(clock: Clock, rulebook: Rulebook) -> Period:
    """A clock's period with its extension and pauses: for its explanation."""
    return rulebook.period(clock.rule, clock.started_on, extension=clock.extension, pauses=clock.pauses)


def warnings_of(clock: Clock, calendar: WorkCalendar, rulebook: Rulebook) -> tuple[WarningDay, ...]:
    """When each rung of a clock's ladder warns, earliest first."""
    return warnings(period_of(clock, rulebook), rulebook.rule(clock.rule).warn, calendar)


def _recomputed(clock: Clock, calendar: WorkCalendar, rulebook: Rulebook) -> Clock:
    end = due(period_of(clock, rulebook), calendar)
    return replace(clock, raw_due=end.raw_due, legal_due=end.legal_due, provisional=end.provisional)


def recompute(state: Clocks, calendar: WorkCalendar, rulebook: Rulebook) -> tuple[Clocks, tuple[Move, ...]]:
    """The running clocks on a changed calendar; ended ones keep the dates they were judged by."""
    moves = []
    for clock in state.running:
        moved = _recomputed(clock, calendar, rulebook)
        if moved != clock:
            state = state.with_clock(moved)
            moves.append(Move(moved))
    return state, tuple(moves)


def extend(
    state: Clocks, clock_id: UUID, days: int, at: datetime, calendar: WorkCalendar, rulebook: Rulebook
) -> tuple[Clocks, Move]:
    """A clock extended by ``days`` before it ran out (条例 §34), counted from its start day.

    Raises :class:`ClockError` (not-running, not-extendable, extended-already, extension-too-long, expired).
    """
    clock = state.by_id.get(clock_id)
    if clock is None or not clock.running:
        raise ClockError("not-running", "只有未届满的期限才能延长", "Only a running clock can be extended")
    allowed = rulebook.rule(clock.rule).extension
    if allowed is None:
        raise ClockError("not-extendable", "该期限依法不能延长", f"The law knows no extension of {clock.rule}")
    if clock.extended >= allowed.times:
        raise ClockError(
            "extended-already",
            f"该期限最多延长{allowed.times}次",
            f"{clock.rule} may be extended {allowed.times} time(s)",
        )
    if not 1 <= days <= allowed.days:
        raise ClockError(
            "extension-too-long",
            f"延长期限为1至{allowed.days}日，不能为{days}日",
            f"An extension is 1 to {allowed.days} days, not {days}",
        )
    if is_overdue(clock.legal_due, at):
        raise ClockError(
            "expired",
            f"该期限已于{clock.legal_due}届满，不能再延长",
            f"{clock.rule} ended on {clock.legal_due} and cannot be extended any more",
        )
    longer = replace(clock, extension=clock.extension + days, extended=clock.extended + 1)
    moved = _recomputed(longer, calendar, rulebook)
    return state.with_clock(moved), Move(moved)


def lapse(state: Clocks, at: datetime, rulebook: Rulebook) -> tuple[Clocks, tuple[Stop, ...]]:
    """The rights that have run out unused at an instant (objecting, asking for review, rating) end: nobody is late."""
    stops = []
    for clock in state.running:
        ended = _lapsed(clock, rulebook.rule(clock.rule), at)
        if ended is not None:
            state = state.with_clock(ended)
            stops.append(Stop(ended))
    return state, tuple(stops)


def overdue(state: Clocks, at: datetime, rulebook: Rulebook) -> tuple[Clock, ...]:
    """The running duties whose last day is over at an instant, the oldest first."""
    return tuple(
        clock
        for clock in state.running
        if rulebook.rule(clock.rule).lapse is Lapse.BREACH and is_overdue(clock.legal_due, at)
    )
