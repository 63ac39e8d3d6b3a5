"""Turns every error into RFC 9457 problem details, or on pages into a page of the same look; mapped only here.

``type`` is the path ``/problems/<slug>``; ``reference`` is the id under which the log knows the request. No answer
holds a stack trace, a statement or what somebody typed.
"""

from __future__ import annotations

import json
import traceback
from dataclasses import dataclass
from typing import Any

import structlog
from flask import Flask, Response, g, render_template, request
from markupsafe import escape
from werkzeug.exceptions import HTTPException, default_exceptions

from lianban.chassis.database import UNAVAILABLE
from lianban.chassis.errors import Rejected, Retry
from lianban.chassis.web.languages import language
from lianban.chassis.web.validation import Finding, findings

log = structlog.get_logger()

API_PREFIXES = ("/api/", "/exchange/", "/internal/", "/.well-known/")
RETRY_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Wording:
    """What people read where the error itself says nothing better: title and detail in both languages."""

    slug: str
    title: tuple[str, str]
    detail: tuple[str, str]


_BY_STATUS: dict[int, Wording] = {
    400: Wording(
        "malformed-request",
        ("请求格式有误", "Malformed request"),
        (
            "请求无法解析，请检查格式和编码（UTF-8）。",
            "The request cannot be read; check its form and encoding (UTF-8).",
        ),
    ),
    401: Wording(
        "not-signed-in",
        ("需要登录", "Sign-in needed"),
        (
            "请先登录或者提供令牌。",
            "Sign in or send a token.",
        ),
    ),
    403: Wording(
        "forbidden",
        ("没有权限", "Not allowed"),
        (
            "您没有使用此功能的权限。",
            "You are not allowed to do this.",
        ),
    ),
    404: Wording(
        "not-found",
        ("没有找到", "Not found"),
        (
            "没有这个页面或者资源，请检查网址。",
            "There is nothing at this address; check it.",
        ),
    ),
    405: Wording(
        "method-not-allowed",
        ("不支持的请求方法", "Method not allowed"),
        (
            "这个网址不支持这种请求方法。",
            "This address does not take this method.",
        ),
    ),
    406: Wording(
        "not-acceptable",
        ("无法提供所要求的格式", "Not acceptable"),
        (
            "无法提供所要求的格式。",
            "The format asked for is not available.",
        ),
    ),
    408: Wording(
        "request-timeout",
        ("请求超时", "Request timeout"),
        (
            "请求未能及时传完，请重试。",
            "The request did not arrive in time; try again.",
        ),
    ),
    409: Wording(
        "conflict",
        ("内容已有变化", "Conflict"),
        (
            "内容已被他人更改，请刷新后重试。",
            "It was changed meanwhile; reload and try again.",
        ),
    ),
    410: Wording(
        "gone",
        ("已不再提供", "Gone"),
        (
            "此内容已不再提供。",
            "This is no longer available.",
        ),
    ),
    413: Wording(
        "body-too-large",
        ("内容过大", "Too large"),
        (
            "提交的内容超过了大小限制。",
            "What was sent is over the size limit.",
        ),
    ),
    414: Wording(
        "address-too-long",
        ("网址过长", "Address too long"),
        (
            "网址过长。",
            "The address is too long.",
        ),
    ),
    415: Wording(
        "unsupported-media-type",
        ("不支持的内容类型", "Unsupported media type"),
        (
            "不支持这种内容类型，请查看接口文档。",
            "This content type is not taken here; see the API documentation.",
        ),
    ),
    422: Wording(
        "invalid-input",
        ("内容有误", "Invalid input"),
        (
            "部分内容不正确，请按提示更正后重新提交。",
            "Some of it is not right; correct it as told and send it again.",
        ),
    ),
    429: Wording(
        "too-many-requests",
        ("请求过于频繁", "Too many requests"),
        (
            "请求过于频繁，请稍后再试。",
            "Too many requests; wait a little.",
        ),
    ),
    431: Wording(
        "headers-too-large",
        ("请求头过大", "Headers too large"),
        (
            "请求头过大。",
            "The request's headers are too large.",
        ),
    ),
    500: Wording(
        "internal-error",
        ("系统出错了", "Something went wrong"),
        (
            "系统出现错误，已经记录。请稍后再试，或者凭编号联系我们。",
            "An error happened and was recorded. Try again later, or contact us with the reference.",
        ),
    ),
    503: Wording(
        "temporarily-unavailable",
        ("暂时无法使用", "Temporarily unavailable"),
        (
            "服务暂时无法使用，请稍后再试，已提交的内容不会丢失。",
            "The service is not available at the moment; try again shortly. Nothing that was submitted is lost.",
        ),
    ),
}


