"""Builders: events as they come from the bus, and a handler that notes what it was given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow

from lianban.chassis.inbox import Handlers, Inbox, Received
from lianban.chassis.runtime import database
from lianban.chassis.topology import HEARS
from lianban.chassis.transaction import Transaction
from lianban.contracts.agency_gateway import AgencyProgressed
from lianban.contracts.catalogue import known_events
from lianban.contracts.envelope import Envelope
from lianban.contracts.intake import MatterSupplemented
from lianban.contracts.routing import CaseReopened

MOMENT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


def an_event(number: int = 0) -> MatterSupplemented:
    """Something that intake may say; ``number`` tells one from another."""
    return MatterSupplemented(supplement_id=UUID(int=1), attachments=number, supplemented_at=MOMENT)


def an_envelope(
    subject: UUID,
    sequence: int,
    *,
    source: str = "intake",
    after: Mapping[str, int] | None = None,
    data: Mapping[str, Any] | None = None,
    event_type: str | None = None,
) -> Envelope:
    """One event from the bus, by default a good one of intake."""
    types = {"intake": MatterSupplemented, "routing": CaseReopened, "agency_gateway": AgencyProgressed}
    full = event_type or next(name for name, cls in known_events().items() if cls is types[source])
    return Envelope(
        id=uuid4(),
        source=source,
        type=full,
        subject=subject,
        time=MOMENT,
        sequence=sequence,
        after=after or {},
        data=data if data is not None else _data(source, sequence),
    )


def _data(source: str, sequence: int) -> dict[str, Any]:
    moment = MOMENT.isoformat()
    if source == "intake":
        return {"supplement_id": str(UUID(int=1)), "attachments": sequence, "supplemented_at": moment}
    if source == "routing":
        return {"round": sequence, "ordered_by": "policy", "reopened_at": moment}
    if source == "agency_gateway":
        agency = {"code": "city-ecology", "name": "清河市生态环境局"}
        return {"statement_id": str(UUID(int=1)), "assignment_id": str(UUID(int=2)), "agency": agency,
                "stated_at": moment}  # fmt: skip
    raise AssertionError(source)


def note(tx: Transaction, event: Received[Any]) -> None:
    """The plainest handler: what had its effect, in the order in which it had it."""
    tx.execute(
        "insert into effect (subject, producer, sequence) values (%s, %s, %s)",
        (event.subject, event.source, event.sequence),
    )


NOTED: Handlers = {MatterSupplemented: note, CaseReopened: note, AgencyProgressed: note}


def an_inbox(service: str = "notification", handlers: Handlers = NOTED) -> Inbox:
    """The inbox of this process's service."""
    return Inbox(database(), service, HEARS[service], handlers)


def with_effects(looking: psycopg.Connection[DictRow]) -> psycopg.Connection[DictRow]:
    """Make the table that :func:`note` writes."""
    looking.execute(
        "create table effect (id bigint generated always as identity primary key,"
        " subject uuid not null, producer text not null, sequence bigint not null)"
    )
    return looking


def effects(looking: psycopg.Connection[DictRow], subject: UUID) -> list[tuple[str, int]]:
    """Producer and sequence of what had its effect on a subject, in order."""
    rows = looking.execute("select producer, sequence from effect where subject = %s order by id", (subject,))
    return [(row["producer"], row["sequence"]) for row in rows]


def states(looking: psycopg.Connection[DictRow], subject: UUID) -> dict[tuple[str, int], str]:
    """What became of each of a subject's events: ``done``, or its state in the inbox."""
    rows = looking.execute(
        """
        select producer, sequence, 'done' as state
        from handled, unnest(subjects, producers, sequences) as one (subject, producer, sequence)
        where subject = %(subject)s
        union all select producer, sequence, state from inbox where subject = %(subject)s
        """,
        {"subject": subject},
    ).fetchall()
    assert len(rows) == len({(row["producer"], row["sequence"]) for row in rows}), "in one place, once"
    return {(row["producer"], row["sequence"]): row["state"] for row in rows}
