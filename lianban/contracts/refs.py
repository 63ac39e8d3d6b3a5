"""Small snapshots that events carry, so that no handler depends on reference data having arrived."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from lianban.contracts.codes import AgencyRole, ClaimResult, RatingTarget, RatingValue


@dataclass(frozen=True, slots=True)
class AgencyRef:
    """An agency as it was called when the event was made."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class ClaimRef:
    """A claim (诉求) of a matter, without its text; ``ordinal`` counts from 1."""

    id: UUID
    ordinal: int


@dataclass(frozen=True, slots=True)
class ClaimOutcome:
    """What was decided on one claim."""

    claim_id: UUID
    result: ClaimResult


@dataclass(frozen=True, slots=True)
class AssignmentRef:
    """One agency's part in a routing decision."""

    assignment_id: UUID
    agency: AgencyRef
    role: AgencyRole
    claims: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class OpinionPart:
    """One agency's part in the joint decision; its text stays with the gateway under ``statement_id``."""

    assignment_id: UUID
    agency: AgencyRef
    role: AgencyRole
    statement_id: UUID


@dataclass(frozen=True, slots=True)
class RatingVote:
    """One vote for one target; ``agency`` is set where the target is an agency."""

    target: RatingTarget
    value: RatingValue
    agency: AgencyRef | None = None


def agency_id(code: str) -> UUID:
    """The subject under which an agency's reference events travel."""
    return uuid5(NAMESPACE_URL, f"urn:lianban:agency:{code}")


def region_id(code: str) -> UUID:
    """The subject under which a region's reference events travel."""
    return uuid5(NAMESPACE_URL, f"urn:lianban:region:{code}")


def calendar_id(year: int) -> UUID:
    """The subject under which a calendar year travels."""
    return uuid5(NAMESPACE_URL, f"urn:lianban:calendar:{year}")
