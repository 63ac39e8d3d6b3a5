"""What a process of a service says of itself while something is away, and how it stops; with two small services.

Whether the product keeps its promises when anything is killed or cut off is tried in ``tests/chaos``.
"""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from http.client import HTTPConnection
from uuid import uuid4

import psycopg
import pytest
from kombu import Connection

from deploy.local.stack import Stack
from deploy.waiting import until
from lianban.chassis import inspect, topology
from lianban.contracts.envelope import SEVERAL, together
from tests.integration.chassis.envelopes import an_envelope
from tests.integration.chassis.running import Pair, Tiny

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def pair(bus: Stack) -> Iterator[Pair]:
    made = Pair(bus)
    yield made
    made.end()


def counted(process: Tiny, sample: str) -> float:
    """What a process says in its metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{process.ops}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    (line,) = [line for line in lines if line.startswith(sample)]
    return float(line.split()[-1])


def bugs(process: Tiny) -> float:
    """How often a process says that handling failed for a bug."""
    return counted(process, 'lianban_inbox_failures_total{kind="bug"}')


def pid_of(stack: Stack, program: str) -> int:
    return int(stack.supervisor.states()[program]["pid"])


def test_rolling_restart_under_load(pair: Pair) -> None:
    """A second replica takes over queues and outbox; the first ends what it has in hand and exits with 0."""
    with pair.flow() as flow:
        second = pair.begin("routing")
        second.wait_until_ready()
        flow.wait_for_more()
        assert pair.routing.stop() == 0
        pair.routing = second
        flow.wait_for_more()
        assert flow.failed == 0
    pair.assert_all_arrived_once_and_in_order()
    assert '"level": "error"' not in second.log.read_text()


def test_who_stands_by_takes_events_only_when_the_other_is_gone(pair: Pair) -> None:
    handled = 'lianban_inbox_handled_total{producer="intake"}'
    assert pair.routing.stop() == 0
    standing_by = pair.begin("routing", LIANBAN_STAND_BY_SECONDS="5")
    first = pair.begin("routing").wait_until_ready()
    standing_by.wait_until_ready()
    with pair.flow() as flow:
        flow.wait_for_more()
        assert counted(first, handled) > 0
        assert counted(standing_by, handled) == 0
        first.kill()
        until(lambda: counted(standing_by, handled) > 0, "the other one takes over", seconds=30)
        flow.wait_for_more()
    pair.routing = standing_by
    pair.assert_all_arrived_once_and_in_order()


def test_answer_being_written_when_asked_to_stop(pair: Pair) -> None:
    port = pair.stack.layout.ports.http("intake")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/long", timeout=30) as answer:
        first = answer.read(1)
        pair.intake.process.send_signal(signal.SIGTERM)
        rest = answer.read()
    assert (first + rest).decode().split() == [str(number) for number in range(20)]
    assert pair.intake.process.wait(40) == 0
    pair.intake = pair.begin("intake").wait_until_ready()


def test_requests_on_open_connections_when_asked_to_stop(pair: Pair) -> None:
    """Every request that a connection took is answered, the last one saying so; afterwards none is taken."""
    port = pair.stack.layout.ports.http("intake")
    answers: list[tuple[int, str | None]] = []

    def ask(connection: HTTPConnection) -> None:
        connection.request("GET", "/short")
        answer = connection.getresponse()
        answer.read()
        answers.append((answer.status, answer.getheader("Connection")))

    idle = HTTPConnection("127.0.0.1", port, timeout=30)
    ask(idle)
    ask(idle)
    assert answers == [(200, None)] * 2
    connected = HTTPConnection("127.0.0.1", port, timeout=30)
    connected.connect()
    pair.intake.process.send_signal(signal.SIGTERM)
    ask(connected)
    while answers[-1] == (200, None):
        ask(connected)
    assert answers[-1] == (200, "close")
    with pytest.raises(ConnectionRefusedError):  # whoever is told to connect anew finds nobody
        HTTPConnection("127.0.0.1", port, timeout=30).connect()
    assert pair.intake.process.wait(10) == 0  # an idle connection does not keep it
    pair.intake = pair.begin("intake").wait_until_ready()


def test_a_replica_waits_for_the_relay_on_one_session(pair: Pair) -> None:
    """Asking does not cost the database a new connection each time; only where its session is cut it makes another."""
    standby = pair.begin("routing").wait_until_ready()
    with psycopg.connect(pair.stack.admin_url(), autocommit=True) as admin:

        def asked(after: datetime | None = None, other_than: int | None = None) -> tuple[int, datetime] | None:
            found: tuple[int, datetime] | None = admin.execute(
                "select pid, query_start from pg_stat_activity"
                " where usename = 'routing' and query like 'select pg_try_advisory_lock%%' and pid <> %s"
                " and query_start > coalesce(%s::timestamptz, '-infinity') order by query_start desc limit 1",
                (other_than or 0, after),
            ).fetchone()
            return found

        session, first = until(asked, "the second process has asked for the lock", seconds=20, every=0.05)
        again, _ = until(lambda: asked(after=first), "it asks again", seconds=20, every=0.05)
        assert again == session
        admin.execute("select pg_terminate_backend(%s)", (session,))
        until(lambda: asked(other_than=session), "it asks on another session", seconds=20, every=0.05)
    standby.wait_until_ready()
    assert standby.stop() == 0


def test_a_batch_that_fails_for_a_bug_is_counted_and_tried_again(pair: Pair) -> None:
    """Here a table is not as this version of the code expects it; an operator mends that, and nothing is lost."""
    before = bugs(pair.routing)
    with pair.flow() as flow:
        flow.wait_for_more()
        with pair.look("routing") as looking:
            looking.execute("alter table stream rename column trace to other")
            until(lambda: bugs(pair.routing) >= before + 2, "the tries are counted", seconds=20, every=0.1)
            looking.execute("alter table stream rename column other to trace")
        flow.wait_for_more()
    pair.assert_all_arrived_once_and_in_order()


def test_database_out_of_reach(pair: Pair) -> None:
    with pair.flow() as flow:
        flow.wait_for_more()
        pair.stack.supervisor.end("postgres")
        for process in (pair.intake, pair.routing):
            assert process.wait_until_not_ready("database") == "the database is out of reach; waiting for it"
            assert process.get("/healthz")[0] == 200
        pair.stack.supervisor.begin("postgres")
        pair.wait_until_ready()
        flow.wait_for_more()
    pair.assert_all_arrived_once_and_in_order()


def test_connection_limit_reached(pair: Pair) -> None:
    with pair.flow() as flow, psycopg.connect(pair.stack.admin_url(), autocommit=True) as admin:
        flow.wait_for_more()
        admin.execute("alter role routing connection limit 0")
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'routing'")
        pair.routing.wait_until_not_ready("database")
        admin.execute("alter role routing connection limit -1")
        pair.routing.wait_until_ready()
    pair.assert_all_arrived_once_and_in_order()


def test_broker_killed(pair: Pair) -> None:
    with pair.flow() as flow:
        flow.wait_for_more()
        os.kill(pid_of(pair.stack, "rabbitmq"), signal.SIGKILL)
        assert pair.routing.wait_until_not_ready("queue 0") == "the broker is out of reach; connecting again"
        pair.intake.wait_until_not_ready("relay")
        flow.wait_for_more()  # requests do not need the broker
        pair.wait_until_ready()
        assert flow.failed == 0
    pair.assert_all_arrived_once_and_in_order()


def test_garbage_on_the_bus(pair: Pair) -> None:
    """What is no event goes to the poison queue, where an operator can read it; events around it are not held up."""
    url = pair.stack.amqp_url()
    garbage = [b"\xff\xfe\x00", b"{}", "信".encode("gbk")]
    with pair.flow() as flow, Connection(url) as connection:
        flow.wait_for_more()
        channel = connection.channel()
        topology.poison_queue("routing")(channel).purge()
        producer = connection.Producer(channel)
        for body in garbage:
            producer.publish(
                body, exchange=topology.EVENTS, routing_key="intake.x.v1.p00", content_encoding="binary",
                content_type="application/octet-stream",
            )  # fmt: skip
        flow.wait_for_more()
    until(lambda: len(inspect.poison(url, "routing")) == len(garbage), "the garbage is in the poison queue", every=0.1)
    found = inspect.poison(url, "routing")  # looking takes nothing away
    assert sorted(body for body, _ in found) == sorted(garbage)
    assert {headers["x-first-death-queue"] for _, headers in found} == {"routing.in.0"}
    pair.assert_all_arrived_once_and_in_order()


def test_garbage_among_the_events_of_one_message(pair: Pair) -> None:
    """Its neighbours have their effect, and the message lies in the poison queue as it came."""
    url, subject = pair.stack.amqp_url(), uuid4()
    first, second = an_envelope(subject, 1), an_envelope(subject, 2)
    with pair.look("intake") as looking:
        looking.execute("insert into said values (%s, 1), (%s, 2)", (subject, subject))
    body = together([first.encode(), b"{}", b"\xff", second.encode()])
    with Connection(url) as connection:
        channel = connection.channel()
        topology.poison_queue("routing")(channel).purge()
        connection.Producer(channel).publish(
            body, exchange=topology.EVENTS, routing_key=first.routing_key, content_encoding="binary",
            content_type=SEVERAL,
        )  # fmt: skip
    until(lambda: inspect.poison(url, "routing"), "the message is in the poison queue", every=0.1)
    assert [found for found, _ in inspect.poison(url, "routing")] == [body]
    assert pair.histories("routing", "heard")[subject] == [1, 2]
    pair.assert_all_arrived_once_and_in_order()
