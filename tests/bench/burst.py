"""Bursts: a quarter of what the city can do, and in between ten times that for some seconds, several times over."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
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
    """One sample for each round: what was sent in it, and what became of that.

    ``lost``: taken but not complete; ``drain_s``: from the spike's end until all taken until then were closed. The
    first round has the valley before it too, the last one everything behind it.
    """

    taken: list[int]
    lost: list[int]
    error_ratio: list[float]
    drain_s: list[float]


def run(city: LoadCity, kind: Kind, lifecycles_per_s: float, shape: Shape) -> Outcome:
    """Steady load with spikes; every request counts, a request that fails is not repeated."""
    steady = STEADY_SHARE * lifecycles_per_s
    spikes: list[float] = []
    rounds: list[float] = []
    with Drive(city, clients=CLIENTS) as drive:
        _submit(drive, kind, steady, shape.valley_s)
        for _ in range(shape.rounds):
            _submit(drive, kind, SPIKE_TIMES * steady, shape.spike_s)
            spikes.append(time.time())
            _submit(drive, kind, steady, shape.valley_s)
            rounds.append(time.time())
        try:
            drive.complete(LONGEST)
        except AssertionError:
            missing = checklist.incomplete(city.stack, {matter.id: matter.kind for matter in drive.matters.values()})
            lost = [drive.matters[i].sent_at for i in missing]
        else:
            lost = []
        requests = drive.requests
        rated = [matter.rated_at for matter in drive.matters.values() if matter.rated_at is not None]
        closed = [(matter.sent_at + matter.seconds, matter.closed_at or time.time()) for matter in requests.taken]
    taken = by_round([matter.sent_at for matter in requests.taken], rounds)
    failed = by_round([failure.at for failure in requests.failures], rounds)
    answered = zip(taken, by_round(rated, rounds), strict=True)
    return Outcome(
        taken=taken,
        lost=by_round(lost, rounds),
        error_ratio=[bad / max(1, bad + sum(good)) for bad, good in zip(failed, answered, strict=True)],
        drain_s=[max(at for sent, at in closed if sent <= end) - end for end in spikes],
    )


def by_round(moments: Iterable[float], ends: Sequence[float]) -> list[int]:
    """How many moments lie in each round, given when rounds end; what comes after the last end counts for the last."""
    counts = [0] * len(ends)
    for moment in moments:
        counts[min(bisect_left(ends, moment), len(ends) - 1)] += 1
    return counts


def _submit(drive: Drive, kind: Kind, rate: float, seconds: float) -> None:
    drive.submit([kind], rate=rate, seconds=seconds)
    drive.submitted(seconds + LONGEST)
