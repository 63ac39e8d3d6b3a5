"""The announced calendar years that come with the product, read from the package ``chinesecalendar``."""

from __future__ import annotations

import chinese_calendar.constants as announced

from lianban.contracts.codes import YearStatus
from lianban.contracts.oversight import CalendarDay
from lianban.law.calendar import CalendarYear


def announced_years() -> tuple[CalendarYear, ...]:
    """Every year that the package knows (2004 to 2026 in 1.11.0), official, oldest first.

    As in the notices, a holiday's weekend days are named too. Years that the package does not know are absent:
    it raises for them where others guess, and so the calendar treats them as provisional.
    """
    days = {day: CalendarDay(day=day, works=False, name=_name(label)) for day, label in announced.holidays.items()}
    days |= {day: CalendarDay(day=day, works=True, name=_name(label)) for day, label in announced.workdays.items()}
    return tuple(
        CalendarYear(year, YearStatus.OFFICIAL, tuple(days[day] for day in sorted(days) if day.year == year))
        for year in sorted({day.year for day in days})
    )


def _name(label: str) -> str:
    return str(announced.Holiday(label).chinese)
