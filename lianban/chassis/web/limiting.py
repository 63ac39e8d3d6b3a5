"""How often somebody may ask: the site's rate on every view, and a tighter one on some.

Counted by the ``limits`` library in moving windows, by token where one was sent and else by address; of one process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, wraps
from typing import ParamSpec, TypeVar

from flask import Flask, Response, g, request
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

_storage = ProcessStorage()
_windows = MovingWindowRateLimiter(_storage)
_parsed = cache(parse_many)


def limited(rate: str, *, counts: Counts | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view be asked at most so often by each caller, for example ``"20 per minute; 200 per day"``; else 429.

    ``counts`` says of an answer whether it counts, for example a wrong code; without it every request does.
    """
    limits = parse_many(rate)

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for limit in limits:
                key = (_asker(), "own", request.endpoint or "")
                if not (_windows.hit if counts is None else _windows.test)(limit, *key):
                    raise _too_many(limit, key)
            if counts is not None:
                g.to_count = (counts, limits)
            return view(*args, **kwargs)

        return checked

    return decorate


def reset() -> None:
    """Forget every request that was counted in this process."""
    _storage.reset()


def _asker() -> str:
    try:
        who = principal()
    except Rejected:
        who = None
    if who is not None and who.signed_in:
        return f"{who.kind}:{who.subject}"
    return f"address:{request.remote_addr}"


def _check() -> None:
    asker = _asker()
    if request.endpoint in (None, "static") or asker.startswith("service:"):
        return
    key = (asker, "site", request.endpoint or "")
    for limit in _parsed(settings().rate_anonymous if asker.startswith("address:") else settings().rate_token):
        if not _windows.hit(limit, *key):
            raise _too_many(limit, key)


def _count(response: Response) -> Response:
    if "to_count" in g:
        counts, limits = g.to_count
        if counts(response):
            for limit in limits:
                _windows.hit(limit, _asker(), "own", request.endpoint or "")
    return response


def _too_many(limit: RateLimitItem, key: tuple[str, ...]) -> TooManyRequests:
    free_at = _windows.get_window_stats(limit, *key).reset_time
    return TooManyRequests(retry_after=max(1, round(free_at - time.time())))


def install(app: Flask) -> None:
    """Check the site's rate before every request, and count the answers that count; counting begins anew."""
    reset()
    app.before_request(_check)
    app.after_request(_count)
