"""A process of a service that the test itself starts: a further replica, or one that takes the place of all others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deploy.local.checks import taken
from deploy.local.environment import MARK, passed_on
from deploy.local.layout import HOST
from deploy.local.processes import all_of
from deploy.local.stack import unready
from deploy.waiting import until
from tests.chaos.shaken import ShakenStack

ROOT = Path(__file__).parents[2]
REPLICA_HTTP, REPLICA_OPS = 151, 152
"""Where a further replica listens, counted from the stack's first port."""


class Beside:
    """One process of a service, not under the supervisor."""

    def __init__(
        self,
        stack: ShakenStack,
        service: str,
        *,
        module: str = "cli",
        arguments: tuple[str, ...] = ("serve",),
        more: Mapping[str, str] | None = None,
        replica: bool = False,
    ) -> None:
        self.service = service
        environment = passed_on() | {MARK: str(stack.layout.home)} | stack.env(service) | dict(more or {})
        if replica:
            base = stack.layout.ports.base
            environment |= {"LIANBAN_HTTP_PORT": str(base + REPLICA_HTTP), "LIANBAN_OPS_PORT": str(base + REPLICA_OPS)}
        self.ops = int(environment["LIANBAN_OPS_PORT"])
        self.log = stack.layout.logs / f"beside-{service}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments, service],
                cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def wait_until_ready(self) -> None:
        """Wait until it says that it is ready."""

        def ready() -> bool:
            assert self.process.poll() is None, f"it ended\n{self.log.read_text()[-2000:]}"
            return not unready(f"http://{HOST}:{self.ops}/readyz")

        until(ready, f"{self.service} beside the supervisor is ready", seconds=120, every=0.1)

    def counted(self, metric: str) -> float:
        """What a counter stands at, all its labels together."""
        with urllib.request.urlopen(f"http://{HOST}:{self.ops}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        values = [float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{metric} ", f"{metric}{{"))]
        assert values, f"{metric} is not counted"
        return sum(values)

    def stop(self) -> int:
        """Ask it to stop; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def end(self) -> None:
        """SIGKILL if it still runs."""
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait(10)


@contextmanager
def second_replica(stack: ShakenStack, service: str) -> Iterator[Beside]:
    """Within the block the service has one more replica."""
    made = Beside(stack, service, replica=True)
    try:
        made.wait_until_ready()
        yield made
    finally:
        made.end()


@contextmanager
def in_place_of(stack: ShakenStack, service: str, **given: object) -> Iterator[Beside]:
    """Within the block this process alone is the service, at its first one's ports; then the right ones run again."""
    stack.supervisor.end_together(all_of(service))
    made = Beside(stack, service, **given)  # type: ignore[arg-type]  # passed on as they are
    try:
        made.wait_until_ready()
        yield made
    finally:
        if made.process.poll() is None:
            made.stop()
        made.end()
        until(lambda: not taken(made.ops), "its port is free again", seconds=30, every=0.1)
        for name in all_of(service):
            stack.supervisor.begin(name)
