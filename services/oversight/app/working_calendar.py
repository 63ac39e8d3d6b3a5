"""The work calendar, which oversight owns: seeded from announced years, changed by import, told to all by event."""

from __future__ import annotations

from datetime import datetime

from lianban.chassis import calendar as kept
from lianban.chassis.calendar_seed import announced_years
from lianban.chassis.recent import Recent
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.contracts.oversight import CalendarChanged
from lianban.contracts.refs import calendar_id
from lianban.law.calendar import CalendarYear, WorkCalendar
from services.oversight.store import calendar as editions

FIRST_YEAR = 2024
"""Earlier years are not needed: no clock of a matter that is still open reaches back so far."""
_seen: Recent[None, tuple[int, WorkCalendar]] = Recent(2.0)


def present(tx: Transaction) -> tuple[int, WorkCalendar]:
    """The present edition with its calendar, read at most every two seconds.

    A clock computed on an edition that was replaced a moment ago carries that edition's number, and the
    recomputation finds it.
    """
    return _seen.of(None, lambda: (editions.edition(tx), kept.read(tx)))


def seed() -> int:
    """Store and tell the announced years where there is no calendar yet; returns how many years."""
    with database().transaction() as tx:
        editions.hold(tx)
        if not editions.is_empty(tx):
            return 0
        years = [year for year in announced_years() if year.year >= FIRST_YEAR]
        for year in years:
            change(tx, year, actor="seed", at=now())
    return len(years)


def change(tx: Transaction, year: CalendarYear, *, actor: str, at: datetime) -> int:
    """Replace one year's calendar, tell everybody, and have the running clocks computed again."""
    tx.lock(calendar_id(year.year))
    kept.store_year(tx, year.year, year.status, year.days)
    number = editions.new_edition(tx, year=year.year, actor=actor, at=at)
    tx.emit(
        CalendarChanged(year=year.year, status=year.status, days=year.days),
        subject=calendar_id(year.year),
        at=at,
    )
    tx.after_commit("calendar seen", _seen.clear)
    tx.wake("recompute")
    return number
