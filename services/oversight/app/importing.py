"""Importing the State Council's yearly notice (国务院办公厅关于部分节假日安排的通知)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from lianban.chassis import calendar as kept
from lianban.chassis.runtime import database
from lianban.law.calendar import CalendarYear, read_holiday_cn
from services.oversight.app.working_calendar import change
from services.oversight.store import calendar as editions


def import_notice(documents: Sequence[Any], *, actor: str, at: datetime) -> list[CalendarYear]:
    """Replace the years that the notices name; years that stay the same are left alone.

    Raises :class:`~lianban.law.calendar.CalendarError` with what is wrong; then nothing has changed.
    """
    with database().transaction() as tx:
        editions.hold(tx)
        known = {year.year: year for year in kept.read(tx).years}
        years = read_holiday_cn(documents, known.values())
        changed = [year for year in years if known.get(year.year) != year]
        for year in changed:
            change(tx, year, actor=actor, at=at)
    return changed
