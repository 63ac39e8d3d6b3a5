"""One scenario: people submit matters of one and of three agencies all the time, a fault happens, and all is examined.

with trial() as load:
    load.more(3)                     # some matters were accepted since
    load.stack.kill("rabbitmq")      # the fault
    load.fault_over()                # from here on it counts how long recovery takes
    load.more(3)
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.waiting import until
from tests.chaos import report
from tests.chaos.invariants import examine, matters_of
from tests.chaos.report import Report
from tests.chaos.shaken import ShakenStack
from tests.chaos.watch import Watch
from tests.load.city import LoadCity
from tests.load.drive import Drive
from tests.load.petitions import Kind

RATE = 2.0
"""Matters a second; what a busy machine of two cores carries beside the fault and the examination."""
IN_FLIGHT = 24
"""Matters on their way at most: what a fault holds up must not become a backlog that takes longer than the fault."""
CLIENTS = 6
PATIENCE = 1000
"""So often a client sends a request again under its Idempotency-Key: until somebody answers."""
MOST_SECONDS = 300
"""How long a scenario may take to come to rest before it counts as hanging."""


class Load:
    """The load of one scenario, and its stack."""

    def __init__(self, stack: ShakenStack, drive: Drive, watch: Watch) -> None:
        self.stack = stack
        self._drive = drive
        self._watch = watch

    def more(self, matters: int) -> None:
        """Wait until so many more matters were answered with 2xx."""
        goal = len(self._drive.matters) + matters
        until(lambda: len(self._drive.matters) >= goal, f"{matters} more matters", seconds=MOST_SECONDS, every=0.1)

    def lasting(self, seconds: float) -> None:
        """Let the fault go on for so long: its length is what is tried."""
        threading.Event().wait(seconds)

    def fault_over(self) -> None:
        """The fault is over now."""
        self._watch.fault_over()

    def until_ready(self) -> None:
        """Wait until every service is ready again by itself."""
        until(lambda: not self.stack.unready_services(), "every service is ready", seconds=MOST_SECONDS, every=0.2)


@contextmanager
def under_load(city: LoadCity, stack: ShakenStack, scenario: str, reports: list[Report]) -> Iterator[Load]:
    """Within the block the load goes on; afterwards it comes to rest, is examined and reported."""
    before, killed_before = matters_of(stack), stack.killed.copy()
    report.forget(scenario)
    with Watch(stack) as watch, Drive(city, clients=CLIENTS, tries=PATIENCE) as drive:
        drive.submit([Kind.SINGLE, Kind.JOINT3], seconds=3600, rate=RATE, in_flight=IN_FLIGHT)
        load = Load(stack, drive, watch)
        yield load
        drive.stop()
        drive.submitted(MOST_SECONDS)
        began = time.monotonic()
        load.until_ready()
        unfinished = ""
        try:
            drive.complete(MOST_SECONDS)
        except AssertionError as error:
            unfinished = str(error)
        drained = time.monotonic() - began
        killed = stack.killed - killed_before
        made, findings = examine(stack, drive, watch, scenario=scenario, before=before, killed=killed, drained=drained)
    reports.append(made)
    late = f"ready again only {made.seconds_to_recover:.0f} s after the fault" if made.late else ""
    wrong = "\n".join(part for part in (unfinished, findings.told(), late) if part)
    report.keep(made, passed=not wrong)
    assert wrong == "", wrong
