"""The outbox relay: publishes committed events in batches with publisher confirms, one relay per service.

Events that go to the same queues travel in one message: a message costs the broker and each hearer much the same with
one event as with many.

Events are found by their positions in ``unpublished``, never by "id greater than the last", because ids commit out of
order. A position goes only after its own confirm; a returned or refused message stays and is published again.
Publishing twice does no harm: consumers know an event by its place in its stream.
"""

from __future__ import annotations

import time as clock
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from amqp import Message
from kombu import Connection

from lianban.chassis import metrics
from lianban.chassis.database import Database
from lianban.chassis.inspect import MOST_COUNTED
from lianban.chassis.outbox import backlog, waiting
from lianban.chassis.settings import settings
from lianban.chassis.topology import EVENTS, queue_of
from lianban.chassis.transaction import Transaction
from lianban.contracts.envelope import ONE, SEVERAL, together

log = structlog.get_logger()

BATCH = 500
MOST_TOGETHER = 50
"""Events in one message."""
MOST_BYTES = 262_144
"""Bytes of the events in one message, unless a single one is larger."""
CONFIRM_SECONDS = 30.0
_LOCK = 0x6C626F75  # "lbou": one relay per service's database


class NotConfirmed(Exception):
    """The broker did not confirm in time; the channel cannot be trusted any more."""


class Publishing(Protocol):
    """Whatever takes rows of an outbox."""

    def publish(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Take rows; returns the positions of those that are taken safely."""


@dataclass(slots=True)
class Parcel:
    """Events that travel in one message, in their order, under the routing key of the first."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0

    def add(self, row: dict[str, Any]) -> bool:
        """Take one more event; false where it is too much for one message."""
        more = len(row["body"])
        if self.rows and (len(self.rows) >= MOST_TOGETHER or self.size + more > MOST_BYTES):
            return False
        self.rows.append(row)
        self.size += more
        return True

    @property
    def id(self) -> str:
        """The message's id: the first event's."""
        return str(self.rows[0]["event_id"])

    @property
    def positions(self) -> list[int]:
        """Where the events stand in the outbox."""
        return [row["position"] for row in self.rows]

    def message(self) -> Message:
        """The message, persistent."""
        several = len(self.rows) > 1
        return Message(
            together([bytes(row["body"]) for row in self.rows]),
            content_type=SEVERAL if several else ONE,
            delivery_mode=2,
            message_id=self.id,
            **{} if several else {"type": self.rows[0]["type"]},
        )


def pack(rows: Sequence[dict[str, Any]]) -> list[Parcel]:
    """Rows of the outbox as messages: those for the same queues together, each subject's events in their order."""
    parcels: list[Parcel] = []
    filling: dict[object, Parcel] = {}
    for row in rows:
        way = _way(row["bus_key"])
        if way not in filling or not filling[way].add(row):
            filling[way] = Parcel()
            filling[way].add(row)
            parcels.append(filling[way])
    return parcels


def _way(routing_key: str) -> object:
    """What events that go to the same queues have in common. With other queues than these, as while their number is
    changed, an event may reach a queue beside its own; its subject's order is kept by its number all the same.
    """
    partition = routing_key.rpartition(".p")[2]
    return queue_of(int(partition), settings().queues) if partition.isdecimal() else routing_key


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
        self._open: dict[int, Parcel] = {}
        self._failed: set[str] = set()
        self._returned: set[str] = set()

    def _on_ack(self, tag: int, multiple: bool) -> None:
        self._settle(tag, multiple, failed=False)

    def _on_nack(self, tag: int, multiple: bool, *_: Any) -> None:
        self._settle(tag, multiple, failed=True)

    def _settle(self, tag: int, multiple: bool, *, failed: bool) -> None:
        for open_tag in [t for t in self._open if t <= tag] if multiple else [tag]:
            parcel = self._open.pop(open_tag, None)
            if failed and parcel is not None:
                self._failed.add(parcel.id)

    def _on_return(self, *details: Any) -> None:
        self._returned.add(details[-1].properties["message_id"])

    def publish(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Publish rows of the outbox; returns the positions that the broker has taken safely.

        Raises :class:`NotConfirmed` when confirms stay away: then the channel must be thrown away.
        """
        self._failed.clear()
        self._returned.clear()
        parcels = pack(rows)
        for parcel in parcels:
            self._open[self._next] = parcel
            self._next += 1
            key = parcel.rows[0]["bus_key"]
            self._channel.basic_publish(parcel.message(), exchange=EVENTS.name, routing_key=key, mandatory=True)
        deadline = clock.monotonic() + CONFIRM_SECONDS
        while self._open:
            left = deadline - clock.monotonic()
            if left <= 0:
                waiting = sum(len(parcel.rows) for parcel in self._open.values())
                raise NotConfirmed(f"{waiting} of {len(rows)} events were not confirmed in {CONFIRM_SECONDS} s")
            try:
                self._connection.drain_events(timeout=min(left, 5.0))
            except TimeoutError:
                self._connection.heartbeat_check()
        if self._returned:
            events = sum(len(parcel.rows) for parcel in parcels if parcel.id in self._returned)
            metrics.outbox_returned.inc(events)
            log.error("outbox.returned", events=events, hint="no queue is bound: run `lianban topology`")
        lost = self._failed | self._returned
        return [position for parcel in parcels if parcel.id not in lost for position in parcel.positions]


def become_relay(session: Transaction) -> bool:
    """Become this service's relay for as long as the session lasts; false where another replica is it."""
    row = session.execute("select pg_try_advisory_lock(%s) as taken", (_LOCK,)).fetchone()
    return bool(row and row["taken"])


_NEXT = waiting("event.position, event_id, type, bus_key, body", most="%s")
_BACKLOG = backlog(most="%s")


def publish_once(session: Transaction, publisher: Publishing) -> int:
    """Publish one batch with no transaction open; returns how many events the broker took."""
    rows = session.execute(_NEXT, (BATCH,)).fetchall()
    if not rows:
        return 0
    taken = publisher.publish(rows)
    session.execute("delete from unpublished where position = any(%s)", (taken,))
    metrics.outbox_published.inc(len(taken))
    if len(taken) < len(rows):
        clock.sleep(0.5)  # do not spin on messages that nobody takes
    return len(taken)


def measure(database: Database) -> None:
    """Bring the outbox gauges up to date."""
    with database.transaction() as tx:
        row = tx.execute(_BACKLOG, (MOST_COUNTED,)).fetchone()
    if row:
        metrics.outbox_unpublished.set(row["waiting"])
        metrics.outbox_oldest.set(row["oldest"] or 0.0)
