"""What keeps requests in bounds: form tokens, security headers, body sizes and types, request rates."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from flask import Flask, Response, current_app, g, make_response, render_template, request
from flask_wtf.csrf import CSRFError, CSRFProtect
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from lianban.chassis.errors import Rejected
from lianban.chassis.settings import settings
from lianban.chassis.web import limiting

P = ParamSpec("P")
R = TypeVar("R")

MEGABYTE = 1 << 20
JSON_TYPES = ("application/json",)
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
API_POLICY = "default-src 'none'; frame-ancestors 'none'"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_UNSTORABLE_IN_JSON = re.compile(rb"\\u0000|\\u[dD][89a-fA-F]|\x00")


@dataclass(frozen=True, slots=True)
class Body:
    """What a view takes: bytes at most, and media types (empty: any; None: forms on pages, JSON on APIs)."""

    limit: int
    types: tuple[str, ...] | None


def body(*, megabytes: int = 1, types: tuple[str, ...] | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a view take a larger body than 1 MB, or other media types than forms (pages) or JSON (APIs); ``()``: any."""

    def decorate(view: Callable[P, R]) -> Callable[P, R]:
        view.body = Body(megabytes * MEGABYTE, types)  # type: ignore[attr-defined]  # read before the view is called
        return view

    return decorate


def _body_of_view() -> Body:
    view: Any = request.endpoint and current_app.view_functions.get(request.endpoint)
    if hasattr(view, "view_class"):
        view = getattr(view.view_class, request.method.lower(), None)
    given: Body = getattr(view, "body", Body(MEGABYTE, None))
    if given.types is None:
        return Body(given.limit, FORM_TYPES if g.get("is_page", False) else JSON_TYPES)
    return given


def _check_body() -> None:
    allowed = _body_of_view()
    request.max_content_length = allowed.limit
    request.max_form_memory_size = min(allowed.limit, 2 * MEGABYTE)
    if request.content_length is not None and request.content_length > allowed.limit:
        raise RequestEntityTooLarge
    sends = request.content_length not in (None, 0) or "Transfer-Encoding" in request.headers
    if sends and request.endpoint is not None and allowed.types and request.mimetype not in allowed.types:
        raise UnsupportedMediaType
    if any(_UNSTORABLE.search(text) for text in (*request.args.keys(), *request.args.values(), request.path)):
        raise BadRequest


def _check_form(csrf: CSRFProtect) -> None:
    if not g.get("is_page", False) or request.method not in ("POST", "PUT", "PATCH", "DELETE"):
        return
    if any(_UNSTORABLE.search(text) for text in (*request.form.keys(), *request.form.values())):
        raise BadRequest
    csrf.protect()


class Parser(FlaskParser):
    """Reads JSON bodies, and refuses what no database column can hold, however deep it hides."""

    def load_json(self, req: Any, schema: Any) -> Any:
        """The JSON body; 400 when nested too deep, 422 when it holds NUL or half characters."""
        try:
            value = super().load_json(req, schema)
        except RecursionError:
            raise BadRequest from None
        if _UNSTORABLE_IN_JSON.search(req.get_data(cache=True)) and _holds_unstorable(value):
            raise Rejected(
                "unusable-characters",
                "内容含有无法保存的字符（如空字符或残缺的字符）。",
                "It holds characters that cannot be stored (NUL or half of a character).",
            )
        return value


def _holds_unstorable(value: Any) -> bool:
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            if _UNSTORABLE.search(item):
                return True
        elif isinstance(item, dict):
            stack.extend(item.keys())
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    return False


def _expired_form(error: CSRFError) -> Response:
    """Show a form that came with an old token once more, filled in, but only when it came from this site's own page."""
    fields: list[tuple[str, str]] = []
    if request.headers.get("Sec-Fetch-Site") == "same-origin" and not request.files:
        fields = [
            (name, value)
            for name, value in request.form.items(multi=True)
            if name != "csrf_token" and "password" not in name and len(value) < 20_000
        ]
    return make_response(render_template("expired_form.html", fields=fields, reason=error.description), 400)


def _headers(response: Response) -> Response:
    page = response.mimetype == "text/html"
    headers = response.headers
    headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else API_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("X-Frame-Options", "DENY")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if settings().public_url.startswith("https:"):
        headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint != "static":
        headers.setdefault("Cache-Control", "no-store")
    return response


def install(app: Flask) -> None:
    """Put the checks before every request and the headers on every answer."""
    csrf = CSRFProtect()
    csrf.init_app(app)
    app.before_request(_check_body)
    app.before_request(lambda: _check_form(csrf))
    limiting.install(app)
    app.register_error_handler(CSRFError, _expired_form)
    app.after_request(_headers)