def is_page() -> bool:
    """Whether the answer to this request is a page for people: by its view, or by its address where there is none."""
    if request.blueprint is not None:
        return bool(g.get("is_page", False))
    if request.path.startswith(API_PREFIXES):
        return False
    best = request.accept_mimetypes.best_match(["application/json", "text/html"], "application/json")
    return best == "text/html"


def problem(
    status: int,
    *,
    slug: str | None = None,
    detail: str | None = None,
    errors: tuple[dict[str, str], ...] = (),
    headers: dict[str, str] | None = None,
) -> Response:
    """The answer to a request that failed, as problem document or page."""
    known = _BY_STATUS.get(status) or (_BY_STATUS[500] if status >= 500 else _BY_STATUS[400])
    spoken = 0 if language() == "zh" else 1
    body: dict[str, Any] = {
        "type": f"/problems/{slug or known.slug}",
        "title": known.title[spoken],
        "status": status,
        "detail": detail or known.detail[spoken],
        "reference": str(g.get("request_id", "")),
    }
    if errors:
        body["errors"] = list(errors)
    g.problem = slug or known.slug
    if is_page():
        response = Response(_error_page(body), status, mimetype="text/html")
    else:
        response = Response(
            json.dumps(body, ensure_ascii=False), status, content_type="application/problem+json; charset=utf-8"
        )
    if status == 401 and not is_page():
        response.headers["WWW-Authenticate"] = "Bearer"
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


def _error_page(body: dict[str, Any]) -> str:
    try:
        return render_template("error.html", problem=body)
    except Exception as error:  # noqa: BLE001 - the page's frame is what failed: answer without it
        log.error("bug", error=type(error).__qualname__, frames=_frames(error))
        return f"<!doctype html><title>{body['title']}</title><p>{escape(body['detail'])}<p>{body['reference']}"


def _frames(error: Exception) -> list[str]:
    """Where it happened, without values: an exception's message may quote what somebody typed."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)][
        -12:
    ]


def _said(error: Rejected) -> str:
    return error.zh if language() == "zh" else error.en


def rejected_fields(error: Rejected) -> dict[str, str]:
    """What a rejection says, as ``{form field: message}`` for a page's error summary; "" where no field is named."""
    return {(error.field or "").strip("/").replace("/", "."): _said(error)}


def _on_rejected(error: Rejected) -> Response:
    errors = ({**_where(error.field), "message": _said(error)},) if error.field else ()
    headers = {"Retry-After": str(RETRY_SECONDS)} if error.status in (429, 503) else None
    return problem(error.status, slug=error.slug, detail=_said(error), errors=errors, headers=headers)


def _where(field: str) -> dict[str, str]:
    """The place of a rejected field: a parameter of the address where nothing else was sent, else a pointer."""
    if request.method == "GET" and field in request.args:
        return {"in": "query", "parameter": field}
    return {"pointer": field if field.startswith("/") else "/" + field.replace(".", "/")}


def _as_error(finding: Finding) -> dict[str, str]:
    if finding.location in ("json", "form", "files", "json_or_form"):
        return {"pointer": finding.pointer, "message": finding.message}
    return {"in": finding.location, "parameter": finding.name, "message": finding.message}


def _on_http(error: HTTPException) -> Any:
    if error.response is not None:
        return error.response
    status = error.code or 500
    if status < 400:
        return error
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    data = getattr(error, "data", None) or {}
    errors: list[dict[str, str]] = []
    for location, messages in (data.get("messages") or {}).items():
        errors.extend(_as_error(finding) for finding in findings(messages, location))
    return problem(status, errors=tuple(errors[:100]), headers=headers)


def _on_unavailable(error: Exception) -> Response:
    log.warning("unavailable", error=type(error).__name__)
    return problem(503, headers={"Retry-After": str(RETRY_SECONDS)})


def _on_bug(error: Exception) -> Response:
    log.error("bug", error=type(error).__qualname__, frames=_frames(error))
    return problem(500)


def install(app: Flask) -> None:
    """Register the handlers; called after everything that registers handlers of its own."""
    app.register_error_handler(Rejected, _on_rejected)
    app.register_error_handler(HTTPException, _on_http)
    for code in default_exceptions:
        app.register_error_handler(code, _on_http)
    for unavailable in (*UNAVAILABLE, Retry):
        app.register_error_handler(unavailable, _on_unavailable)
    app.register_error_handler(Exception, _on_bug)
