"""The calendar that a service keeps by event is the calendar that it reads."""

from __future__ import annotations

from datetime import date
from typing import Any

import psycopg
from psycopg.rows import DictRow

from lianban.chassis import calendar
from lianban.chassis.runtime import database
from lianban.contracts.codes import YearStatus
from lianban.contracts.oversight import CalendarChanged, CalendarDay
from lianban.contracts.refs import calendar_id
from tests.integration.chassis.envelopes import an_envelope, an_inbox

SPRING = CalendarDay(date(2026, 2, 17), False, "春节")
SHIFTED = CalendarDay(date(2026, 2, 14), True, "春节")
LABOUR = CalendarDay(date(2026, 5, 1), False, "劳动节")


def changed(sequence: int, status: str, *days: CalendarDay) -> Any:
    return an_envelope(
        calendar_id(2026),
        sequence,
        source="oversight",
        event_type="lianban.oversight.calendar-changed.v1",
        data={
            "year": 2026,
            "status": status,
            "days": [{"day": day.day.isoformat(), "works": day.works, "name": day.name} for day in days],
        },
    )


def test_a_year_is_replaced_by_what_oversight_says_last(service_database: psycopg.Connection[DictRow]) -> None:
    inbox = an_inbox("routing", {CalendarChanged: calendar.keep})
    inbox.handle([changed(1, "provisional", LABOUR)])
    with database().transaction() as tx:
        assert calendar.years(tx) == {2026: YearStatus.PROVISIONAL}
        assert calendar.read(tx).is_work_day(date(2026, 2, 17))
    inbox.handle([changed(2, "official", SPRING, SHIFTED), changed(1, "provisional", LABOUR)])
    with database().transaction() as tx:
        assert calendar.years(tx) == {2026: YearStatus.OFFICIAL}
        kept = calendar.read(tx)
    assert not kept.is_work_day(date(2026, 2, 17))
    assert kept.is_work_day(date(2026, 2, 14))
    assert kept.is_work_day(date(2026, 5, 1))  # the holiday that was only assumed is gone


def test_a_service_that_heard_of_no_year_has_a_calendar_all_the_same(
    service_database: psycopg.Connection[DictRow],
) -> None:
    with database().transaction() as tx:
        assert calendar.years(tx) == {}
        kept = calendar.read(tx)
    assert not kept.is_work_day(date(2026, 2, 14))  # a Saturday
    assert kept.is_work_day(date(2026, 2, 17))
