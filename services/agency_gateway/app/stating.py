"""Taking in what departments state: checked for form, journaled, said on the bus; routing judges it.

All doors lead here: the exchange API, call-backs of departments' systems and the desk.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis import traces
from lianban.chassis.errors import Rejected
from lianban.chassis.secrets import seal, unseal
from lianban.chassis.transaction import Transaction
from lianban.contracts.agency_gateway import (
    AgencyAccepted,
    AgencyGaveOpinion,
    AgencyObjected,
    AgencyProgressed,
    AgencyReplied,
)
from lianban.contracts.codes import ExchangeKind, ObjectionReason
from lianban.contracts.refs import ClaimOutcome
from services.agency_gateway.app import journaling, metrics
from services.agency_gateway.app.profiles import profile_of
from services.agency_gateway.app.settling import proved
from services.agency_gateway.domain.journal import canonical
from services.agency_gateway.domain.statement import (
    Problem,
    Statement,
    StatementStatus,
    Via,
    content,
    fingerprint,
    problems,
    statement_id,
)
from services.agency_gateway.store import agencies, assignments, deliveries
from services.agency_gateway.store import statements as store
from services.agency_gateway.store.assignments import Assignment
from services.agency_gateway.store.statements import Stored


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to a statement: the same for every repeat."""

    statement_id: UUID
    received_at: datetime
    status: StatementStatus = StatementStatus.AWAITING

    def json(self) -> dict[str, str]:
        """The receipt as the exchange answers it."""
        return {
            "statement_id": str(self.statement_id),
            "received_at": self.received_at.isoformat(),
            "status": self.status.value,
        }


class Malformed(Exception):
    """A statement whose form is wrong; nothing was kept."""

    def __init__(self, found: Sequence[Problem]) -> None:
        super().__init__(", ".join(f"{problem.pointer} {problem.slug}" for problem in found))
        self.problems = tuple(found)


def no_such_assignment() -> Rejected:
    """The one answer for an assignment that is not there, belongs to another agency, or must not be seen."""
    return Rejected("unknown-assignment", "没有这件派件。", "There is no such assignment.", status=404)


def receive(
    tx: Transaction, *, agency: str, assignment_id: UUID, statement: Statement, raw: Any, via: Via, at: datetime
) -> Receipt:
    """Take in a statement; ``raw`` is what was sent, by which a repeat is told from another body under the same id.

    Raises :class:`Malformed`, or :class:`~lianban.chassis.errors.Rejected` with ``unknown-assignment`` (404) or
    ``statement-id-reused`` (422).
    """
    assignment = assignments.of_agency(tx, assignment_id, agency)
    if assignment is None:
        raise no_such_assignment()
    traces.about(assignment.number)
    print_ = fingerprint(assignment_id, raw)
    before, unknown = store.meets(tx, assignment, statement.sender_id)
    if before is not None:
        return _repeat(tx, before, print_)
    proposable = agencies.active(tx) if statement.proposed_agency is not None else {}
    found = list(problems(statement, claims=assignment.claims, agencies=proposable.keys(), received_at=at))
    if found:
        raise Malformed(found)
    new = _stored(assignment, statement, print_, via, at)
    store.add(tx, new)
    receipt = Receipt(new.id, at)
    journaling.record(
        tx,
        agency=agency,
        direction="in",
        kind=statement.kind.value,
        message_id=statement.sender_id,
        assignment_id=assignment_id,
        matter_id=assignment.matter_id,
        body=canonical(content(statement)),
        answer=canonical(receipt.json()),
        received_at=at,
        passed_on_at=at,
        answered_at=at,
        answer_passed_on_at=at,
    )
    if statement.reference is not None and assignment.reference is None:
        assignments.note_reference(tx, assignment_id, statement.reference)
    if unknown:
        proved(tx, unknown.pop(0), profile_of(tx, agency), at=at)
    # Departments' systems know nothing of our traces: their answer goes on with the one that reached them.
    trace = deliveries.trace_of(tx, assignment_id) if traces.on() else None
    with traces.span(f"statement {statement.kind.value}", parent=traces.Carried.read(trace)):
        tx.emit(_event(assignment, statement, new.id), subject=assignment.matter_id, at=at)
    tx.after_commit(f"count {new.id}", metrics.statements.labels(via.value, statement.kind.value).inc)
    return receipt


