"""The work calendar: which days agencies work, and which of those days are not announced yet.

A work day (工作日) is Monday to Friday unless it is a holiday, plus the weekend days that the State Council's
yearly notice declares work days (调休). Legal base: 全国年节及纪念日放假办法 (2024).

A year without an announced notice is *provisional*: it is taken as plain weeks with those statutory holidays
whose dates can be known beforehand (:data:`FIXED_HOLIDAYS`). The lunar ones (春节, 清明, 端午, 中秋), the days given
back for holidays on weekends (§6) and the exchanged days (§7) are not guessed: dates that rest on such a year
are marked provisional and are computed again when the notice is imported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from lianban.contracts.codes import YearStatus
from lianban.contracts.oversight import CalendarDay

ONE_DAY = timedelta(days=1)
SATURDAY = 5

FIXED_HOLIDAYS: Mapping[tuple[int, int], str] = {
    (1, 1): "元旦",
    (5, 1): "劳动节",
    (5, 2): "劳动节",
    (10, 1): "国庆节",
    (10, 2): "国庆节",
    (10, 3): "国庆节",
}
"""Public holidays by month and day that fall on the same date each year (放假办法 §2)."""

YEAR_END = (12, 25)
"""From this month and day on, the next year's notice may still change a year (the 元旦 break reaches back)."""


class CalendarError(ValueError):
    """Calendar data that cannot be used; the message says which entry and why."""


@dataclass(frozen=True, slots=True)
class CalendarYear:
    """One year's notice: its status and the days that it names, each at most once and inside the year."""

    year: int
    status: YearStatus
    days: tuple[CalendarDay, ...] = ()

    def __post_init__(self) -> None:
        seen: set[date] = set()
        for item in self.days:
            if item.day.year != self.year:
                raise CalendarError(f"{item.day} does not belong to {self.year}")
            if item.day in seen:
                raise CalendarError(f"{item.day} is named twice in {self.year}")
            seen.add(item.day)


@dataclass(frozen=True)
class WorkCalendar:
    """Which days are work days, by the yearly notices and, above them, one region's own holidays."""

    years: tuple[CalendarYear, ...] = ()
    local: tuple[CalendarDay, ...] = ()
    _status: Mapping[int, YearStatus] = field(init=False, repr=False, compare=False)
    _days: Mapping[date, CalendarDay] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.years, key=lambda item: item.year))
        if len({item.year for item in ordered}) != len(ordered):
            raise CalendarError("a year is given twice")
        object.__setattr__(self, "years", ordered)
        object.__setattr__(self, "_status", {item.year: item.status for item in ordered})
        days = {item.day: item for year in ordered for item in year.days}
        object.__setattr__(self, "_days", days | {item.day: item for item in self.local})

    def with_year(self, year: CalendarYear) -> WorkCalendar:
        """This calendar with one year's data replaced or added."""
        return replace(self, years=(*(item for item in self.years if item.year != year.year), year))

    def in_region(self, local: Iterable[CalendarDay]) -> WorkCalendar:
        """This calendar with a region's own holidays above the notices (放假办法 §4: minority areas)."""
        return replace(self, local=tuple(local))

    def status(self, year: int) -> YearStatus:
        """Whether a year's notice is known; a year without data is provisional."""
        return self._status.get(year, YearStatus.PROVISIONAL)

    def special(self, day: date) -> CalendarDay | None:
        """What is said of a day by the region, by the notice or, in a provisional year, by the statute itself."""
        known = self._days.get(day)
        if known is None and self.status(day.year) is YearStatus.PROVISIONAL:
            name = FIXED_HOLIDAYS.get((day.month, day.day))
            if name is not None:
                return CalendarDay(day=day, works=False, name=name)
        return known

    def is_work_day(self, day: date) -> bool:
        """Whether agencies work on a day."""
        special = self.special(day)
        return special.works if special is not None else day.weekday() < SATURDAY

    def is_rest_day(self, day: date) -> bool:
        """Whether agencies rest on a day."""
        return not self.is_work_day(day)

    def next_work_day(self, day: date) -> date:
        """The first work day after a day."""
        following = day + ONE_DAY
        while self.is_rest_day(following):
            following += ONE_DAY
        return following

    def rolled(self, day: date) -> date:
        """The day itself if it is a work day, otherwise the next one (by analogy to 民法典 §203)."""
        return day if self.is_work_day(day) else self.next_work_day(day)

    def provisional(self, day: date) -> bool:
        """Whether an announcement may still change what kind of day this is.

        True in a provisional year, and in the last week of December while the next year's notice is missing,
        because that notice may move the days before New Year (in 2018 it changed 29 to 31 December).
        """
        if self.status(day.year) is YearStatus.PROVISIONAL:
            return True
        return (day.month, day.day) >= YEAR_END and self.status(day.year + 1) is YearStatus.PROVISIONAL


