"""The mailbox in the browser, and the same as JSON for tests."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from datetime import datetime
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Flask, Response, abort, jsonify, render_template, request, send_file, url_for
from werkzeug.exceptions import HTTPException

from deploy.demo.mail import reading
from deploy.demo.mail.reading import Letter
from deploy.demo.mail.store import Mailbox, Summary

PREFIX = "/demo/mail"
CHINA = ZoneInfo("Asia/Shanghai")
PAGE = 30
LARGEST_NUMBER = 2**62
MEDIA_TYPE = re.compile(r"[a-z0-9.+-]+/[a-z0-9.+-]+")
PAGE_POLICY = "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'"
LETTER_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A letter's HTML may look as it likes, but runs nothing, sends nothing and fetches nothing."""


def create_app(mailbox: Mailbox) -> Flask:
    """The application."""
    app = Flask(__name__, static_folder=None)
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.register_blueprint(_blueprint(mailbox))

    @app.template_filter("clock")
    def clock(at: datetime) -> str:
        return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")

    @app.template_filter("size")
    def size(count: int) -> str:
        return (
            f"{count} 字节"
            if count < 1024
            else f"{count / 1024:.0f} KB"
            if count < 2**20
            else f"{count / 2**20:.1f} MB"
        )

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        try:
            mailbox.count()
        except sqlite3.Error:
            return jsonify(status="mailbox cannot be read"), 503
        return jsonify(status="ready"), 200

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Any:
        status = error.code or 500
        if status < 400:
            return error
        message = {404: "没有这封邮件或这个页面", 405: "不支持的方法"}.get(status, "邮箱出错了")
        if "/api/" in request.path or not request.path.startswith(PREFIX):
            return jsonify(error={"code": status, "message": message}), status
        return render_template("mail/error.html", status=status, message=message), status

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        response.headers["Referrer-Policy"] = "no-referrer"
        if response.mimetype != "text/css":
            response.headers["Cache-Control"] = "no-store"
        return response

    return app


def _blueprint(mailbox: Mailbox) -> Blueprint:
    pages = Blueprint("mail", __name__, url_prefix=PREFIX, template_folder="templates", static_folder="static")

    @pages.get("/")
    def inbox() -> str:
        to = request.args.get("to", "").strip()[:200]
        rows = mailbox.search(to, _number("before"), PAGE + 1)
        following = rows[PAGE - 1].id if len(rows) > PAGE else None
        return render_template(
            "mail/inbox.html", rows=rows[:PAGE], to=to, before=_number("before"), following=following
        )

    @pages.get("/messages/<int:number>")
    def message(number: int) -> str:
        summary, source = _found(mailbox, number)
        return render_template(
            "mail/message.html",
            summary=summary,
            letter=reading.read(source),
            size=len(source),
            back=request.args.get("to", ""),
        )

    @pages.get("/messages/<int:number>/html")
    def html(number: int) -> Response:
        _, source = _found(mailbox, number)
        letter = reading.read(source)
        if letter.html is None:
            abort(404)
        response = Response(letter.html, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = LETTER_POLICY
        return response

    @pages.get("/messages/<int:number>/source")
    def original(number: int) -> Response:
        _, source = _found(mailbox, number)
        return _file(source, f"message-{number}.eml", "message/rfc822")

    @pages.get("/messages/<int:number>/attachments/<int:place>")
    def attachment(number: int, place: int) -> Response:
        _, source = _found(mailbox, number)
        attached = {one.number: one for one in reading.read(source).attachments}
        one = attached.get(place) or abort(404)
        return _file(one.content, one.name, one.media_type)

    @pages.get("/api/messages")
    def messages() -> Response:
        limit = min(max(request.args.get("limit", 100, type=int), 1), 500)
        found = mailbox.to_address(request.args.get("to", ""), _number("after") or 0, limit)
        items = []
        for summary in found:
            _, source = _found(mailbox, summary.id)
            items.append(_json(summary, reading.read(source)))
        return jsonify(items=items, next=found[-1].id if len(found) == limit else None)

    return pages


def _json(summary: Summary, letter: Letter) -> dict[str, Any]:
    return {
        "id": summary.id,
        "received_at": summary.received_at.isoformat(),
        "sender": summary.sender,
        "recipients": list(summary.recipients),
        "from": letter.sender,
        "to": letter.to,
        "subject": letter.subject,
        "message_id": letter.message_id,
        "text": letter.text,
        "html": letter.html,
        "attachments": [
            {
                "name": one.name,
                "media_type": one.media_type,
                "bytes": len(one.content),
                "sha256": hashlib.sha256(one.content).hexdigest(),
                "href": url_for("mail.attachment", number=summary.id, place=one.number),
            }
            for one in letter.attachments
        ],
    }


def _found(mailbox: Mailbox, number: int) -> tuple[Summary, bytes]:
    return (mailbox.get(number) if number < LARGEST_NUMBER else None) or abort(404)


def _number(name: str) -> int | None:
    value = request.args.get(name, type=int)
    return value if value is not None and 0 < value < LARGEST_NUMBER else None


def _file(content: bytes, name: str, media_type: str) -> Response:
    known = media_type if MEDIA_TYPE.fullmatch(media_type) else "application/octet-stream"
    shown = "".join(letter for letter in name if letter.isprintable()) or "file"
    response = send_file(BytesIO(content), mimetype=known, as_attachment=True, download_name=shown)
    response.headers["Content-Security-Policy"] = LETTER_POLICY
    return response
