"""The API that other systems call: tickets in, and how they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, current_app, g, jsonify, request

from deploy.demo.departments import faults, reading, store, tickets
from deploy.demo.departments.errors import Refused
from deploy.demo.departments.faults import Fault
from deploy.demo.departments.records import Item, NewTicket, Tenant, Ticket
from deploy.demo.departments.tenants import Tenants
from deploy.demo.departments.vocabulary import Kind, MessageType
from deploy.demo.serving import RESET

HTML_ERROR_PAGE = """<!DOCTYPE html><html lang="zh-CN"><head><meta charset="utf-8"><title>系统维护中</title></head>
<body><h1>系统维护中</h1><p>科室工单系统正在升级，请稍后再试。</p></body></html>"""


def blueprint(
    pool: store.Pool, known: Tenants, changed: Callable[[], None], hang: Callable[[float], object]
) -> Blueprint:
    """The API; ``changed`` is called when there may be a call to make, ``hang`` waits for a misbehaviour."""
    api = Blueprint("api", __name__, url_prefix="/api")

    @api.before_request
    def let_in() -> Response | None:
        tenant = known.of_key(request.headers.get("X-Api-Key", ""))
        if tenant is None:
            raise Refused(401, "BAD_KEY", "接口密钥无效")
        g.tenant = tenant
        fault = _struck(pool, known, tenant)
        if fault is None:
            return None
        match fault.mode:
            case Fault.HTML:
                return Response(HTML_ERROR_PAGE, content_type="text/html; charset=utf-8")
            case Fault.ERROR:
                return Response("Internal Server Error", 500, content_type="text/plain")
            case Fault.RESET:
                request.environ[RESET] = True
                return Response()
            case Fault.HANG:
                hang(fault.seconds)
            case Fault.DROP_AFTER_STORING:
                request.environ[RESET] = True
        return None

    @api.post("/tickets")
    def file_ticket() -> tuple[Response, int]:
        new, ref = _new_ticket(_body()), _request_ref()
        with pool.connection() as connection, connection.pipeline():
            ticket, created = tickets.file(connection, g.tenant, ref, new, datetime.now(UTC))
        return jsonify(ticket=ticket_json(ticket)), 201 if created else 200

    @api.get("/tickets")
    def find_tickets() -> Response:
        external, ref = request.args.get("external_ref", ""), request.args.get("request_ref", "")
        if bool(external) == bool(ref):
            raise Refused(400, "BAD_QUERY", "请给出 external_ref 或 request_ref 之一")
        given = reading.text({"external_ref": external or ref}, "external_ref")
        with pool.connection() as connection:
            if external:
                found = store.tickets_of_external_ref(connection, g.tenant.code, given)
            else:
                one = store.ticket_of_request(connection, g.tenant.code, given)
                found = [] if one is None else [one]
        return jsonify(tickets=[ticket_json(ticket) for ticket in found])

    @api.get("/tickets/<no>")
    def show_ticket(no: str) -> Response:
        with pool.connection() as connection:
            ticket = _known(store.ticket_of_no(connection, g.tenant.code, no))
            messages = store.messages(connection, ticket.id)
        return jsonify(
            ticket=ticket_json(ticket),
            messages=[
                {"type": m.type.value, "from": m.sender, "text": m.body, "created_at": m.created_at.isoformat()}
                for m in messages
            ],
        )

    @api.post("/tickets/<no>/messages")
    def add_message(no: str) -> tuple[Response, int]:
        body, ref = _body(), _request_ref()
        type_ = reading.code(body, "type", MessageType)
        text = reading.text(body, "text", limit=reading.LONG)
        sender = reading.text(body, "from", required=False)
        change = _change(body)
        with pool.connection() as connection, connection.pipeline():
            ticket = _known(store.ticket_of_no(connection, g.tenant.code, no, for_change=True))
            ticket, new = tickets.hear(
                connection, ticket, g.tenant, ref, type_, sender, text, change, datetime.now(UTC)
            )
        changed()
        return jsonify(ticket=ticket_json(ticket)), 201 if new else 200

    return api


def ticket_json(ticket: Ticket) -> dict[str, Any]:
    """A ticket as callers see it."""
    return {
        "no": ticket.no,
        "external_ref": ticket.external_ref,
        "kind": ticket.kind.value,
        "status": ticket.status.value,
        "remark": ticket.remark,
        "items": [{"key": r.key, "result": r.result.value, "note": r.note} for r in ticket.results],
        "basis": ticket.basis,
        "return_code": ticket.return_code.value if ticket.return_code else None,
        "suggest_dept": ticket.suggest_dept,
        "created_at": ticket.created_at.isoformat(),
        "updated_at": ticket.updated_at.isoformat(),
    }


def _struck(pool: store.Pool, known: Tenants, tenant: Tenant) -> faults.Misbehaviour | None:
    if tenant.fault is None:
        return None
    fault = faults.read(tenant.fault)
    if not fault.strikes(request.method):
        return None
    if fault.times is not None:
        with pool.connection() as connection:
            left = store.use_up_fault(connection, tenant.code)
        known.forget()
        if not left:
            return None
    current_app.logger.info("misbehaving on purpose for %s: %s", tenant.code, fault.mode)
    return fault


def _body() -> dict[str, Any]:
    return reading.mapping(request.get_json(), "（请求体）")


def _request_ref() -> str:
    ref = request.headers.get("X-Request-Ref", "").strip()
    if not ref or len(ref) > 200 or not ref.isprintable() or not ref.isascii():
        raise Refused(400, "BAD_REQUEST_REF", "请求头 X-Request-Ref 缺失或无效")
    return ref


def _known(ticket: Ticket | None) -> Ticket:
    if ticket is None:
        raise Refused(404, "NO_TICKET", "没有这个工单")
    return ticket


def _new_ticket(body: Mapping[str, Any]) -> NewTicket:
    reporter = reading.mapping(body.get("reporter") or {}, "reporter")
    return NewTicket(
        external_ref=reading.text(body, "ref_no"),
        source_no=reading.text(body, "source_no", required=False),
        subject=reading.text(body, "subject", limit=500),
        body=reading.text(body, "body", limit=reading.LONG, required=False),
        kind=reading.code(body, "kind", Kind, Kind.MAIN),
        items=_items(body),
        reporter={field: reading.text(reporter, field, limit=500, required=False) for field in ("name", "tel", "addr")},
        deadline=reading.text(body, "deadline", limit=40, required=False),
        no_return=reading.flag(body, "no_return"),
    )


def _items(body: Mapping[str, Any]) -> tuple[Item, ...]:
    sources = [reading.mapping(entry, "items") for entry in reading.listing(body, "items", 100)]
    items = tuple(Item(reading.text(s, "key"), reading.text(s, "text", limit=reading.LONG)) for s in sources)
    if len({item.key for item in items}) != len(items):
        raise Refused(400, "BAD_FIELD", "字段 items：key 重复")
    return items


def _change(body: Mapping[str, Any]) -> tickets.Change:
    def given(field: str) -> bool:
        return body.get(field) is not None

    return tickets.Change(
        kind=reading.code(body, "kind", Kind) if given("kind") else None,
        items=_items(body) if given("items") else None,
        deadline=reading.text(body, "deadline", limit=40, required=False) if given("deadline") else None,
        no_return=reading.flag(body, "no_return") if given("no_return") else None,
    )
