"""The house entry point that takes a service's queues and hands batches of events to a nameko worker.

nameko's own event handlers acknowledge failed messages away or requeue them in a hot loop, and cannot set
queue arguments; this one acknowledges a batch after its transaction has committed, never before.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import eventlet
import structlog
from eventlet.event import Event as Signal
from eventlet.queue import Empty, LightQueue
from eventlet.semaphore import Semaphore
from kombu import Connection
from nameko.extensions import Entrypoint

from lianban.chassis import metrics
from lianban.chassis.database import UNAVAILABLE
from lianban.chassis.inbox import Handlers, Inbox, Prepare
from lianban.chassis.patience import patience
from lianban.chassis.readiness import readiness
from lianban.chassis.runtime import database
from lianban.chassis.settings import settings
from lianban.chassis.topology import HEARS, queue_name
from lianban.contracts.envelope import Envelope, Undecodable, apart

log = structlog.get_logger()

HEARTBEAT_SECONDS = 20
GATHER_SECONDS = 0.005
"""How long a batch waits for company after its first event."""
GATHER_MOST_SECONDS = 0.25
"""The same at most while one batch follows another."""
BUSY_SECONDS = 0.2
"""A reader whose last batch ended within this time is busy."""


@dataclass(slots=True)
class Batch:
    """Events that came together, with the inbox that gives them their effect."""

    inbox: Inbox
    envelopes: list[Envelope]

    def handle(self) -> None:
        """Give the events their effect; see :class:`~lianban.chassis.inbox.Inbox`."""
        self.inbox.handle(self.envelopes)


@dataclass(slots=True)
class _Gathered:
    """What came over one channel and is handled together: its events, and what to tell the broker afterwards."""

    channel: _Channel
    envelopes: list[Envelope] = field(default_factory=list)
    last: int = 0
    """Everything up to this delivery may be acknowledged; 0: nothing."""
    spoiled: list[int] = field(default_factory=list)
    """Deliveries that hold something that is no event of ours: they go to the poison queue, as a whole."""

    def add(self, message: Any) -> None:
        """Take a message apart."""
        before = len(self.spoiled)
        for event in apart(_bytes(message.body)):
            try:
                self.envelopes.append(Envelope.decode(event))
            except Undecodable as error:
                metrics.inbox_undecodable.inc()
                log.error("inbox.undecodable", reason=str(error)[:200])
                self.spoiled[before:] = [message.delivery_tag]
        if len(self.spoiled) == before:
            self.last = message.delivery_tag

    def settle(self) -> None:
        """Tell the broker that the events have their effect; what it is not told comes again and changes nothing."""
        try:
            for tag in self.spoiled:
                self.channel.reject(tag)
            if self.last:
                self.channel.ack_up_to(self.last)
        except Exception as error:  # noqa: BLE001 - the connection is lost, the messages come again
            log.warning("bus.disconnected", reason=type(error).__name__)


class _Channel:
    """One connection to the broker with its one channel; writes are kept from interleaving."""

    def __init__(self, connection: Connection, prefetch: int) -> None:
        self.connection = connection
        self.channel = connection.channel()
        self.channel.basic_qos(0, prefetch, False)
        self.writing = Semaphore()
        self.alive = True

    def consume(self, queue: str, callback: Callable[[Any], None]) -> None:
        self.channel.basic_consume(queue, callback=callback)

    def ack_up_to(self, tag: int) -> None:
        if self.alive:
            with self.writing:
                self.channel.basic_ack(tag, multiple=True)

    def reject(self, tag: int) -> None:
        if self.alive:
            with self.writing:
                self.channel.basic_reject(tag, requeue=False)


class _Reader:
    """Reads all queues of the service; one greenlet reads and keeps the connection alive, one handles the batches.

    A transaction costs the same for one event as for many, so what comes from all queues makes one batch. With
    replicas the broker gives each queue to one of them, the one that asked first: one that waits with asking
    (``stand_by_seconds``) leaves the batches whole, and takes over when the other is gone.
    """

    def __init__(self, entrypoint: Consume) -> None:
        self.entrypoint = entrypoint
        self.queues = {f"queue {index}": queue_name(settings().service, index) for index in range(settings().queues)}
        self.arrived: LightQueue = LightQueue()
        self.stopping = False
        self.ended = 0.0
        self.took = 0.0
        """Seconds that the last batch took."""
        self.idle = Signal()
        for part in self.queues:
            readiness.expect(part)

    def read(self) -> None:
        """Keep a consumer on every queue until the service stops; connects again by itself."""
        wait = 0.2
        while self._stood_by():
            channel: _Channel | None = None
            try:
                with Connection(
                    settings().need("amqp_url"), heartbeat=HEARTBEAT_SECONDS, connect_timeout=5
                ) as connection:
                    connection.connect()
                    channel = _Channel(connection, prefetch=_in_hand())
                    for part, queue in self.queues.items():
                        channel.consume(queue, partial(self._arrive, channel))
                        readiness.up(part)
                    wait = 0.2
                    self._drain(channel)
            except Exception as error:  # noqa: BLE001 - whatever happened to the connection, it is made anew
                if not self.stopping:
                    for part in self.queues:
                        readiness.down(part, "the broker is out of reach; connecting again")
                    log.warning("bus.disconnected", reason=type(error).__name__, wait_s=wait)
                    eventlet.sleep(wait)
                    wait = min(wait * 2, 5.0)
            finally:
                if channel is not None:
                    channel.alive = False

    def _stood_by(self) -> bool:
        """Leave the queues to others for a moment, where that is asked for; false where the service ends."""
        eventlet.sleep(settings().stand_by_seconds)
        return not self.stopping

    def _arrive(self, channel: _Channel, message: Any) -> None:
        self.arrived.put((channel, message))

    def _drain(self, channel: _Channel) -> None:
        next_beat = clock.monotonic() + HEARTBEAT_SECONDS / 4
        while not self.stopping:
            with suppress(TimeoutError):
                channel.connection.drain_events(timeout=HEARTBEAT_SECONDS / 4)
            if clock.monotonic() >= next_beat:
                with channel.writing:
                    channel.connection.heartbeat_check()
                next_beat = clock.monotonic() + HEARTBEAT_SECONDS / 4

    def work(self) -> None:
        """Handle batch after batch until the service stops."""
        try:
            while not self.stopping:
                gathered = self._gather()
                if gathered is not None:
                    began = clock.monotonic()
                    self._handle(gathered)
                    self.ended = clock.monotonic()
                    self.took = self.ended - began
        finally:
            self.idle.send(None)

    def _gather(self) -> _Gathered | None:
        try:
            channel, message = self.arrived.get(timeout=0.5)
        except Empty:
            return None
        gathered = _Gathered(channel)
        began = clock.monotonic()
        deadline = began + self._patience(began)
        while True:
            if channel.alive:  # what a lost connection brought comes again
                gathered.add(message)
            if len(gathered.envelopes) >= settings().batch:
                break
            try:
                following, message = self.arrived.get(timeout=max(0.0, deadline - clock.monotonic()))
            except Empty:
                break
            if following is not channel:
                channel, gathered = following, _Gathered(following)
        return gathered

    def _patience(self, began: float) -> float:
        if began - self.ended >= BUSY_SECONDS:
            return GATHER_SECONDS
        return patience(self.took, least=GATHER_SECONDS, most=GATHER_MOST_SECONDS)

    def _handle(self, gathered: _Gathered) -> None:
        wait = 0.1
        while not self.stopping and gathered.channel.alive:
            error = self.entrypoint.run_worker(gathered.envelopes) if gathered.envelopes else None
            if error is None:
                gathered.settle()
                return
            if not isinstance(error, UNAVAILABLE):
                metrics.inbox_failures.labels("bug").inc()
                log.error("inbox.batch_failed", exc_info=error)
            eventlet.sleep(wait)  # the database is away: nothing is requeued, nothing more is taken
            wait = min(wait * 2, 2.0)


class Consume(Entrypoint):
    """Entry point: the decorated method gets a :class:`Batch` of events of the producers it hears."""

    def __init__(
        self, hears: tuple[str, ...], handlers: Handlers, prepare: Prepare | None = None, **kwargs: Any
    ) -> None:
        self.hears = hears
        self.handlers = handlers
        self.prepare = prepare
        super().__init__(**kwargs)

    def setup(self) -> None:
        """Prepare the inbox; connects to nothing yet."""
        service = settings().need("service")
        if self.hears != HEARS[service]:
            raise AssertionError(f"{service} hears {self.hears}, its queues are bound to {HEARS[service]}")
        self.inbox = Inbox(database(), service, self.hears, self.handlers, self.prepare)
        self.reader = _Reader(self)
        self.stopping = False

    def start(self) -> None:
        """Start consuming and sweeping."""
        self.container.spawn_managed_thread(self.reader.read, identifier="read queues")
        self.container.spawn_managed_thread(self.reader.work, identifier="handle batches")
        self.container.spawn_managed_thread(self._sweep, identifier="inbox sweep")

    def stop(self) -> None:
        """Take nothing more; the batches in work are finished first."""
        self.stopping = True
        self.reader.stopping = True
        self.reader.idle.wait(timeout=20)

    def run_worker(self, envelopes: list[Envelope]) -> BaseException | None:
        """Run the service's method on a batch in a nameko worker; returns what it raised."""
        done = Signal()

        def on_result(_: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
            done.send(exc_info[1] if exc_info else None)
            return result, exc_info

        self.container.spawn_worker(self, (Batch(self.inbox, envelopes),), {}, handle_result=on_result)
        error: BaseException | None = done.wait()
        return error

    def _sweep(self) -> None:
        while not self.stopping:
            eventlet.sleep(0.5)
            try:
                while self.inbox.sweep() >= 200 and not self.stopping:
                    eventlet.sleep(0)
            except UNAVAILABLE:
                eventlet.sleep(1.0)
            except Exception:
                log.exception("inbox.sweep_failed")
                eventlet.sleep(1.0)


def consume(
    *, hears: tuple[str, ...], handlers: Handlers, prepare: Prepare | None = None
) -> Callable[[Callable[[Any, Batch], None]], Any]:
    """Decorator of the service method that gets the batches; see :class:`Consume`."""
    decorate: Callable[[Callable[[Any, Batch], None]], Any] = Consume.decorator(
        hears=hears, handlers=handlers, prepare=prepare
    )
    return decorate


def _in_hand() -> int:
    """How many messages of each queue may be here and not acknowledged: in all queues two batches of events that came
    alone, so that the next one is here while one is handled. With full messages it is more, but tens of megabytes."""
    return max(1, 2 * settings().batch // settings().queues)


def _bytes(body: Any) -> bytes:
    return body.encode() if isinstance(body, str) else bytes(body)
