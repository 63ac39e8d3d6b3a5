"""The agency desk: departments without a system of their own work here; the same inbound path as all others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from flask import flash, redirect, render_template, request

from lianban.chassis.calendar import read
from lianban.chassis.errors import Rejected
from lianban.chassis.rules import rulebook
from lianban.chassis.runtime import database
from lianban.chassis.secrets import unseal
from lianban.chassis.time import china_day, now
from lianban.chassis.transaction import Transaction
from lianban.chassis.web import (
    PageRequest,
    Pages,
    _,
    idempotent,
    language,
    log_access,
    principal,
    rejected_fields,
    require,
)
from lianban.chassis.web.idempotency import once_key
from lianban.contracts.codes import AgencyRole, ExchangeKind, ObjectionReason, StaffRole
from lianban.law.calendar import WorkCalendar
from lianban.law.lifecycle import AssignmentAction, allowed_actions
from lianban.law.rulebook import Lapse
from services.agency_gateway.adapters.desk import translation
from services.agency_gateway.app import stating
from services.agency_gateway.app.dates import due_of
from services.agency_gateway.app.delivering import desk_context, link_to
from services.agency_gateway.app.stating import Malformed, words_of
from services.agency_gateway.domain.message import Due
from services.agency_gateway.domain.refusal import reason_in_words
from services.agency_gateway.domain.statement import LONGEST_BASIS, LONGEST_TEXT, StatementStatus, Via, content
from services.agency_gateway.store import agencies, assignments, statements
from services.agency_gateway.store import desk as store
from services.agency_gateway.store.assignments import FILTERS, MOST_COUNTED, Assignment

desk = Pages("desk", __name__)

STATEMENTS = {
    AssignmentAction.ACCEPT: ExchangeKind.ACCEPT,
    AssignmentAction.OBJECT: ExchangeKind.OBJECT,
    AssignmentAction.PROGRESS: ExchangeKind.PROGRESS,
    AssignmentAction.GIVE_OPINION: ExchangeKind.OPINION,
    AssignmentAction.REPLY: ExchangeKind.REPLY,
}
"""What the table of states lets an agency do, as statements."""


def _agency() -> str:
    agency = principal().agency
    if agency is None:
        raise Rejected("no-agency", "您的账号未绑定单位。", "Your account belongs to no agency.", status=403)
    return agency


@desk.get("/desk/")
@require(StaffRole.AGENCY)
def inbox() -> Any:
    """The agency's assignments, newest first."""
    chosen = request.args.get("show", "open")
    states = FILTERS.get(chosen, FILTERS["open"])
    number = request.args.get("number", "").strip()[:40] or None
    wanted = PageRequest.read(request.args, datetime, UUID, default=25)
    with database().transaction() as tx:
        rows = assignments.listed(tx, _agency(), states=states, number=number, before=_keys(wanted), limit=wanted.fetch)
        page = wanted.page(rows, key=lambda row: (row.sent_at, row.id))
        calendar = read(tx)
        titles = _titles(tx, page.items)
        counts = assignments.counts(tx, _agency())
        name = agencies.name_of(tx, _agency())
        log_access(tx, "desk.list")
    today = china_day(now())
    return render_template(
        "agency_gateway/inbox.html",
        page=page,
        titles=titles,
        due={row.id: _next_due(row, calendar, today) for row in page.items},
        shown=chosen if chosen in FILTERS else "open",
        counts={code: _told([counts.get(state, 0) for state in group]) for code, group in FILTERS.items()},
        name=name,
        values={"show": chosen, "number": number or ""},
        errors={},
    )


def _told(counted: Sequence[int]) -> int | str:
    """The sum of some counts; with a plus sign where one of them was not counted to its end."""
    return f"{sum(counted)}+" if any(count >= MOST_COUNTED for count in counted) else sum(counted)


def _keys(wanted: PageRequest) -> tuple[datetime, UUID] | None:
    return (wanted.after[0], wanted.after[1]) if wanted.after is not None else None


def _next_due(assignment: Assignment, calendar: WorkCalendar, today: date) -> dict[str, Any] | None:
    for due in due_of(assignment, calendar, rulebook()):
        if not _ran_out(due, today):
            return {
                "title": rulebook().rule(due.rule).label(language()),
                "day": due.day,
                "left": (due.day - today).days,
            }
    return None


def _ran_out(due: Due, today: date) -> bool:
    """Whether a right was not used in its time: that is no duty overdue (docs/adr/0009)."""
    return rulebook().rule(due.rule).lapse is Lapse.ENDS and due.day < today


def _titles(tx: Transaction, rows: Sequence[Assignment]) -> dict[UUID, str]:
    found = store.first_of(tx, [row.id for row in rows])
    return {key: _open(item).get("matter", {}).get("title", "") for key, item in found.items()}


def _open(item: store.DeskItem) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(unseal(item.sealed, context=desk_context(item.delivery_id)))
    return message


@desk.get("/desk/assignments/<uuid:assignment_id>")
@require(StaffRole.AGENCY)
def assignment_page(assignment_id: UUID) -> Any:
    """One assignment: the matter, the dates, what was said and what can be done."""
    with database().transaction() as tx:
        assignment = _mine(tx, assignment_id)
        view = _view(tx, assignment)
        log_access(tx, "desk.open", subject=assignment.matter_id, purpose="handling")
    return render_template("agency_gateway/assignment.html", **view, values={}, errors={})


