"""What the gateway does when others say something: messages are queued, verdicts on statements noted.

Handlers run inside the batch's transaction: they write rows, and worker loops do the rest.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from lianban.chassis import traces
from lianban.chassis.calendar import keep
from lianban.chassis.inbox import Handlers, Received
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import AgencyRole, AssignmentState, ExchangeKind
from lianban.contracts.intake import MatterRegistered, MatterSupplemented
from lianban.contracts.oversight import CalendarChanged
from lianban.contracts.routing import (
    AgencyRegistered,
    AgencyStatementRefused,
    AssignmentAccepted,
    AssignmentDesignated,
    AssignmentDone,
    AssignmentObjected,
    AssignmentOpinionGiven,
    AssignmentProgressed,
    AssignmentReleased,
    AssignmentReplied,
    AssignmentSent,
    AssignmentUpheld,
    AssignmentWithdrawn,
    CaseClosed,
)
from services.agency_gateway.app.profiles import profile_of
from services.agency_gateway.domain.profile import AdapterName
from services.agency_gateway.domain.statement import StatementStatus
from services.agency_gateway.store import agencies, assignments, deliveries, lanes, statements
from services.agency_gateway.store.assignments import Assignment

_GONE = frozenset({AssignmentState.RELEASED, AssignmentState.WITHDRAWN})


def prepare(tx: Transaction, matters: list[UUID]) -> None:
    """Most of what is heard concerns no assignment: those of the whole batch are read when the first is asked for."""
    assignments.read_together(tx, matters)


def agency_registered(tx: Transaction, event: Received[AgencyRegistered]) -> None:
    """Keep the register as routing tells it."""
    agencies.put(tx, event.data)


def matter_registered(tx: Transaction, event: Received[MatterRegistered]) -> None:
    """Note who is accused: they never receive or see the matter."""
    if event.data.accused:
        assignments.accuse(tx, event.subject, [agency.code for agency in event.data.accused])


def matter_supplemented(tx: Transaction, event: Received[MatterSupplemented]) -> None:
    """Tell everybody who still works on the matter."""
    for assignment in assignments.of_matter(tx, event.subject):
        if assignment.state not in _GONE and assignment.state is not AssignmentState.DONE:
            _queue(tx, event.id, assignment, ExchangeKind.SUPPLEMENT, at=event.time)


def assignment_sent(tx: Transaction, event: Received[AssignmentSent]) -> None:
    """Deliver an assignment; a lead also gets the opinions that co-handlers of the round have given already."""
    said = event.data
    lanes.ensure(tx, said.agency.code, said.agency.name)
    assignment = assignments.put(
        tx,
        Assignment(
            id=said.assignment_id,
            matter_id=event.subject,
            number=said.number,
            agency_code=said.agency.code,
            agency_name=said.agency.name,
            role=said.role,
            transfer_kind=said.kind,
            claims=said.claims,
            round=said.round,
            region_code=said.region_code,
            region_name=said.region_name,
            matter_type=said.matter_type,
            binding=said.binding,
            state=AssignmentState.SENT,
            sent_at=said.sent_at,
            accepted_at=None,
            changed_at=event.time,
            version=0,
            reference=None,
        ),
    )
    _queue(tx, event.id, assignment, ExchangeKind.ASSIGNMENT, at=event.time)
    if said.role is AgencyRole.LEAD:
        others = [
            a.id for a in assignments.of_matter(tx, event.subject) if a.round == said.round and a.id != assignment.id
        ]
        for opinion in statements.applied_opinions(tx, others) if others else ():
            _queue(tx, event.id, assignment, ExchangeKind.CO_HANDLER_OPINION, at=event.time, statement_id=opinion.id)


def assignment_accepted(tx: Transaction, event: Received[AssignmentAccepted]) -> None:
    """Routing took the acceptance."""
    said = event.data
    assignments.change(
        tx, event.subject, said.assignment_id, state=AssignmentState.ACCEPTED, at=said.accepted_at, binding=said.binding
    )
    statements.judge_acceptance(tx, said.assignment_id, at=event.time)


def assignment_objected(tx: Transaction, event: Received[AssignmentObjected]) -> None:
    """Routing took the objection; it has effect only when the sender agrees (条例 §23③)."""
    said = event.data
    assignments.change(tx, event.subject, said.assignment_id, state=AssignmentState.OBJECTED, at=said.objected_at)
    _applied(tx, said.statement_id, event.time)


def assignment_released(tx: Transaction, event: Received[AssignmentReleased]) -> None:
    """The sender agreed with the objection: the agency's part ends."""
    assignments.change(
        tx, event.subject, event.data.assignment_id, state=AssignmentState.RELEASED, at=event.data.released_at
    )


def assignment_upheld(tx: Transaction, event: Received[AssignmentUpheld]) -> None:
    """The sender refused the objection: the agency is told that it must accept."""
    _changed(tx, event, event.data.assignment_id, AssignmentState.UPHELD, at=event.data.upheld_at)


def assignment_designated(tx: Transaction, event: Received[AssignmentDesignated]) -> None:
    """The common superior decided (条例 §24): the agency is told that it binds."""
    _changed(tx, event, event.data.assignment_id, AssignmentState.DESIGNATED, at=event.data.designated_at)