def read_holiday_cn(documents: Iterable[Any], known: Iterable[CalendarYear] = ()) -> tuple[CalendarYear, ...]:
    """The calendar years that files of the holiday-cn form (decoded JSON) define or change, oldest first.

    A file's notice may also name days of the year before (the 元旦 break), therefore ``known`` should hold the years
    already stored: a year is returned with its own notice's days and with what the next year's notice says
    about its last week. A file without days announces
    nothing: it leaves its year as it was, provisional when nothing was known. Raises :class:`CalendarError`.
    """
    notices = dict(_notice(document) for document in documents)
    before = {item.year: item for item in known}
    touched = set(notices) | {item.day.year for days in notices.values() for item in days}
    result = []
    for year in sorted(touched):
        stored = before.get(year, CalendarYear(year, YearStatus.PROVISIONAL))
        tail = {item.day: item for item in stored.days if _at_year_end(item.day)}
        body = {item.day: item for item in stored.days if not _at_year_end(item.day)}
        status = stored.status
        if notices.get(year):
            own = {item.day: item for item in notices[year] if item.day.year == year}
            body, tail = own, {day: item for day, item in tail.items() if day not in own}
            status = YearStatus.OFFICIAL
        if year + 1 in notices:
            tail = {item.day: item for item in notices[year + 1] if item.day.year == year}
        merged = body | tail
        result.append(CalendarYear(year, status, tuple(merged[day] for day in sorted(merged))))
    return tuple(result)


def _at_year_end(day: date) -> bool:
    return (day.month, day.day) >= YEAR_END


_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _notice(document: Any) -> tuple[int, tuple[CalendarDay, ...]]:
    if not isinstance(document, dict) or type(document.get("year")) is not int:
        raise CalendarError("a holiday-cn file is an object with an integer 'year'")
    year: int = document["year"]
    entries = document.get("days")
    if not isinstance(entries, list):
        raise CalendarError(f"{year}: 'days' is not a list")
    days: dict[date, CalendarDay] = {}
    for number, entry in enumerate(entries, start=1):
        where = f"{year}, entry {number}"
        if not isinstance(entry, dict):
            raise CalendarError(f"{where}: not an object")
        name, text, rests = entry.get("name"), entry.get("date"), entry.get("isOffDay")
        if not isinstance(name, str) or not name or type(rests) is not bool:
            raise CalendarError(f"{where}: 'name' must be text and 'isOffDay' true or false")
        if not isinstance(text, str) or _ISO_DATE.fullmatch(text) is None:
            raise CalendarError(f"{where}: 'date' must look like 2026-01-31")
        try:
            day = date.fromisoformat(text)
        except ValueError as error:
            raise CalendarError(f"{where}: {text} is no day") from error
        if day.year not in {year - 1, year} or (day.year < year and not _at_year_end(day)):
            raise CalendarError(f"{where}: {text} is too far from {year}")
        if day in days:
            raise CalendarError(f"{where}: {text} is named twice")
        days[day] = CalendarDay(day=day, works=not rests, name=name)
    return year, tuple(days.values())
