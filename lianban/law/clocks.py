"""Clock arithmetic: when a period ends, why it ends then, and when to warn.

The 信访工作条例 has no counting rule of its own, so the general ones apply by analogy: the first day is not counted
(民法典 §201), a last day that is a rest day moves to the next work day (§203). 日 is a calendar day; 工作日 stands
where the article says so. Two ends are kept: ``raw_due`` as counted, ``legal_due`` after moving. Both are days
in Asia/Shanghai; a period runs until 24:00 of its last day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from lianban.contracts.codes import ClockOutcome, CodeList
from lianban.law.calendar import ONE_DAY, WorkCalendar

CHINA = ZoneInfo("Asia/Shanghai")
"""The time zone in which days are counted."""


class Unit(CodeList):
    """What a period counts."""

    CALENDAR = "calendar", "日", "calendar days"
    WORK = "work", "工作日", "work days"


@dataclass(frozen=True, slots=True)
class Pause:
    """Days that are not counted, from ``first`` to ``last``, both included (a hearing in the 复核 stage, 条例 §36)."""

    first: date
    last: date

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"a pause cannot end ({self.last}) before it begins ({self.first})")

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class Period:
    """A period as it runs for somebody: length, unit, its start day and what changes its course.

    ``extension`` is added to ``length`` and counted from the start day, never from a moved end, so 60 days
    extended by 30 end 90 days after the start. ``roll`` moves an end on a rest day to the next work day.
    """

    start: date
    length: int
    unit: Unit
    roll: bool = True
    extension: int = 0
    pauses: tuple[Pause, ...] = ()

    def __post_init__(self) -> None:
        if self.length < 0 or self.extension < 0:
            raise ValueError("a period's length and extension are not negative")

    @property
    def total(self) -> int:
        """Length with extension, in the period's unit."""
        return self.length + self.extension


@dataclass(frozen=True, slots=True)
class Due:
    """When a period ends; ``provisional`` where the answer rests on a calendar that may still change."""

    raw_due: date
    legal_due: date
    provisional: bool


def china_day(instant: datetime) -> date:
    """The day on which an instant falls in China; raises ``ValueError`` for an instant without offset."""
    if instant.tzinfo is None:
        raise ValueError("an instant without offset has no day")
    return instant.astimezone(CHINA).date()


def end_of(day: date) -> datetime:
    """The instant at which a day ends in China (24:00): what is done before it is in time."""
    return datetime.combine(day + ONE_DAY, time.min, tzinfo=CHINA)


def outcome(legal_due: date, done_at: datetime) -> ClockOutcome:
    """In time when done on the last day or before it, late otherwise."""
    return ClockOutcome.MET if china_day(done_at) <= legal_due else ClockOutcome.LATE


def is_overdue(legal_due: date, at: datetime) -> bool:
    """Whether the last day is over at an instant."""
    return china_day(at) > legal_due


def nth_day(period: Period, number: int, calendar: WorkCalendar) -> date:
    """The day on which the ``number``-th day of a period is counted; the start day itself for 0."""
    if period.unit is Unit.CALENDAR and not period.pauses:
        return period.start + timedelta(days=number)
    day = period.start
    for _ in range(number):
        day += ONE_DAY
        while not _counts(period, day, calendar):
            day += ONE_DAY
    return day


def _counts(period: Period, day: date, calendar: WorkCalendar) -> bool:
    if any(day in pause for pause in period.pauses):
        return False
    return period.unit is Unit.CALENDAR or calendar.is_work_day(day)


def due(period: Period, calendar: WorkCalendar) -> Due:
    """When a period ends."""
    raw = nth_day(period, period.total, calendar)
    legal = calendar.rolled(raw) if period.roll else raw
    asked_from = period.start + ONE_DAY if period.unit is Unit.WORK else raw
    asked_until = legal if period.unit is Unit.WORK or period.roll else raw - ONE_DAY
    return Due(raw, legal, _any_provisional(asked_from, asked_until, calendar))


