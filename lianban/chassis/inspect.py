"""Looking into outbox, inbox and quarantine, and repairing them; for the CLI and the gauges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from kombu import Connection

from lianban.chassis import metrics, outbox
from lianban.chassis.database import Database
from lianban.chassis.time import now
from lianban.chassis.topology import poison_queue

MOST_COUNTED = 100_000
"""Nobody needs to know how many more there are, and counting them all would read the whole table."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits in the inbox, without its data."""

    event_id: UUID
    subject: UUID
    producer: str
    sequence: int
    type: str
    state: str
    received_at: datetime
    tries: int
    next_try_at: datetime | None
    error: str | None


def measure_inbox(database: Database) -> None:
    """Bring the inbox gauges up to date."""
    with database.transaction() as tx:
        rows = tx.execute(
            "select state, count(*) as events, extract(epoch from now() - min(received_at)) as oldest"
            " from inbox group by state"
        ).fetchall()
    found = {row["state"]: row for row in rows}
    metrics.inbox_parked.set(found["parked"]["events"] if "parked" in found else 0)
    metrics.inbox_parked_oldest.set(float(found["parked"]["oldest"]) if "parked" in found else 0)
    metrics.inbox_quarantined.set(found["quarantined"]["events"] if "quarantined" in found else 0)


def outbox_summary(database: Database) -> dict[str, Any]:
    """How many events wait for publication, the oldest one's age in seconds, and how many were published.

    At most :data:`MOST_COUNTED` of each are counted.
    """
    with database.transaction() as tx:
        row = tx.execute(
            f"""
            select waiting, oldest as oldest_seconds,
                (select count(*) from (select from outbox where not exists
                    (select from unpublished where unpublished.position = outbox.position) limit %(most)s) as p)
                    as published
            from ({outbox.backlog(most="%(most)s")}) as b
            """,
            {"most": MOST_COUNTED},
        ).fetchone()
    return dict(row) if row else {}


def inbox_summary(database: Database) -> dict[str, int]:
    """How many events are done (of at most :data:`MOST_COUNTED` batches), parked and quarantined."""
    with database.transaction() as tx:
        rows = tx.execute(
            "select state, count(*) as events from inbox group by state union all"
            " select 'done', coalesce(sum(cardinality(sequences)), 0)::int8"
            " from (select sequences from handled limit %s) as batch",
            (MOST_COUNTED,),
        ).fetchall()
    return {"done": 0, "parked": 0, "quarantined": 0} | {row["state"]: row["events"] for row in rows}


def waiting(database: Database, state: str, *, limit: int = 100) -> list[Waiting]:
    """The oldest events in ``state`` (parked or quarantined)."""
    with database.transaction() as tx:
        rows = tx.execute(
            "select event_id, subject, producer, sequence, type, state, received_at, tries, next_try_at, error"
            " from inbox where state = %s order by received_at limit %s",
            (state, limit),
        ).fetchall()
    return [Waiting(**row) for row in rows]


def event_body(database: Database, event_id: UUID) -> bytes | None:
    """The envelope of a waiting event as it arrived, None where there is no such event."""
    with database.transaction() as tx:
        row = tx.execute("select body from inbox where event_id = %s", (event_id,)).fetchone()
    return bytes(row["body"]) if row else None


def replay(database: Database, event_ids: list[UUID] | None = None) -> int:
    """Let quarantined events be tried again at once (all of them without ``event_ids``); returns how many."""
    with database.transaction() as tx:
        rows = tx.execute(
            "update inbox set state = 'parked', tries = 0, next_try_at = %s, error = null"
            " where state = 'quarantined' and (%s::uuid[] is null or event_id = any(%s)) returning event_id",
            (now(), event_ids, event_ids),
        ).fetchall()
    return len(rows)


def poison(amqp_url: str, service: str, *, limit: int = 20) -> list[tuple[bytes, dict[str, Any]]]:
    """Messages in the poison queue with their headers; they stay where they are."""
    found: list[tuple[bytes, dict[str, Any]]] = []
    with Connection(amqp_url, connect_timeout=5) as connection:
        queue = poison_queue(service)(connection.channel())
        while len(found) < limit and (message := queue.get(no_ack=False)) is not None:
            body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
            found.append((body, dict(message.headers or {})))
    return found
