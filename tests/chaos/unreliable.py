"""A service whose handlers of events fail on purpose: ``python -m tests.chaos.unreliable serve routing``.

``CHAOS_FAILING`` is the share of calls that fail at random, half of them before the handler and half after its work,
in every way that a handler can fail. ``CHAOS_POISON`` names an event type of which every fourth matter's is poison.
"""

# ruff: noqa: I001 - the patch must come before everything else
from __future__ import annotations

import lianban.chassis.patch  # noqa: F401

import importlib
import os
import random
import sys
from typing import Any

import psycopg

from lianban.chassis.consume import Consume
from lianban.chassis.transaction import Transaction
from lianban.chassis.errors import Poison, Retry
from lianban.chassis.inbox import Handler, Received

FAILING = float(os.environ.get("CHAOS_FAILING") or 0)
POISON = os.environ.get("CHAOS_POISON", "")


def mistake() -> Exception:
    """One of the ways in which a handler fails: it asks for a retry, it has a bug, the database refuses a statement."""
    return random.choice((Retry, RuntimeError, psycopg.errors.DeadlockDetected))("on purpose")


def poisoned(subject: Any) -> bool:
    """Whether the event of this matter is poison."""
    return int(subject.int) % 4 == 0


def unreliable(handler: Handler) -> Handler:
    """The handler, failing now and then."""

    def failing(tx: Transaction, event: Received[Any]) -> None:
        if event.data.TYPE == POISON and poisoned(event.subject):
            raise Poison("on purpose")
        if random.random() < FAILING / 2:
            raise mistake()
        handler(tx, event)
        if random.random() < FAILING / 2:
            raise mistake()

    return failing


def main(service: str) -> None:
    """Run the service with its handlers wrapped."""
    from cli.serve import serve

    set_up = Consume.setup

    def wrapped(self: Consume) -> None:
        self.handlers = {kind: unreliable(handler) for kind, handler in self.handlers.items()}
        set_up(self)

    Consume.setup = wrapped  # type: ignore[method-assign]  # nameko makes the entry point anew for each container
    importlib.import_module(f"services.{service}.service")
    serve.callback(service)  # type: ignore[misc]


if __name__ == "__main__":
    main(sys.argv[-1])
