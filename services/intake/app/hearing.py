"""What intake does with the other services' events: keeps a copy of the register, and the progress for the petitioner.

Every handler may run again with the same event and changes nothing then. Entries of the time line hold codes and
names of agencies only; the sentences are made when the page is shown.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis import calendar
from lianban.chassis.inbox import Handlers, Received
from lianban.chassis.transaction import Transaction
from lianban.contracts import agency_gateway, notification, oversight, routing
from lianban.contracts.codes import AgencyRole, AssignmentState, DocumentKind, ExchangeKind, MatterState, NoticeChannel
from lianban.contracts.refs import AgencyRef
from lianban.law.lifecycle import Milestones, Part, matter_state
from services.intake.store import progress, reference


def on_region_registered(tx: Transaction, event: Received[routing.RegionRegistered]) -> None:
    """Keep the region."""
    reference.keep_region(tx, event.data)


def on_agency_registered(tx: Transaction, event: Received[routing.AgencyRegistered]) -> None:
    """Keep the agency."""
    reference.keep_agency(tx, event.data)


def on_case_routed(tx: Transaction, event: Received[routing.CaseRouted]) -> None:
    """The petition office has decided who is responsible; parts that go on stand among the new ones."""
    routed = event.data
    progress.begin(tx, event.subject)
    lead: AgencyRef | None = None
    for part in routed.assignments:
        new = progress.add_part(
            tx, event.subject, part.assignment_id, part.agency, part.role, routed.round, routed.routed_at
        )
        if part.role is AgencyRole.LEAD:
            lead = part.agency
            progress.lead_by(tx, event.subject, part.agency, settled=new)
    _derive(tx, event)
    data = {
        "kind": routed.kind.value,
        "round": routed.round,
        "parts": [{"agency": part.agency.name, "role": part.role.value} for part in routed.assignments],
    }
    progress.note(tx, event.id, event.subject, routed.routed_at, "routed", agency=lead, data=data)


def on_assignment_sent(tx: Transaction, event: Received[routing.AssignmentSent]) -> None:
    """An agency is given its part."""
    sent = event.data
    progress.begin(tx, event.subject)
    if progress.add_part(tx, event.subject, sent.assignment_id, sent.agency, sent.role, sent.round, sent.sent_at):
        _derive(tx, event)


def on_assignment_accepted(tx: Transaction, event: Received[routing.AssignmentAccepted]) -> None:
    """An agency accepted its part."""
    data = event.data
    _become(tx, event, AssignmentState.ACCEPTED, data.accepted_at, "accepted", role=data.role.value)


def on_assignment_objected(tx: Transaction, event: Received[routing.AssignmentObjected]) -> None:
    """An agency objects."""
    data = event.data
    proposed = data.proposed.name if data.proposed else None
    _become(
        tx, event, AssignmentState.OBJECTED, data.objected_at, "objected", reason=data.reason.value, proposed=proposed
    )


def on_assignment_released(tx: Transaction, event: Received[routing.AssignmentReleased]) -> None:
    """The petition office agreed with an objection."""
    _become(tx, event, AssignmentState.RELEASED, event.data.released_at, "released")


def on_assignment_upheld(tx: Transaction, event: Received[routing.AssignmentUpheld]) -> None:
    """The petition office refused an objection."""
    _become(tx, event, AssignmentState.UPHELD, event.data.upheld_at, "upheld")


def on_assignment_designated(tx: Transaction, event: Received[routing.AssignmentDesignated]) -> None:
    """A superior decided who accepts."""
    data = event.data
    _become(tx, event, AssignmentState.DESIGNATED, data.designated_at, "designated", decided_by=data.decided_by.name)


def on_assignment_withdrawn(tx: Transaction, event: Received[routing.AssignmentWithdrawn]) -> None:
    """An assignment was taken back."""
    _become(tx, event, AssignmentState.WITHDRAWN, event.data.withdrawn_at, "taken_back")


def on_assignment_progressed(tx: Transaction, event: Received[routing.AssignmentProgressed]) -> None:
    """An agency tells progress; the first one means that handling began."""
    _become(tx, event, AssignmentState.HANDLING, event.data.progressed_at, "progressed")


def on_assignment_opinion_given(tx: Transaction, event: Received[routing.AssignmentOpinionGiven]) -> None:
    """A co-handler gave its opinion."""
    _become(tx, event, AssignmentState.OPINION_GIVEN, event.data.given_at, "opinion_given")


def on_assignment_replied(tx: Transaction, event: Received[routing.AssignmentReplied]) -> None:
    """The lead replied; the decision may still wait for co-handlers."""
    waiting = [agency.name for agency in event.data.waiting_for]
    _become(tx, event, AssignmentState.REPLIED, event.data.replied_at, "replied", waiting_for=waiting)


def on_assignment_done(tx: Transaction, event: Received[routing.AssignmentDone]) -> None:
    """An agency's part went into the decision."""
    progress.change_part(tx, event.data.assignment_id, AssignmentState.DONE, event.data.done_at)


