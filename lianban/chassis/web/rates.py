"""Where request rates are counted: in the process, without a clock ticking beside the requests.

The library's own store in memory keeps a list per caller, copies it and starts a timer thread every 10 ms while
requests come, which took a fifth of the time of registering a matter. Here a request adds one moment and drops those
that are over. Greenlets change only at I/O, so there is nothing to lock.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from limits.storage import MemoryStorage

SWEEP_SECONDS = 60.0
"""How often windows in which nothing is left are forgotten."""


@dataclass(slots=True)
class _Window:
    seconds: float
    moments: deque[float] = field(default_factory=deque)

    def drop_old(self, now: float) -> None:
        while self.moments and self.moments[0] < now - self.seconds:
            self.moments.popleft()


class ProcessStorage(MemoryStorage):
    """Moving windows of one process; ``process://`` as the limiter's storage."""

    STORAGE_SCHEME = ["process"]  # noqa: RUF012 - the library's way of registering a store

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: str) -> None:
        super().__init__(uri, wrap_exceptions, **options)
        self._windows: dict[str, _Window] = {}
        self._swept = time.time()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count ``amount`` requests if the last ``expiry`` seconds then hold at most ``limit``; else false."""
        now = time.time()
        self._sweep(now)
        window = self._windows.setdefault(key, _Window(expiry))
        window.drop_old(now)
        if len(window.moments) + amount > limit:
            return False
        window.moments.extend([now] * amount)
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """When the oldest request that still counts came (seconds since 1970), and how many count."""
        now = time.time()
        window = self._windows.get(key)
        if window is not None:
            window.drop_old(now)
        if window is None or not window.moments:
            return now, 0
        return window.moments[0], len(window.moments)

    def clear(self, key: str) -> None:
        """Forget a caller's requests."""
        self._windows.pop(key, None)
        super().clear(key)

    def reset(self) -> int | None:
        """Forget all requests; returns of how many callers."""
        known = len(self._windows)
        self._windows.clear()
        super().reset()
        return known

    def _sweep(self, now: float) -> None:
        if now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        for key, window in list(self._windows.items()):
            window.drop_old(now)
            if not window.moments:
                del self._windows[key]
