"""Retention: what is old and done goes, what is not done stays, and what went is still known when it comes again."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg.rows import DictRow

from lianban.chassis import retention
from lianban.chassis.errors import Poison
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.contracts.intake import MatterSupplemented
from tests.integration.chassis.envelopes import an_envelope, an_event, an_inbox, effects, note, states, with_effects

Looking = psycopg.Connection[DictRow]


@pytest.fixture
def looking(service_database: Looking, become: Callable[[str], None]) -> Looking:
    """The database of a service that hears intake."""
    become("notification")
    return with_effects(service_database)


def pruned(name: str) -> float:
    return REGISTRY.get_sample_value("lianban_pruned_total", {"rows": name}) or 0.0


def all_go() -> int:
    """Rounds until nothing goes any more; how many rows went."""
    gone = 0
    while more := retention.prune():
        gone += more
    return gone


def test_handled_events_go_when_they_are_old_and_a_repeat_still_changes_nothing(looking: Looking) -> None:
    old, young = uuid4(), uuid4()
    inbox = an_inbox()
    events = [an_envelope(old, 1), an_envelope(old, 2), an_envelope(young, 1)]
    inbox.handle(events[:2])
    inbox.handle(events[2:])
    looking.execute("update handled set at = now() - interval '31 days' where %s = any(subjects)", (old,))
    before = pruned("handled")
    assert all_go() == 1
    assert pruned("handled") == before + 1
    assert states(looking, old) == {}
    assert states(looking, young) == {("intake", 1): "done"}

    inbox.handle(events)
    assert effects(looking, old) == [("intake", 1), ("intake", 2)]
    assert effects(looking, young) == [("intake", 1)]
    assert states(looking, old) == {}
    inbox.handle([an_envelope(old, 3)])
    assert effects(looking, old)[-1] == ("intake", 3)


def test_what_is_parked_or_in_quarantine_stays_however_old_it_is(looking: Looking) -> None:
    waiting, refused = uuid4(), uuid4()

    def choosy(tx: object, event: object) -> None:
        if event.subject == refused:  # type: ignore[attr-defined]
            raise Poison("never")
        note(tx, event)  # type: ignore[arg-type]

    inbox = an_inbox(handlers={MatterSupplemented: choosy})
    inbox.handle([an_envelope(waiting, 2), an_envelope(refused, 1)])
    looking.execute(
        "update inbox set received_at = now() - interval '900 days', next_try_at = next_try_at - interval '900 days'"
    )
    assert all_go() == 0
    assert states(looking, waiting) == {("intake", 2): "parked"}
    assert states(looking, refused) == {("intake", 1): "quarantined"}


def test_published_events_go_when_they_are_old_others_stay_and_numbers_go_on(looking: Looking) -> None:
    subject = uuid4()
    for _ in range(3):
        with database().transaction() as tx:
            tx.emit(an_event(), subject=subject, at=now())
    looking.execute("update outbox set created_at = now() - interval '400 days'")
    looking.execute("update outbox set created_at = now() - interval '31 days' where sequence = 2")
    looking.execute("update outbox set created_at = now() - interval '29 days' where sequence = 3")
    looking.execute("delete from unpublished where position <> (select min(position) from unpublished)")
    assert all_go() == 1
    with database().transaction() as tx:
        tx.emit(an_event(), subject=subject, at=now())
    rows = looking.execute("select sequence from outbox order by sequence").fetchall()
    assert [row["sequence"] for row in rows] == [1, 3, 4]


def test_answers_to_old_idempotency_keys_go(looking: Looking) -> None:
    looking.execute(
        "insert into idempotency (caller, route, key, body_hash, created_at)"
        " values ('c', 'r', 'old', '', now() - interval '31 days'), ('c', 'r', 'young', '', now() - interval '29 days')"
    )
    assert all_go() == 1
    assert [row["key"] for row in looking.execute("select key from idempotency")] == ["young"]


def test_a_batch_is_bounded_and_passes_over_what_others_hold(
    looking: Looking, service_database: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    looking.execute(
        "insert into idempotency (caller, route, key, body_hash, created_at)"
        " select 'c', 'r', n::text, '', now() - n * interval '100 days' from generate_series(1, 5) as n"
    )
    with psycopg.connect(service_database.info.dsn, password=service_database.info.password) as other:
        other.execute("select 1 from idempotency where key = '5' for update")
        assert retention.prune() == 2
        assert all_go() == 2
    assert [row["key"] for row in looking.execute("select key from idempotency")] == ["5"]
    assert all_go() == 1


@pytest.mark.parametrize("setting", ["LIANBAN_KEEP_EVENTS_DAYS", "LIANBAN_KEEP_IDEMPOTENCY_DAYS"])
def test_nothing_goes_where_the_policy_keeps_for_ever(
    looking: Looking, setting: str, become: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(setting, "0")
    become("notification")
    an_inbox().handle([an_envelope(uuid4(), 1)])
    looking.execute("update handled set at = now() - interval '900 days'")
    looking.execute(
        "insert into idempotency (caller, route, key, body_hash, created_at)"
        " values ('c', 'r', 'k', '', now() - interval '900 days')"
    )
    assert all_go() == 1


def test_each_round_is_served_by_an_index(looking: Looking) -> None:
    looking.execute(
        "insert into handled (subjects, producers, sequences, at)"
        " select array[gen_random_uuid()], array['intake'], array[1], now() - n * interval '1 minute'"
        " from generate_series(1, 20000) as n"
    )
    looking.execute(
        "insert into outbox (event_id, subject, sequence, type, bus_key, body, created_at)"
        " select gen_random_uuid(), gen_random_uuid(), 1, 't', 'r', '', now() - n * interval '1 minute'"
        " from generate_series(1, 20000) as n"
    )
    looking.execute("insert into unpublished (position) select position from outbox where position % 100 = 0")
    looking.execute(
        "insert into idempotency (caller, route, key, body_hash, created_at)"
        " select 'c', 'r', n::text, '', now() - n * interval '1 minute' from generate_series(1, 20000) as n"
    )
    looking.execute("analyze")
    for sql, index in (
        (retention._HANDLED, "handled_at"),
        (retention._OUTBOX, "outbox_pkey"),
        (retention._IDEMPOTENCY, "idempotency_created_at"),
    ):
        plan = "\n".join(
            str(row["QUERY PLAN"]) for row in looking.execute("explain " + sql, {"before": now(), "most": 10})
        )
        assert index in plan
        assert "Seq Scan" not in plan