def on_case_disputed(tx: Transaction, event: Received[routing.CaseDisputed]) -> None:
    """Nobody accepts; a superior decides."""
    data = event.data
    progress.begin(tx, event.subject)
    progress.dispute(tx, event.subject)
    _derive(tx, event)
    parties = [agency.name for agency in data.parties]
    progress.note(
        tx, event.id, event.subject, data.disputed_at, "disputed", agency=data.decider, data={"parties": parties}
    )


def on_case_accepted(tx: Transaction, event: Received[routing.CaseAccepted]) -> None:
    """The lead accepted the matter, which the assignment's own event has shown already."""
    data = event.data
    progress.note(
        tx, event.id, event.subject, data.accepted_at, "case_accepted", agency=data.lead, data={"round": data.round}
    )


def on_case_decided(tx: Transaction, event: Received[routing.CaseDecided]) -> None:
    """The one decision is made."""
    data = event.data
    progress.begin(tx, event.subject)
    progress.decide(tx, event.subject, data.round, data.lead, data.decided_at)
    progress.decide_parts(tx, [part.assignment_id for part in data.parts], data.round)
    _derive(tx, event)
    results = [result.result.value for result in data.results]
    progress.note(
        tx,
        event.id,
        event.subject,
        data.decided_at,
        "decided",
        agency=data.lead,
        data={"results": results, "round": data.round},
    )


def on_case_closed(tx: Transaction, event: Received[routing.CaseClosed]) -> None:
    """The case is closed."""
    data = event.data
    progress.begin(tx, event.subject)
    progress.close(tx, event.subject, data.reason, data.closed_at)
    _derive(tx, event)
    progress.note(tx, event.id, event.subject, data.closed_at, "closed", data={"reason": data.reason.value})


def on_case_reopened(tx: Transaction, event: Received[routing.CaseReopened]) -> None:
    """The petition office ordered re-handling; the new round's routing follows."""
    progress.begin(tx, event.subject)
    progress.reopen(tx, event.subject, event.data.round)
    _derive(tx, event)
    progress.note(tx, event.id, event.subject, event.data.reopened_at, "reopened", data={"round": event.data.round})


def on_message_delivered(tx: Transaction, event: Received[agency_gateway.MessageDelivered]) -> None:
    """A department has the matter in its own system."""
    data = event.data
    if data.kind is ExchangeKind.ASSIGNMENT:
        progress.note(tx, event.id, event.subject, data.delivered_at, "delivered", agency=data.agency)


def on_clock_started(tx: Transaction, event: Received[oversight.ClockStarted]) -> None:
    """A statutory clock runs."""
    progress.start_clock(tx, event.subject, event.data)


def on_clock_moved(tx: Transaction, event: Received[oversight.ClockMoved]) -> None:
    """A clock's dates changed."""
    progress.move_clock(tx, event.data)


def on_clock_stopped(tx: Transaction, event: Received[oversight.ClockStopped]) -> None:
    """A clock ended."""
    progress.stop_clock(tx, event.data)


def on_clock_breached(tx: Transaction, event: Received[oversight.ClockBreached]) -> None:
    """A clock's end has passed."""
    data = event.data
    progress.breach_clock(tx, data.clock_id)
    due = {"rule": data.rule, "due": data.legal_due.isoformat()}
    progress.note(tx, event.id, event.subject, event.time, "overdue", agency=data.bound, data=due)


def on_document_issued(tx: Transaction, event: Received[notification.DocumentIssued]) -> None:
    """A document was issued."""
    data = event.data
    progress.keep_document(tx, event.subject, data)
    document = {"document_kind": data.kind.value, "number": data.number}
    progress.note(tx, event.id, event.subject, data.issued_at, "document_issued", agency=data.issuer, data=document)


