"""What departments said: judged by the state table, applied or refused with a reason, and its words kept for the desk.

The gateway has checked signature, form and repetition; routing alone changes assignments.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

from lianban.chassis.errors import Retry
from lianban.chassis.inbox import Received
from lianban.chassis.internal import fetch
from lianban.chassis.runtime import database
from lianban.chassis.secrets import seal
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.contracts.agency_gateway import (
    AgencyAccepted,
    AgencyGaveOpinion,
    AgencyObjected,
    AgencyProgressed,
    AgencyReplied,
    MessageRejected,
)
from lianban.contracts.codes import DecidedBy, ExchangeKind
from lianban.contracts.refs import AgencyRef
from lianban.contracts.routing import AgencyStatementRefused
from services.routing.app import metrics
from services.routing.app.cases import POLICY, keep, locked, remember
from services.routing.app.deciders import decider_of
from services.routing.app.policy import policy
from services.routing.domain.case import Case
from services.routing.domain.parts import NotApplicable, Objection, Wanted
from services.routing.store import cases as store
from services.routing.store import registers, texts

LENT = timedelta(seconds=30)
"""How long a row is lent to a round of a loop before it comes again."""
FETCHED_AT_ONCE = 200


class _Stated(Protocol):
    @property
    def statement_id(self) -> UUID: ...
    @property
    def assignment_id(self) -> UUID: ...
    @property
    def agency(self) -> AgencyRef: ...
    @property
    def stated_at(self) -> datetime: ...


def on_agency_accepted(tx: Transaction, event: Received[AgencyAccepted]) -> None:
    """A department accepts."""
    _judge(tx, event, "accept", lambda case: case.accept(event.data.assignment_id, at=event.time, new_id=uuid4))


def on_agency_progressed(tx: Transaction, event: Received[AgencyProgressed]) -> None:
    """A department tells progress."""
    data = event.data
    _judge(
        tx,
        event,
        "progress",
        lambda case: case.progress(data.assignment_id, data.statement_id, at=event.time, new_id=uuid4),
    )


def on_agency_gave_opinion(tx: Transaction, event: Received[AgencyGaveOpinion]) -> None:
    """A co-handler gives its opinion."""
    data = event.data
    _judge(
        tx,
        event,
        "opinion",
        lambda case: case.opine(data.assignment_id, data.statement_id, data.results, at=event.time, new_id=uuid4),
    )


def on_agency_replied(tx: Transaction, event: Received[AgencyReplied]) -> None:
    """The lead replies."""
    data = event.data
    _judge(
        tx,
        event,
        "reply",
        lambda case: case.reply(data.assignment_id, data.statement_id, data.results, at=event.time, new_id=uuid4),
    )


def on_agency_objected(tx: Transaction, event: Received[AgencyObjected]) -> None:
    """A department objects; where the site allows it, the matter goes on to the proposed body without a person."""
    data = event.data
    site = policy()
    proposed = registers.agency(tx, data.proposed_agency) if data.proposed_agency else None
    objection = Objection(data.reason, proposed.ref if proposed else None, data.statement_id, event.time)

    def apply(case: Case) -> None:
        case.object(
            data.assignment_id,
            objection,
            hop_limit=site.hop_limit,
            decider=lambda parties: decider_of(tx, case, parties),
            at=event.time,
            new_id=uuid4,
        )

    if not _judge(tx, event, "object", apply) or not site.automatic_objections:
        return
    case = locked(tx, event.subject)
    item = case.find(data.assignment_id)
    if case.dispute is not None or proposed is None or not proposed.active or len(case.open_objections) > 1:
        return
    if any(other.agency.code == proposed.code for other in case.current):
        return
    try:
        case.route(
            [Wanted(proposed.ref, item.role, item.claims)],
            kind=item.kind,
            decided_by=DecidedBy.POLICY,
            at=event.time,
            new_id=uuid4,
            hop_limit=site.hop_limit,
        )
    except NotApplicable:
        return  # the objection stays on the officer's desk; the changes to this copy of the case are dropped
    keep(tx, case, actor=POLICY, at=event.time)


def on_message_rejected(tx: Transaction, event: Received[MessageRejected]) -> None:
    """A department says that it can never take an assignment: a person must look."""
    if event.data.kind is not ExchangeKind.ASSIGNMENT:
        return
    case = locked(tx, event.subject)
    case.look_at_delivery()
    keep(tx, case, actor=event.data.agency.name, at=event.time)
    remember(
        tx,
        case.id,
        [
            (
                event.time,
                "message-rejected",
                event.data.agency.name,
                {"slug": event.data.slug, "adapter": event.data.adapter},
            )
        ],
    )


def _judge(tx: Transaction, event: Received[Any], kind: str, apply: Callable[[Case], None]) -> bool:
    """Apply a statement or refuse it; either way it is kept. Returns whether it was applied."""
    data: _Stated = event.data
    case = locked(tx, event.subject)
    refused: str | None = None
    try:
        if case.find(data.assignment_id).agency.code != data.agency.code:
            raise NotApplicable("unknown-assignment")
        apply(case)
    except NotApplicable as error:
        refused = error.slug
        case.said.clear()
        case.said.append(
            AgencyStatementRefused(
                statement_id=data.statement_id,
                assignment_id=data.assignment_id,
                agency=data.agency,
                slug=refused,
                refused_at=event.time,
            )
        )
        fresh = store.load(tx, case.id)
        if fresh is not None:
            fresh.said = case.said
            case = fresh
    keep(tx, case, actor=data.agency.name, at=event.time)
    texts.put_statement(
        tx,
        statement_id=data.statement_id,
        case_id=case.id,
        assignment_id=data.assignment_id,
        agency_code=data.agency.code,
        kind=kind,
        refused=refused,
        stated_at=data.stated_at,
        fetch_at=event.time,
    )
    metrics.statements.labels(kind, "applied" if refused is None else "refused").inc()
    if kind != "accept":
        tx.wake("statements")
    return refused is None


def statement_context(statement_id: UUID) -> str:
    """Where the words of a statement are kept."""
    return f"statement.body:{statement_id}"


def fetch_due() -> int:
    """Worker loop: fetch the words of statements from the gateway and keep them sealed; returns how many."""
    at = now()
    with database().transaction() as tx:
        due = texts.take_due_statements(tx, at=at, until=at + LENT, limit=FETCHED_AT_ONCE)
    if not due:
        return 0
    answer = fetch("agency_gateway", "/internal/v1/statements", {"ids": [str(i) for i in due]}, purpose="routing")
    found = {UUID(item["id"]): item for item in answer["items"]}
    with database().transaction() as tx:
        for statement_id, item in sorted(found.items()):  # in one order for all that write them
            body = json.dumps({key: item.get(key) for key in KEPT}, ensure_ascii=False)
            texts.put_statement_text(tx, statement_id, seal(body, context=statement_context(statement_id)))
    if not found:
        raise Retry("the gateway does not know the statements yet")
    return len(found)


KEPT = ("text", "legal_basis", "facts", "remedy", "results", "reason")
"""What the desk shows of a statement."""
