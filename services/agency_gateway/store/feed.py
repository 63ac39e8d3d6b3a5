"""The feed that departments poll."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lianban.chassis.transaction import Transaction


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A message in the feed; ``sealed`` is empty once its receipt has come."""

    cursor: int
    delivery_id: UUID
    sealed: bytes


def offer(tx: Transaction, delivery_id: UUID, agency: str, sealed: bytes, at: datetime) -> None:
    """Lay a message into an agency's feed, at its end; laying one again that is there changes nothing."""
    tx.write(
        """
        insert into feed_item (delivery_id, agency_code, sealed, offered_at) values (%s, %s, %s, %s)
        on conflict (delivery_id) do update set cursor = default, sealed = excluded.sealed,
            offered_at = excluded.offered_at, fetched_at = null, received_at = null
        where feed_item.sealed is null
        """,
        (delivery_id, agency, sealed, at),
    )


def page(tx: Transaction, agency: str, *, after: int, limit: int, at: datetime) -> list[FeedItem]:
    """Messages after a cursor for which no receipt has come, in order; notes that they were fetched.

    Cursors of one agency commit in order, because its lane hands messages in under the agency's feed lock.
    """
    rows = tx.execute(
        """
        update feed_item set fetched_at = coalesce(fetched_at, %(at)s)
        where cursor in (
            select cursor from feed_item
            where agency_code = %(agency)s and cursor > %(after)s and received_at is null
                and sealed is not null
            order by cursor limit %(limit)s
        )
        returning cursor, delivery_id, sealed
        """,
        {"agency": agency, "after": after, "limit": limit, "at": at},
    )
    items = [FeedItem(row["cursor"], row["delivery_id"], bytes(row["sealed"])) for row in rows if row["sealed"]]
    return sorted(items, key=lambda item: item.cursor)


def lock(tx: Transaction, agency: str) -> None:
    """Hold the agency's feed until commit, so that no smaller cursor becomes visible after a larger one."""
    tx.write("select pg_advisory_xact_lock(hashtextextended('feed:' || %s, 0))", (agency,))


def withdraw(tx: Transaction, delivery_id: UUID) -> None:
    """The message goes another way: its bytes leave the feed, a receipt from whoever fetched it before still counts."""
    tx.write("update feed_item set sealed = null where delivery_id = %s", (delivery_id,))


def received(tx: Transaction, delivery_id: UUID, at: datetime) -> None:
    """The receipt has come: the bytes leave the feed (the journal has them)."""
    tx.write(
        "update feed_item set received_at = coalesce(received_at, %s), sealed = null where delivery_id = %s",
        (at, delivery_id),
    )


def belongs_to(tx: Transaction, delivery_id: UUID, agency: str) -> bool:
    """Whether a message is or was in the agency's feed; told by the delivery, because the feed lets old ones go."""
    row = tx.execute(
        "select 1 as there from delivery d where id = %s and agency_code = %s"
        " and (offered_at is not null or exists (select from feed_item where delivery_id = d.id))",
        (delivery_id, agency),
    ).fetchone()
    return row is not None
