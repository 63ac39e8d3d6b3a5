"""The relay: everything in the outbox is published in order, and marked only when the broker has it safely."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from kombu import Connection, Queue
from psycopg.rows import DictRow

from deploy.local.stack import Stack
from deploy.waiting import until
from lianban.chassis import metrics, relay
from lianban.chassis.runtime import database
from lianban.chassis.topology import EVENTS
from lianban.chassis.transaction import Transaction
from lianban.contracts.envelope import ONE, SEVERAL, apart
from tests.integration.chassis.envelopes import MOMENT, an_event

pytestmark = pytest.mark.stack
Looking = psycopg.Connection[DictRow]


@pytest.fixture
def broker(bus: Stack) -> Iterator[Connection]:
    with Connection(bus.amqp_url()) as connection:
        yield connection


@contextmanager
def a_queue(broker: Connection, pattern: str, **arguments: Any) -> Iterator[Queue]:
    """A queue that takes routing keys of a pattern, for as long as the block lasts."""
    with broker.channel() as channel:
        bound = Queue(f"test-{uuid4()}", EVENTS, pattern, queue_arguments=arguments or None, auto_delete=False)(channel)
        bound.declare()
        try:
            yield bound
        finally:
            bound.delete()


def taken(queue: Queue) -> list[str]:
    """The ids of the events in the queue, in order; they are taken out."""
    found = []
    while (message := queue.get(no_ack=True)) is not None:
        found += ids(message)
    return found


def ids(message: Any) -> list[str]:
    """The ids of the events in a message, in order."""
    return [json.loads(event)["id"] for event in apart(bytes(message.body))]


def say(events: int, key: str, subject: UUID | None = None) -> None:
    """Put events into the outbox under a routing key of this test."""
    subject = subject or uuid4()
    with database().transaction() as tx:
        for number in range(events):
            tx.emit(an_event(number), subject=subject, at=MOMENT)
        tx.flush()
        tx.execute("update outbox set bus_key = %s where subject = %s", (key, subject))


def in_order(looking: Looking) -> list[str]:
    return [str(row["event_id"]) for row in looking.execute("select event_id from outbox order by position")]


def unpublished(looking: Looking) -> int:
    row = looking.execute("select count(*) as n from unpublished").fetchone()
    assert row
    return int(row["n"])


@pytest.fixture
def session(service_database: Looking) -> Iterator[Transaction]:
    with database().session() as made:
        yield made


@pytest.fixture
def key() -> str:
    return f"test{uuid4().hex[:8]}.x.v1.p00"


def test_events_are_published_in_order_and_once(
    service_database: Looking, session: Transaction, broker: Connection, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH", 40)
    say(100, key)
    with a_queue(broker, key) as queue:
        publisher = relay.Publisher(broker)
        assert [relay.publish_once(session, publisher) for _ in range(4)] == [40, 40, 20, 0]
        assert taken(queue) == in_order(service_database)
    assert unpublished(service_database) == 0


def test_events_for_the_same_queues_travel_in_one_message(
    service_database: Looking, session: Transaction, broker: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "MOST_TOGETHER", 4)
    name = f"test{uuid4().hex[:8]}"
    first, neighbour, elsewhere = f"{name}.x.v1.p00", f"{name}.x.v1.p15", f"{name}.x.v1.p16"
    for key, events in ((first, 3), (neighbour, 3), (elsewhere, 1)):
        say(events, key)
    with a_queue(broker, f"{name}.#") as queue:
        assert relay.publish_once(session, relay.Publisher(broker)) == 7
        messages = [queue.get(no_ack=True) for _ in range(3)]
        assert queue.get(no_ack=True) is None
    assert [(m.delivery_info["routing_key"], len(apart(bytes(m.body))), m.content_type) for m in messages] == [
        (first, 4, SEVERAL), (neighbour, 2, SEVERAL), (elsewhere, 1, ONE),
    ]  # fmt: skip
    assert [i for m in messages for i in ids(m)] == in_order(service_database)
    assert [m.properties["message_id"] for m in messages] == [ids(m)[0] for m in messages]
    assert unpublished(service_database) == 0


def test_a_message_is_not_larger_than_it_may_be_unless_a_single_event_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MOST_BYTES", 100)
    sizes = [60, 40, 1, 500, 30, 30]
    rows = [
        {"position": n, "event_id": uuid4(), "type": "x", "bus_key": "intake.x.v1.p00", "body": b"x" * size}
        for n, size in enumerate(sizes)
    ]
    assert [parcel.positions for parcel in relay.pack(rows)] == [[0, 1], [2], [3], [4, 5]]


def test_what_no_queue_takes_stays_and_is_published_when_there_is_one(
    service_database: Looking, session: Transaction, broker: Connection, key: str
) -> None:
    other = f"{key}.other"
    say(3, key)
    say(2, other)
    returned = metrics.outbox_returned._value.get()
    publisher = relay.Publisher(broker)
    with a_queue(broker, other) as there:
        assert relay.publish_once(session, publisher) == 2  # the others are not held up
        assert len(taken(there)) == 2
    assert unpublished(service_database) == 3
    assert metrics.outbox_returned._value.get() - returned == 3
    with a_queue(broker, key) as queue:
        assert relay.publish_once(session, publisher) == 3
        assert taken(queue) == in_order(service_database)[:3]
    assert unpublished(service_database) == 0


def test_nothing_at_all_taken_is_no_error(
    service_database: Looking, session: Transaction, broker: Connection, key: str
) -> None:
    say(2, key)
    assert relay.publish_once(session, relay.Publisher(broker)) == 0
    assert unpublished(service_database) == 2


def test_what_the_broker_refuses_stays(
    service_database: Looking, session: Transaction, broker: Connection, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue that is full answers with a nack."""
    monkeypatch.setattr(relay, "MOST_TOGETHER", 1)
    say(5, key)
    publisher = relay.Publisher(broker)
    with a_queue(broker, key, **{"x-max-length": 1, "x-overflow": "reject-publish"}) as queue:
        first = relay.publish_once(session, publisher)
        assert 1 <= first < 5
        assert unpublished(service_database) == 5 - first
        while unpublished(service_database):
            taken(queue)
            relay.publish_once(session, publisher)
    assert unpublished(service_database) == 0


