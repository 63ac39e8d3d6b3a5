"""The life of one message to a department, as pure functions.

    pending ──claim──> sending ──> delivered
       ^                  │ ├────> unknown ──claim──> sending (asks first, by our key)
       └──── failed ──────┘ ├────> rejected   the department says never: a person must look
                            └────> parked     cannot go on without a person

Nothing expires: a message that cannot be delivered waits, with growing pauses, until it can.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from lianban.contracts.codes import DeliveryState
from services.agency_gateway.domain.trouble import Trouble


@dataclass(frozen=True, slots=True)
class Delivered:
    """The department has the message, ``reference`` is its own number for it."""

    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """The message lies in the feed; the department's receipt makes it delivered."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The department certainly does not have the message; it may be sent again after a pause."""

    trouble: Trouble
    detail: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Unclear:
    """Whether the department has the message is unknown; it must be asked."""

    trouble: Trouble
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The department says that it can never take this message."""

    trouble: Trouble
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Postponed:
    """Something on our side is missing just now; says nothing about the department."""

    trouble: Trouble
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Stuck:
    """Cannot go on without a person; says nothing about the department."""

    trouble: Trouble
    detail: str = ""


Outcome = Delivered | Offered | Failed | Unclear | Refused | Postponed | Stuck
"""What one attempt to deliver can end in."""


@dataclass(frozen=True, slots=True)
class Known:
    """Answer to our question: the department has the message under ``reference``."""

    reference: str | None = None


@dataclass(frozen=True, slots=True)
class NotKnown:
    """Answer to our question: the department does not have the message."""


@dataclass(frozen=True, slots=True)
class CannotAsk:
    """The department offers no look-up by our key; ``repeat_is_safe`` is its profile's word."""

    repeat_is_safe: bool


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The question failed; it is asked again after a pause."""

    trouble: Trouble
    detail: str = ""


LookUp = Known | NotKnown | CannotAsk | NoAnswer
"""What asking the department can end in."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """Pauses between attempts: from ``first`` seconds, doubled each time, up to ``longest``."""

    first: float = 1.0
    longest: float = 300.0

    def pause(self, tries: int, chance: float) -> timedelta:
        """The pause after the ``tries``-th failure (from 1); ``chance`` in [0, 1) spreads it over 50–100 %."""
        full = min(self.longest, self.first * 2.0 ** min(max(tries - 1, 0), 40))
        return timedelta(seconds=full * (0.5 + chance / 2))


@dataclass(frozen=True, slots=True)
class Step:
    """What a delivery becomes, and when it is due again (``None``: not by itself).

    ``ask``: it lies with a person, and when it is tried again the department is asked first.
    """

    state: DeliveryState
    due_at: datetime | None
    trouble: Trouble | None = None
    detail: str = ""
    reference: str | None = None
    offered: bool = False
    ask: bool = False


def after_attempt(
    outcome: Outcome,
    *,
    tries: int,
    at: datetime,
    back_off: BackOff,
    chance: float,
    settle: float = 0.0,
    unsure: bool = False,
) -> Step:
    """The step that an attempt's outcome leads to; ``tries`` counts attempts from 1.

    ``settle`` seconds are waited at least before the department is asked: it may still be working on it.
    ``unsure``: an earlier attempt may have reached the department, and this one has not found out. It stays unknown
    then, through whatever says nothing about that.
    """
    pause = back_off.pause(tries, chance)
    waiting = DeliveryState.UNKNOWN if unsure else DeliveryState.PENDING
    match outcome:
        case Delivered(reference):
            return Step(DeliveryState.DELIVERED, None, reference=reference)
        case Offered():
            return Step(DeliveryState.SENDING, None, offered=True)
        case Failed(trouble, detail, retry_after):
            asked = timedelta(seconds=min(retry_after or 0.0, 3600.0))
            return Step(waiting, at + max(pause, asked), trouble, detail)
        case Unclear(trouble, detail):
            return Step(DeliveryState.UNKNOWN, at + max(pause, timedelta(seconds=settle)), trouble, detail)
        case Refused(trouble, detail):
            return Step(DeliveryState.REJECTED, None, trouble, detail, ask=unsure)
        case Postponed(trouble, detail):
            return Step(waiting, at + pause, trouble, detail)
        case Stuck(trouble, detail):
            return Step(DeliveryState.PARKED, None, trouble, detail, ask=unsure)
        case _:
            assert_never(outcome)


def may_send_after(answer: LookUp) -> bool:
    """Whether the message may be sent (again) after the department was asked."""
    match answer:
        case NotKnown():
            return True
        case CannotAsk(repeat_is_safe):
            return repeat_is_safe
        case Known() | NoAnswer():
            return False
        case _:
            assert_never(answer)


def after_question(answer: LookUp) -> Outcome:
    """The outcome of an unknown delivery where asking did not allow to send it again."""
    match answer:
        case Known(reference):
            return Delivered(reference)
        case NoAnswer(trouble, detail):
            return Unclear(trouble, detail)
        case CannotAsk() | NotKnown():
            return Stuck(Trouble.CANNOT_ASK)
        case _:
            assert_never(answer)


_FOLLOWS: dict[DeliveryState, frozenset[DeliveryState]] = {
    DeliveryState.PENDING: frozenset({DeliveryState.SENDING, DeliveryState.PARKED, DeliveryState.DELIVERED}),
    DeliveryState.SENDING: frozenset(set(DeliveryState) - {DeliveryState.SENDING}),
    DeliveryState.UNKNOWN: frozenset({DeliveryState.SENDING, DeliveryState.DELIVERED, DeliveryState.PENDING}),
    DeliveryState.REJECTED: frozenset({DeliveryState.PENDING, DeliveryState.DELIVERED}),
    DeliveryState.PARKED: frozenset({DeliveryState.PENDING, DeliveryState.UNKNOWN, DeliveryState.DELIVERED}),
    DeliveryState.DELIVERED: frozenset(),
}


def follows(now: DeliveryState, then: DeliveryState) -> bool:
    """Whether a delivery may go from ``now`` to ``then``; what is delivered stays delivered.

    From ``unknown``, ``rejected`` and ``parked`` back to ``pending`` leads only a person's decision.
    """
    return then in _FOLLOWS[now]
