"""Forms of the desk into statements: the same inbound path as a department's own system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from lianban.contracts.codes import ClaimResult, ExchangeKind, ObjectionReason
from services.agency_gateway.domain.statement import ClaimPart, Problem, Statement

_RESULTS = frozenset(result.value for result in ClaimResult)
_REASONS = frozenset(reason.value for reason in ObjectionReason)


def result_field(claim_id: UUID) -> str:
    """The name of the form's field for the result on a claim."""
    return f"result-{claim_id}"


def text_field(claim_id: UUID) -> str:
    """The name of the form's field for the words on a claim."""
    return f"claim-text-{claim_id}"


def statement(
    form: Mapping[str, str], *, sender_id: str, kind: ExchangeKind, claims: Sequence[UUID], received_at: datetime
) -> Statement:
    """The statement that a filled-in form makes; codes that the form cannot offer count as not chosen."""

    def text(name: str) -> str | None:
        return form.get(name, "").replace("\r\n", "\n").strip() or None

    parts = []
    for claim_id in claims:
        chosen = form.get(result_field(claim_id), "")
        if chosen in _RESULTS:
            parts.append(ClaimPart(claim_id, ClaimResult(chosen), text(text_field(claim_id)) or ""))
    reason = form.get("reason", "")
    return Statement(
        sender_id=sender_id,
        kind=kind,
        stated_at=received_at,
        text=text("text") or "",
        reason=ObjectionReason(reason) if kind is ExchangeKind.OBJECT and reason in _REASONS else None,
        legal_basis=text("legal_basis"),
        proposed_agency=text("proposed_agency") if kind is ExchangeKind.OBJECT else None,
        results=tuple(parts) if kind in {ExchangeKind.OPINION, ExchangeKind.REPLY} else (),
        facts=text("facts"),
        remedy=text("remedy"),
    )


def field_of(problem: Problem, statement: Statement, claims: Sequence[UUID]) -> str:
    """The form field that a problem belongs to, for the error summary."""
    parts = problem.pointer.strip("/").split("/")
    if parts[0] != "results":
        return parts[0]
    if len(parts) == 3 and parts[1].isdigit():
        claim_id = statement.results[int(parts[1])].claim_id
        return text_field(claim_id) if parts[2] == "text" else result_field(claim_id)
    answered = {part.claim_id for part in statement.results}
    missing = [claim for claim in claims if claim not in answered]
    return result_field(missing[0]) if missing else "text"