def on_notice_sent(tx: Transaction, event: Received[notification.NoticeSent]) -> None:
    """A message was handed over; what stands on the portal needs no entry of its own."""
    data = event.data
    progress.keep_notice(tx, event.subject, data.notice_id, data.kind, data.document_id, sent_at=data.sent_at)
    if data.channel is not NoticeChannel.PORTAL:
        told = {"channel": data.channel.value, "notice_kind": data.kind.value}
        progress.note(tx, event.id, event.subject, data.sent_at, "notice_sent", data=told)


def on_notice_served(tx: Transaction, event: Received[notification.NoticeServed]) -> None:
    """Service is proved; the decision's first service moves the matter, a second by another channel proves no more."""
    data = event.data
    progress.keep_notice(tx, event.subject, data.notice_id, data.kind, data.document_id, served_at=data.served_at)
    if data.document_kind is DocumentKind.DECISION and progress.serve(tx, event.subject, data.round, data.served_at):
        _derive(tx, event)
        means = {"means": data.means.value}
        progress.note(tx, event.id, event.subject, data.served_at, "decision_served", data=means)


def on_notice_failed(tx: Transaction, event: Received[notification.NoticeFailed]) -> None:
    """A message cannot be handed over by a channel."""
    data = event.data
    told = {"channel": data.channel.value, "notice_kind": data.kind.value}
    progress.note(tx, event.id, event.subject, data.failed_at, "notice_failed", data=told)


def _become(tx: Transaction, event: Received[Any], to: AssignmentState, at: datetime, kind: str, **data: Any) -> None:
    progress.change_part(tx, event.data.assignment_id, to, at)
    _derive(tx, event)
    progress.note(tx, event.id, event.subject, at, kind, agency=event.data.agency, data=data)


def _derive(tx: Transaction, event: Received[Any]) -> None:
    """Bring the state to what follows from the parts and moments, by the rule that all services share."""
    tx.at_end(_derive_all, event.subject)


def _derive_all(tx: Transaction, matters: list[UUID]) -> None:
    follows = {row["matter_id"]: (row["state"], _state(row)) for row in progress.standings(tx, matters)}
    changed = {matter: state for matter, (before, state) in follows.items() if state != before}
    if changed:
        progress.set_states(tx, changed)


def _state(row: progress.Row) -> MatterState:
    milestones = Milestones(
        disputed=row["disputed"],
        decided=row["decided_at"] is not None,
        served=row["served_at"] is not None,
        closed=row["closed_at"] is not None,
    )
    parts = [Part(AgencyRole(role), AssignmentState(state)) for role, state in row["parts"]]
    return matter_state(parts, milestones)


HANDLERS: Handlers = {
    routing.RegionRegistered: on_region_registered,
    routing.AgencyRegistered: on_agency_registered,
    routing.CaseRouted: on_case_routed,
    routing.AssignmentSent: on_assignment_sent,
    routing.AssignmentAccepted: on_assignment_accepted,
    routing.AssignmentObjected: on_assignment_objected,
    routing.AssignmentReleased: on_assignment_released,
    routing.AssignmentUpheld: on_assignment_upheld,
    routing.AssignmentDesignated: on_assignment_designated,
    routing.AssignmentWithdrawn: on_assignment_withdrawn,
    routing.AssignmentProgressed: on_assignment_progressed,
    routing.AssignmentOpinionGiven: on_assignment_opinion_given,
    routing.AssignmentReplied: on_assignment_replied,
    routing.AssignmentDone: on_assignment_done,
    routing.CaseDisputed: on_case_disputed,
    routing.CaseAccepted: on_case_accepted,
    routing.CaseDecided: on_case_decided,
    routing.CaseClosed: on_case_closed,
    routing.CaseReopened: on_case_reopened,
    agency_gateway.MessageDelivered: on_message_delivered,
    oversight.ClockStarted: on_clock_started,
    oversight.ClockMoved: on_clock_moved,
    oversight.ClockStopped: on_clock_stopped,
    oversight.ClockBreached: on_clock_breached,
    oversight.CalendarChanged: calendar.keep,
    notification.DocumentIssued: on_document_issued,
    notification.NoticeSent: on_notice_sent,
    notification.NoticeServed: on_notice_served,
    notification.NoticeFailed: on_notice_failed,
}
"""Which handler hears which event; events without one change nothing here."""
