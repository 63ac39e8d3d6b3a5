"""Whole life-cycles: submitted, suggested, confirmed, delivered, answered, told, rated, closed, in every service."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench import processes
from tests.load.city import LoadCity
from tests.load.drive import Drive
from tests.load.petitions import Kind

IN_FLIGHT = 200
"""Matters that are on their way at once: enough for every service to have something to do."""
LONGEST = 300
"""Seconds after which a life-cycle that is not complete is an error."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of life-cycles; ``cpu_ms`` is CPU time per life-cycle, by process.

    ``steady_per_s`` is the rate of closings in the middle half, without the time in which the first ones are on their
    way and the last ones end.
    """

    number: int
    seconds: float
    steady_per_s: float
    cpu_ms: dict[str, float]

    @property
    def per_s(self) -> float:
        """Complete life-cycles per second."""
        return self.number / self.seconds


def run(city: LoadCity, kind: Kind, number: int, *, in_flight: int = IN_FLIGHT) -> Run:
    """From the first petition until every service has done its part for the last one, with no backlog left."""
    with Drive(city) as drive:
        before, began = processes.cpu_seconds(city.stack), time.time()
        drive.submit([kind], number=number, in_flight=in_flight)
        taken = drive.submitted(LONGEST)
        if len(taken) != number or drive.requests.failures:
            raise AssertionError(f"{len(taken)} of {number} petitions taken; {drive.requests.failures[:3]}")
        ended = drive.complete(LONGEST)
        spent = processes.spent(before, processes.cpu_seconds(city.stack))
        if drive.requests.failures:
            raise AssertionError(f"requests failed: {drive.requests.failures[:3]}")
        closings = sorted(matter.closed_at for matter in drive.matters.values() if matter.closed_at is not None)
    cpu_ms = {name: 1000 * seconds / number for name, seconds in spent.items()}
    return Run(number, ended - began, middle_rate(closings), cpu_ms)


def middle_rate(moments: Sequence[float]) -> float:
    """How many happen in a second between the first and the third quarter of them, given in their order."""
    first, last = len(moments) // 4, 3 * len(moments) // 4
    return (last - first) / max(moments[last] - moments[first], 0.001)
