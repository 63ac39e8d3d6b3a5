"""Worker loops: effects outside the database, done from rows that handlers and requests have written.

A loop's function takes some rows (``for update skip locked``), does the work with no transaction open, records
the outcome and returns how many it finished. It is called again while there is work, after a moment in which more may
gather, and then waits for its interval or for :meth:`~lianban.chassis.transaction.Transaction.wake`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import eventlet
import structlog
from nameko.extensions import DependencyProvider

from lianban.chassis import metrics
from lianban.chassis.database import UNAVAILABLE
from lianban.chassis.errors import Retry
from lianban.chassis.logs import say
from lianban.chassis.wakeup import bell

log = structlog.get_logger()


GATHER_SECONDS = 0.03
"""The moment between two rounds while there is work, where a loop names no other."""


class Loop(DependencyProvider):
    """Runs ``function`` again and again in ``concurrency`` greenlets.

    ``every`` is the longest pause in seconds; ``gather`` the pause between two rounds while there is work: the longer,
    the more one round does together, and the later it is done.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[], int],
        *,
        every: float = 1.0,
        concurrency: int = 1,
        gather: float = GATHER_SECONDS,
    ) -> None:
        self.name = name
        self.function = function
        self.every = every
        self.concurrency = concurrency
        self.gather = gather
        self.stopping: bool = False
        self.running = 0

    def start(self) -> None:
        """Start the greenlets."""
        metrics.from_zero(metrics.loop_done, [self.name])
        metrics.from_zero(metrics.loop_failures, [self.name])
        for number in range(self.concurrency):
            self.container.spawn_managed_thread(self._run, identifier=f"loop {self.name} {number}")

    def stop(self) -> None:
        """Let the rounds in work finish, at most 20 s."""
        self.stopping = True
        bell(self.name).set()
        for _ in range(200):
            if not self.running:
                return
            eventlet.sleep(0.1)

    def get_dependency(self, worker_ctx: Any) -> None:
        """Loops are not used by workers."""

    def _run(self) -> None:
        signal = bell(self.name)
        wait = 0.5
        while not self.stopping:
            signal.clear()
            self.running += 1
            try:
                done = self.function()
                wait = 0.5
            except (Retry, *UNAVAILABLE) as error:
                metrics.loop_failures.labels(self.name).inc()
                log.warning("loop.retry", loop=self.name, reason=say(error))
                done = -1
            except Exception:
                metrics.loop_failures.labels(self.name).inc()
                log.exception("loop.failed", loop=self.name)
                done = -1
            finally:
                self.running -= 1
            if done > 0:
                metrics.loop_done.labels(self.name).inc(done)
                eventlet.sleep(self.gather)
            elif done == 0:
                signal.wait(self.every)
            else:
                eventlet.sleep(wait)
                wait = min(wait * 2, 30.0)
