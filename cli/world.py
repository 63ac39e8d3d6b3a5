"""All five services in this process, at any time of the past: for histories that run through the real use cases.

Events go from the real outboxes to the real inboxes, only without a broker between them; neighbours ask one another for
texts as always, only without a network between them. Nothing else may run on these databases meanwhile: the world takes
the place of every service's relay, and :class:`Busy` says that a service is running.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from flask import Flask
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from deploy.local.layout import SERVICES
from deploy.local.stack import Stack
from lianban.chassis import internal, relay, time
from lianban.chassis.inbox import Inbox
from lianban.chassis.runtime import database
from lianban.chassis.settings import Settings, read, use
from lianban.chassis.topology import HEARS
from lianban.chassis.transaction import Transaction
from lianban.contracts.envelope import Envelope
from services.agency_gateway.app import delivering
from services.agency_gateway.app import hearing as gateway
from services.agency_gateway.web import create_app as gateway_app
from services.intake.app import hearing as intake
from services.intake.web import create_app as intake_app
from services.notification import worker as press
from services.notification.app import composing, sending
from services.notification.app import hearing as notification
from services.oversight.app import hearing as oversight
from services.oversight.app import watching
from services.routing.app import hearing as routing
from services.routing.app import reopening, statements, suggestion

HANDLERS = {
    "intake": intake.HANDLERS,
    "routing": routing.HANDLERS,
    "agency_gateway": gateway.HANDLERS,
    "oversight": oversight.HANDLERS,
    "notification": notification.HANDLERS,
}
ASKED: dict[str, Callable[[], Flask]] = {"intake": intake_app, "agency_gateway": gateway_app}
"""The services that neighbours ask for texts."""
MOST_ROUNDS = 200
"""Rounds after which something goes in a circle."""


class Busy(Exception):
    """A service is running on its database."""


class World:
    """The five services; everything in it happens when :meth:`at` says."""

    def __init__(self, here: Stack, *, site: str, databases: Mapping[str, str] | None = None) -> None:
        """``databases``: the URL of each service's database where it is another one than the stack's."""
        addresses = {f"LIANBAN_{name.upper()}_URL": f"http://{_host(name)}" for name in ASKED}
        self.settings: dict[str, Settings] = {
            name: read(os.environ | here.env(name) | addresses | {"LIANBAN_SITE": site} | _database(databases, name))
            for name in SERVICES
        }
        self._press = press.Press()
        self._inboxes: dict[str, Inbox] = {}
        self._sessions: dict[str, Transaction] = {}
        self.loops: tuple[tuple[str, Callable[[], int]], ...] = (
            ("routing", suggestion.run_due),
            ("routing", statements.fetch_due),
            ("agency_gateway", delivering.put_on_desks),
            ("notification", composing.run_due),
            ("notification", lambda: press.run_due(self._press)),
            ("notification", sending.run_due),
        )

    @contextmanager
    def open(self) -> Iterator[World]:
        """Connect everything; raises :class:`Busy`."""
        with ExitStack() as stack:
            for name, chosen in self.settings.items():
                with use(chosen):
                    session = stack.enter_context(database().session())
                    if not relay.become_relay(session):
                        raise Busy(name)
                    self._sessions[name] = session
                    self._inboxes[name] = Inbox(database(), name, HEARS[name], HANDLERS[name])
                    if name in ASKED:
                        internal.session().mount(f"http://{_host(name)}/", _Neighbour(ASKED[name](), chosen))
            yield self

    @contextmanager
    def as_(self, service: str, at: datetime) -> Iterator[None]:
        """Be a service at a time."""
        with use(self.settings[service]), time.at(at):
            yield

    def settle(self, at: datetime) -> None:
        """Let everything happen that follows from what was said, until nothing more does; it is ``at`` meanwhile."""
        with time.at(at):
            for _ in range(MOST_ROUNDS):
                if not self._round():
                    return
        raise RuntimeError("the services keep one another busy without an end")

    def a_day_passes(self, at: datetime) -> None:
        """Let time alone have its effect: warnings and breaches of clocks, rating windows that run out."""
        for service, loop in (("oversight", watching.run_due), ("routing", reopening.close_due)):
            with self.as_(service, at):
                while loop():
                    pass
        self.settle(at)

    def _round(self) -> int:
        done = 0
        for name, session in self._sessions.items():
            done += relay.publish_once(session, _Bus(self, name))
        for service, loop in self.loops:
            with use(self.settings[service]):
                done += loop()
        return done

    def hear(self, source: str, envelopes: Sequence[Envelope]) -> None:
        """Give events their effect in every service that hears the source."""
        for name, inbox in self._inboxes.items():
            if source in HEARS[name]:
                with use(self.settings[name]):
                    inbox.handle(envelopes)


class _Bus:
    """Takes rows of one service's outbox straight to the inboxes of the others."""

    def __init__(self, world: World, source: str) -> None:
        self._world = world
        self._source = source

    def publish(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        self._world.hear(self._source, [Envelope.decode(bytes(row["body"])) for row in rows])
        return [row["position"] for row in rows]


class _Neighbour(BaseAdapter):
    """Answers requests to a service within this process."""

    def __init__(self, app: Flask, chosen: Settings) -> None:
        super().__init__()
        self._client = app.test_client(use_cookies=False)
        self._settings = chosen

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Have the service answer."""
        with use(self._settings):
            answer = self._client.open(
                urlsplit(request.url or "").path,
                method=request.method or "GET",
                data=request.body,
                headers=dict(request.headers),
            )
        made = requests.Response()
        made.status_code = answer.status_code
        made.headers = CaseInsensitiveDict(answer.headers.items())
        made._content = answer.data  # noqa: SLF001 - the one way to give a response its body
        made.url = request.url or ""
        made.request = request
        return made

    def close(self) -> None:
        """There is nothing to close."""


def _database(databases: Mapping[str, str] | None, service: str) -> dict[str, str]:
    return {"LIANBAN_DATABASE_URL": databases[service]} if databases else {}


def _host(service: str) -> str:
    return f"{service.replace('_', '-')}.here"
