"""The officers' API: triage, one case, decisions, the list of agencies; and the public keys."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from flask import Response

from lianban.chassis.runtime import database
from lianban.chassis.settings import settings
from lianban.chassis.web import Api, Page, PageRequest, idempotent, log_access, principal, public, require
from lianban.contracts.codes import StaffRole
from lianban.contracts.refs import AgencyRef
from services.routing.app import assigning, looking
from services.routing.app.assigning import Chosen, Officer
from services.routing.domain.case import Case
from services.routing.domain.suggesting import Candidate, Suggestion
from services.routing.store import registers
from services.routing.web import schemas

triage = Api("triage", __name__, url_prefix="/api/v1/triage", description="待办清单 / what waits for an officer")
cases = Api("cases", __name__, url_prefix="/api/v1/cases", description="事项办理 / cases")
agencies = Api("agencies", __name__, url_prefix="/api/v1/agencies", description="机构名录 / register of agencies")
keys = Api("keys", __name__, url_prefix="/.well-known", description="公钥 / public keys")


def officer() -> Officer:
    """The officer of this request."""
    who = principal()
    return Officer(who.name or who.subject, who.territory)


@triage.get("")
@require(StaffRole.OFFICER)
@triage.arguments(schemas.TriageQuery, location="query")
@triage.response(200, schemas.TriagePage)
def list_triage(query: dict[str, Any]) -> dict[str, Any]:
    """待办事项，等候最久的在前 / cases that wait for an officer, longest waiting first."""
    wanted = PageRequest.read(query, datetime, UUID)
    with database().transaction() as tx:
        rows = looking.triage(
            tx,
            territory=principal().territory,
            region=query.get("region"),
            state=query.get("state"),
            attention=query.get("attention"),
            everything=query["scope"] == "all",
            q=query.get("q"),
            after=wanted.after,
            limit=wanted.fetch,
        )
        page = wanted.page(rows, key=lambda row: (row.received_at, row.id))
        log_access(tx, "triage-listed", purpose="routing")
    return page.json(
        lambda row: {
            "id": row.id,
            "number": row.number,
            "title": row.title,
            "channel": row.channel,
            "region": {"code": row.region_code, "name": row.region_name},
            "received_at": row.received_at,
            "state": row.state,
            "attention": row.attention,
            "round": row.round,
            "version": row.version,
            "matter_type": row.matter_type,
            "suggested_lead": _ref(row.lead),
            "suggested_co_handlers": [_ref(ref) for ref in row.co_handlers],
        }
    )


@cases.get("/<uuid:case_id>")
@require(StaffRole.OFFICER)
@cases.response(200, schemas.CaseDetail)
def get_case(case_id: UUID) -> dict[str, Any]:
    """一件事项：原文、建议和各单位的办理情况 / one case: text, suggestion and every agency's part."""
    with database().transaction() as tx:
        seen = looking.view(tx, case_id, territory=principal().territory)
        log_access(tx, "case-opened", subject=case_id, purpose="routing")
    texts = {claim_id: text for claim_id, _, text in seen.text.claims} if seen.text else {}
    return {
        **_case(seen.case, texts),
        "title": seen.text.title if seen.text else None,
        "content": seen.text.content if seen.text else None,
        "supplements": [{"at": at, "text": text} for at, text in seen.text.supplements] if seen.text else [],
        "suggestion": _suggestion(seen.suggestion) if seen.suggestion else None,
        "deciders": [_ref(ref) for ref in seen.deciders],
    }


@cases.post("/<uuid:case_id>/assignments")
@require(StaffRole.OFFICER)
@idempotent
@cases.arguments(schemas.AssignIn)
@cases.response(201, schemas.CaseOut)
def assign(body: dict[str, Any], case_id: UUID) -> dict[str, Any]:
    """派给主办、协办和抄送单位；有异议时即为同意异议并改派 / route, or agree with objections and route anew.

    Parts that an agency already has stay as they are. Afterwards there is exactly one lead.
    """
    case = assigning.assign(
        case_id,
        [Chosen(item["agency_code"], item["role"], tuple(item["claims"])) for item in body["assignments"]],
        kind=body["kind"],
        officer=officer(),
        expected_version=body["expected_version"],
        withdraw=body["withdraw"],
        reason=body["reason"],
    )
    return _case(case, {})


@cases.post("/<uuid:case_id>/assignments/<uuid:assignment_id>/objection")
@require(StaffRole.OFFICER)
@idempotent
@cases.arguments(schemas.ObjectionIn)
@cases.response(200, schemas.CaseOut)
def decide_objection(body: dict[str, Any], case_id: UUID, assignment_id: UUID) -> dict[str, Any]:
    """核实异议：同意退回，或者异议不成立 / agree with an objection, or refuse it (条例 §23③)."""
    case = assigning.decide_objection(
        case_id,
        assignment_id,
        release=body["decision"] == "release",
        officer=officer(),
        expected_version=body["expected_version"],
        reason=body["reason"],
    )
    return _case(case, {})