def without_effect(
    tx: Transaction, agency: str, assignment_id: UUID, sender_id: str, raw: Any, *, at: datetime
) -> Receipt:
    """Journal a call whose status means nothing to us (a ticket was opened, say); it has no effect.

    Raises :class:`~lianban.chassis.errors.Rejected` with ``unknown-assignment`` (404).
    """
    assignment = assignments.of_agency(tx, assignment_id, agency)
    if assignment is None:
        raise no_such_assignment()
    traces.about(assignment.number)
    receipt = Receipt(statement_id(agency, sender_id), at, StatementStatus.NOTED)
    journaling.record(
        tx,
        agency=agency,
        direction="in",
        kind="note",
        message_id=sender_id,
        assignment_id=assignment_id,
        matter_id=assignment.matter_id,
        body=canonical(raw),
        answer=canonical(receipt.json()),
        received_at=at,
        passed_on_at=None,
        answered_at=at,
        answer_passed_on_at=at,
    )
    return receipt


def _repeat(tx: Transaction, before: Stored, print_: bytes) -> Receipt:
    if before.fingerprint != print_:
        raise Rejected(
            "statement-id-reused",
            "这个标识已用于内容不同的消息，请换一个新的标识。",
            "This id was used with another body; choose a new id.",
            field="/id",
        )
    tx.after_commit(f"count {before.id} again", metrics.statements_repeated.inc)
    return Receipt(before.id, before.received_at)


def _stored(assignment: Assignment, statement: Statement, print_: bytes, via: Via, at: datetime) -> Stored:
    made = statement_id(assignment.agency_code, statement.sender_id)
    return Stored(
        id=made,
        agency_code=assignment.agency_code,
        agency_name=assignment.agency_name,
        sender_id=statement.sender_id,
        fingerprint=print_,
        assignment_id=assignment.id,
        matter_id=assignment.matter_id,
        kind=statement.kind,
        reason=statement.reason,
        version=statement.version,
        sealed=seal(json.dumps(content(statement), ensure_ascii=False), context=_context(made)),
        via=via,
        stated_at=statement.stated_at,
        received_at=at,
        status=StatementStatus.AWAITING,
        refusal=None,
        judged_at=None,
    )


def _event(assignment: Assignment, statement: Statement, made: UUID) -> Any:
    results = tuple(ClaimOutcome(part.claim_id, part.result) for part in statement.results)
    said: dict[str, Any] = {
        "statement_id": made,
        "assignment_id": assignment.id,
        "agency": assignment.agency,
        "stated_at": statement.stated_at,
    }
    match statement.kind:
        case ExchangeKind.ACCEPT:
            return AgencyAccepted(**said)
        case ExchangeKind.OBJECT:
            return AgencyObjected(**said, reason=_reason(statement), proposed_agency=statement.proposed_agency)
        case ExchangeKind.PROGRESS:
            return AgencyProgressed(**said)
        case ExchangeKind.OPINION:
            return AgencyGaveOpinion(**said, results=results)
        case ExchangeKind.REPLY:
            return AgencyReplied(**said, results=results)
        case _:
            raise TypeError(f"{statement.kind} is not a statement")


def _reason(statement: Statement) -> ObjectionReason:
    if statement.reason is None:
        raise TypeError("an objection without reason passed the check of its form")
    return statement.reason


def words_of(stored: Stored) -> dict[str, Any]:
    """The statement's words and particulars, unsealed."""
    found: dict[str, Any] = json.loads(unseal(stored.sealed, context=_context(stored.id)))
    return found


def _context(made: UUID) -> str:
    return f"statement.sealed:{made}"