def assignment_withdrawn(tx: Transaction, event: Received[AssignmentWithdrawn]) -> None:
    """An assignment was taken back: the agency is told."""
    assignment = assignments.of_matter_by_id(tx, event.subject, event.data.assignment_id)
    if assignment is None:
        return  # withdrawn before it was ever sent
    assignments.change(tx, event.subject, assignment.id, state=AssignmentState.WITHDRAWN, at=event.data.withdrawn_at)
    _queue(tx, event.id, assignment, ExchangeKind.ASSIGNMENT_WITHDRAWN, at=event.time)


def assignment_progressed(tx: Transaction, event: Received[AssignmentProgressed]) -> None:
    """Routing took the progress report."""
    assignments.change(
        tx, event.subject, event.data.assignment_id, state=AssignmentState.HANDLING, at=event.data.progressed_at
    )
    _applied(tx, event.data.statement_id, event.time)


def assignment_opinion_given(tx: Transaction, event: Received[AssignmentOpinionGiven]) -> None:
    """Routing took a co-handler's opinion: the lead gets it."""
    said = event.data
    assignments.change(tx, event.subject, said.assignment_id, state=AssignmentState.OPINION_GIVEN, at=said.given_at)
    _applied(tx, said.statement_id, event.time)
    all_ = assignments.of_matter(tx, event.subject)
    giver = next((found for found in all_ if found.id == said.assignment_id), None)
    if giver is None:
        return
    for lead in all_:
        if lead.role is AgencyRole.LEAD and lead.round == giver.round and lead.state not in _GONE:
            _queue(tx, event.id, lead, ExchangeKind.CO_HANDLER_OPINION, at=event.time, statement_id=said.statement_id)


def assignment_replied(tx: Transaction, event: Received[AssignmentReplied]) -> None:
    """Routing took the lead's reply."""
    assignments.change(
        tx, event.subject, event.data.assignment_id, state=AssignmentState.REPLIED, at=event.data.replied_at
    )
    _applied(tx, event.data.statement_id, event.time)


def assignment_done(tx: Transaction, event: Received[AssignmentDone]) -> None:
    """The agency's part went into the decision."""
    assignments.change(tx, event.subject, event.data.assignment_id, state=AssignmentState.DONE, at=event.data.done_at)


def statement_refused(tx: Transaction, event: Received[AgencyStatementRefused]) -> None:
    """Routing cannot apply a statement: it stays as a note, and the department sees why."""
    statements.judge(tx, event.data.statement_id, StatementStatus.REFUSED, refusal=event.data.slug, at=event.time)


def case_closed(tx: Transaction, event: Received[CaseClosed]) -> None:
    """Tell everybody who had a part to the end."""
    for assignment in assignments.of_matter(tx, event.subject):
        if assignment.state not in _GONE:
            _queue(tx, event.id, assignment, ExchangeKind.CASE_CLOSED, at=event.time)


def _applied(tx: Transaction, statement_id: UUID, at: datetime) -> None:
    statements.judge(tx, statement_id, StatementStatus.APPLIED, refusal=None, at=at)


def _changed(
    tx: Transaction, event: Received[Any], assignment_id: UUID, state: AssignmentState, *, at: datetime
) -> None:
    assignments.change(tx, event.subject, assignment_id, state=state, at=at, binding=True)
    assignment = assignments.of_matter_by_id(tx, event.subject, assignment_id)
    if assignment is not None:
        _queue(tx, event.id, assignment, ExchangeKind.ASSIGNMENT_CHANGED, at=at)


def _queue(
    tx: Transaction,
    event_id: UUID,
    assignment: Assignment,
    kind: ExchangeKind,
    *,
    at: datetime,
    statement_id: UUID | None = None,
) -> None:
    """Queue a message in the agency's lane; the same event always makes the same message id."""
    adapter = profile_of(tx, assignment.agency_code).adapter_for(kind)
    follows_up = kind is not ExchangeKind.ASSIGNMENT and adapter is not AdapterName.DESK
    if follows_up and assignments.on_desk(tx, assignment.id):
        # A system that was connected later knows nothing of the assignment.
        adapter = AdapterName.DESK
    traces.about(assignment.number)
    deliveries.queue(
        tx,
        delivery_id=uuid5(event_id, f"{assignment.id}:{kind.value}:{statement_id}"),
        agency=assignment.agency_code,
        assignment_id=assignment.id,
        matter_id=assignment.matter_id,
        kind=kind,
        version=assignments.next_version(tx, assignment),
        adapter=adapter,
        statement_id=statement_id,
        trace=traces.text(),
        at=at,
    )
    tx.wake("deliver")


HANDLERS: Handlers = {
    AgencyRegistered: agency_registered,
    MatterRegistered: matter_registered,
    MatterSupplemented: matter_supplemented,
    AssignmentSent: assignment_sent,
    AssignmentAccepted: assignment_accepted,
    AssignmentObjected: assignment_objected,
    AssignmentReleased: assignment_released,
    AssignmentUpheld: assignment_upheld,
    AssignmentDesignated: assignment_designated,
    AssignmentWithdrawn: assignment_withdrawn,
    AssignmentProgressed: assignment_progressed,
    AssignmentOpinionGiven: assignment_opinion_given,
    AssignmentReplied: assignment_replied,
    AssignmentDone: assignment_done,
    AgencyStatementRefused: statement_refused,
    CaseClosed: case_closed,
    CalendarChanged: keep,
}
"""Which use case answers which event; events that are not here concern others."""
