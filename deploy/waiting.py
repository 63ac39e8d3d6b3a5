"""Waiting for a condition instead of sleeping: for whoever plays a part in a running stack, demonstration or test."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NotSo(Exception):
    """Something is not as expected: a door answered otherwise, or what was waited for did not come."""


def until(condition: Callable[[], T | None], what: str, *, seconds: float = 60, every: float = 0.3) -> T:
    """The first true value of ``condition``; raises :class:`NotSo` with ``what`` was waited for when time is up."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise NotSo(f"not within {seconds:.0f} s: {what}")
        time.sleep(every)
