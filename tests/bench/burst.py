"""Bursts: a quarter of what the city can do, and in between ten times that for some seconds, several times over."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.load import checklist
from tests.load.city import LoadCity
from tests.load.drive import Drive
from tests.load.petitions import Kind

CLIENTS = 64
STEADY_SHARE = 0.25
SPIKE_TIMES = 10
LONGEST = 900


@dataclass(frozen=True, slots=True)
class Shape:
    """How a burst goes: rounds of a spike and a valley, in seconds."""

    rounds: int = 5
    spike_s: float = 20
    valley_s: float = 60


@dataclass(frozen=True, slots=True)
class Outcome:
    """``lost``: taken but not complete; ``drain_s``: from a spike's end until all taken until then were closed."""

    lost: int
    error_ratio: float
    drain_s: tuple[float, ...]
    taken: int


def run(city: LoadCity, kind: Kind, lifecycles_per_s: float, shape: Shape) -> Outcome:
    """Steady load with spikes; every request counts, a request that fails is not repeated."""
    steady = STEADY_SHARE * lifecycles_per_s
    ends: list[float] = []
    with Drive(city, clients=CLIENTS) as drive:
        _submit(drive, kind, steady, shape.valley_s)
        for _ in range(shape.rounds):
            _submit(drive, kind, SPIKE_TIMES * steady, shape.spike_s)
            ends.append(time.time())
            _submit(drive, kind, steady, shape.valley_s)
        try:
            drive.complete(LONGEST)
        except AssertionError:
            lost = len(checklist.incomplete(city.stack, {matter.id: matter.kind for matter in drive.matters.values()}))
        else:
            lost = 0
        requests = drive.requests
        closed = [(matter.sent_at + matter.seconds, matter.closed_at or time.time()) for matter in requests.taken]
    drained = tuple(max(at for sent, at in closed if sent <= end) - end for end in ends)
    return Outcome(lost, len(requests.failures) / max(1, requests.sent), drained, len(requests.taken))


def _submit(drive: Drive, kind: Kind, rate: float, seconds: float) -> None:
    drive.submit([kind], rate=rate, seconds=seconds)
    drive.submitted(seconds + LONGEST)
