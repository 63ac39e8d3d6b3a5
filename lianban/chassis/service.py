"""What a nameko service of this house is made of: HTTP, outbox relay, operations listener, and its runner."""

# ruff: noqa: I001 - the patch must come before everything else
from __future__ import annotations

import lianban.chassis.patch

import json
import os
import signal
import time as clock
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import eventlet
import structlog
from eventlet import greenio, wsgi
from flask import Flask
from kombu import Connection
from nameko.extensions import DependencyProvider
from nameko.runners import ServiceRunner
from nameko.web.server import WebServer
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

import lianban
from lianban.chassis import garbage, logs, metrics, relay, traces
from lianban.chassis.consume import HEARTBEAT_SECONDS, Batch, consume
from lianban.chassis.database import UNAVAILABLE
from lianban.chassis.transaction import statistics
from lianban.chassis.inspect import measure_inbox
from lianban.chassis.loops import Loop
from lianban.chassis.patience import patience
from lianban.chassis.readiness import readiness
from lianban.chassis.runtime import database, look_at_the_clock
from lianban.chassis.settings import settings
from lianban.chassis.waiting import READ, ready_now
from lianban.chassis.wakeup import bell

log = structlog.get_logger()

__all__ = ["Batch", "Http", "Loop", "Ops", "Relay", "consume", "run"]

GRACE_SECONDS = 15
DRAIN_SECONDS = 0.5
"""How long an ending service leaves connections open that are idle: a request may be on its way on them."""
LOG_SECONDS = 0.2
"""How long a line of the log may wait for others; warnings and errors wait for nothing."""
RELAY_GATHER_SECONDS = 0.02
RELAY_GATHER_MOST_SECONDS = 0.3
"""How long the relay waits after a batch, so that the next one is larger: while it is quiet nothing waits."""


class _Server(WebServer):
    """nameko's web server with a Flask application, and with an end at which no request is lost.

    The edge keeps connections open and sends the next request on one of them. So at the end each answer says that it is
    the last of its connection; a connection that then stays idle is closed.
    """

    application: Flask
    _is_accepting: bool

    def __init__(self) -> None:
        super().__init__()
        self._open: list[list[Any]] = []
        """The connections, as eventlet knows them: address, socket, state."""

    def get_wsgi_app(self) -> Callable[..., Any]:
        return self.application

    def get_wsgi_server(self, sock: Any, wsgi_app: Any, **_: Any) -> Any:
        return wsgi.Server(
            sock, sock.getsockname(), wsgi_app, protocol=wsgi.HttpProtocol, debug=False, log_output=False,
            keepalive=True, socket_timeout=75, log=structlog.get_logger(),
        )  # fmt: skip

    def process_request(self, sock: Any, address: Any) -> None:
        """Answer the requests of a connection."""
        connection = [address, sock, wsgi.STATE_IDLE]
        self._open.append(connection)
        try:
            self._serv.process_request(connection)
        finally:
            self._open.remove(connection)

    def stop(self) -> None:
        if not self._is_accepting:  # nameko stops it once more, as an extension of its own
            return
        self._is_accepting = False
        self._gt.kill()
        with suppress(BlockingIOError):
            while True:  # whoever is connected already is let in
                sock, address = self._sock.fd.accept()
                green = greenio.GreenSocket(sock)
                green.settimeout(self._serv.socket_timeout)
                self.container.spawn_managed_thread(partial(self.process_request, green, address))
        self._sock.close()
        self._serv.keepalive = False  # not before: who is told to connect anew must be refused, not let in and dropped
        eventlet.sleep(0)
        for tenth in range(GRACE_SECONDS * 10):
            if tenth >= DRAIN_SECONDS * 10:
                self._close_idle()
            if not self._open:
                break
            eventlet.sleep(0.1)

    def _close_idle(self) -> None:
        for _, sock, state in list(self._open):
            if state == wsgi.STATE_IDLE and sock.fileno() >= 0 and not ready_now(sock.fileno(), READ) & READ:
                greenio.shutdown_safe(sock)


class Http(DependencyProvider):
    """Serves the Flask application that ``create_app`` makes on the service's HTTP port."""

    server = _Server()

    def __init__(self, create_app: Callable[[], Flask]) -> None:
        self.create_app = create_app

    def setup(self) -> None:
        """Make the application."""
        self.server.application = self.create_app()

    def start(self) -> None:
        """Listen."""
        self.server.start()

    def stop(self) -> None:
        """Stop listening, finish what is in work."""
        self.server.stop()


