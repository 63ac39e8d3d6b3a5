"""The pages that the department's people work on; plain HTML forms, no JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from deploy.demo import phrases
from deploy.demo.departments import admin, autopilot, reading, store, tickets
from deploy.demo.departments.errors import Refused
from deploy.demo.departments.records import ItemResult, Tenant, Ticket
from deploy.demo.departments.tenants import Tenants
from deploy.demo.departments.vocabulary import Result, ReturnCode, Status

PREFIX = "/demo/departments"
CHINA = ZoneInfo("Asia/Shanghai")
ACTOR = "经办员"
DONE = {"take": "已签收", "return": "已退单", "note": "进展已登记", "end": "办理结果已提交", "autopilot": "设置已保存"}


def blueprint(pool: store.Pool, known: Tenants, changed: Callable[[], None]) -> Blueprint:
    """The pages; ``changed`` is called when there may be a call to make."""
    pages = Blueprint("pages", __name__, url_prefix=PREFIX, template_folder="templates", static_folder="static")

    @pages.app_template_filter("clock")
    def clock(at: datetime) -> str:
        return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")

    @pages.before_request
    def same_site() -> None:
        # There is no sign-in here, so nothing but this stops another site from posting a form with the visitor's hands.
        if request.method == "POST" and request.headers.get("Sec-Fetch-Site") == "cross-site":
            abort(403)

    @pages.get("/")
    def index() -> str:
        with pool.connection() as connection:
            rows = store.tenants_with_counts(connection)
        return render_template("departments/index.html", rows=rows, trades=phrases.trades())

    @pages.get("/<code>/")
    def desk(code: str) -> str:
        return _desk(code, None)

    def _desk(code: str, error: str | None) -> str:
        words = request.args.get("q", "").strip().replace("\x00", "")[:100]
        status = _status(request.args.get("status", ""))
        before = request.args.get("before", type=int)
        if before is not None and not 0 < before < 2**63:
            before = None
        with pool.connection() as connection:
            tenant = _tenant(connection, code)
            rows = store.newest_tickets(connection, code, status, words, before)
            counts = store.counts_of_status(connection, code)
            waiting, _ = store.undelivered_webhooks(connection, code)
        following = rows[store.PAGE - 1].id if len(rows) > store.PAGE else None
        return render_template(
            "departments/desk.html",
            tenant=tenant,
            trades=phrases.trades(),
            rows=rows[: store.PAGE],
            counts=counts,
            waiting=waiting,
            status=status,
            words=words,
            before=before,
            following=following,
            statuses=list(Status),
            done=DONE.get(request.args.get("done", "")),
            error=error,
        )

    @pages.post("/<code>/autopilot")
    def set_autopilot(code: str) -> Response | tuple[str, int]:
        try:
            with pool.connection() as connection:
                tenant = _tenant(connection, code)
                config = autopilot.to_json(
                    tenant.autopilot
                    | {
                        "mode": request.form.get("mode", "off"),
                        "min_seconds": _seconds("min_seconds"),
                        "max_seconds": _seconds("max_seconds"),
                    }
                )
                store.set_autopilot(connection, code, config)
                admin.apply_autopilot(connection, code, config)
        except Refused as refused:
            return _desk(code, refused.message), refused.status
        known.forget()
        return redirect(url_for("pages.desk", code=code, done="autopilot"), 303)

    @pages.get("/<code>/tickets/<no>")
    def ticket(code: str, no: str) -> str:
        return _ticket_page(code, no, None)

    def _ticket_page(code: str, no: str, error: str | None) -> str:
        with pool.connection() as connection:
            tenant = _tenant(connection, code)
            found = _ticket(store.ticket_of_no(connection, code, no))
            messages = store.messages(connection, found.id)
            steps = store.steps(connection, found.id)
        return render_template(
            "departments/ticket.html",
            tenant=tenant,
            ticket=found,
            results={r.key: r for r in found.results},
            messages=messages,
            steps=steps,
            return_codes=list(ReturnCode),
            item_results=list(Result),
            form=request.form,
            done=DONE.get(request.args.get("done", "")),
            error=error,
        )

    @pages.post("/<code>/tickets/<no>/<any(take,return,note,end):action>")
    def act(code: str, no: str, action: str) -> Response | tuple[str, int]:
        try:
            with pool.connection() as connection:
                _tenant(connection, code)
                found = _ticket(store.ticket_of_no(connection, code, no, for_change=True))
                _act(connection, found, action)
        except Refused as refused:
            return _ticket_page(code, no, refused.message), refused.status
        changed()
        return redirect(url_for("pages.ticket", code=code, no=no, done=action), 303)

    return pages


def _act(connection: store.Conn, ticket: Ticket, action: str) -> None:
    form, now = request.form, datetime.now(UTC)

    def words(field: str, title: str, *, required: bool) -> str:
        return reading.text({title: form.get(field)}, title, limit=2000, required=required)

    match action:
        case "take":
            tickets.take(connection, ticket, ACTOR, words("remark", "签收说明", required=False), now)
        case "return":
            code = reading.code({"退单原因": form.get("return_code")}, "退单原因", ReturnCode)
            remark, suggest = (
                words("remark", "退单说明", required=True),
                words("suggest", "建议承办单位", required=False),
            )
            tickets.give_back(connection, ticket, ACTOR, code, suggest, remark, now)
        case "note":
            tickets.note(connection, ticket, ACTOR, words("remark", "进展情况", required=True), now)
        case _:
            remark = words("remark", "办理意见", required=True)
            basis = words("basis", "办理依据", required=False)
            tickets.end(connection, ticket, ACTOR, _results(ticket), remark, basis, now)


def _results(ticket: Ticket) -> tuple[ItemResult, ...]:
    results = []
    for number, item in enumerate(ticket.items, 1):
        chosen = request.form.get(f"result-{number}", "")
        if not chosen:
            continue
        title = f"第 {number} 项结果"
        note = reading.text({title: request.form.get(f"note-{number}")}, title, limit=2000, required=False)
        results.append(ItemResult(item.key, reading.code({title: chosen}, title, Result), note))
    return tuple(results)


def _seconds(field: str) -> float:
    value = request.form.get(field, type=float)
    return -1.0 if value is None else value


def _status(value: str) -> Status | None:
    return Status(value) if value in Status.__members__ else None


def _tenant(connection: store.Conn, code: str) -> Tenant:
    return store.tenant(connection, code) or abort(404)


def _ticket(ticket: Ticket | None) -> Ticket:
    return ticket or abort(404)
