"""The clock: UTC inside, Asia/Shanghai at the edges; histories run with the clock set back.

A service goes by its database's clock. Rows say when they are due and how long they are lent; were the machine's clock
believed, a jump of it would write rows that are due tomorrow, or see every lease end at once. Between two looks at the
database the monotonic clock, which never jumps, carries on (docs/adr/0010).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from time import monotonic

from lianban.law.clocks import CHINA, china_day

__all__ = ["CHINA", "at", "china_day", "keep_to", "now"]

TOLERATED_SECONDS = 0.2
"""So far the process's clock may be from the database's before it is set again."""

_set: ContextVar[datetime | None] = ContextVar("lianban_clock", default=None)
_kept_to: tuple[datetime, float] | None = None
"""An instant by the database's clock, and what the monotonic clock showed then."""


def now() -> datetime:
    """The present instant in UTC, or the instant that :func:`at` has set."""
    return _set.get() or _at(monotonic())


def _at(moment: float) -> datetime:
    """The instant at a moment of the monotonic clock; the machine's word where no database has spoken yet."""
    if _kept_to is None:
        return datetime.now(UTC)
    instant, since = _kept_to
    return instant + timedelta(seconds=moment - since)


def keep_to(instant: datetime, *, asked: float, answered: float) -> None:
    """Go by the database's clock, which showed ``instant`` between two moments of the monotonic clock.

    What the time between question and answer explains is no difference.
    """
    global _kept_to  # noqa: PLW0603 - the clock of this process
    middle = (asked + answered) / 2
    difference = abs((instant - _at(middle)).total_seconds())
    if _kept_to is None or difference > TOLERATED_SECONDS + (answered - asked):
        _kept_to = (instant.astimezone(UTC), middle)


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Within the block :func:`now` answers ``instant``: for seeded histories and tests."""
    token = _set.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _set.reset(token)
