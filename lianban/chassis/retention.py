"""Letting go by policy what nobody needs any more: answers to old idempotency keys, old events in the outbox,
and the old trail of events that were handled.

Small batches, found by index, rows that others hold are passed over. What is not done is never let go: an event that is
not published, that is parked or in quarantine stays however old it is. A repeat of an event that was let go changes
nothing, because it is known by its place in its producer's stream (``stream.marks``), not by its row (docs/adr/0008).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from lianban.chassis import metrics
from lianban.chassis.runtime import database
from lianban.chassis.settings import settings
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction

AT_ONCE = 1000
"""Rows of one table that go in one transaction."""

_IDEMPOTENCY = """
delete from idempotency where (caller, route, key) in (
    select caller, route, key from idempotency where created_at < %(before)s order by created_at limit %(most)s
    for update skip locked)
"""
_OUTBOX = """
delete from outbox where position in (
    select position from (
        select position, created_at from outbox
        where not exists (select from unpublished where unpublished.position = outbox.position)
        order by position limit %(most)s for update skip locked) as oldest
    where created_at < %(before)s)
"""
"""Positions are in the order of time but for what is written side by side: only the first ones are looked at."""
_HANDLED = """
delete from handled where ctid = any(array(
    select ctid from handled where at < %(before)s order by at limit %(most)s for update skip locked))
"""


def prune() -> int:
    """One round over what every service has; a worker loop. Returns how many rows went."""
    kept = settings()
    return sum(
        round_of(name, days, _deleting(sql))
        for name, days, sql in (
            ("idempotency", kept.keep_idempotency_days, _IDEMPOTENCY),
            ("outbox", kept.keep_events_days, _OUTBOX),
            ("handled", kept.keep_events_days, _HANDLED),
        )
    )


def round_of(name: str, days: int, delete: Callable[[Transaction, datetime, int], int]) -> int:
    """Let one batch go that is older than so many days (0: keep for ever), and count it under a name."""
    if days <= 0:
        return 0
    with database().transaction() as tx:
        gone = delete(tx, now() - timedelta(days=days), AT_ONCE)
    metrics.pruned.labels(name).inc(gone)
    return gone


def _deleting(sql: str) -> Callable[[Transaction, datetime, int], int]:
    return lambda tx, before, limit: tx.execute(sql, {"before": before, "most": limit}).rowcount
