"""What routing says: the case, its assignments, disputes and decision; and the registers it owns."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lianban.contracts.codes import (
    AgencyLevel,
    AgencyRole,
    ClosingReason,
    DecidedBy,
    ObjectionReason,
    SuggestionGround,
    TransferKind,
)
from lianban.contracts.events import event
from lianban.contracts.refs import AgencyRef, AssignmentRef, ClaimOutcome, OpinionPart


@event("routing.region-registered.v1")
class RegionRegistered:
    """A region (12-digit code) is in the register; the subject is :func:`~lianban.contracts.refs.region_id`."""

    code: str
    name: str
    level: AgencyLevel
    parent_code: str | None = None


@event("routing.agency-registered.v1")
class AgencyRegistered:
    """An agency is in the register or changed; the subject is :func:`~lianban.contracts.refs.agency_id`."""

    code: str
    name: str
    level: AgencyLevel
    region_code: str
    petition_office: bool = False
    superior_government: str | None = None
    superior_vertical: str | None = None
    active: bool = True


@event("routing.case-suggested.v1")
class CaseSuggested:
    """A lead and co-handlers are suggested; ``grounds`` say why the lead."""

    lead: AgencyRef | None
    co_handlers: tuple[AgencyRef, ...]
    grounds: tuple[SuggestionGround, ...]
    matter_type: str | None
    suggested_at: datetime


@event("routing.case-routed.v1")
class CaseRouted:
    """Routing was decided (条例 §22): ends the 15-day clock of the petition office; ``round`` counts from 1."""

    round: int
    decided_by: DecidedBy
    kind: TransferKind
    assignments: tuple[AssignmentRef, ...]
    routed_at: datetime


@event("routing.assignment-sent.v1")
class AssignmentSent:
    """An agency is given its part; the gateway delivers it."""

    assignment_id: UUID
    number: str
    agency: AgencyRef
    role: AgencyRole
    kind: TransferKind
    claims: tuple[UUID, ...]
    round: int
    region_code: str
    region_name: str
    matter_type: str | None
    binding: bool
    sent_at: datetime


@event("routing.assignment-accepted.v1")
class AssignmentAccepted:
    """An agency accepted its part; ``binding`` where a decision left it no choice."""

    assignment_id: UUID
    agency: AgencyRef
    role: AgencyRole
    binding: bool
    accepted_at: datetime


@event("routing.assignment-objected.v1")
class AssignmentObjected:
    """An agency objects (条例 §23③); effective only after the sender agrees."""

    assignment_id: UUID
    agency: AgencyRef
    role: AgencyRole
    reason: ObjectionReason
    proposed: AgencyRef | None
    statement_id: UUID
    objected_at: datetime


@event("routing.assignment-released.v1")
class AssignmentReleased:
    """The sender agreed with the objection; the assignment ends."""

    assignment_id: UUID
    agency: AgencyRef
    role: AgencyRole
    released_at: datetime


@event("routing.assignment-upheld.v1")
class AssignmentUpheld:
    """The sender refused the objection; the agency must accept."""

    assignment_id: UUID
    agency: AgencyRef
    role: AgencyRole
    upheld_at: datetime


@event("routing.assignment-designated.v1")
class AssignmentDesignated:
    """The common superior or the joint conference decided who accepts (条例 §24); it binds."""

    assignment_id: UUID
    agency: AgencyRef
    role: AgencyRole
    decided_by: AgencyRef
    designated_at: datetime


@event("routing.assignment-withdrawn.v1")
class AssignmentWithdrawn:
    """An assignment was taken back before it was done."""

    assignment_id: UUID
    agency: AgencyRef
    role: AgencyRole
    withdrawn_at: datetime


@event("routing.assignment-progressed.v1")
class AssignmentProgressed:
    """An agency told progress; the first one means that handling began."""

    assignment_id: UUID
    agency: AgencyRef
    role: AgencyRole
    statement_id: UUID
    progressed_at: datetime


@event("routing.assignment-opinion-given.v1")
class AssignmentOpinionGiven:
    """A co-handler gave its opinion."""

    assignment_id: UUID
    agency: AgencyRef
    statement_id: UUID
    given_at: datetime


@event("routing.assignment-replied.v1")
class AssignmentReplied:
    """The lead replied; held back while ``waiting_for`` is not empty."""

    assignment_id: UUID
    agency: AgencyRef
    statement_id: UUID
    waiting_for: tuple[AgencyRef, ...]
    replied_at: datetime


@event("routing.assignment-done.v1")
class AssignmentDone:
    """An agency's part went into the decision."""

    assignment_id: UUID
    agency: AgencyRef
    role: AgencyRole
    done_at: datetime


@event("routing.agency-statement-refused.v1")
class AgencyStatementRefused:
    """What an agency said cannot be applied now; it is kept as a note and shown. ``slug`` says why."""

    statement_id: UUID
    assignment_id: UUID
    agency: AgencyRef
    slug: str
    refused_at: datetime


@event("routing.case-disputed.v1")
class CaseDisputed:
    """Nobody accepts: the parties, and the body that decides (条例 §24)."""

    parties: tuple[AgencyRef, ...]
    decider: AgencyRef | None
    disputed_at: datetime


@event("routing.case-accepted.v1")
class CaseAccepted:
    """The lead accepted: the matter is 受理 and the 60-day clock starts (条例 §34)."""

    assignment_id: UUID
    lead: AgencyRef
    co_handlers: tuple[AgencyRef, ...]
    round: int
    accepted_at: datetime


@event("routing.case-decided.v1")
class CaseDecided:
    """The one decision with each agency's part; texts stay with the gateway under the statements' ids."""

    decision_id: UUID
    round: int
    lead: AgencyRef
    results: tuple[ClaimOutcome, ...]
    parts: tuple[OpinionPart, ...]
    decided_at: datetime


@event("routing.case-closed.v1")
class CaseClosed:
    """The case is closed (办结)."""

    reason: ClosingReason
    closed_at: datetime


@event("routing.case-reopened.v1")
class CaseReopened:
    """The petition office ordered re-handling because the petitioner said that it is not solved."""

    round: int
    ordered_by: DecidedBy
    reopened_at: datetime
