"""A lane's circuit breaker, as pure functions: a dead department is asked rarely, and by one message at a time.

closed ──failures──> open ──cool-down over, one probe──> half_open ──success──> closed
                       ^                                     │
                       └──────────────failure────────────────┘
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from services.agency_gateway.domain.delivery import (
    BackOff,
    Delivered,
    Failed,
    Offered,
    Outcome,
    Postponed,
    Refused,
    Stuck,
    Unclear,
)


class Circuit(StrEnum):
    """Whether messages flow to a department."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True)
class Breaker:
    """The circuit of one lane; ``openings`` counts how often it opened since the last success."""

    circuit: Circuit = Circuit.CLOSED
    failures: int = 0
    openings: int = 0
    probe_at: datetime | None = None

    def room(self, *, at: datetime, in_flight: int, concurrency: int) -> int:
        """How many messages may be taken for this lane now."""
        match self.circuit:
            case Circuit.CLOSED:
                return max(0, concurrency - in_flight)
            case Circuit.OPEN:
                return int(in_flight == 0 and self.probe_at is not None and self.probe_at <= at)
            case Circuit.HALF_OPEN:
                return int(in_flight == 0)
            case _:
                assert_never(self.circuit)

    def probing(self) -> Breaker:
        """The breaker while its probe is under way."""
        return self if self.circuit is Circuit.CLOSED else replace(self, circuit=Circuit.HALF_OPEN)


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Opens after ``failures`` in a row; the cool-down grows from ``cool_down.first`` to ``cool_down.longest``."""

    failures: int = 5
    cool_down: BackOff = field(default_factory=lambda: BackOff(first=5.0, longest=120.0))


def shows_life(outcome: Outcome) -> bool | None:
    """What an outcome says about the department: alive, in trouble, or (``None``) nothing."""
    match outcome:
        case Delivered() | Refused():
            return True
        case Failed() | Unclear():
            return False
        case Offered() | Postponed() | Stuck():
            return None
        case _:
            assert_never(outcome)


def after_outcome(breaker: Breaker, outcome: Outcome, *, at: datetime, policy: BreakerPolicy, chance: float) -> Breaker:
    """The breaker after an attempt in its lane."""
    alive = shows_life(outcome)
    if alive is None:
        # The probe told nothing, so the next message is the probe.
        return breaker
    if alive:
        return Breaker()
    failures = breaker.failures + 1
    if breaker.circuit is Circuit.CLOSED and failures < policy.failures:
        return replace(breaker, failures=failures)
    if breaker.circuit is Circuit.OPEN:
        # A straggler that was under way when the circuit opened: the cool-down is set already.
        return replace(breaker, failures=failures)
    openings = breaker.openings + 1
    return Breaker(Circuit.OPEN, failures, openings, at + policy.cool_down.pause(openings, chance))
