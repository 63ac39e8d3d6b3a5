"""A city where an authority's last day stays on a rest day, and one matter there: the dates that every service says.

By the product's own setting the notice would be due on 8 October (after the holidays), handling on Monday 23 November.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lianban.chassis import calendar
from lianban.chassis.calendar_seed import announced_years
from lianban.chassis.runtime import database
from tests.keys import forget_settings

SITE = "[clocks]\nroll_agency_deadlines = false\nlengths = { rating = 45 }\n"
SENT = datetime(2026, 9, 17, 2, 0, tzinfo=UTC)
ACCEPTED = datetime(2026, 9, 22, 2, 0, tzinfo=UTC)
OBJECTION = date(2026, 9, 23)
NOTICE = date(2026, 10, 2)
"""A day of the national holidays."""
HANDLE = date(2026, 11, 21)
"""A Saturday."""


def live_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process a service of that city."""
    file = tmp_path / "unrolled.toml"
    file.write_text(SITE, "utf-8")
    monkeypatch.setenv("LIANBAN_SITE", str(file))
    forget_settings()


def know_the_calendar() -> None:
    """Let this service's copy of the work calendar have the announced days of 2026."""
    (year,) = [year for year in announced_years() if year.year == 2026]
    with database().transaction() as tx:
        calendar.store_year(tx, year.year, year.status, year.days)