class Relay(DependencyProvider):
    """Publishes the outbox; woken after commits of its own process, looks for others' every ``look`` seconds.

    A service of which another process regularly says events looks more often.
    """

    stopping = False
    busy = False

    def __init__(self, look: float = 0.2) -> None:
        self.look = look

    def start(self) -> None:
        """Start relaying and measuring."""
        readiness.expect("relay")
        self.container.spawn_managed_thread(self._run, identifier="relay")
        self.container.spawn_managed_thread(self._measure, identifier="bus metrics")

    def stop(self) -> None:
        """Finish the batch in work."""
        self.stopping = True
        bell("relay").set()
        for _ in range(100):
            if not self.busy:
                break
            eventlet.sleep(0.1)

    def _run(self) -> None:
        wait = 0.2
        while not self.stopping:
            try:
                with database().session() as session:
                    if not self._become_relay(session):
                        return
                    with Connection(
                        settings().need("amqp_url"), connect_timeout=5, heartbeat=HEARTBEAT_SECONDS
                    ) as connection:
                        publisher = relay.Publisher(connection)
                        readiness.up("relay")
                        metrics.relay_active.set(1)
                        wait = 0.2
                        self._publish(session, connection, publisher)
            except Exception as error:  # noqa: BLE001 - broker or database away: try again, the outbox keeps everything
                metrics.relay_active.set(0)
                metrics.outbox_failures.inc()
                readiness.down("relay", "the broker or the database is out of reach; connecting again")
                log.warning("relay.interrupted", reason=type(error).__name__, wait_s=wait)
                if not self.stopping:
                    eventlet.sleep(wait)
                    wait = min(wait * 2, 5.0)

    def _become_relay(self, session: Any) -> bool:
        """Wait until no other replica is the relay, asking on the one session; false where the service ends first."""
        while not self.stopping:
            if relay.become_relay(session):
                return True
            readiness.up("relay")  # another replica is it
            eventlet.sleep(1.0)
        return False

    def _publish(self, session: Any, connection: Connection, publisher: relay.Publisher) -> None:
        signal_ = bell("relay")
        next_beat = 0.0
        while not self.stopping:
            signal_.clear()
            self.busy = True
            began = clock.monotonic()
            try:
                published = relay.publish_once(session, publisher)
            finally:
                self.busy = False
            if clock.monotonic() >= next_beat:
                next_beat = clock.monotonic() + HEARTBEAT_SECONDS / 4
                connection.heartbeat_check()
                with suppress(TimeoutError):
                    connection.drain_events(timeout=0.001)
            if published == 0:
                signal_.wait(self.look)
            elif published < relay.BATCH:
                took = clock.monotonic() - began
                eventlet.sleep(patience(took, least=RELAY_GATHER_SECONDS, most=RELAY_GATHER_MOST_SECONDS))

    def _measure(self) -> None:
        while not self.stopping:
            try:
                relay.measure(database())
                measure_inbox(database())
            except UNAVAILABLE:
                pass  # the transaction itself says what that means for readiness
            except Exception:  # gauges that cannot be read end no relay
                log.exception("relay.not_measured")
            with suppress(OSError):
                metrics.measure_disk()
            eventlet.sleep(5)


class Ops(DependencyProvider):
    """The listener for operations: ``/healthz``, ``/readyz``, ``/metrics``, ``/queries``."""

    def start(self) -> None:
        """Listen on the operations port."""
        self._socket = eventlet.listen((settings().http_host, settings().ops_port))
        readiness.expect("database")
        self.container.spawn_managed_thread(self._serve, identifier="operations")
        self.container.spawn_managed_thread(self._watch, identifier="readiness")

    def stop(self) -> None:
        """Stop listening."""
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):  # the socket is closed by stop
            wsgi.server(self._socket, operations, log_output=False, socket_timeout=30)

    def _watch(self) -> None:
        while True:
            with suppress(*UNAVAILABLE):  # the transaction itself says what that means for readiness
                look_at_the_clock()
            eventlet.sleep(2)


def operations(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """The WSGI application of the operations listener."""
    path = environ.get("PATH_INFO", "")
    status, kind, body = "200 OK", "application/json; charset=utf-8", b""
    if path == "/metrics":
        kind, body = CONTENT_TYPE_LATEST, generate_latest()
    elif path == "/healthz":
        body = _json({"status": "alive", "service": settings().service, "version": lianban.__version__})
    elif path == "/readyz":
        status = "200 OK" if readiness.ready else "503 Service Unavailable"
        body = _json({"ready": readiness.ready, "parts": {k: v or "ok" for k, v in readiness.parts.items()}})
    elif path == "/queries":
        body = _json([{"statement": s, "runs": n, "seconds": round(t, 4)} for s, n, t in statistics.top()])
    else:
        status, body = "404 Not Found", _json({"title": "known: /healthz /readyz /metrics /queries"})
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def run(service_class: type) -> None:
    """Run a service until SIGTERM or SIGINT; returns when in-flight work is finished."""
    given = settings()
    logs.configure(service_class.name, given.log_level, gather=True)  # type: ignore[attr-defined]
    eventlet.spawn(_write_logs)
    traces.configure(given.service)
    runner = ServiceRunner(
        {"AMQP_URI": given.amqp_url, "WEB_SERVER_ADDRESS": f"{given.http_host}:{given.http_port}", "max_workers": 64}
    )
    runner.add_service(service_class)
    stop = eventlet.event.Event()

    def asked(*_: Any) -> None:
        if not stop.ready():
            stop.send(None)

    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, asked)
    runner.start()
    garbage.settle()
    log.info("service.started", pid=os.getpid(), http_port=given.http_port, ops_port=given.ops_port)
    died = eventlet.spawn(runner.wait)
    died.link(asked)
    stop.wait()
    if not died.dead:
        log.info("service.stopping")
        runner.stop()
    died.wait()
    database().close()
    log.info("service.stopped")
    logs.flush()


def _write_logs() -> None:
    while True:
        eventlet.sleep(LOG_SECONDS)
        with suppress(Exception):  # a full disk ends the lines, not the writing of later ones
            logs.flush()
