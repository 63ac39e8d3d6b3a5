"""The pull adapter's feed: departments fetch messages and acknowledge them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis import traces
from lianban.chassis.errors import Rejected
from lianban.chassis.secrets import unseal
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import DeliveryState
from services.agency_gateway.app import journaling, profiles
from services.agency_gateway.app.composing import parse
from services.agency_gateway.app.delivering import feed_context, link_to
from services.agency_gateway.app.settling import settle
from services.agency_gateway.domain.delivery import Delivered
from services.agency_gateway.domain.journal import canonical
from services.agency_gateway.domain.message import with_links
from services.agency_gateway.store import deliveries, feed


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Messages in order with their cursors; ``next`` is the cursor to go on from."""

    items: tuple[tuple[int, dict[str, Any]], ...]
    next: int


def messages(tx: Transaction, agency: str, *, after: int, limit: int, at: datetime) -> FeedPage:
    """Messages for which no receipt has come, after a cursor; links of attachments are made anew each time."""
    items = []
    for item in feed.page(tx, agency, after=after, limit=limit, at=at):
        message = parse(unseal(item.sealed, context=feed_context(item.delivery_id)))
        files = [UUID(file["id"]) for file in message.get("matter", {}).get("attachments", [])]
        items.append((item.cursor, with_links(message, {file: link_to(file, agency) for file in files})))
    return FeedPage(tuple(items), items[-1][0] if items else after)


def acknowledge(tx: Transaction, agency: str, message_id: UUID, reference: str | None, *, at: datetime) -> None:
    """The department has a message under its own ``reference``; a repeat changes nothing.

    Raises :class:`~lianban.chassis.errors.Rejected` (404) for a message that was never in the agency's feed.
    """
    matter_id = deliveries.matter_of(tx, message_id) if feed.belongs_to(tx, message_id, agency) else None
    if matter_id is None:
        raise Rejected("unknown-message", "没有这条消息。", "There is no such message.", status=404)
    tx.lock(matter_id)
    standing = deliveries.lock(tx, message_id)
    if standing is None or standing.state is DeliveryState.DELIVERED:
        return
    traces.about(standing.number)
    journaling.hold(tx, agency)  # before the lane, as everywhere
    feed.received(tx, message_id, at)
    settle(tx, standing, Delivered(reference), profiles.profile_of(tx, agency), attempt=None, at=at)
    tx.wake("deliver")
    journaling.record(
        tx,
        agency=agency,
        direction="in",
        kind="receipt",
        message_id=str(message_id),
        assignment_id=standing.assignment_id,
        matter_id=matter_id,
        body=canonical({"message_id": str(message_id), "reference": reference}),
        received_at=at,
        passed_on_at=at,
    )
