"""The vendor's own door: tenants, their autopilot, and misbehaviour for tests."""

from __future__ import annotations

import hmac
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg
from flask import Blueprint, Response, jsonify, request

from deploy.demo import phrases
from deploy.demo.departments import autopilot, faults, reading, store
from deploy.demo.departments.errors import Refused
from deploy.demo.departments.records import Tenant
from deploy.demo.departments.tenants import Tenants


def blueprint(pool: store.Pool, known: Tenants, admin_key: str | None) -> Blueprint:
    """The administration API; without an ``admin_key`` nobody is let in."""
    admin = Blueprint("admin", __name__, url_prefix="/admin")

    @admin.before_request
    def let_in() -> None:
        given = request.headers.get("X-Admin-Key", "")
        if admin_key is None or not hmac.compare_digest(given.encode(), admin_key.encode()):
            raise Refused(401, "BAD_KEY", "管理密钥无效")

    @admin.post("/tenants")
    def put_tenant() -> tuple[Response, int]:
        body = reading.mapping(request.get_json(), "（请求体）")
        tenant = _tenant(body)
        api_key = reading.text(body, "api_key")
        with pool.connection() as connection:
            before = store.tenant(connection, tenant.code)
            try:
                created = store.put_tenant(connection, tenant, api_key)
            except psycopg.errors.UniqueViolation:
                raise Refused(409, "KEY_IN_USE", "该接口密钥已被其他单位使用") from None
            # Setting a tenant up once more must not give the autopilot what people have taken in hand.
            if before is None or before.autopilot["mode"] != tenant.autopilot["mode"]:
                apply_autopilot(connection, tenant.code, tenant.autopilot)
        known.forget()
        return jsonify(tenant=_json(tenant)), 201 if created else 200

    @admin.get("/tenants")
    def list_tenants() -> Response:
        with pool.connection() as connection:
            rows = store.tenants_with_counts(connection)
        return jsonify(tenants=[_json(tenant) | {"open": open_, "total": total} for tenant, open_, total in rows])

    @admin.get("/tenants/<code>")
    def show_tenant(code: str) -> Response:
        with pool.connection() as connection:
            tenant = store.tenant(connection, code)
            if tenant is None:
                raise _unknown()
            waiting, error = store.undelivered_webhooks(connection, code)
        return jsonify(tenant=_json(tenant), webhooks_waiting=waiting, webhook_error=error)

    @admin.put("/tenants/<code>/autopilot")
    def set_autopilot(code: str) -> Response:
        config = autopilot.to_json(reading.mapping(request.get_json(), "autopilot"))
        with pool.connection() as connection:
            before = store.tenant(connection, code)
            if before is None:
                raise _unknown()
            store.set_autopilot(connection, code, config)
            # Other rules or another pace alone must not give the autopilot what people have taken in hand.
            if before.autopilot["mode"] != config["mode"]:
                apply_autopilot(connection, code, config)
        known.forget()
        return jsonify(autopilot=config)

    @admin.put("/tenants/<code>/fault")
    def set_fault(code: str) -> Response:
        fault = faults.to_json(faults.read(request.get_json()))
        with pool.connection() as connection:
            if not store.set_fault(connection, code, fault):
                raise _unknown()
        known.forget()
        return jsonify(fault=fault)

    @admin.delete("/tenants/<code>/fault")
    def clear_fault(code: str) -> Response:
        with pool.connection() as connection:
            if not store.set_fault(connection, code, None):
                raise _unknown()
        known.forget()
        return jsonify(fault=None)

    return admin


def apply_autopilot(connection: store.Conn, code: str, config: dict[str, Any]) -> None:
    """Hand the tenant's open tickets to its autopilot, or take them away from it."""
    if autopilot.read(config).mode is autopilot.Mode.ON:
        store.plan_turns_of(connection, code, datetime.now(UTC))
    else:
        store.cancel_turns_of(connection, code)


def _tenant(body: dict[str, Any]) -> Tenant:
    code = reading.text(body, "code", limit=40)
    if not re.fullmatch(r"[a-z0-9-]{2,40}", code):
        raise Refused(400, "BAD_FIELD", "字段 code：只能包含小写字母、数字和连字符")
    trade = reading.text(body, "trade", required=False) or phrases.GENERAL
    if trade not in phrases.trades():
        raise Refused(400, "BAD_FIELD", "字段 trade：应为 " + "、".join(phrases.trades()) + " 之一")
    url = reading.text(body, "webhook_url", limit=500, required=False)
    if url and urlsplit(url).scheme not in {"http", "https"}:
        raise Refused(400, "BAD_FIELD", "字段 webhook_url：应为 http 或 https 地址")
    return Tenant(
        code=code,
        name=reading.text(body, "name"),
        trade=trade,
        webhook_url=url or None,
        webhook_key=reading.text(body, "webhook_key", required=False) or None,
        autopilot=autopilot.to_json(reading.mapping(body.get("autopilot") or {}, "autopilot")),
        fault=None,
    )


def _json(tenant: Tenant) -> dict[str, Any]:
    return {
        "code": tenant.code,
        "name": tenant.name,
        "trade": tenant.trade,
        "webhook_url": tenant.webhook_url,
        "autopilot": tenant.autopilot,
        "fault": tenant.fault,
    }


def _unknown() -> Refused:
    return Refused(404, "NO_TENANT", "没有这个单位")
