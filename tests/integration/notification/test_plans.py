"""The queues on filled tables: their indexes serve them, and to take a row writes no index."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import DictRow

from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from services.notification.store import documents, notices
from tests.integration.notification.conftest import Notification
from tests.plans import plans_of

FILL = """
insert into matter (id, number, region_name, region_code, reachable, received_at)
select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'XF' || n, '区', '990101000000', '{}', now()
from generate_series(1, 5000) as n;
insert into document (id, matter_id, kind, round, issuer_code, issuer_name, names, facts, state, happened_at, number,
    pdf, next_try_at)
select gen_random_uuid(), id, kind, 1, 'x', 'x', '[]', '{}', state, now() - random() * interval '1 day',
    case when state = 'issued' then kind || number end, case when state = 'issued' then 'x'::bytea end, now()
from (
    select id, number, kind, case when number like '%00' then 'drafted' else 'issued' end as state
    from matter, unnest(array['acceptance_notice', 'decision', 'transfer_notice']) as kind
) as drawn;
insert into notice (id, matter_id, kind, channel, document_id, facts, state, message_id, happened_at)
select gen_random_uuid(), matter_id, 'decided', 'portal', id, '{}',
    case when state = 'issued' then 'sent' else 'waiting' end, id::text, happened_at
from document;
analyze
"""


@pytest.fixture
def filled(notification: Notification) -> psycopg.Connection[DictRow]:
    """Documents of many matters with their notices; few are drafted."""
    notification.look.execute(FILL)
    return notification.look


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda tx: documents.due(tx, "drafted", at=now(), limit=20), "document_waiting"),
        (lambda tx: notices.release(tx, [UUID(int=1), UUID(int=2)], at=now()), "notice_waiting"),
        (lambda tx: notices.take(tx, at=now(), limit=20), "notice_due"),
        (
            lambda tx: tx.execute("select id from document where matter_id = %s", (UUID(int=1),)),
            "document_once_per_round",
        ),
    ],
    ids=["due", "release", "take", "of_matter"],
)
def test_what_waits_is_found_by_an_index(
    filled: psycopg.Connection[DictRow], ask: Callable[[Transaction], Any], index: str
) -> None:
    plan = plans_of(filled, "notification", ask)[-1]
    assert index in plan
    assert "Seq Scan" not in plan


def test_documents_come_in_the_order_of_what_happened_and_to_hold_them_writes_no_index(
    filled: psycopg.Connection[DictRow],
) -> None:
    expected = filled.execute(
        "select id from document where state = 'drafted' order by happened_at limit 40"
    ).fetchall()
    with database().transaction() as tx:
        first = documents.due(tx, "drafted", at=now(), limit=20)
        documents.hold(tx, [document.id for document in first], now() + documents.HOLD)
        counted = "select pg_stat_get_xact_tuples_hot_updated('document'::regclass) as n"
        [row] = tx.execute(counted)
        assert row["n"] > 0, "where the page has room for the new row; with next_try_at in an index it would be none"
    with database().transaction() as tx:
        second = documents.due(tx, "drafted", at=now(), limit=20)
        later = documents.due(tx, "drafted", at=now() + documents.HOLD + timedelta(seconds=1), limit=20)
    assert [document.id for document in first + second] == [row["id"] for row in expected]
    assert later == first, "what a worker that died has held comes back first"
