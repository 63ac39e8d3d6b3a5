"""The joint reply: the lead's reply waits for the co-handlers' opinions, and all together make the one decision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from lianban.contracts.codes import AgencyRole, AssignmentState
from lianban.contracts.refs import AgencyRef, ClaimOutcome, ClaimRef, OpinionPart
from services.routing.domain.parts import Assignment, NotApplicable


def waiting_for(current: Iterable[Assignment]) -> tuple[AgencyRef, ...]:
    """Co-handlers whose opinion is still missing (R10)."""
    return tuple(
        item.agency
        for item in current
        if item.role is AgencyRole.CO_HANDLER and item.state is not AssignmentState.OPINION_GIVEN
    )


def check_opinion(
    item: Assignment, results: Sequence[ClaimOutcome], claims: Sequence[ClaimRef], current: Iterable[Assignment]
) -> None:
    """An opinion must answer the claims that nobody else has; raises :class:`NotApplicable`."""
    _check_known(results, claims)
    others = {claim for other in current if other.required and other.id != item.id for claim in other.claims}
    alone = set(item.claims) - others if item.role is AgencyRole.CO_HANDLER else set()
    if not {outcome.claim_id for outcome in results} >= alone:
        raise NotApplicable("claims-unanswered")


def check_reply(item: Assignment, results: Sequence[ClaimOutcome], claims: Sequence[ClaimRef]) -> None:
    """The lead's reply must answer all its claims; raises :class:`NotApplicable`."""
    _check_known(results, claims)
    if item.role is AgencyRole.LEAD and not {outcome.claim_id for outcome in results}.issuperset(item.claims):
        raise NotApplicable("claims-unanswered")


def parts_of(lead: Assignment, current: Iterable[Assignment]) -> list[Assignment]:
    """Whose words go into the decision: the lead's, then the co-handlers'."""
    return [lead, *(item for item in current if item.role is AgencyRole.CO_HANDLER)]


def outcomes(parts: Iterable[Assignment], claims: Sequence[ClaimRef]) -> tuple[ClaimOutcome, ...] | None:
    """Each claim's result, the lead's word before a co-handler's; None where a claim has none."""
    found: dict[UUID, ClaimOutcome] = {}
    for item in parts:
        for outcome in item.results:
            found.setdefault(outcome.claim_id, outcome)
    if not {claim.id for claim in claims} <= found.keys():
        return None
    return tuple(found[claim.id] for claim in claims)


def opinions(parts: Iterable[Assignment]) -> tuple[OpinionPart, ...]:
    """Where the words of each part are kept."""
    return tuple(
        OpinionPart(item.id, item.agency, item.role, item.statement_id)
        for item in parts
        if item.statement_id is not None
    )


def _check_known(results: Sequence[ClaimOutcome], claims: Sequence[ClaimRef]) -> None:
    known = {claim.id for claim in claims}
    if not all(outcome.claim_id in known for outcome in results):
        raise NotApplicable("unknown-claim")
