"""The clock: UTC inside, Asia/Shanghai at the edges; histories run with the clock set back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from lianban.law.clocks import CHINA, china_day

__all__ = ["CHINA", "at", "china_day", "now"]

_set: ContextVar[datetime | None] = ContextVar("lianban_clock", default=None)


def now() -> datetime:
    """The present instant in UTC, or the instant that :func:`at` has set."""
    return _set.get() or datetime.now(UTC)


@contextmanager
def at(instant: datetime) -> Iterator[None]:
    """Within the block :func:`now` answers ``instant``: for seeded histories and tests."""
    token = _set.set(instant.astimezone(UTC))
    try:
        yield
    finally:
        _set.reset(token)