def _any_provisional(first: date, last: date, calendar: WorkCalendar) -> bool:
    day = first
    while day <= last:
        if calendar.provisional(day):
            return True
        day += ONE_DAY
    return False


# --- Explanation -----------------------------------------------------------------------------------------------


class StepKind(CodeList):
    """What one line of the arithmetic says."""

    START = "start", "起始日", "Start"
    NOT_COUNTED = "not_counted", "不计入", "Not counted"
    COUNTED = "counted", "计入", "Counted"
    SKIPPED = "skipped", "跳过", "Skipped"
    PAUSED = "paused", "中止", "Paused"
    RAW_END = "raw_end", "计算届满日", "End as counted"
    ROLLED = "rolled", "顺延", "Moved on"
    LEGAL_END = "legal_end", "法定届满日", "Legal end"
    PROVISIONAL = "provisional", "暂定", "Provisional"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the arithmetic; ``number`` is the running count of a counted day."""

    kind: StepKind
    day: date
    zh: str
    en: str
    number: int | None = None

    def text(self, language: str) -> str:
        """The line in a language: Chinese unless it starts with ``en``."""
        return self.en if language.startswith("en") else self.zh


def explain(period: Period, calendar: WorkCalendar) -> tuple[Step, ...]:
    """The arithmetic of :func:`due`, line by line, for pages and documents; each skipped rest day has its line."""
    end = due(period, calendar)
    return (
        *_start_lines(period),
        *(_work_day_lines(period, end, calendar) if period.unit is Unit.WORK else _pause_lines(period, end)),
        *_end_lines(period, end, calendar),
    )


def _start_lines(period: Period) -> Iterator[Step]:
    day = period.start
    yield Step(StepKind.START, day, f"自{_zh(day)}起算", f"Runs from {_en(day)}")
    yield Step(StepKind.NOT_COUNTED, day, "开始的当日不计入，自下一日起计算", "The first day is not counted")
    if period.extension:
        yield Step(
            StepKind.START,
            day,
            f"期限{count_zh(period.length, period.unit)}，经批准延长{count_zh(period.extension, period.unit)}，"
            f"自起始日合计{count_zh(period.total, period.unit)}",
            f"{period.length} {period.unit.en}, extended by {period.extension}: {period.total} from the start",
        )


def _work_day_lines(period: Period, end: Due, calendar: WorkCalendar) -> Iterator[Step]:
    number = 0
    day = period.start + ONE_DAY
    while day <= end.raw_due:
        if any(day in pause for pause in period.pauses):
            yield _paused(day)
        elif calendar.is_work_day(day):
            number += 1
            special = calendar.special(day)
            zh = f"（{special.name}调休上班）" if special is not None else ""
            en = f" (work day in exchange for {_name_en(special.name)})" if special is not None else ""
            yield Step(
                StepKind.COUNTED,
                day,
                f"{_zh(day)}：第{number}个工作日{zh}",
                f"{_en(day)}: work day {number}{en}",
                number,
            )
        else:
            yield _skipped(day, calendar, "不计入", "not counted")
        day += ONE_DAY


def _pause_lines(period: Period, end: Due) -> Iterator[Step]:
    day = period.start + ONE_DAY
    while period.pauses and day <= end.raw_due:
        if any(day in pause for pause in period.pauses):
            yield _paused(day)
        day += ONE_DAY


def _end_lines(period: Period, end: Due, calendar: WorkCalendar) -> Iterator[Step]:
    yield Step(
        StepKind.RAW_END,
        end.raw_due,
        f"满{count_zh(period.total, period.unit)}：{_zh(end.raw_due)}",
        f"{period.total} {period.unit.en} end on {_en(end.raw_due)}",
    )
    if period.roll and end.legal_due != end.raw_due:
        day = end.raw_due
        while day < end.legal_due:
            yield _skipped(day, calendar, "为休息日", "a rest day")
            day += ONE_DAY
        yield Step(
            StepKind.ROLLED,
            end.legal_due,
            f"最后一日为休息日，顺延至休息日结束后的次日{_zh(end.legal_due)}",
            f"The last day is a rest day, so the end moves to {_en(end.legal_due)}",
        )
    yield Step(
        StepKind.LEGAL_END, end.legal_due, f"{_zh(end.legal_due)}24时届满", f"Ends at 24:00 on {_en(end.legal_due)}"
    )
    if end.provisional:
        yield Step(
            StepKind.PROVISIONAL,
            end.legal_due,
            "所涉日期的节假日安排尚未公布，公布后重新计算",
            "The holidays of these days are not announced yet; the end is computed again when they are",
        )


def _paused(day: date) -> Step:
    return Step(StepKind.PAUSED, day, f"{_zh(day)}：期间中止，不计入", f"{_en(day)}: paused, not counted")


def _skipped(day: date, calendar: WorkCalendar, zh: str, en: str) -> Step:
    special = calendar.special(day)
    name_zh = special.name if special is not None else "周末"
    name_en = _name_en(special.name) if special is not None else "weekend"
    return Step(StepKind.SKIPPED, day, f"{_zh(day)}：{name_zh}，{zh}", f"{_en(day)}: {name_en}, {en}")


_WEEKDAYS_ZH = "一二三四五六日"
_WEEKDAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS_EN = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_HOLIDAYS_EN = {
    "元旦": "New Year",
    "春节": "Spring Festival",
    "清明": "Tomb-Sweeping Day",
    "清明节": "Tomb-Sweeping Day",
    "劳动节": "Labour Day",
    "端午": "Dragon Boat Festival",
    "端午节": "Dragon Boat Festival",
    "中秋": "Mid-Autumn Festival",
    "中秋节": "Mid-Autumn Festival",
    "国庆节": "National Day",
}


def _zh(day: date) -> str:
    return f"{day.year}年{day.month}月{day.day}日（周{_WEEKDAYS_ZH[day.weekday()]}）"


def _en(day: date) -> str:
    return f"{_WEEKDAYS_EN[day.weekday()]}, {day.day} {_MONTHS_EN[day.month - 1]} {day.year}"


def count_zh(number: int, unit: Unit) -> str:
    """So many days as the law writes them: 5个工作日, 15日."""
    return f"{number}个工作日" if unit is Unit.WORK else f"{number}日"


def _name_en(name: str) -> str:
    return _HOLIDAYS_EN.get(name, name)


# --- Warnings --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the warning ladder: a share of the period, or the last work days before its end."""

    name: str
    percent: int | None = None
    last_work_days: int | None = None


@dataclass(frozen=True, slots=True)
class WarningDay:
    """The day from which a rung of the ladder warns."""

    step: str
    day: date


def warnings(period: Period, rungs: Iterable[Rung], calendar: WorkCalendar) -> tuple[WarningDay, ...]:
    """When each rung warns, earliest first; never on the start day and never after the legal end.

    A share is of the period as counted, rounded up to a whole day; ``last_work_days`` counts back from the
    legal end, which is one of them when it is a work day.
    """
    end = due(period, calendar)
    found = []
    for rung in rungs:
        if rung.percent is not None:
            day = nth_day(period, -(-period.total * rung.percent // 100), calendar)
        else:
            day = _work_days_before(end.legal_due, rung.last_work_days or 1, calendar)
        day = max(day, period.start + ONE_DAY)
        if day <= end.legal_due:
            found.append(WarningDay(rung.name, day))
    return tuple(sorted(found, key=lambda item: item.day))


def _work_days_before(last: date, number: int, calendar: WorkCalendar) -> date:
    day = last
    left = number - calendar.is_work_day(day)
    while left > 0:
        day -= ONE_DAY
        left -= calendar.is_work_day(day)
    return day
