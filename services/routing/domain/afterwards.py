"""After the decision: who is to be rated, and who handles the matter again when it was not solved."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from lianban.contracts.codes import AgencyRole, AssignmentState, RatingTarget, TransferKind
from lianban.contracts.refs import AgencyRef, RatingVote
from services.routing.domain.parts import Assignment, Wanted

Target = tuple[RatingTarget, str]
"""What is rated: the petition office, with no code, or an agency by its code."""


def targets(assignments: Iterable[Assignment], round_: int) -> frozenset[Target]:
    """The petition office and every agency whose part went into the decision of a round."""
    agencies = {
        (RatingTarget.AGENCY, item.agency.code)
        for item in _done(assignments, round_)
        if item.role is not AgencyRole.COPY
    }
    return frozenset({(RatingTarget.PETITION_OFFICE, ""), *agencies})


def given(votes: Iterable[RatingVote]) -> frozenset[Target]:
    """What votes were given on."""
    return frozenset(
        (vote.target, vote.agency.code if vote.agency and vote.target is RatingTarget.AGENCY else "") for vote in votes
    )


def again(
    assignments: Iterable[Assignment], round_: int, successors: Mapping[str, AgencyRef], blocked: Collection[str]
) -> list[tuple[Wanted, TransferKind]]:
    """The parts of a new round: the same agencies or their successors, each once, the lead first."""
    parts: dict[str, tuple[Wanted, TransferKind]] = {}
    for item in sorted(_done(assignments, round_), key=lambda part: part.role is not AgencyRole.LEAD):
        agency = successors.get(item.agency.code, item.agency)
        if agency.code not in blocked:
            parts.setdefault(agency.code, (Wanted(agency, item.role, item.claims), item.kind))
    return list(parts.values())


def _done(assignments: Iterable[Assignment], round_: int) -> list[Assignment]:
    return [item for item in assignments if item.round == round_ and item.state is AssignmentState.DONE]
