"""Texts of statements for services that are entitled to them, and what we believe for departments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from lianban.chassis.calendar import read
from lianban.chassis.rules import rulebook
from lianban.chassis.secrets import unseal
from lianban.chassis.transaction import Transaction
from lianban.law.calendar import WorkCalendar
from services.agency_gateway.app.composing import parse
from services.agency_gateway.app.dates import due_of
from services.agency_gateway.app.delivering import desk_context
from services.agency_gateway.app.stating import words_of
from services.agency_gateway.domain.message import instant
from services.agency_gateway.store import deliveries, desk, statements
from services.agency_gateway.store.assignments import Assignment


def texts(tx: Transaction, ids: list[UUID]) -> tuple[list[dict[str, Any]], list[UUID]]:
    """The statements with these ids in full, and the matters that they are about."""
    items, matters = [], []
    for stored in statements.get(tx, ids):
        words = words_of(stored)
        matters.append(stored.matter_id)
        items.append(
            {
                "id": str(stored.id),
                "assignment_id": str(stored.assignment_id),
                "kind": stored.kind.value,
                "agency": {"code": stored.agency_code, "name": stored.agency_name},
                "text": words["text"],
                "legal_basis": words["legal_basis"],
                "facts": words["facts"],
                "remedy": words["remedy"],
                "results": words["results"],
                "reason": words["reason"],
                "stated_at": instant(stored.stated_at),
            }
        )
    return items, matters


def _state(assignment: Assignment, calendar: WorkCalendar) -> dict[str, Any]:
    return {
        "assignment_id": str(assignment.id),
        "number": assignment.number,
        "role": assignment.role.value,
        "transfer_kind": assignment.transfer_kind.value,
        "state": assignment.state.value,
        "binding": assignment.binding,
        "round": assignment.round,
        "version": assignment.version,
        "reference": assignment.reference,
        "claims": [str(claim) for claim in assignment.claims],
        "sent_at": instant(assignment.sent_at),
        "changed_at": instant(assignment.changed_at),
        "due": [
            {"rule": due.rule, "date": due.day.isoformat(), "article": due.article}
            for due in due_of(assignment, calendar, rulebook())
        ],
    }


def summaries(tx: Transaction, rows: Sequence[Assignment]) -> list[dict[str, Any]]:
    """An agency's assignments in short; with the words of the matter where they lie on the agency's desk."""
    if not rows:
        return []
    calendar = read(tx)
    on_desk = desk.first_of(tx, [row.id for row in rows])
    items = []
    for row in rows:
        item = _state(row, calendar)
        if row.id in on_desk:
            lying = on_desk[row.id]
            message = parse(unseal(lying.sealed, context=desk_context(lying.delivery_id)))
            matter = message.get("matter")
            if matter is not None:
                item["matter"] = {name: matter[name] for name in ("title", "content", "claims")}
        items.append(item)
    return items


def belief(tx: Transaction, assignment: Assignment) -> dict[str, Any]:
    """What we believe about an assignment, for its own agency: state, dates, messages and statements, no texts."""
    return {
        **_state(assignment, read(tx)),
        "messages": [
            {
                "id": str(item.id),
                "kind": item.kind.value,
                "version": item.version,
                "state": item.state.value,
                "created_at": instant(item.created_at),
                "delivered_at": instant(item.delivered_at) if item.delivered_at else None,
            }
            for item in deliveries.of_assignment(tx, assignment.id)
        ],
        "statements": [
            {
                "id": stored.sender_id,
                "statement_id": str(stored.id),
                "kind": stored.kind.value,
                "status": stored.status.value,
                "refusal": stored.refusal,
                "stated_at": instant(stored.stated_at),
                "received_at": instant(stored.received_at),
                "judged_at": instant(stored.judged_at) if stored.judged_at else None,
            }
            for stored in statements.of_assignment(tx, assignment.id)
        ],
    }
