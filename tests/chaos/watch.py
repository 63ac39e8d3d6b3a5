"""Watching readiness while a fault runs: how long after its end some service was still not ready."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from tests.chaos.shaken import ShakenStack

EVERY = 0.2


class Watch(threading.Thread):
    """Asks every service again and again whether it is ready; a context manager."""

    def __init__(self, stack: ShakenStack) -> None:
        super().__init__(daemon=True)
        self.stack = stack
        self.fault_over_at: float | None = None
        self.last_unready_at: float | None = None
        self._longest = 0.0
        self._failed: BaseException | None = None
        self.why: dict[str, str] = {}
        """What each service said last when it was not ready."""
        self._ending = threading.Event()

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ending.set()
        self.join()
        if self._failed is not None and error is None:
            raise AssertionError("nobody watched to the end") from self._failed

    def run(self) -> None:
        try:
            while not self._ending.wait(EVERY):
                unready = self.stack.unready_services()
                if unready:
                    self.last_unready_at = time.monotonic()
                    self.why |= unready
        except BaseException as error:  # noqa: BLE001 - told at the end: a watch that died saw nothing unready
            self._failed = error

    def fault_over(self) -> None:
        """The fault is over now: from here on it counts how long recovery takes; the longest of several counts."""
        if self.fault_over_at is not None:
            self._longest = self.seconds_to_recover
        self.fault_over_at = time.monotonic()

    @property
    def seconds_to_recover(self) -> float:
        """From the end of a fault to the last moment at which some service was not ready."""
        if self.fault_over_at is None:
            raise AssertionError("the scenario did not say when its fault was over")
        return max(self._longest, (self.last_unready_at or 0.0) - self.fault_over_at)
