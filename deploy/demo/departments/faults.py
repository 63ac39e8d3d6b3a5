"""Misbehaviour on purpose: what a test can make a department's API do.

Configuration: ``{"mode": …, "seconds": 5, "times": 3, "methods": ["POST"]}``; without ``times`` it lasts until it is
switched off, without ``methods`` it strikes every request of the tenant.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from deploy.demo.departments import reading


class Fault(StrEnum):
    """The ways in which a department's API can go wrong."""

    HTML = "html"
    """Answers 200 with a web page; nothing is stored."""
    ERROR = "error"
    """Answers 500; nothing is stored."""
    HANG = "hang"
    """Waits ``seconds``, then does what was asked, whether the caller still listens or not."""
    RESET = "reset"
    """Resets the connection; nothing is stored."""
    DROP_AFTER_STORING = "drop_after_storing"
    """Does what was asked, then resets the connection instead of answering."""


@dataclass(frozen=True)
class Misbehaviour:
    """One configured fault."""

    mode: Fault
    seconds: float
    times: int | None
    methods: frozenset[str]

    def strikes(self, method: str) -> bool:
        """Whether a request by this method is hit."""
        return not self.methods or method in self.methods


def read(source: object) -> Misbehaviour:
    """A misbehaviour from its configuration; raises ``Refused`` naming the wrong field."""
    config = reading.mapping(source, "fault")
    times = int(reading.number(config, "times", 0, 0, 1_000_000))
    methods = frozenset(str(method).upper() for method in reading.listing(config, "methods", 10))
    return Misbehaviour(
        reading.code(config, "mode", Fault), reading.number(config, "seconds", 5.0, 0.0, 600.0), times or None, methods
    )


def to_json(fault: Misbehaviour) -> dict[str, Any]:
    """A misbehaviour as it is kept."""
    return {
        "mode": fault.mode.value,
        "seconds": fault.seconds,
        "methods": sorted(fault.methods),
        **({"times": fault.times} if fault.times else {}),
    }
