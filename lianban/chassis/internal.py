"""Asking another service for personal data it holds, and being asked: signed, with a purpose, on record.

Only worker loops ask, never a handler of events and never a page. Every subject disclosed is a row of the
owner's access log (个人信息保护法 §§51, 54).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import requests
from flask import request

from lianban.chassis import auth, traces
from lianban.chassis.errors import Poison, Rejected, Retry
from lianban.chassis.settings import settings
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction

P = ParamSpec("P")
T = TypeVar("T")

CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0


class NeighbourFailed(Retry):
    """The other service is there and failed with this request; another request may well be answered."""


@cache
def session() -> requests.Session:
    """The connections to neighbours; an adapter mounted here answers for neighbours in the same process."""
    made = requests.Session()
    made.trust_env = False  # neighbours are never behind a proxy
    return made


def fetch(service: str, path: str, body: dict[str, Any], *, purpose: str) -> Any:
    """POST ``body`` to another service's internal endpoint and return its JSON.

    Raises :class:`~lianban.chassis.errors.Retry` when the service is out of reach or busy (:class:`NeighbourFailed`
    where it had an error), and :class:`~lianban.chassis.errors.Poison` when it refuses the request for good.
    """
    url = settings().url_of(service).rstrip("/") + path
    headers = {"Authorization": f"Bearer {auth.service_token(service, at=now())}"}
    carried = traces.current()
    if carried is not None:
        headers["traceparent"] = carried.traceparent
    try:
        answer = session().post(
            url,
            json={**body, "purpose": purpose},
            headers=headers,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
        )
    except requests.RequestException as error:
        raise Retry(f"{service} is out of reach: {type(error).__name__}") from error
    if answer.status_code == 500:
        raise NeighbourFailed(f"{service} answered 500")
    if answer.status_code == 429 or answer.status_code > 500:
        raise Retry(f"{service} answered {answer.status_code}")
    if answer.status_code != 200:
        raise Poison(f"{service} refused {path}: {answer.status_code}")
    try:
        return answer.json()
    except ValueError as error:
        raise Retry(f"{service} answered no JSON") from error


def internal(*callers: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Decorator of an internal endpoint's view: lets only the named services in, else 403."""

    def decorate(view: Callable[P, T]) -> Callable[P, T]:
        @wraps(view)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
            if calling_service() not in callers:
                raise Rejected(
                    "not-entitled", "该服务无权读取这些数据。", "This service may not read these data.", status=403
                )
            return view(*args, **kwargs)

        guarded.access = auth.Access(kinds=frozenset({"service"}))  # type: ignore[attr-defined]  # read by create_app
        return guarded

    return decorate


def calling_service() -> str:
    """The service that signed the present request; 401 where none did."""
    header = request.headers.get("Authorization", "")
    try:
        return auth.verify_service(header.removeprefix("Bearer "), at=now()).subject
    except auth.InvalidToken:
        raise Rejected("sign-in-required", "需要服务令牌。", "A service token is required.", status=401) from None


def record_disclosure(tx: Transaction, subjects: list[UUID], *, what: str, purpose: str) -> None:
    """Write one access-log row for each subject disclosed to the calling service."""
    caller = calling_service()
    tx.write(
        """
        insert into access_log (at, actor, role, action, subject, purpose, outcome)
        select %s, %s, 'service', %s, subject, %s, 'disclosed' from unnest(%s::uuid[]) as subject
        """,
        (now(), f"service:{caller}", what, purpose[:100], subjects),
    )
