"""The parts that agencies have in a case, what they may say against one, and what an officer has to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from lianban.contracts.codes import AgencyRole, AssignmentState, ObjectionReason, TransferKind
from lianban.contracts.refs import AgencyRef, AssignmentRef, ClaimOutcome
from lianban.law import lifecycle


class NotApplicable(Exception):
    """The state table does not allow it now; ``slug`` says why."""

    def __init__(self, slug: str) -> None:
        super().__init__(slug)
        self.slug = slug


class Attention(StrEnum):
    """What an officer has to do with a case."""

    ROUTE = "route"
    OBJECTION = "objection"
    DISPUTE = "dispute"
    REOPEN = "reopen"
    DELIVERY = "delivery"


@dataclass(frozen=True, slots=True)
class Objection:
    """An agency's objection (条例 §23③); its words stay with the gateway under ``statement_id``."""

    reason: ObjectionReason
    proposed: AgencyRef | None
    statement_id: UUID
    at: datetime


@dataclass(slots=True, kw_only=True)
class Assignment:
    """One agency's part."""

    id: UUID
    position: int
    round: int
    agency: AgencyRef
    role: AgencyRole
    kind: TransferKind
    claims: tuple[UUID, ...]
    state: AssignmentState
    binding: bool
    sent_at: datetime
    objection: Objection | None = None
    statement_id: UUID | None = None
    results: tuple[ClaimOutcome, ...] = ()

    @property
    def active(self) -> bool:
        """Whether the agency still has this part."""
        return self.state not in lifecycle.ENDED

    @property
    def required(self) -> bool:
        """Whether the decision needs this part: an active lead or co-handler."""
        return self.active and self.role is not AgencyRole.COPY

    @property
    def counts(self) -> bool:
        """Whether this part went into a decision."""
        return self.state is AssignmentState.DONE

    @property
    def ref(self) -> AssignmentRef:
        """The snapshot that events carry."""
        return AssignmentRef(self.id, self.agency, self.role, self.claims)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A part that somebody wants an agency to have; no claims means all."""

    agency: AgencyRef
    role: AgencyRole
    claims: tuple[UUID, ...] = ()
