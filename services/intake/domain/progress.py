"""What the petitioner may do in which state of a matter."""

from __future__ import annotations

from datetime import datetime, timedelta

from lianban.contracts.codes import MatterState

RATE_AFTER_CLOSING = timedelta(days=30)
"""How long a closed matter can still be rated: the time in which a review may be asked for (条例 §35)."""

_BEFORE_DECISION = frozenset(
    {
        MatterState.RECEIVED,
        MatterState.REGISTERED,
        MatterState.ROUTED,
        MatterState.OBJECTED,
        MatterState.DISPUTED,
        MatterState.ACCEPTED,
        MatterState.HANDLING,
        MatterState.EXTENDED,
    }
)

ENDED = frozenset(
    {
        MatterState.WITHDRAWN,
        MatterState.CLOSED,
        MatterState.ARCHIVED,
        MatterState.FINAL,
        MatterState.DUPLICATE,
        MatterState.CLOSED_REPEAT,
        MatterState.OTHER_PROCEDURE,
        MatterState.WRONG_BODY,
    }
)
"""States in which nobody is working on the matter."""


def may_be_supplemented(state: MatterState) -> bool:
    """Facts and files can be added until the decision."""
    return state in _BEFORE_DECISION


def may_be_withdrawn(state: MatterState) -> bool:
    """A matter can be withdrawn until the decision."""
    return state in _BEFORE_DECISION


def may_be_rated(state: MatterState, decided_at: datetime | None, closed_at: datetime | None, at: datetime) -> bool:
    """A matter is rated once it is decided, and for a while after it was closed."""
    if decided_at is None:
        return False
    if state in (MatterState.DECIDED, MatterState.SERVED):
        return True
    return state is MatterState.CLOSED and closed_at is not None and at <= closed_at + RATE_AFTER_CLOSING
