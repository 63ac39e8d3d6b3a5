"""The plain way, to compare with: a nameko service as its documentation shows it, with no guarantee of any kind.

An HTTP entry point inserts the row and then dispatches the event: what is lost between the two is lost, a request
that is repeated counts twice, nothing is checked, sealed or ordered. ``python -m tests.bench.bare``; its settings are
``BARE_DATABASE_URL``, ``BARE_AMQP_URL`` and ``BARE_PORT``.
"""

# ruff: noqa: E402 - the patch must come before everything else
from __future__ import annotations

import os

import eventlet

eventlet.monkey_patch()
os.environ["PSYCOPG_WAIT_FUNC"] = "wait_select"

import json
import signal
from typing import Any
from uuid import uuid4

from nameko.events import EventDispatcher, event_handler
from nameko.extensions import DependencyProvider
from nameko.runners import ServiceRunner
from nameko.web.handlers import http
from psycopg_pool import ConnectionPool

TABLE = "create table if not exists matter (id uuid primary key, body text not null, at timestamptz default now())"


class Rows(DependencyProvider):  # type: ignore[misc]
    """The database, as a dependency: a pool of connections."""

    def setup(self) -> None:
        """Connect."""
        self.pool = ConnectionPool(os.environ["BARE_DATABASE_URL"], min_size=4, max_size=16, open=True)
        with self.pool.connection() as connection:
            connection.execute(TABLE)

    def stop(self) -> None:
        """Close the connections."""
        self.pool.close()

    def get_dependency(self, worker_ctx: Any) -> ConnectionPool[Any]:
        """Give a worker the pool."""
        return self.pool


class BareService:
    """Takes petitions."""

    name = "bare"
    rows = Rows()
    dispatch = EventDispatcher()

    @http("POST", "/api/v1/matters")  # type: ignore[untyped-decorator]
    def submit(self, request: Any) -> tuple[int, str]:
        """Insert the row, then say so."""
        matter, body = str(uuid4()), request.get_data(as_text=True)
        with self.rows.connection() as connection:
            connection.execute("insert into matter (id, body) values (%s, %s)", (matter, body))
        self.dispatch("matter-registered", {"id": matter, "matter": json.loads(body)})
        return 201, json.dumps({"id": matter, "number": matter, "query_code": ""})


class BareListener:
    """Hears of petitions; it is started once, so that its queue exists, and stopped for the measurement."""

    name = "bare_listener"

    @event_handler("bare", "matter-registered")  # type: ignore[untyped-decorator]
    def heard(self, payload: dict[str, Any]) -> None:
        """Do nothing."""


def main() -> None:
    """Serve until SIGTERM."""
    config = {
        "AMQP_URI": os.environ["BARE_AMQP_URL"],
        "WEB_SERVER_ADDRESS": f"127.0.0.1:{os.environ['BARE_PORT']}",
        "max_workers": 64,
    }
    listener = ServiceRunner(config)
    listener.add_service(BareListener)
    listener.start()
    listener.stop()
    runner = ServiceRunner(config)
    runner.add_service(BareService)
    asked = eventlet.event.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.send(None))
    runner.start()
    asked.wait()
    runner.stop()


if __name__ == "__main__":
    main()
