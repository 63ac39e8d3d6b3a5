"""What the gateway says: how messages reached departments, and what departments stated.

A statement is what the department said, not yet judged: routing alone changes assignments.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lianban.contracts.codes import ExchangeKind, ObjectionReason
from lianban.contracts.events import event
from lianban.contracts.refs import AgencyRef, ClaimOutcome


@event("agency_gateway.message-delivered.v1")
class MessageDelivered:
    """A department has a message; ``reference`` is the department's own."""

    delivery_id: UUID
    kind: ExchangeKind
    assignment_id: UUID
    agency: AgencyRef
    adapter: str
    reference: str | None
    delivered_at: datetime


@event("agency_gateway.message-outcome-unknown.v1")
class MessageOutcomeUnknown:
    """Whether a department has a message is unknown; the gateway asks before it sends again."""

    delivery_id: UUID
    kind: ExchangeKind
    assignment_id: UUID
    agency: AgencyRef
    adapter: str
    since: datetime


@event("agency_gateway.message-rejected.v1")
class MessageRejected:
    """A department says that it can never take a message; a person must look. ``slug`` says why."""

    delivery_id: UUID
    kind: ExchangeKind
    assignment_id: UUID
    agency: AgencyRef
    adapter: str
    slug: str
    rejected_at: datetime


@event("agency_gateway.agency-accepted.v1")
class AgencyAccepted:
    """A department states that it accepts."""

    statement_id: UUID
    assignment_id: UUID
    agency: AgencyRef
    stated_at: datetime


@event("agency_gateway.agency-objected.v1")
class AgencyObjected:
    """A department states an objection; its reasons in words stay with the gateway."""

    statement_id: UUID
    assignment_id: UUID
    agency: AgencyRef
    reason: ObjectionReason
    proposed_agency: str | None
    stated_at: datetime


@event("agency_gateway.agency-progressed.v1")
class AgencyProgressed:
    """A department tells progress."""

    statement_id: UUID
    assignment_id: UUID
    agency: AgencyRef
    stated_at: datetime


@event("agency_gateway.agency-gave-opinion.v1")
class AgencyGaveOpinion:
    """A co-handler gives its opinion."""

    statement_id: UUID
    assignment_id: UUID
    agency: AgencyRef
    results: tuple[ClaimOutcome, ...]
    stated_at: datetime


@event("agency_gateway.agency-replied.v1")
class AgencyReplied:
    """The lead replies, claim by claim."""

    statement_id: UUID
    assignment_id: UUID
    agency: AgencyRef
    results: tuple[ClaimOutcome, ...]
    stated_at: datetime
