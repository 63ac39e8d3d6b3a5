"""The work calendar: announced years, provisional years, a region's own holidays, imported notices."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lianban.chassis.calendar_seed import announced_years
from lianban.contracts.codes import YearStatus
from lianban.contracts.oversight import CalendarDay
from lianban.law.calendar import CalendarError, CalendarYear, WorkCalendar, read_holiday_cn

SEEDED = WorkCalendar(announced_years())
SHARED = Path(os.environ.get("LIANBAN_SHARED", Path(__file__).parents[4] / "shared")) / "data"


def a_notice(year: int, *entries: tuple[str, bool]) -> dict[str, Any]:
    return {"year": year, "papers": [], "days": [{"name": "元旦", "date": d, "isOffDay": off} for d, off in entries]}


def test_the_seed_holds_every_announced_year_from_2004_to_2026() -> None:
    assert [year.year for year in announced_years()] == list(range(2004, 2027))
    assert {year.status for year in announced_years()} == {YearStatus.OFFICIAL}
    assert sum(day.works for year in announced_years() for day in year.days) == 150


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ("2026-10-01", False),  # National Day, a Thursday
        ("2026-10-08", True),  # the first Thursday after it
        ("2026-10-10", True),  # a Saturday worked in exchange
        ("2026-10-11", False),  # a plain Sunday
        ("2026-02-14", True),  # a Saturday worked before the Spring Festival
        ("2026-06-19", False),  # Dragon Boat Festival
    ],
)
def test_holidays_rest_and_exchanged_weekends_work(day: str, works: bool) -> None:
    assert SEEDED.is_work_day(date.fromisoformat(day)) is works
    assert SEEDED.is_rest_day(date.fromisoformat(day)) is not works


def test_the_next_work_day_skips_the_whole_holiday() -> None:
    assert SEEDED.next_work_day(date(2026, 9, 30)) == date(2026, 10, 8)
    assert SEEDED.next_work_day(date(2026, 10, 9)) == date(2026, 10, 10)


def test_a_year_without_data_is_provisional_and_knows_only_holidays_with_fixed_dates() -> None:
    assert SEEDED.status(2027) is YearStatus.PROVISIONAL
    assert SEEDED.provisional(date(2027, 3, 3))
    resting = {date(2027, 1, 1), date(2027, 10, 1)}  # both Fridays
    assert all(SEEDED.is_rest_day(day) for day in resting)
    assert SEEDED.is_work_day(date(2027, 2, 8))  # in the Spring Festival of 2027, which is not guessed
    assert SEEDED.is_rest_day(date(2027, 2, 6))  # a Saturday


def test_an_official_year_takes_nothing_from_the_statute_beside_its_notice() -> None:
    calendar = WorkCalendar((CalendarYear(2027, YearStatus.OFFICIAL),))
    assert calendar.is_work_day(date(2027, 1, 1))
    assert not calendar.provisional(date(2027, 3, 3))


def test_the_last_week_of_december_is_provisional_while_the_next_notice_is_missing() -> None:
    assert not SEEDED.provisional(date(2026, 12, 24))
    assert SEEDED.provisional(date(2026, 12, 31))
    assert not SEEDED.provisional(date(2025, 12, 31))


def test_a_regions_own_holiday_stands_above_the_notice() -> None:
    local = CalendarDay(day=date(2026, 8, 4), works=False, name="火把节")
    assert SEEDED.is_work_day(local.day)
    assert SEEDED.in_region([local]).is_rest_day(local.day)
    assert SEEDED.in_region([local]).in_region([]) == SEEDED


def test_a_year_can_be_replaced() -> None:
    calendar = SEEDED.with_year(CalendarYear(2026, YearStatus.PROVISIONAL))
    assert calendar.is_work_day(date(2026, 2, 17))
    assert calendar.is_rest_day(date(2026, 10, 1))
    assert SEEDED.is_rest_day(date(2026, 2, 17))


def test_a_year_refuses_days_of_another_year_and_days_named_twice() -> None:
    day = CalendarDay(day=date(2026, 1, 1), works=False, name="元旦")
    with pytest.raises(CalendarError, match="does not belong to 2027"):
        CalendarYear(2027, YearStatus.OFFICIAL, (day,))
    with pytest.raises(CalendarError, match="named twice"):
        CalendarYear(2026, YearStatus.OFFICIAL, (day, day))
    with pytest.raises(CalendarError, match="given twice"):
        WorkCalendar((CalendarYear(2026, YearStatus.OFFICIAL), CalendarYear(2026, YearStatus.OFFICIAL)))


def test_an_imported_notice_also_changes_the_end_of_the_year_before() -> None:
    known = [CalendarYear(2018, YearStatus.OFFICIAL, (CalendarDay(date(2018, 10, 1), works=False, name="国庆节"),))]
    years = read_holiday_cn([a_notice(2019, ("2018-12-29", False), ("2018-12-31", True), ("2019-01-01", True))], known)
    assert [(year.year, year.status) for year in years] == [(2018, YearStatus.OFFICIAL), (2019, YearStatus.OFFICIAL)]
    calendar = WorkCalendar(years)
    assert calendar.is_work_day(date(2018, 12, 29))
    assert calendar.is_rest_day(date(2018, 12, 31))
    assert calendar.is_rest_day(date(2018, 10, 1))


def test_importing_a_year_again_keeps_what_the_next_notice_said_of_its_end() -> None:
    notices = [a_notice(2018, ("2018-01-01", True)), a_notice(2019, ("2018-12-31", True), ("2019-01-01", True))]
    both = read_holiday_cn(notices)
    again = read_holiday_cn([a_notice(2018, ("2018-01-02", True))], both)
    assert [(item.day, item.works) for item in again[0].days] == [
        (date(2018, 1, 2), False),
        (date(2018, 12, 31), False),
    ]
    assert read_holiday_cn(notices, both) == both


def test_an_empty_notice_announces_nothing() -> None:
    assert read_holiday_cn([a_notice(2027)]) == (CalendarYear(2027, YearStatus.PROVISIONAL),)
    kept = CalendarYear(2026, YearStatus.OFFICIAL, (CalendarDay(date(2026, 1, 1), works=False, name="元旦"),))
    assert read_holiday_cn([a_notice(2026)], [kept]) == (kept,)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "integer 'year'"),
        ({"year": "2026", "days": []}, "integer 'year'"),
        ({"year": 2026}, "'days' is not a list"),
        ({"year": 2026, "days": ["2026-01-01"]}, "entry 1: not an object"),
        ({"year": 2026, "days": [{"name": "", "date": "2026-01-01", "isOffDay": True}]}, "'name' must be text"),
        ({"year": 2026, "days": [{"name": "元旦", "date": "2026-01-01", "isOffDay": 1}]}, "true or false"),
        ({"year": 2026, "days": [{"name": "元旦", "date": "20260101", "isOffDay": True}]}, "must look like"),
        ({"year": 2026, "days": [{"name": "元旦", "date": "2026-02-30", "isOffDay": True}]}, "is no day"),
        ({"year": 2026, "days": [{"name": "元旦", "date": "2024-01-01", "isOffDay": True}]}, "too far from 2026"),
        (a_notice(2026, ("2026-01-01", True), ("2026-01-01", True)), "named twice"),
    ],
)
def test_a_bad_file_is_refused_with_the_entry_that_is_wrong(document: Any, message: str) -> None:
    with pytest.raises(CalendarError, match=message):
        read_holiday_cn([document])


@pytest.mark.skipif(not (SHARED / "holiday_cn_2026.json").exists(), reason="the real notices are not at hand")
def test_the_real_notices_and_the_seed_agree_on_every_day() -> None:
    files = [json.loads((SHARED / f"holiday_cn_{year}.json").read_text("utf-8")) for year in (2024, 2025, 2026, 2027)]
    calendar = WorkCalendar(read_holiday_cn(files))
    first, last = date(2024, 1, 1).toordinal(), date(2026, 12, 31).toordinal()
    differing = [
        day
        for day in map(date.fromordinal, range(first, last + 1))
        if calendar.is_work_day(day) != SEEDED.is_work_day(day)
    ]
    assert differing == []
    assert calendar.status(2027) is YearStatus.PROVISIONAL
