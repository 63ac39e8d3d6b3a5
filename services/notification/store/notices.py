"""Rows of notices; their states only move forward."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import NoticeChannel, NoticeKind
from services.notification.store import documents

HOLD = timedelta(minutes=2)
"""After this time a notice that is still being handed over is taken to be abandoned by a worker that died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message to a petitioner, without address and without words."""

    id: UUID
    matter_id: UUID
    kind: NoticeKind
    channel: NoticeChannel
    document_id: UUID | None
    facts: dict[str, Any]
    message_id: str
    happened_at: datetime
    state: str = "queued"
    sent_at: datetime | None = None
    tries: int = 0
    trace: str | None = None


_COLUMNS = "id, matter_id, kind, channel, document_id, facts, message_id, happened_at, state, sent_at, tries, trace"


def _read(row: dict[str, Any]) -> Notice:
    return Notice(**{**row, "kind": NoticeKind(row["kind"]), "channel": NoticeChannel(row["channel"])})


def add(tx: Transaction, notices: Iterable[Notice]) -> None:
    """Put notices on the list; one that is there already stays as it is."""
    for n in notices:
        tx.append(
            """
            insert into notice (id, matter_id, kind, channel, document_id, facts, state, message_id, happened_at,
                next_try_at, sent_at, trace)
            select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::uuid[], %s::jsonb[], %s::text[],
                %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::text[])
            on conflict do nothing
            """,
            (
                n.id,
                n.matter_id,
                n.kind.value,
                n.channel.value,
                n.document_id,
                Jsonb(n.facts),
                n.state,
                n.message_id,
                n.happened_at,
                n.happened_at,
                n.sent_at,
                n.trace,
            ),
            behind=documents.DRAFT,
        )


def agencies_told(tx: Transaction, matter_id: UUID) -> tuple[str, list[str]]:
    """Whom the last notice that named agencies named: the lead and the co-handlers; nobody where there was none."""
    row = tx.execute(
        "select facts from notice where matter_id = %s and facts ->> 'lead' <> '' order by happened_at desc limit 1",
        (matter_id,),
    ).fetchone()
    return (row["facts"]["lead"], row["facts"]["co_handlers"]) if row else ("", [])


def release(tx: Transaction, document_ids: list[UUID], *, at: datetime) -> list[Notice]:
    """The documents are issued: the notices that waited for them may go; returns those that are there with them."""
    rows = tx.execute(
        f"""
        update notice set next_try_at = %(at)s, state = case when channel = %(portal)s then 'sent' else 'queued' end,
            sent_at = case when channel = %(portal)s then %(at)s::timestamptz end
        where document_id = any(%(documents)s) and state = 'waiting' returning {_COLUMNS}
        """,
        {"at": at, "portal": NoticeChannel.PORTAL.value, "documents": document_ids},
    )
    return [notice for notice in map(_read, rows) if notice.state == "sent"]


def take(tx: Transaction, *, at: datetime, limit: int) -> list[Notice]:
    """Notices whose turn has come, marked as being handed over; also those that a dead worker left behind."""
    rows = tx.execute(
        f"""
        update notice set state = 'sending', tries = tries + 1, next_try_at = %s
        where id in (
            select id from notice where state in ('queued', 'sending') and next_try_at <= %s
            order by next_try_at limit %s for update skip locked
        )
        returning {_COLUMNS}
        """,
        (at + HOLD, at, limit),
    )
    return sorted((_read(row) for row in rows), key=lambda n: n.happened_at)


def sent(tx: Transaction, handed: Sequence[Notice], *, at: datetime, means: NoticeChannel | None) -> set[UUID]:
    """Mark as handed over, and with ``means`` as served by that, also what was cancelled meanwhile: it is out.

    Those that were already, or were taken by another worker since, are not in the answer.
    """
    if not handed:
        return set()
    rows = tx.execute(
        """
        update notice set state = case when %(means)s::text is null then 'sent' else 'served' end, sent_at = %(at)s,
            served_at = case when %(means)s::text is not null then %(at)s::timestamptz end, means = %(means)s,
            error = null
        from unnest(%(ids)s::uuid[], %(tries)s::int[]) as handed (id, tries)
        where notice.id = handed.id and notice.tries = handed.tries and state in ('sending', 'cancelled')
        returning notice.id
        """,
        {
            "ids": [n.id for n in handed],
            "tries": [n.tries for n in handed],
            "at": at,
            "means": means.value if means else None,
        },
    )
    return {row["id"] for row in rows}


def served(tx: Transaction, ids: Sequence[UUID], *, means: NoticeChannel, at: datetime) -> list[Notice]:
    """Mark service as proved, once, and return the notices in the given order; those that do not exist, were not sent
    or are served already are left out."""
    rows = tx.execute(
        f"update notice set state = 'served', served_at = %s, means = %s"
        f" where id = any(%s) and state = 'sent' returning {_COLUMNS}",
        (at, means.value, list(ids)),
    )
    found = {row["id"]: _read(row) for row in rows}
    return [found[notice_id] for notice_id in dict.fromkeys(ids) if notice_id in found]


def failed(tx: Transaction, errors: Sequence[tuple[Notice, str]]) -> set[UUID]:
    """Mark as impossible by this channel; those that were cancelled meanwhile, or were taken by another worker since,
    are not in the answer."""
    if not errors:
        return set()
    rows = tx.execute(
        """
        update notice set state = 'failed', error = new.error
        from unnest(%s::uuid[], %s::int[], %s::text[]) as new (id, tries, error)
        where notice.id = new.id and notice.tries = new.tries and state = 'sending' returning notice.id
        """,
        ([n.id for n, _ in errors], [n.tries for n, _ in errors], [error[:500] for _, error in errors]),
    )
    return {row["id"] for row in rows}


def put_back(tx: Transaction, notice: Notice, *, error: str, until: datetime) -> None:
    """Known not to have been handed over: try again later, unless it was cancelled or another worker has taken it."""
    tx.write(
        "update notice set state = 'queued', error = %s, next_try_at = %s"
        " where id = %s and tries = %s and state = 'sending'",
        (error[:500], until, notice.id, notice.tries),
    )
