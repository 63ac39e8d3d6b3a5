"""The exchange and queues of the bus, declared before any service starts so that no event is ever dropped.

One durable topic exchange; per service ``queues`` durable quorum queues with a single active consumer, each
bound to a range of partitions of every producer that the service hears; per service one poison queue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kombu import Connection, Exchange, Queue

from lianban.contracts.envelope import PARTITIONS

EVENTS = Exchange("lianban.events", type="topic", durable=True)
POISON = Exchange("lianban.poison", type="direct", durable=True)

HEARS: dict[str, tuple[str, ...]] = {
    "intake": ("routing", "agency_gateway", "oversight", "notification"),
    "routing": ("intake", "agency_gateway", "oversight", "notification"),
    "agency_gateway": ("intake", "routing", "oversight"),
    "oversight": ("intake", "routing", "agency_gateway", "notification"),
    "notification": ("intake", "routing", "agency_gateway", "oversight"),
}
"""Which producers' events each service receives."""


def queue_name(service: str, index: int) -> str:
    """The name of a service's queue, counted from 0."""
    return f"{service}.in.{index}"


def poison_name(service: str) -> str:
    """Where messages of a service go that are no events, or were delivered too often."""
    return f"{service}.poison"


def partitions_of(index: int, queues: int) -> range:
    """The partitions that belong to queue ``index`` of ``queues``."""
    return range(index * PARTITIONS // queues, (index + 1) * PARTITIONS // queues)


def queue_of(partition: int, queues: int) -> int:
    """The queue of ``queues`` that a partition belongs to; the opposite of :func:`partitions_of`."""
    return ((partition + 1) * queues - 1) // PARTITIONS


def service_queue(service: str, index: int, *, max_delivery: int = 1000) -> Queue:
    """The queue as it is declared and consumed."""
    return Queue(
        queue_name(service, index),
        durable=True,
        queue_arguments={
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": max_delivery,
            "x-dead-letter-exchange": POISON.name,
            "x-dead-letter-routing-key": poison_name(service),
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
    )


def poison_queue(service: str) -> Queue:
    """The poison queue of a service."""
    return Queue(
        poison_name(service), exchange=POISON, routing_key=poison_name(service), durable=True,
        # Looking at a message counts as a delivery, and RabbitMQ 4 would drop it after 20.
        queue_arguments={"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000},
    )  # fmt: skip


def declare(
    amqp_url: str,
    *,
    queues: int = 4,
    max_delivery: int = 1000,
    progress: Callable[[str], Any] = lambda _: None,
) -> int:
    """Declare everything; repeating it changes nothing. Returns the number of bindings made."""
    bindings = 0
    with Connection(amqp_url, connect_timeout=10) as connection:
        channel = connection.channel()
        EVENTS(channel).declare()
        POISON(channel).declare()
        for service, producers in HEARS.items():
            progress(service)
            poison_queue(service)(channel).declare()
            for index in range(queues):
                queue = service_queue(service, index, max_delivery=max_delivery)(channel)
                queue.queue_declare()
                for producer in producers:
                    for partition in partitions_of(index, queues):
                        queue.bind_to(exchange=EVENTS, routing_key=f"{producer}.*.*.p{partition:02d}", nowait=True)
                        bindings += 1
                queue.queue_declare(passive=True)  # an exchange with the broker, so that the bindings have arrived
    return bindings