@cases.post("/<uuid:case_id>/designations")
@require(StaffRole.OFFICER)
@idempotent
@cases.arguments(schemas.DesignationIn)
@cases.response(201, schemas.CaseOut)
def designate(body: dict[str, Any], case_id: UUID) -> dict[str, Any]:
    """受理争议：记录共同上级或者信访部门协调的指定决定 / record a designation; it binds (条例 §24)."""
    case = assigning.designate(
        case_id,
        body["agency_code"],
        decided_by=body.get("decided_by"),
        kind=body["kind"],
        officer=officer(),
        expected_version=body["expected_version"],
        reason=body["reason"],
    )
    return _case(case, {})


@cases.post("/<uuid:case_id>/reopenings")
@require(StaffRole.OFFICER)
@idempotent
@cases.arguments(schemas.ReopeningIn)
@cases.response(200, schemas.CaseOut)
def decide_reopening(body: dict[str, Any], case_id: UUID) -> dict[str, Any]:
    """信访人反映未解决：决定是否重新办理 / the petitioner says that it is not solved: order re-handling or not."""
    case = assigning.decide_reopening(
        case_id,
        reopen=body["decision"] == "reopen",
        officer=officer(),
        expected_version=body["expected_version"],
        reason=body["reason"],
    )
    return _case(case, {})


@agencies.get("")
@require()
@agencies.arguments(schemas.AgencyQuery, location="query")
@agencies.response(200, schemas.AgencyPage)
def list_agencies(query: dict[str, Any]) -> dict[str, Any]:
    """机构名录，按代码排列 / the register of agencies, by code."""
    wanted = PageRequest.read(query, str, default=100)
    with database().transaction() as tx:
        rows = registers.agency_page(
            tx,
            q=query.get("q"),
            after=wanted.after[0] if wanted.after else None,
            limit=wanted.fetch,
            active_only=query["active"],
        )
    page: Page[Any] = wanted.page(rows, key=lambda row: (row.code,))
    return page.json(lambda row: {**asdict(row), "level": row.level.value})


@keys.get("/jwks.json")
@public
@keys.response(200, schemas.PublicKeys)
def jwks() -> Response:
    """各服务的公钥 / the public keys of all services, for verifying tokens offline."""
    document = json.loads(Path(settings().need("jwks")).read_text(encoding="utf-8"))
    response = Response(json.dumps(document), mimetype="application/json")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def _ref(ref: AgencyRef | None) -> dict[str, str] | None:
    return {"code": ref.code, "name": ref.name} if ref else None


def _case(case: Case, texts: dict[str, str]) -> dict[str, Any]:
    return {
        "id": case.id,
        "number": case.number,
        "channel": case.channel,
        "purpose": case.purpose,
        "region": {"code": case.region_code, "name": case.region_name},
        "received_at": case.received_at,
        "state": case.state.value,
        "attention": case.attention.value if case.attention else None,
        "round": case.round,
        "version": case.version,
        "matter_type": case.matter_type,
        "claims": [{"id": c.id, "ordinal": c.ordinal, "text": texts.get(str(c.id))} for c in case.claims],
        "assignments": [
            {
                "id": item.id,
                "agency": _ref(item.agency),
                "role": item.role.value,
                "kind": item.kind.value,
                "state": item.state.value,
                "round": item.round,
                "binding": item.binding,
                "claims": item.claims,
                "sent_at": item.sent_at,
                "objection": {
                    "reason": item.objection.reason.value,
                    "proposed": _ref(item.objection.proposed),
                    "at": item.objection.at,
                }
                if item.objection
                else None,
            }
            for item in case.assignments
        ],
        "dispute": {
            "parties": [_ref(party) for party in case.dispute.parties],
            "decider": _ref(case.dispute.decider),
            "at": case.dispute.at,
        }
        if case.dispute
        else None,
    }


def _suggestion(made: Suggestion) -> dict[str, Any]:
    return {
        "lead": _candidate(made.lead) if made.lead else None,
        "co_handlers": [_candidate(c) for c in made.co_handlers],
        "others": [_candidate(c) for c in made.others],
        "matter_type": made.matter_type,
        "procedure": asdict(made.procedure) if made.procedure else None,
    }


def _candidate(found: Candidate) -> dict[str, Any]:
    return {
        "agency": _ref(found.agency),
        "role": found.role.value,
        "score": found.score,
        "reasons": [{**asdict(reason), "ground": reason.ground.value} for reason in found.reasons],
    }
