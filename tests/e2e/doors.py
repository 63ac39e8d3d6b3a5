"""Calling the running stack as anybody: addresses of one's own, tokens of every role, form tokens."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import requests
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer
from requests.adapters import HTTPAdapter

from deploy.demo.actors import PullList
from deploy.local.layout import SERVICES
from deploy.local.stack import Stack
from lianban.chassis.auth import Kind, Principal, issue_access
from lianban.chassis.settings import read, use
from lianban.chassis.time import now
from lianban.chassis.web.access import COOKIE
from lianban.contracts.codes import StaffRole

_last = itertools.count(10)


class _From(HTTPAdapter):
    """Connections from one address of this machine: each has a rate of its own at the edge's services."""

    def __init__(self, address: str) -> None:
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
        return super().init_poolmanager(*args, **kwargs, source_address=(self.address, 0))


def a_session(token: str | None = None) -> requests.Session:
    """A session from a loopback address that nobody else uses, with a token if one is given."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", _From(f"127.0.1.{next(_last) % 240 + 5}"))
    if token is not None:
        session.headers["Authorization"] = f"Bearer {token}"
    return session


@contextmanager
def as_routing(stack: Stack) -> Iterator[None]:
    """Within the block this test has the settings and keys of routing, which issues all tokens."""
    with use(read(stack.env("routing"))):
        yield


def a_token(
    stack: Stack, *roles: StaffRole, agency: str | None = None, territory: str | None = None, kind: Kind = "staff"
) -> str:
    """An access token as ``lianban token`` makes it."""
    who = Principal(
        kind=kind, subject=str(uuid4()), name="测试", roles=frozenset(roles), agency=agency, territory=territory
    )
    with as_routing(stack):
        return issue_access(who, at=now(), seconds=3600)


def a_browser(stack: Stack, token: str | None = None) -> tuple[requests.Session, str]:
    """A session with the cookies of a browser that has seen a form, signed in with ``token``; and its form token."""
    secret = stack.env("routing")["LIANBAN_SECRET_KEY"]
    app = Flask(__name__)
    app.secret_key = secret
    signer: Any = SecureCookieSessionInterface().get_signing_serializer(app)
    mark = uuid4().hex
    session = a_session()
    for service in SERVICES:
        session.cookies.set(f"lianban_{service}", signer.dumps({"csrf_token": mark}))
    if token is not None:
        session.cookies.set(COOKIE, token)
    return session, str(URLSafeTimedSerializer(secret, salt="wtf-csrf-token").dumps(mark))


def by_hand(stack: Stack, agency: str) -> None:
    """From now on nobody answers for this agency by itself: the test does."""
    PullList(stack.layout.puller).change([agency], lambda autopilot: autopilot | {"mode": "off"})
