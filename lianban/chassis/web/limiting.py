"""How often somebody may ask: the site's rate on every view, and a tighter one on some.

Counted by the ``limits`` library in moving windows, by token where one was sent and else by address. Each application
counts by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from flask import Flask, Response, current_app, g, request
from limits import RateLimitItem, parse_many
from limits.strategies import MovingWindowRateLimiter
from werkzeug.exceptions import TooManyRequests

from lianban.chassis.errors import Rejected
from lianban.chassis.settings import settings
from lianban.chassis.web.access import principal
from lianban.chassis.web.rates import ProcessStorage

P = ParamSpec("P")
R = TypeVar("R")
Counts = Callable[[Response], bool]

_parsed = cache(parse_many)
_WINDOWS = "lianban_rates"
"""The extension of an application that holds what it has counted."""


def limited(rate: str, *, counts: Counts | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be asked at most so often by each caller, for example ``"20 per minute; 200 per day"``; else 429.

    ``counts`` says of an answer whether it counts, for example a wrong code; without it every request does.
    """
    limits = parse_many(rate)

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            _let_in(limits, _key("own", _asker()), count=counts is None)
            if counts is not None:
                g.to_count = (counts, limits)
            return view(*args, **kwargs)

        return checked

    return decorate


def _asker() -> str:
    try:
        who = principal()
    except Rejected:
        who = None
    if who is not None and who.signed_in:
        return f"{who.kind}:{who.subject}"
    return f"address:{request.remote_addr}"


def _key(rate: str, asker: str) -> tuple[str, ...]:
    return asker, rate, request.endpoint or ""


def _windows() -> MovingWindowRateLimiter:
    found: MovingWindowRateLimiter = current_app.extensions[_WINDOWS]
    return found


def _let_in(limits: Sequence[RateLimitItem], key: tuple[str, ...], *, count: bool = True) -> None:
    windows = _windows()
    for limit in limits:
        if not (windows.hit if count else windows.test)(limit, *key):
            free_at = windows.get_window_stats(limit, *key).reset_time
            raise TooManyRequests(retry_after=max(1, round(free_at - time.time())))


def _check() -> None:
    asker = _asker()
    if request.endpoint in (None, "static") or asker.startswith("service:"):
        return
    rate = settings().rate_anonymous if asker.startswith("address:") else settings().rate_token
    _let_in(_parsed(rate), _key("site", asker))


def _count(response: Response) -> Response:
    if "to_count" in g:
        counts, limits = g.to_count
        if counts(response):
            for limit in limits:
                _windows().hit(limit, *_key("own", _asker()))
    return response


def install(app: Flask) -> None:
    """Check the site's rate before every request, and count the answers that count; nothing is counted yet."""
    app.extensions[_WINDOWS] = MovingWindowRateLimiter(ProcessStorage())
    app.before_request(_check)
    app.after_request(_count)
