"""The routing desk: the list of what waits, and the page of one case with its decisions."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from flask import flash, redirect, render_template, request
from marshmallow import Schema, fields, validate

from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.web import (
    PageRequest,
    Pages,
    _,
    idempotent,
    language,
    log_access,
    principal,
    read_form,
    rejected_fields,
    require,
)
from lianban.contracts.codes import AgencyRole, MatterState, StaffRole, TransferKind
from lianban.law import places
from lianban.law.clocks import is_overdue
from services.routing.app import assigning, looking
from services.routing.app.assigning import Chosen, Officer
from services.routing.app.deadlines import Deadlines
from services.routing.app.looking import View
from services.routing.app.refusals import rejected, text_of
from services.routing.domain.parts import Attention
from services.routing.store import desk as reading
from services.routing.store import registers
from services.routing.web import wording
from services.routing.web.schemas import LONGEST_REASON

desk = Pages("desk", __name__)

ROWS = 6
"""Parts that the form offers at once."""
_CODE = re.compile(r"[a-z0-9-]{3,40}\Z")
_CODE_IN_BRACKETS = re.compile(r"[（(]([a-z0-9-]{3,40})[）)]\s*\Z")


class BoardQuery(Schema):
    """The filters of the list; what does not fit is left out, since people edit addresses."""

    state = fields.String(validate=validate.OneOf([s.value for s in MatterState]))
    attention = fields.String(validate=validate.OneOf([a.value for a in Attention]))
    region = fields.String(validate=validate.Regexp(r"^[0-9]{12}\Z"))
    q = fields.String(validate=validate.Length(1, 50))
    scope = fields.String(validate=validate.OneOf(["waiting", "all"]))


class DecisionForm(Schema):
    """What every form of the case page carries; its reason has a name of its own, see :func:`_reason`."""

    version = fields.Integer(required=True, validate=validate.Range(1, 2**31 - 1))


class PartsForm(DecisionForm):
    """The form for routing: up to six agencies with role and claims."""

    kind = fields.Enum(TransferKind, by_value=True, required=True)
    withdraw = fields.List(fields.UUID(), load_default=list)


class ObjectionForm(DecisionForm):
    """Agree with an objection, or refuse it."""

    assignment = fields.UUID(required=True)
    decision = fields.String(required=True, validate=validate.OneOf(["release", "uphold"]))


class DesignationForm(DecisionForm):
    """Record a designation."""

    agency = fields.String(required=True, validate=validate.Length(1, 200))
    decided_by = fields.String(required=True, validate=validate.Length(1, 40))


class ReopeningForm(DecisionForm):
    """Order re-handling, or leave it."""

    decision = fields.String(required=True, validate=validate.OneOf(["reopen", "leave"]))


@desk.get("/routing/")
@require(StaffRole.OFFICER)
def board() -> Any:
    """The list of cases that wait for an officer."""
    schema = BoardQuery()
    given = {name: value for name, value in request.args.items() if name in schema.fields and value.strip()}
    wrong = schema.validate(given)
    chosen = {name: value for name, value in given.items() if name not in wrong}
    territory = principal().territory
    errors: dict[str, str] = {}
    wanted = PageRequest.read(request.args, datetime, UUID, default=25)
    with database().transaction() as tx:
        try:
            rows = looking.triage(
                tx,
                territory=territory,
                region=chosen.get("region"),
                state=chosen.get("state"),
                attention=chosen.get("attention"),
                everything=chosen.get("scope") == "all",
                q=chosen.get("q"),
                after=wanted.after,
                limit=wanted.fetch,
            )
        except Rejected as refused:
            errors, rows = rejected_fields(refused), []
        counts = reading.waiting_counts(tx, places.prefix(territory) if territory else None)
        regions = [r for r in registers.regions(tx) if places.within(r.code, territory)]
        deadlines = Deadlines(tx)
        log_access(tx, "triage-listed", purpose="routing")
    return render_template(
        "routing/board.html",
        page=wanted.page(rows, key=lambda row: (row.received_at, row.id)),
        values=chosen,
        errors=errors,
        counts=counts,
        regions=[(r.code, "　" * (len(places.chain(r.code)) - 1) + r.name) for r in regions],
        attention=wording.ATTENTION,
        tones=wording.ATTENTION_TONES,
        today=now(),
        due={row.id: deadlines.routing(row.received_at) for row in rows if row.attention == Attention.ROUTE},
        overdue=lambda due: is_overdue(due.legal_due, now()),
    )


@desk.get("/routing/cases/<uuid:case_id>")
@require(StaffRole.OFFICER)
def case_page(case_id: UUID) -> Any:
    """One case: text, suggestion, parts, objections, history and what can be decided."""
    return _page(case_id)


@desk.post("/routing/cases/<uuid:case_id>/confirm")
@require(StaffRole.OFFICER)
@idempotent
def confirm(case_id: UUID) -> Any:
    """Confirm the suggestion as it is."""

    def decide(values: dict[str, Any]) -> Any:
        with database().transaction() as tx:
            parts = looking.suggested_parts(looking.view(tx, case_id, territory=principal().territory).suggestion)
        assigning.assign(
            case_id,
            [Chosen(code, AgencyRole(role)) for code, role in parts],
            kind=TransferKind.TRANSFER,
            officer=_officer(),
            expected_version=values["version"],
            reason=values["reason"],
        )
        return _("已按建议派出。")

    return _decide(case_id, DecisionForm(), decide)


@desk.post("/routing/cases/<uuid:case_id>/assign")
@require(StaffRole.OFFICER)
@idempotent
def assign(case_id: UUID) -> Any:
    """Route to the agencies of the form."""

    def decide(values: dict[str, Any]) -> Any:
        with database().transaction() as tx:
            seen = looking.view(tx, case_id, territory=principal().territory)
        assigning.assign(
            case_id,
            _chosen(seen),
            kind=values["kind"],
            officer=_officer(),
            expected_version=values["version"],
            withdraw=values["withdraw"],
            reason=values["reason"],
        )
        return _("已派出。")

    return _decide(case_id, PartsForm(), decide)


@desk.post("/routing/cases/<uuid:case_id>/objection")
@require(StaffRole.OFFICER)
@idempotent
def decide_objection(case_id: UUID) -> Any:
    """Agree with an objection, or refuse it."""

    def decide(values: dict[str, Any]) -> Any:
        release = values["decision"] == "release"
        assigning.decide_objection(
            case_id,
            values["assignment"],
            release=release,
            officer=_officer(),
            expected_version=values["version"],
            reason=values["reason"],
        )
        return _("已同意异议，请改派其他单位。") if release else _("异议不成立，该单位必须受理。")

    return _decide(case_id, ObjectionForm(), decide)


@desk.post("/routing/cases/<uuid:case_id>/designation")
@require(StaffRole.OFFICER)
@idempotent
def designate(case_id: UUID) -> Any:
    """Record who must accept."""

    def decide(values: dict[str, Any]) -> Any:
        with database().transaction() as tx:
            seen = looking.view(tx, case_id, territory=principal().territory)
        assigning.designate(
            case_id,
            _code_of(values["agency"], seen, "agency"),
            decided_by=values["decided_by"],
            kind=TransferKind.ASSIGN,
            officer=_officer(),
            expected_version=values["version"],
            reason=values["reason"],
        )
        return _("已记录指定决定并派出。")

    return _decide(case_id, DesignationForm(), decide)


@desk.post("/routing/cases/<uuid:case_id>/reopening")
@require(StaffRole.OFFICER)
@idempotent
def decide_reopening(case_id: UUID) -> Any:
    """Order re-handling, or leave the case as it is."""

    def decide(values: dict[str, Any]) -> Any:
        reopen = values["decision"] == "reopen"
        assigning.decide_reopening(
            case_id, reopen=reopen, officer=_officer(), expected_version=values["version"], reason=values["reason"]
        )
        return _("已要求重新办理。") if reopen else _("已维持原处理意见。")

    return _decide(case_id, ReopeningForm(), decide)


def _decide(case_id: UUID, schema: Schema, decide: Callable[[dict[str, Any]], Any]) -> Any:
    values, errors = read_form(schema)
    name, reason = _reason()
    if len(reason) > LONGEST_REASON:
        errors[name] = _("理由最多%(most)s个字。", most=LONGEST_REASON)
    status = 422
    if not errors:
        values["reason"] = reason or None
        try:
            flash(decide(values), "good")
            return redirect(f"/routing/cases/{case_id}", 303)
        except Rejected as refused:
            if refused.slug == "unknown-case":
                raise
            errors, status = rejected_fields(refused), refused.status
    return _page(case_id, values=dict(request.form), errors=errors), status


def _reason() -> tuple[str, str]:
    """The field of the reason (``reason.assign``: names become ids, and a page has several forms) and the reason."""
    return next(
        ((name, text.strip()) for name, text in request.form.items() if name.startswith("reason.")), ("reason", "")
    )


def _officer() -> Officer:
    who = principal()
    return Officer(who.name or who.subject, who.territory)


def _chosen(seen: View) -> list[Chosen]:
    chosen = []
    by_ordinal = {str(claim.ordinal): claim.id for claim in seen.case.claims}
    for row in range(ROWS):
        typed = request.form.get(f"agency.{row}", "").strip()
        if not typed:
            continue
        try:
            role = AgencyRole(request.form.get(f"role.{row}", ""))
        except ValueError:
            raise Rejected("role", "请选择角色。", "Choose a role.", field=f"role.{row}") from None
        ordinals = re.findall(r"[0-9]+", request.form.get(f"claims.{row}", ""))
        if any(number not in by_ordinal for number in ordinals):
            raise rejected("unknown-claim", field=f"claims.{row}")
        claims = tuple(dict.fromkeys(by_ordinal[number] for number in ordinals))
        chosen.append(Chosen(_code_of(typed, seen, f"agency.{row}"), role, claims))
    return chosen


def _code_of(typed: str, seen: View, field: str) -> str:
    """The code of an agency that somebody chose from the list or typed: name, code, or name with code."""
    found = _CODE_IN_BRACKETS.search(typed)
    code = found.group(1) if found else typed
    for agency in seen.agencies:
        if code in {agency.code, agency.name}:
            return agency.code
    if _CODE.match(code):
        return code  # an agency that is inactive or must not get the matter: the use case says which
    raise rejected("unknown-agency", field=field, code=typed[:60])


def _page(case_id: UUID, *, values: dict[str, Any] | None = None, errors: dict[str, str] | None = None) -> str:
    with database().transaction() as tx:
        seen = looking.view(tx, case_id, territory=principal().territory)
        log_access(tx, "case-opened", subject=case_id, purpose="routing")
        deadlines = Deadlines(tx)
    case = seen.case
    names = {agency.code: agency.name for agency in seen.agencies}
    form = {"version": case.version, "kind": TransferKind.TRANSFER.value}
    if not case.assignments:
        for row, (code, role) in enumerate(looking.suggested_parts(seen.suggestion)[:ROWS]):
            form[f"agency.{row}"] = f"{names.get(code, code)}（{code}）"
            form[f"role.{row}"] = role
    claim_texts = {claim_id: text for claim_id, _ordinal, text in seen.text.claims} if seen.text else {}
    return render_template(
        "routing/case.html",
        seen=seen,
        case=case,
        withdraw_choices=[(item.id, item.agency.name) for item in case.current],
        decider_choices=[(ref.code, ref.name) for ref in seen.deciders],
        claims=[(claim.ordinal, claim_texts.get(str(claim.id))) for claim in case.claims],
        ordinals={claim.id: claim.ordinal for claim in case.claims},
        said={said.id: said for said in seen.statements},
        entries=[wording.entry(line) for line in reversed(seen.history)],
        attention=wording.ATTENTION,
        tones=wording.ATTENTION_TONES,
        objecting={item.id: deadlines.objecting(item.sent_at).legal_due for item in case.open_objections},
        late={
            item.id: deadlines.late_objection(item.sent_at, item.objection.at)
            for item in case.open_objections
            if item.objection is not None
        },
        route_due=deadlines.routing(case.received_at).legal_due if case.attention is Attention.ROUTE else None,
        refusal=lambda slug: text_of(slug, language()),
        chinese=language() == "zh",
        rows=range(ROWS),
        agency_choices=[f"{agency.name}（{agency.code}）" for agency in seen.agencies],
        values={**form, **(values or {})},
        errors=errors or {},
    )
