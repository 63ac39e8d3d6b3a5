"""The work calendar as this service knows it: kept by event from oversight, read by pure law code."""

from __future__ import annotations

from lianban.chassis.inbox import Received
from lianban.chassis.recent import Recent
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import YearStatus
from lianban.contracts.oversight import CalendarChanged, CalendarDay
from lianban.law.calendar import CalendarYear, WorkCalendar


def keep(tx: Transaction, event: Received[CalendarChanged]) -> None:
    """Handler of ``oversight.calendar-changed``: the year is replaced by what oversight says."""
    store_year(tx, event.data.year, event.data.status, event.data.days)


def store_year(tx: Transaction, year: int, status: YearStatus, days: tuple[CalendarDay, ...]) -> None:
    """Write one year of the calendar in place of what was there."""
    tx.after_commit("calendar read", _recent.clear)
    tx.write(
        "insert into calendar_year (year, status) values (%s, %s)"
        " on conflict (year) do update set status = excluded.status",
        (year, status.value),
    )
    tx.write("delete from calendar_day where year = %s", (year,))
    tx.write(
        "insert into calendar_day (day, year, works, name)"
        " select d, %s, w, n from unnest(%s::date[], %s::bool[], %s::text[]) as x (d, w, n)",
        (year, [d.day for d in days], [d.works for d in days], [d.name for d in days]),
    )


_recent: Recent[None, WorkCalendar] = Recent(2.0)


def recent(tx: Transaction) -> WorkCalendar:
    """The calendar as it was at most two seconds ago: for work that asks for it again and again."""
    return _recent.of(None, lambda: read(tx))


def read(tx: Transaction) -> WorkCalendar:
    """The calendar as this service knows it now; years it does not know are provisional."""
    years: dict[int, tuple[YearStatus, list[CalendarDay]]] = {}
    # One statement: a year that is stored between two would have no days, or days without a year.
    for row in tx.execute(
        "select year, status, day, works, name from calendar_year left join calendar_day using (year) order by day"
    ):
        _, days = years.setdefault(row["year"], (YearStatus(row["status"]), []))
        if row["day"] is not None:
            days.append(CalendarDay(row["day"], row["works"], row["name"]))
    calendar = WorkCalendar()
    for year, (status, days) in years.items():
        calendar = calendar.with_year(CalendarYear(year, status, tuple(days)))
    return calendar


def years(tx: Transaction) -> dict[int, YearStatus]:
    """The years known here, and whether each is official."""
    rows = tx.execute("select year, status from calendar_year order by year")
    return {row["year"]: YearStatus(row["status"]) for row in rows}