def test_what_is_not_confirmed_in_time_is_published_again_under_the_same_id(
    service_database: Looking, session: Transaction, broker: Connection, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(2, key)
    with a_queue(broker, key) as queue:
        with Connection(broker.as_uri(include_password=True)) as silent:
            publisher = relay.Publisher(silent)

            def nothing_arrives(timeout: float) -> None:
                raise TimeoutError

            monkeypatch.setattr(silent, "drain_events", nothing_arrives)
            monkeypatch.setattr(relay, "CONFIRM_SECONDS", 0.05)
            with pytest.raises(relay.NotConfirmed, match="2 of 2 events"):
                relay.publish_once(session, publisher)
        assert unpublished(service_database) == 2
        monkeypatch.setattr(relay, "CONFIRM_SECONDS", 30.0)
        assert relay.publish_once(session, relay.Publisher(broker)) == 2
        came = taken(queue)
        assert came[-2:] == in_order(service_database)
        assert set(came) == set(in_order(service_database))


def test_an_event_that_commits_late_is_not_overtaken_for_ever(
    service_database: Looking, session: Transaction, broker: Connection, key: str
) -> None:
    """Positions commit out of order, so the relay looks for rows by state and never behind the last position."""
    with a_queue(broker, key) as queue, database().transaction() as late:
        late.emit(an_event(), subject=uuid4(), at=MOMENT)
        late.flush()
        late.settle()
        say(1, key)
        publisher = relay.Publisher(broker)
        assert relay.publish_once(session, publisher) == 1
        late.execute("update outbox set bus_key = %s where position in (select position from unpublished)", (key,))
        late.connection.commit()
        assert relay.publish_once(session, publisher) == 1
        first, second = in_order(service_database)
        assert taken(queue) == [second, first]


def test_there_is_one_relay_for_a_database_and_another_takes_over(service_database: Looking) -> None:
    with database().session() as second:
        with database().session() as first:
            assert relay.become_relay(first)
            assert not relay.become_relay(second)
            first.execute("select 1")
            assert not relay.become_relay(second)
        until(lambda: relay.become_relay(second), "the server has ended the first session", seconds=10, every=0.05)


def test_a_relay_whose_session_is_cut_is_none_any_more(service_database: Looking) -> None:
    with database().session() as first, database().session() as second:
        assert relay.become_relay(first)
        service_database.execute("select pg_terminate_backend(%s)", (first.connection.info.backend_pid,))
        with pytest.raises(psycopg.OperationalError):
            first.execute("select 1")
        until(lambda: relay.become_relay(second), "the cut session's lock is free", seconds=10, every=0.02)


def test_what_waits_is_looked_up_in_an_outbox_of_any_size_whatever_was_counted(service_database: Looking) -> None:
    service_database.execute(
        "with said as (insert into outbox (event_id, subject, sequence, type, bus_key, body)"
        " select gen_random_uuid(), gen_random_uuid(), 1, 't', 'r', '' from generate_series(1, 20000)"
        " returning position) insert into unpublished (position) select position from said"
    )
    service_database.execute("analyze")  # in the one moment in which everything waits
    service_database.execute("delete from unpublished")
    for sql in (relay._NEXT, relay._BACKLOG):
        plan = "\n".join(str(row["QUERY PLAN"]) for row in service_database.execute(f"explain {sql}", (100_000,)))
        assert "Index Scan using outbox_pkey" in plan
        assert 'Index Cond: ("position" = unpublished."position")' in plan, plan  # each by itself, no join
