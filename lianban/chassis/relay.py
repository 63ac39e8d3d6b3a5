"""The outbox relay: publishes committed events in batches with publisher confirms, one relay per service.

Rows are found by state, never by "id greater than the last", because ids commit out of order. A row is marked
only after its own confirm; a returned or refused message stays and is published again. Publishing twice does
no harm: consumers know an event by its id.
"""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from amqp import Message
from kombu import Connection

from lianban.chassis import metrics
from lianban.chassis.database import Database
from lianban.chassis.topology import EVENTS
from lianban.chassis.transaction import Transaction

log = structlog.get_logger()

BATCH = 500
CONFIRM_SECONDS = 30.0
_LOCK = 0x6C626F75  # "lbou": one relay per service's database


class NotConfirmed(Exception):
    """The broker did not confirm in time; the channel cannot be trusted any more."""


class Publishing(Protocol):
    """Whatever takes rows of an outbox."""

    def publish(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Take rows; returns the positions of those that are taken safely."""


class Publisher:
    """A channel in confirm mode that publishes a batch and waits for all its confirms."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._channel = connection.channel()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._channel.events["basic_nack"].add(self._on_nack)
        self._channel.events["basic_return"].add(self._on_return)
        self._next = 1
        self._open: dict[int, int] = {}
        self._failed: set[int] = set()
        self._returned: set[str] = set()

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple, failed=False)

    def _on_nack(self, tag: int, multiple: bool, *_: Any) -> None:
        self._settle(tag, multiple, failed=True)

    def _settle(self, tag: int, multiple: bool, *, failed: bool) -> None:
        for open_tag in [t for t in self._open if t <= tag] if multiple else [tag]:
            position = self._open.pop(open_tag, None)
            if failed and position is not None:
                self._failed.add(position)

    def _on_return(self, *details: Any) -> None:
        self._returned.add(details[-1].properties["message_id"])

    def publish(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Publish rows of the outbox; returns the positions that the broker has taken safely.

        Raises :class:`NotConfirmed` when confirms stay away: then the channel must be thrown away.
        """
        self._failed.clear()
        self._returned.clear()
        for row in rows:
            message = Message(
                bytes(row["body"]),
                content_type="application/cloudevents+json",
                delivery_mode=2,
                message_id=str(row["event_id"]),
                type=row["type"],
            )
            self._open[self._next] = row["position"]
            self._next += 1
            self._channel.basic_publish(message, exchange=EVENTS.name, routing_key=row["routing_key"], mandatory=True)
        deadline = clock.monotonic() + CONFIRM_SECONDS
        while self._open:
            left = deadline - clock.monotonic()
            if left <= 0:
                raise NotConfirmed(f"{len(self._open)} of {len(rows)} events were not confirmed in {CONFIRM_SECONDS} s")
            try:
                self._connection.drain_events(timeout=min(left, 5.0))
            except TimeoutError:
                self._connection.heartbeat_check()
        if self._returned:
            metrics.outbox_returned.inc(len(self._returned))
            log.error("outbox.returned", events=len(self._returned), hint="no queue is bound: run `lianban topology`")
        return [
            row["position"]
            for row in rows
            if row["position"] not in self._failed and str(row["event_id"]) not in self._returned
        ]


def become_relay(session: Transaction) -> bool:
    """Become this service's relay for as long as the session lasts; false where another replica is it."""
    row = session.execute("select pg_try_advisory_lock(%s) as taken", (_LOCK,)).fetchone()
    return bool(row and row["taken"])


def publish_once(session: Transaction, publisher: Publishing) -> int:
    """Publish one batch with no transaction open; returns how many events the broker took."""
    rows = session.execute(
        "select position, event_id, type, routing_key, body from outbox where published_at is null"
        " order by position limit %s",
        (BATCH,),
    ).fetchall()
    if not rows:
        return 0
    taken = publisher.publish(rows)
    session.execute("update outbox set published_at = now() where position = any(%s)", (taken,))
    metrics.outbox_published.inc(len(taken))
    if len(taken) < len(rows):
        clock.sleep(0.5)  # do not spin on messages that nobody takes
    return len(taken)


def measure(database: Database) -> None:
    """Bring the outbox gauges up to date."""
    with database.transaction() as tx:
        row = tx.execute(
            "select count(*) as waiting, coalesce(extract(epoch from now() - min(created_at)), 0) as oldest"
            " from (select created_at from outbox where published_at is null order by position limit 100000) as w"
        ).fetchone()
    if row:
        metrics.outbox_unpublished.set(row["waiting"])
        metrics.outbox_oldest.set(float(row["oldest"]))
