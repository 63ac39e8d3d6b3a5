"""Clock arithmetic: the reference dates of the rules, extension, pauses, explanation and warnings."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from lianban.chassis.calendar_seed import announced_years
from lianban.contracts.codes import ClockOutcome, YearStatus
from lianban.law.calendar import CalendarYear, WorkCalendar
from lianban.law.clocks import (
    Due,
    Pause,
    Period,
    Rung,
    StepKind,
    Unit,
    china_day,
    due,
    end_of,
    explain,
    is_overdue,
    outcome,
    warnings,
)

SEEDED = WorkCalendar(announced_years())
D = date.fromisoformat
LADDER = (
    Rung("50%", percent=50),
    Rung("80%", percent=80),
    Rung("last 3 work days", last_work_days=3),
)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-09-28", "2026-10-10"),
        ("2026-02-12", "2026-02-26"),
        ("2026-04-29", "2026-05-09"),
        ("2025-09-26", "2025-10-10"),
        ("2026-01-01", "2026-01-08"),
        ("2026-10-08", "2026-10-14"),
    ],
)
def test_five_work_days_end_on_the_reference_date(start: str, end: str) -> None:
    assert due(Period(D(start), 5, Unit.WORK), SEEDED) == Due(D(end), D(end), provisional=False)


@pytest.mark.parametrize(
    ("length", "start", "raw", "rolled"),
    [
        (15, "2026-09-20", "2026-10-05", "2026-10-08"),
        (15, "2026-02-02", "2026-02-17", "2026-02-24"),
        (15, "2026-03-02", "2026-03-17", "2026-03-17"),
        (15, "2026-06-04", "2026-06-19", "2026-06-22"),
        (60, "2026-08-03", "2026-10-02", "2026-10-08"),
        (60, "2025-12-19", "2026-02-17", "2026-02-24"),
        (60, "2026-03-09", "2026-05-08", "2026-05-08"),
        (90, "2026-08-03", "2026-11-01", "2026-11-02"),
        (90, "2026-03-09", "2026-06-07", "2026-06-08"),
        (30, "2026-09-01", "2026-10-01", "2026-10-08"),
        (30, "2026-01-16", "2026-02-15", "2026-02-24"),
    ],
)
def test_calendar_days_end_on_the_reference_dates(length: int, start: str, raw: str, rolled: str) -> None:
    assert due(Period(D(start), length, Unit.CALENDAR), SEEDED) == Due(D(raw), D(rolled), provisional=False)


def test_without_rolling_the_legal_end_is_the_day_as_counted() -> None:
    assert due(Period(D("2026-09-20"), 15, Unit.CALENDAR, roll=False), SEEDED).legal_due == D("2026-10-05")


def test_an_extension_is_counted_from_the_start_day_and_not_from_the_moved_end() -> None:
    extended = Period(D("2026-08-03"), 60, Unit.CALENDAR, extension=30)
    assert due(extended, SEEDED) == Due(D("2026-11-01"), D("2026-11-02"), provisional=False)


def test_paused_days_are_not_counted() -> None:
    paused = Period(D("2026-03-02"), 15, Unit.CALENDAR, pauses=(Pause(D("2026-03-10"), D("2026-03-12")),))
    assert due(paused, SEEDED).raw_due == D("2026-03-20")
    with_work = Period(D("2026-03-02"), 5, Unit.WORK, pauses=(Pause(D("2026-03-05"), D("2026-03-08")),))
    assert due(with_work, SEEDED).raw_due == D("2026-03-11")


def test_a_pause_cannot_end_before_it_begins_and_a_period_is_not_negative() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        Pause(D("2026-03-02"), D("2026-03-01"))
    with pytest.raises(ValueError, match="not negative"):
        Period(D("2026-03-02"), -1, Unit.WORK)


def test_a_period_of_nothing_ends_on_its_start_day_or_the_next_work_day() -> None:
    assert due(Period(D("2026-03-02"), 0, Unit.CALENDAR), SEEDED).legal_due == D("2026-03-02")
    assert due(Period(D("2026-03-01"), 0, Unit.CALENDAR), SEEDED).legal_due == D("2026-03-02")


def test_a_clock_that_ends_in_an_unannounced_year_is_provisional_until_the_notice_is_there() -> None:
    period = Period(D("2026-11-23"), 60, Unit.CALENDAR)
    assert due(period, SEEDED) == Due(D("2027-01-22"), D("2027-01-22"), provisional=True)
    announced = SEEDED.with_year(CalendarYear(2027, YearStatus.OFFICIAL))
    assert due(period, announced) == Due(D("2027-01-22"), D("2027-01-22"), provisional=False)
    assert not due(Period(D("2026-11-23"), 60, Unit.CALENDAR, roll=False), SEEDED).provisional


def test_work_days_counted_through_an_unannounced_stretch_are_provisional() -> None:
    assert due(Period(D("2026-12-22"), 5, Unit.WORK), SEEDED).provisional
    assert not due(Period(D("2026-12-14"), 5, Unit.WORK), SEEDED).provisional


def test_the_day_of_an_instant_is_the_day_in_china() -> None:
    assert china_day(datetime(2026, 3, 1, 15, 59, tzinfo=UTC)) == D("2026-03-01")
    assert china_day(datetime(2026, 3, 1, 16, 0, tzinfo=UTC)) == D("2026-03-02")
    with pytest.raises(ValueError, match="without offset"):
        china_day(datetime(2026, 3, 1))  # noqa: DTZ001 - the missing offset is the point


def test_what_is_done_before_midnight_in_china_is_in_time() -> None:
    last = D("2026-03-17")
    assert end_of(last) == datetime(2026, 3, 17, 16, 0, tzinfo=UTC)
    in_time, late = datetime(2026, 3, 17, 15, 59, 59, tzinfo=UTC), datetime(2026, 3, 17, 16, 0, tzinfo=UTC)
    assert (outcome(last, in_time), outcome(last, late)) == (ClockOutcome.MET, ClockOutcome.LATE)
    assert (is_overdue(last, in_time), is_overdue(last, late)) == (False, True)


def test_the_explanation_of_work_days_counts_each_and_names_each_skipped_day() -> None:
    steps = explain(Period(D("2026-09-28"), 5, Unit.WORK), SEEDED)
    assert [step.zh for step in steps] == [
        "自2026年9月28日（周一）起算",
        "开始的当日不计入，自下一日起计算",
        "2026年9月29日（周二）：第1个工作日",
        "2026年9月30日（周三）：第2个工作日",
        "2026年10月1日（周四）：国庆节，不计入",
        "2026年10月2日（周五）：国庆节，不计入",
        "2026年10月3日（周六）：国庆节，不计入",
        "2026年10月4日（周日）：国庆节，不计入",
        "2026年10月5日（周一）：国庆节，不计入",
        "2026年10月6日（周二）：国庆节，不计入",
        "2026年10月7日（周三）：国庆节，不计入",
        "2026年10月8日（周四）：第3个工作日",
        "2026年10月9日（周五）：第4个工作日",
        "2026年10月10日（周六）：第5个工作日（国庆节调休上班）",
        "满5个工作日：2026年10月10日（周六）",
        "2026年10月10日（周六）24时届满",
    ]
    assert steps[4].text("en") == "Thursday, 1 October 2026: National Day, not counted"
    assert steps[13].text("en") == "Saturday, 10 October 2026: work day 5 (work day in exchange for National Day)"


def test_the_explanation_of_calendar_days_tells_why_the_end_moves() -> None:
    steps = explain(Period(D("2026-06-04"), 15, Unit.CALENDAR), SEEDED)
    assert [(step.kind, step.day) for step in steps] == [
        (StepKind.START, D("2026-06-04")),
        (StepKind.NOT_COUNTED, D("2026-06-04")),
        (StepKind.RAW_END, D("2026-06-19")),
        (StepKind.SKIPPED, D("2026-06-19")),
        (StepKind.SKIPPED, D("2026-06-20")),
        (StepKind.SKIPPED, D("2026-06-21")),
        (StepKind.ROLLED, D("2026-06-22")),
        (StepKind.LEGAL_END, D("2026-06-22")),
    ]
    assert steps[6].text("en") == "The last day is a rest day, so the end moves to Monday, 22 June 2026"
    assert steps[2].text("zh") == "满15日：2026年6月19日（周五）"


def test_the_explanation_tells_of_extension_pauses_and_provisional_ends() -> None:
    period = Period(D("2026-11-23"), 60, Unit.CALENDAR, extension=30, pauses=(Pause(D("2026-12-01"), D("2026-12-02")),))
    steps = explain(period, SEEDED)
    assert "期限60日，经批准延长30日，自起始日合计90日" in [step.zh for step in steps]
    assert [step.day for step in steps if step.kind is StepKind.PAUSED] == [D("2026-12-01"), D("2026-12-02")]
    assert steps[-1].kind is StepKind.PROVISIONAL


def test_the_ladder_warns_at_half_at_four_fifths_and_on_the_last_three_work_days() -> None:
    found = warnings(Period(D("2026-08-03"), 60, Unit.CALENDAR), LADDER, SEEDED)
    assert [(item.step, item.day) for item in found] == [
        ("50%", D("2026-09-02")),
        ("80%", D("2026-09-20")),
        ("last 3 work days", D("2026-09-29")),
    ]


def test_the_ladder_of_five_work_days_counts_work_days() -> None:
    found = warnings(Period(D("2026-10-08"), 5, Unit.WORK), LADDER, SEEDED)
    assert [(item.step, item.day) for item in found] == [
        ("50%", D("2026-10-12")),
        ("last 3 work days", D("2026-10-12")),
        ("80%", D("2026-10-13")),
    ]


def test_no_rung_warns_on_the_start_day() -> None:
    found = warnings(Period(D("2026-03-02"), 1, Unit.WORK), LADDER, SEEDED)
    assert {item.day for item in found} == {D("2026-03-03")}
    assert warnings(Period(D("2026-03-02"), 0, Unit.WORK), LADDER, SEEDED) == ()
