"""Time alone: warnings, breaches and windows that run out, the oldest first so that none can starve."""

from __future__ import annotations

from uuid import UUID

from lianban.chassis.rules import rulebook
from lianban.chassis.runtime import database
from lianban.chassis.time import china_day, now
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import MatterState, YearStatus
from lianban.contracts.oversight import ClockBreached, ClockWarned
from lianban.law.clocks import is_overdue
from lianban.law.projector import lapse, recompute, warnings_of
from lianban.law.rulebook import Lapse
from services.oversight.app import metrics
from services.oversight.app.hearing import next_look, say
from services.oversight.app.working_calendar import present
from services.oversight.store import clocks, matters, tallies
from services.oversight.store.calendar import edition as present_edition

BATCH = 100


def run_due() -> int:
    """Look at clocks whose day has come; returns how many matters were looked at."""
    with database().transaction() as tx:
        due = clocks.matters_to_look_at(tx, china_day(now()), BATCH)
    for matter_id in due:
        with database().transaction() as tx:
            _look(tx, matter_id)
    if not due:
        metrics.watched.set(now().timestamp())
    return len(due)


def _look(tx: Transaction, matter_id: UUID) -> None:
    tx.lock(matter_id)
    matter = matters.get(tx, matter_id)
    if matter is None:
        return
    moment, rules = now(), rulebook()
    edition, calendar = present(tx)
    state = clocks.state_of(tx, matter_id, reachable=matter.reachable)
    _, stops = lapse(state, moment, rules)
    ended = {stop.clock.id for stop in stops}
    for stop in stops:
        clocks.save(tx, matter, stop.clock, next_look=None, edition=edition)
        say(tx, matter_id, stop, at=moment)
    today = china_day(moment)
    for kept in clocks.of_matter(tx, matter_id):
        clock = kept.clock
        if not clock.running or clock.id in ended:
            continue
        steps = [w.step for w in warnings_of(clock, calendar, rules) if w.day <= today and w.step not in kept.warned]
        breached = (
            kept.breached_at is None
            and rules.rule(clock.rule).lapse is Lapse.BREACH
            and is_overdue(clock.legal_due, moment)
        )
        for step in steps if not breached else ():
            tx.emit(
                ClockWarned(
                    clock_id=clock.id, rule=clock.rule, bound=clock.bound, step=step, legal_due=clock.legal_due
                ),
                subject=matter_id,
                at=moment,
            )
        if breached:
            tx.emit(
                ClockBreached(clock_id=clock.id, rule=clock.rule, bound=clock.bound, legal_due=clock.legal_due),
                subject=matter_id,
                at=moment,
            )
            metrics.breaches.labels(clock.rule).inc()
        done = breached or kept.breached_at is not None
        clocks.said(
            tx,
            kept,
            warned=steps,
            breached_at=moment if breached else None,
            next_look=None if done else next_look(clock, (*kept.warned, *steps), calendar, rules),
        )


def recompute_due() -> int:
    """Compute running clocks again that stand on an earlier edition of the calendar; returns how many matters."""
    with database().transaction() as tx:
        old = clocks.matters_of_old_edition(tx, present_edition(tx), BATCH)
    for matter_id in old:
        with database().transaction() as tx:
            _recompute(tx, matter_id)
    return len(old)


def _recompute(tx: Transaction, matter_id: UUID) -> None:
    tx.lock(matter_id)
    matter = matters.get(tx, matter_id)
    if matter is None:
        return
    rules = rulebook()
    edition, calendar = present(tx)
    kept = clocks.of_matter(tx, matter_id)
    warned = {item.clock.id: item for item in kept}
    state, moves = recompute(clocks.state_of(tx, matter_id, reachable=matter.reachable), calendar, rules)
    for clock in state.running:
        before = warned[clock.id]
        look = None if before.breached_at else next_look(clock, before.warned, calendar, rules)
        clocks.save(tx, matter, clock, next_look=look, edition=edition)
    for move in moves:
        say(tx, matter_id, move, at=now())


def add_up() -> int:
    """Add changes of the counts up; a worker loop. Returns how many."""
    with database().transaction() as tx:
        return tallies.fold(tx)


def measure() -> int:
    """Bring the gauges up to date; a worker loop."""
    today = china_day(now())
    with database().transaction() as tx:
        standings = {standing.rule: standing for standing in clocks.standings(tx, today)}
        late = clocks.overdue_by_agency(tx, today)
        states = tallies.matters_by_state(tx, territory="")
        working = matters.open_assignments_by_agency(tx, territory="")
        _, calendar = present(tx)
    for rule in {r.id for r in rulebook().rules} | set(standings):
        standing = standings.get(rule, clocks.Standing(rule))
        metrics.clocks.labels(rule, "due_later").set(standing.due_later)
        metrics.clocks.labels(rule, "due_today").set(standing.due_today)
        metrics.clocks.labels(rule, "overdue").set(standing.overdue)
    metrics.clocks_provisional.set(sum(standing.provisional for standing in standings.values()))
    for state in MatterState:
        metrics.matters.labels(state.value).set(states.get(state, 0))
    for gauge, figures in ((metrics.overdue, late), (metrics.assignments, working)):
        gauge.clear()  # agencies without any disappear
        for agency, count in figures.items():
            gauge.labels(agency).set(count)
    for name, year in (("this_year", today.year), ("next_year", today.year + 1)):
        metrics.calendar_official.labels(name).set(int(calendar.status(year) is YearStatus.OFFICIAL))
    return 0
