"""What operations see of requests: metrics, one log line each, a trace; by route, never by address or content."""

from __future__ import annotations

import time as clock
from contextlib import ExitStack
from typing import Any
from uuid import UUID, uuid4

import structlog
from flask import Flask, Response, g, request
from prometheus_client import Counter, Gauge, Histogram

from lianban.chassis.metrics import from_zero
from lianban.chassis.traces import Carried, span

log = structlog.get_logger()

request_seconds = Histogram(
    "lianban_http_request_duration_seconds",
    "Duration of HTTP requests",
    ["route", "method", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
requests_total = Counter(
    "lianban_http_requests_total",
    "HTTP requests by door (outside: people and programs; inside: other services; other: static files and unknown"
    " addresses) and by outcome: answered, or failed with 5xx",
    ["door", "outcome"],
)
from_zero(requests_total, ("outside", "inside", "other"), ("answered", "failed"))
requests_in_flight = Gauge("lianban_http_requests_in_flight", "HTTP requests in work")
problems_total = Counter("lianban_http_problems_total", "Requests answered with a problem", ["problem"])

SERVER_ERRORS = 500
"""From this status on it is the server's fault."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _reference() -> UUID:
    try:
        return UUID(request.headers.get("X-Request-Id", ""))
    except ValueError:
        return uuid4()


def _parent() -> Carried | None:
    told = request.headers.get("traceparent")
    return Carried(told) if told else None


def _door(route: str) -> str:
    if route == "unmatched" or route.startswith("/static/"):
        return "other"
    return "inside" if route.startswith("/internal/") else "outside"


def install(app: Flask, service: str) -> None:
    """Watch every request of the application; called first, so that it sees what the others refuse."""

    def begin() -> None:
        g.started = clock.perf_counter()
        g.request_id = _reference()
        g.route = request.url_rule.rule if request.url_rule is not None else "unmatched"
        # Each connection is a greenlet of its own, which knows nothing of what was bound at start.
        structlog.contextvars.bind_contextvars(service=service, request_id=str(g.request_id))
        g.span = ExitStack()
        g.span.enter_context(
            # A tracestate from outside is not taken: only our own services say which matter a trace is about.
            span(f"{request.method} {g.route}", parent=_parent(), **{"http.route": g.route})
        )
        requests_in_flight.inc()

    def answered(response: Response) -> Response:
        seconds = clock.perf_counter() - g.started
        method = request.method if request.method in METHODS else "other"
        request_seconds.labels(g.route, method, str(response.status_code)).observe(seconds)
        requests_total.labels(_door(g.route), "failed" if response.status_code >= SERVER_ERRORS else "answered").inc()
        if "problem" in g:
            problems_total.labels(g.problem).inc()
        if request.endpoint != "static":
            log.info(
                "request",
                route=g.route,
                method=method,
                status=response.status_code,
                milliseconds=round(seconds * 1000, 1),
                **({"problem": g.problem} if "problem" in g else {}),
            )
        response.headers["X-Request-Id"] = str(g.request_id)
        return response

    def end(_: Any = None) -> None:
        if "span" in g:
            g.span.close()
            requests_in_flight.dec()
            structlog.contextvars.unbind_contextvars("request_id")

    app.before_request(begin)
    app.after_request(answered)
    app.teardown_request(end)
