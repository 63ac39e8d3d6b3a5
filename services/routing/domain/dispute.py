"""When agencies pass a matter to and fro: who refused to lead, and when that becomes a dispute (条例 §24)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lianban.contracts.codes import AgencyRole, AssignmentState
from lianban.contracts.refs import AgencyRef
from services.routing.domain.parts import Assignment, Objection


@dataclass(frozen=True, slots=True)
class Dispute:
    """Nobody accepts (条例 §24): the parties in the order in which they objected, and who decides."""

    parties: tuple[AgencyRef, ...]
    decider: AgencyRef | None
    at: datetime


def refusals(assignments: Iterable[Assignment], round_: int) -> list[Assignment]:
    """Leads of a round that objected and were not overruled, in their order."""
    return [
        item
        for item in assignments
        if item.round == round_
        and item.role is AgencyRole.LEAD
        and item.objection is not None
        and item.state in {AssignmentState.OBJECTED, AssignmentState.RELEASED}
    ]


def arising(
    refused: Sequence[Assignment],
    last: Assignment,
    objection: Objection,
    *,
    hop_limit: int,
    decider: Callable[[Sequence[AgencyRef]], AgencyRef | None],
    at: datetime,
) -> Dispute | None:
    """The dispute that the last lead's objection makes: it points back to one that refused, or there were too many."""
    earlier = {item.agency.code for item in refused if item.id != last.id}
    sent_back = objection.proposed is not None and objection.proposed.code in earlier
    if not sent_back and len(refused) < hop_limit:
        return None
    parties = tuple(dict.fromkeys(item.agency for item in refused))
    return Dispute(parties, decider(parties), at)