@desk.get("/desk/assignments/<uuid:assignment_id>/<any(object,progress,opinion,reply):kind>")
@require(StaffRole.AGENCY)
def statement_form(assignment_id: UUID, kind: str) -> Any:
    """The form for one statement."""
    with database().transaction() as tx:
        assignment = _mine(tx, assignment_id)
        view = _view(tx, assignment) | _form(tx, assignment, ExchangeKind(kind))
        log_access(tx, "desk.open", subject=assignment.matter_id, purpose="handling")
    return render_template("agency_gateway/statement.html", **view, values={}, errors={})


@desk.post("/desk/assignments/<uuid:assignment_id>/<any(accept,object,progress,opinion,reply):kind>")
@require(StaffRole.AGENCY)
@idempotent
def make_statement(assignment_id: UUID, kind: str) -> Any:
    """State something on an assignment; the page then shows "awaiting confirmation" until routing has judged."""
    at = now()
    wanted = ExchangeKind(kind)
    errors: dict[str, str] = {}
    with database().transaction() as tx:
        assignment = _mine(tx, assignment_id)
        statement = translation.statement(
            request.form,
            sender_id=str(uuid5(NAMESPACE_URL, f"urn:lianban:desk:{principal().subject}:{once_key()}")),
            kind=wanted,
            claims=assignment.claims,
            received_at=at,
        )
        try:
            stating.receive(
                tx,
                agency=_agency(),
                assignment_id=assignment_id,
                statement=statement,
                raw=content(statement) | {"stated_at": None},
                via=Via.DESK,
                at=at,
            )
            log_access(tx, f"desk.{kind}", subject=assignment.matter_id, purpose="handling")
        except Malformed as malformed:
            for problem in malformed.problems:
                field = translation.field_of(problem, statement, assignment.claims)
                errors.setdefault(field, problem.zh if language() == "zh" else problem.en)
        except Rejected as rejected:
            if rejected.status == 404:
                raise
            errors = rejected_fields(rejected)
        if errors:
            view = _view(tx, assignment) | _form(tx, assignment, wanted)
    if errors:
        template = "assignment.html" if wanted is ExchangeKind.ACCEPT else "statement.html"
        return render_template(f"agency_gateway/{template}", **view, values=dict(request.form), errors=errors), 422
    flash(_("已提交，等待确认。"), "good")
    return redirect(f"/desk/assignments/{assignment_id}", 303)


def _mine(tx: Transaction, assignment_id: UUID) -> Assignment:
    assignment = assignments.of_agency(tx, assignment_id, _agency())
    if assignment is None:
        raise stating.no_such_assignment()
    return assignment


def _view(tx: Transaction, assignment: Assignment) -> dict[str, Any]:
    items = store.of_assignment(tx, assignment.id)
    messages = [(item, _open(item)) for item in items]
    told = next((m for _i, m in reversed(messages) if "matter" in m), None)
    stated = statements.of_assignment(tx, assignment.id)
    today = china_day(now())
    awaiting = any(s.status is StatementStatus.AWAITING for s in stated)
    actions = allowed_actions(assignment.state, assignment.role, binding=assignment.binding)
    dates = due_of(assignment, read(tx), rulebook())
    objecting_ended = next((due.day for due in dates if due.rule == "objection" and _ran_out(due, today)), None)
    if objecting_ended is not None:
        actions = tuple(action for action in actions if action is not AssignmentAction.OBJECT)
    return {
        "assignment": assignment,
        "matter": told["matter"] if told else None,
        "petitioner": next((m["petitioner"] for _i, m in reversed(messages) if "petitioner" in m), None),
        "files": [
            {**file, "href": link_to(UUID(file["id"]), assignment.agency_code)}
            for file in (told["matter"].get("attachments", []) if told else [])
        ],
        "supplements": [
            {"text": added["text"], "at": datetime.fromisoformat(added["at"])}
            for added in (told["matter"].get("supplements", []) if told else [])
            if added["text"]
        ],
        "opinions": [m["opinion"] | {"at": i.arrived_at} for i, m in messages if "opinion" in m],
        "events": [{"kind": item.kind, "at": item.arrived_at, "version": item.version} for item in items],
        "said": [_said(s) for s in reversed(stated)],
        "awaiting": awaiting,
        "actions": [] if awaiting else [STATEMENTS[a] for a in actions if a in STATEMENTS],
        "due": [
            {
                "title": rulebook().rule(due.rule).label(language()),
                "article": rulebook().rule(due.rule).article(language()),
                "day": due.day,
                "left": (due.day - today).days,
                "state": "lapsed" if _ran_out(due, today) else "running",
            }
            for due in dates
        ],
        "objecting_ended": objecting_ended,
        "is_copy": assignment.role is AgencyRole.COPY,
        "longest_text": LONGEST_TEXT,
    }


def _said(stored: statements.Stored) -> dict[str, Any]:
    return {
        "kind": stored.kind,
        "status": stored.status,
        "why": reason_in_words(stored.refusal, language()) if stored.refusal else None,
        "at": stored.received_at,
        "via": stored.via,
        "words": words_of(stored),
    }


def _form(tx: Transaction, assignment: Assignment, kind: ExchangeKind) -> dict[str, Any]:
    others = [(code, name) for code, name in agencies.active(tx).items() if code != assignment.agency_code]
    return {
        "kind": kind,
        "others": others,
        "reasons": [(reason.value, reason.label(language())) for reason in ObjectionReason],
        "result_field": translation.result_field,
        "text_field": translation.text_field,
        "longest_basis": LONGEST_BASIS,
    }
