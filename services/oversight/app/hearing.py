"""What oversight does with every event: the ledger keeps it, the clocks step, the matter moves on."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

from lianban.chassis.inbox import Handlers, Received
from lianban.chassis.rules import rulebook
from lianban.chassis.transaction import Transaction
from lianban.contracts import intake, routing
from lianban.contracts.catalogue import known_events
from lianban.contracts.codes import AgencyRole, ClockOutcome, MatterState
from lianban.contracts.envelope import partition_of
from lianban.contracts.events import dump
from lianban.contracts.oversight import ClockMoved, ClockStarted, ClockStopped
from lianban.contracts.refs import AgencyRef
from lianban.law.calendar import WorkCalendar
from lianban.law.projector import Clock, Move, Start, Stop, step, warnings_of
from lianban.law.rulebook import Lapse, Rulebook, event_name
from services.oversight.app import metrics
from services.oversight.app.working_calendar import present
from services.oversight.domain import progress
from services.oversight.domain.entry import Entry, canonical
from services.oversight.store import clocks, ledger, matters

_REFERENCE = (routing.RegionRegistered, routing.AgencyRegistered)


def prepare(tx: Transaction, subjects: list[UUID]) -> None:
    """What :func:`hear` will ask for, for a whole batch."""
    matters.load(tx, subjects)
    clocks.load(tx, subjects)


def hear(tx: Transaction, event: Received[Any]) -> None:
    """One event of any producer."""
    ledger.append(
        tx,
        partition_of(event.subject),
        Entry(
            event_id=event.id,
            subject=event.subject,
            producer=event.source,
            sequence=event.sequence,
            type=event.data.TYPE,
            happened_at=event.time,
            data=canonical(dump(event.data)),
        ),
    )
    if isinstance(event.data, _REFERENCE):
        return
    if isinstance(event.data, intake.MatterRegistered):
        matters.insert(tx, event.subject, event.data, at=event.time)
    matter = matters.get(tx, event.subject)
    if matter is None:
        return  # a sealed accusation: nothing but the fact that it exists is known here
    _move_matter(tx, matter, event)
    _step_clocks(tx, matter, event)


def _move_matter(tx: Transaction, matter: matters.Matter, event: Received[Any]) -> None:
    data = event.data
    if isinstance(data, routing.AssignmentSent):
        matters.send(tx, matter, data)
    state = progress.assignment_state(data)
    if state is not None:
        ended_at = event.time if state in progress.ENDED else None
        matters.move(tx, matter, data.assignment_id, state, ended_at=ended_at)
    before: MatterState = matter.state
    after = progress.matter_state(data, before)
    lead = _lead(data)
    round_ = data.round if isinstance(data, routing.CaseRouted | routing.CaseReopened) else None
    if after is not None or lead is not None or round_ is not None or state is not None:
        matters.change(tx, matter, state=after, lead=lead, round_=round_, at=event.time)


def _lead(data: Any) -> AgencyRef | None:
    if isinstance(data, routing.AssignmentSent) and data.role is AgencyRole.LEAD:
        return data.agency
    return data.lead if isinstance(data, routing.CaseAccepted) else None


def _step_clocks(tx: Transaction, matter: matters.Matter, event: Received[Any]) -> None:
    rules = rulebook()
    if event_name(event.data.TYPE) not in _triggers(rules.edition):
        return
    edition, calendar = present(tx)
    state = clocks.state_of(tx, matter.id, reachable=matter.reachable)
    _, commands = step(state, event.data, calendar, rules)
    for command in commands:
        clocks.save(
            tx,
            matter,
            command.clock,
            next_look=next_look(command.clock, (), calendar, rules),
            edition=edition,
        )
        say(tx, matter.id, command, at=event.time)


@cache
def _triggers(edition: str) -> frozenset[str]:
    """Names of the events that start, stop or cancel any clock: the others need not load the matter's clocks."""
    return frozenset(
        trigger.event
        for rule in rulebook().rules
        for triggers in (rule.start, rule.stop, rule.cancel)
        for trigger in triggers
    )


def say(tx: Transaction, matter_id: UUID, command: Start | Move | Stop, *, at: Any) -> None:
    """Say what changed about a clock."""
    clock = command.clock
    said: ClockStarted | ClockMoved | ClockStopped
    if isinstance(command, Start):
        said = ClockStarted(
            clock_id=clock.id,
            rule=clock.rule,
            bound=clock.bound,
            assignment_id=clock.assignment_id,
            started_on=clock.started_on,
            raw_due=clock.raw_due,
            legal_due=clock.legal_due,
            provisional=clock.provisional,
        )
    elif isinstance(command, Move):
        said = ClockMoved(
            clock_id=clock.id,
            rule=clock.rule,
            raw_due=clock.raw_due,
            legal_due=clock.legal_due,
            provisional=clock.provisional,
        )
    else:
        if clock.outcome is None or clock.stopped_at is None:
            raise AssertionError("a clock that stopped has an outcome")
        if clock.outcome is ClockOutcome.LAPSED:
            metrics.lapses.labels(clock.rule).inc()
        said = ClockStopped(clock_id=clock.id, rule=clock.rule, outcome=clock.outcome, stopped_at=clock.stopped_at)
    tx.emit(said, subject=matter_id, at=at)


def next_look(clock: Clock, warned: tuple[str, ...], calendar: WorkCalendar, rules: Rulebook) -> date | None:
    """The first day on which time alone changes something about a clock: a warning, the breach, the end of a window."""
    if not clock.running:
        return None
    days = [w.day for w in warnings_of(clock, calendar, rules) if w.step not in warned]
    after_end = date.fromordinal(clock.legal_due.toordinal() + 1)
    if rules.rule(clock.rule).lapse in (Lapse.BREACH, Lapse.ENDS):
        days.append(after_end)
    return min(days)


HANDLERS: Handlers = {cls: hear for name, cls in known_events().items() if ".oversight." not in name}
"""Oversight hears everything that the others say."""
