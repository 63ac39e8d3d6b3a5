"""The web application: API, administration and pages over one pool."""

from __future__ import annotations

import logging
from collections.abc import Callable

import psycopg
from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from deploy.demo.departments import admin, api, pages, store
from deploy.demo.departments.errors import Refused
from deploy.demo.departments.tenants import Tenants
from deploy.demo.departments.workers import DATABASE_ERRORS

log = logging.getLogger("departments.app")

MESSAGES = {
    400: "请求格式错误",
    403: "禁止访问",
    404: "没有这个地址",
    405: "不支持的方法",
    413: "请求过大",
    415: "请使用 JSON",
}


def create_app(
    pool: store.Pool, changed: Callable[[], None], hang: Callable[[float], object], admin_key: str | None
) -> Flask:
    """The application; ``changed`` is called when there may be a call to make, ``hang`` waits for a misbehaviour."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 2_000_000
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    known = Tenants(pool)
    app.register_blueprint(api.blueprint(pool, known, changed, hang))
    app.register_blueprint(admin.blueprint(pool, known, admin_key))
    app.register_blueprint(pages.blueprint(pool, known, changed))

    @app.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> tuple[Response, int]:
        try:
            with pool.connection(timeout=2.0) as connection:
                connection.execute("SELECT FROM ticket LIMIT 1")
        except psycopg.Error as error:
            return jsonify(status="database out of reach", error=type(error).__name__), 503
        return jsonify(status="ready"), 200

    @app.errorhandler(Refused)
    def refused(error: Refused) -> tuple[Response, int]:
        return jsonify(error={"code": error.code, "message": error.message}), error.status

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response | tuple[Response | str, int] | HTTPException:
        status = error.code or 500
        if status < 400:
            return error
        return _answer(status, MESSAGES.get(status, "系统错误"))

    def unavailable(error: Exception) -> tuple[Response | str, int]:
        log.warning("database out of reach (%s)", type(error).__name__)
        return _answer(503, "数据库暂时不可用，请稍后再试")

    for kind in DATABASE_ERRORS:
        app.register_error_handler(kind, unavailable)

    @app.after_request
    def harden(response: Response) -> Response:
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.mimetype == "text/html":
            response.headers["Content-Security-Policy"] = (
                "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none';"
                " frame-ancestors 'none'"
            )
            response.headers["Referrer-Policy"] = "same-origin"
            response.headers["Cache-Control"] = "no-store"
        return response

    return app


def _answer(status: int, message: str) -> tuple[Response | str, int]:
    if request.path.startswith(pages.PREFIX):
        return render_template("departments/error.html", status=status, message=message), status
    return jsonify(error={"code": f"HTTP_{status}", "message": message}), status
