"""The clock: UTC inside, Asia/Shanghai at the edges; histories run with the clock set back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

CHINA = ZoneInfo("Asia/Shanghai")
"""The time zone in which days are counted and shown."""

_set: ContextVar[datetime | None] = ContextVar("lianban_clock", default=None)


def now() -> datetime:
    """The present instant in UTC, or the instant that :func:`at` has set."""
    return _set.get() or datetime.now(UTC)


def china_day(instant: datetime) -> date:
    """The calendar day in China on which an instant falls."""
    return instant.astimezone(CHINA).date()


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Within the block :func:`now` answers ``instant``: for seeded histories and tests."""
    token = _set.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _set.reset(token)
