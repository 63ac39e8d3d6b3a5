"""Events come twice, late, with others between; handlers fail at random; one event is poison."""

from __future__ import annotations

from uuid import UUID

import pytest
from kombu import Connection

from deploy.local.layout import SERVICES
from deploy.waiting import until
from lianban.chassis import topology
from lianban.contracts.envelope import partition_of
from tests.chaos.beside import in_place_of
from tests.chaos.broker import QUEUES
from tests.chaos.conftest import Trial
from tests.chaos.late import LateEvents
from tests.chaos.repeats import Repeats
from tests.load import checklist
from tests.load.petitions import Kind

POISONED = "lianban.routing.case-accepted.v1"
EVERY_TYPE = checklist.said(Kind.JOINT3).keys()
"""What is said in a life-cycle of several agencies."""


@pytest.mark.chaos_quick
def test_every_event_twice(trial: Trial) -> None:
    with trial() as load, Repeats(load.stack) as repeats:
        load.more(6)
        until(lambda: repeats.repeated.keys() >= EVERY_TYPE, "every type of event went out again", seconds=240)
        repeats.wait_for_all()
        load.fault_over()


@pytest.mark.chaos
def test_events_of_other_matters_between(trial: Trial) -> None:
    """Every fifth event is late: later ones of its matter and of others overtake it."""
    with trial() as load:
        with LateEvents(load.stack) as late:
            load.more(20)
        assert late.held_back > 0
        load.fault_over()


@pytest.mark.chaos
@pytest.mark.parametrize("service", SERVICES)
def test_handler_fails_at_random(trial: Trial, service: str) -> None:
    with trial() as load:
        failing = {"CHAOS_FAILING": "0.2", "LIANBAN_RETRY_SECONDS": "0.2"}
        with in_place_of(load.stack, service, module="tests.chaos.unreliable", more=failing) as process:
            load.more(12)
            until(lambda: process.counted("lianban_inbox_failures_total") >= 3, "three handlers have failed")
        load.fault_over()
        load.more(4)


@pytest.mark.chaos_quick
def test_poison_in_the_middle_of_a_partition(trial: Trial) -> None:
    """Poisoned matters wait in quarantine, the others go on; mended and replayed, the poisoned go on as well."""
    with trial() as load:

        def others_go_on() -> bool:
            """Whether another matter of a poisoned one's queue had an effect after the poison was put aside."""
            with load.stack.look("oversight") as looking:
                rows = looking.execute(
                    "select distinct h.subject, q.subject as poisoned from inbox q"
                    " join (select at, unnest(subjects) as subject from handled) as h on h.at > q.received_at"
                    " where q.state = 'quarantined' and not exists"
                    " (select from inbox o where o.subject = h.subject and o.state = 'quarantined')"
                ).fetchall()
            return any(queue(row["subject"]) == queue(row["poisoned"]) for row in rows)

        def queue(subject: UUID) -> int:
            return topology.queue_of(partition_of(subject), QUEUES)

        poison = {"CHAOS_POISON": POISONED}
        with in_place_of(load.stack, "oversight", module="tests.chaos.unreliable", more=poison):
            until(others_go_on, "one event is in quarantine and others of its queue go on", seconds=240)
        load.fault_over()
        load.until_ready()
        replayed = load.stack.command("quarantine", "replay", "--service", "oversight", "--all")
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        load.more(2)


@pytest.mark.chaos
def test_garbage_between_the_events(trial: Trial) -> None:
    """What is no event goes to the poison queue, where an operator can read it; events around it are not held up."""
    garbage = [b"\xff\xfe\x00", b"{}", "信".encode("gbk")]
    with trial() as load, Connection(load.stack.amqp_url()) as connection:
        load.more(4)
        channel = connection.channel()
        for body in garbage:
            connection.Producer(channel).publish(
                body, exchange=topology.EVENTS, routing_key="intake.x.v1.p07", content_encoding="binary",
                content_type="application/octet-stream",
            )  # fmt: skip
        hearers = [service for service, producers in topology.HEARS.items() if "intake" in producers]
        queues = [topology.poison_queue(service)(channel) for service in hearers]
        load.more(4)
        for queue in queues:
            until(
                lambda queue=queue: queue.queue_declare(passive=True).message_count == len(garbage),  # type: ignore[misc]
                f"the garbage is in {queue.name}",
            )
            queue.purge()
        load.fault_over()
