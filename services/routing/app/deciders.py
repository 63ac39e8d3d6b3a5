"""Who decides a dispute about acceptance (条例 §24): the common superior in either line, or the coordinating office."""

from __future__ import annotations

from collections.abc import Sequence

from lianban.chassis.database import Transaction
from lianban.contracts.refs import AgencyRef
from lianban.law.superiors import common_superior
from services.routing.domain import places
from services.routing.domain.case import Case
from services.routing.domain.register import Agency
from services.routing.store import registers


def decider_of(tx: Transaction, case: Case, parties: Sequence[AgencyRef]) -> AgencyRef | None:
    """The body that decides among the parties; without a common superior the petition office that coordinates."""
    raise NotImplementedError


def deciders_of(tx: Transaction, case: Case) -> tuple[AgencyRef, ...]:
    """Everybody who may be recorded as having decided, the most likely first."""
    raise NotImplementedError


def may_decide(tx: Transaction, case: Case, decider: Agency) -> bool:
    """Whether a body may decide in this case."""
    return any(ref.code == decider.code for ref in deciders_of(tx, case))
