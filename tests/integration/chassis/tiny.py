"""Two small services on the real chassis: intake tells, routing notes what it hears and answers, intake notes that.

Run as ``python -m tests.integration.chassis.tiny intake`` (or ``routing``) with the settings of that service.
"""

# ruff: noqa: I001 - the patch must come before everything else
from __future__ import annotations

import lianban.chassis.patch  # noqa: F401

import sys
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response

from lianban.chassis.consume import Batch
from lianban.chassis.transaction import Transaction
from lianban.chassis.inbox import Received
from lianban.chassis.service import Http, Ops, Relay, consume, run
from lianban.chassis.topology import HEARS
from lianban.contracts.codes import DecidedBy
from lianban.contracts.intake import MatterSupplemented
from lianban.contracts.routing import CaseReopened


def note(tx: Transaction, event: Received[Any], number: int) -> None:
    tx.execute("insert into heard (subject, number) values (%s, %s)", (event.subject, number))


def answer(tx: Transaction, event: Received[MatterSupplemented]) -> None:
    note(tx, event, event.data.attachments)
    reply = CaseReopened(round=event.data.attachments, ordered_by=DecidedBy.POLICY, reopened_at=event.time)
    tx.emit(reply, subject=event.subject, at=event.time)


def hear_answer(tx: Transaction, event: Received[CaseReopened]) -> None:
    note(tx, event, event.data.round)


def create_app() -> Flask:
    app = Flask("tiny")

    def slowly() -> Iterator[str]:
        for number in range(20):
            yield f"{number} ".ljust(20_000)  # large enough to be written at once
            time.sleep(0.1)

    @app.get("/long")
    def long_answer() -> Response:
        return Response(slowly())

    @app.get("/short")
    def short_answer() -> str:
        return "short"

    return app


class Intake:
    name = "intake"
    http = Http(create_app)
    relay = Relay()
    ops = Ops()

    @consume(hears=HEARS["intake"], handlers={CaseReopened: hear_answer})
    def on_events(self, batch: Batch) -> None:
        batch.handle()


class Routing:
    name = "routing"
    relay = Relay()
    ops = Ops()

    @consume(hears=HEARS["routing"], handlers={MatterSupplemented: answer})
    def on_events(self, batch: Batch) -> None:
        batch.handle()


if __name__ == "__main__":
    run({"intake": Intake, "routing": Routing}[sys.argv[1]])
