"""What was read a moment ago, for what is asked again and again and seldom changes: one read serves some seconds.

A change counts everywhere in the process when these seconds are over, and at once where the process that makes it calls
:meth:`Recent.forget` or :meth:`Recent.clear` after its commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

from lianban.chassis.settings import settings

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """Values by key, each good for ``seconds``; those of one database are not another's."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._kept: dict[tuple[str, K], tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        """The value, where it was read recently."""
        place = (settings().database_url, key)
        if place not in self._kept:
            return None
        read_at, value = self._kept[place]
        if time.monotonic() - read_at < self._seconds:
            return value
        del self._kept[place]
        return None

    def keep(self, key: K, value: V) -> V:
        """Keep what was just read, and return it."""
        self._kept[settings().database_url, key] = (time.monotonic(), value)
        return value

    def of(self, key: K, read: Callable[[], V]) -> V:
        """The value, read where it was not read recently."""
        value = self.get(key)
        return value if value is not None else self.keep(key, read())

    def forget(self, key: K) -> None:
        """Have a value read again at its next use."""
        self._kept.pop((settings().database_url, key), None)

    def clear(self) -> None:
        """Have every value read again."""
        self._kept.clear()
