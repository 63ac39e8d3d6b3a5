"""What an operator does when a message is stuck: try again, or give it to the agency by hand."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lianban.chassis.errors import Rejected
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import DeliveryState, ExchangeKind
from services.agency_gateway.domain.delivery import Step
from services.agency_gateway.domain.profile import AdapterName
from services.agency_gateway.domain.trouble import Trouble
from services.agency_gateway.store import deliveries, feed, lanes
from services.agency_gateway.store.deliveries import Standing

_BY_HAND = frozenset({DeliveryState.PENDING, DeliveryState.UNKNOWN, DeliveryState.REJECTED, DeliveryState.PARKED})


def retry(tx: Transaction, delivery_id: UUID, *, at: datetime) -> None:
    """Try a message again at once; one of unknown outcome is asked for first.

    Raises :class:`~lianban.chassis.errors.Rejected`: ``unknown-message`` (404) or ``nothing-to-do`` (409).
    """
    standing = _standing(tx, delivery_id)
    ask = standing.ask or standing.state is DeliveryState.UNKNOWN
    state = DeliveryState.UNKNOWN if ask else DeliveryState.PENDING
    deliveries.start_over(tx, delivery_id)
    deliveries.move(tx, delivery_id, Step(state, at), at=at)
    lanes.probe_now(tx, standing.agency_code, at)
    tx.wake("deliver")


def hand_over(tx: Transaction, delivery_id: UUID, *, at: datetime) -> None:
    """Lay a message on the agency's desk instead of sending it to its system; raises as :func:`retry` does.

    One that lies in the feed, which perhaps nobody reads any more, leaves it. What follows an assignment goes with it,
    except what may have reached the system: that is asked for, or a person decides.
    """
    standing = _standing(tx, delivery_id, offered=True)
    _to_desk(tx, standing, at=at)
    if standing.kind is ExchangeKind.ASSIGNMENT:
        for follower in deliveries.following(tx, standing.assignment_id):
            if _only_here(follower):
                _to_desk(tx, follower, at=at)
    lanes.probe_now(tx, standing.agency_code, at)
    tx.wake("deliver")


def _to_desk(tx: Transaction, standing: Standing, *, at: datetime) -> None:
    if standing.offered:
        feed.withdraw(tx, standing.id)
    deliveries.start_over(tx, standing.id)
    deliveries.move(tx, standing.id, Step(DeliveryState.PENDING, at), at=at, adapter=AdapterName.DESK)


def _only_here(standing: Standing) -> bool:
    """Whether a message that is not delivered has certainly not reached a department's system."""
    in_hand = standing.state is DeliveryState.SENDING and standing.adapter is not AdapterName.PULL
    return not (standing.ask or standing.state is DeliveryState.UNKNOWN or in_hand)


def retry_lane(tx: Transaction, agency: str, *, at: datetime) -> None:
    """Let the lane's next message out at once, to see whether the department works again."""
    deliveries.due_now(tx, agency, at)  # messages before their lane, as everywhere
    lanes.probe_now(tx, agency, at)
    tx.wake("deliver")


def _standing(tx: Transaction, delivery_id: UUID, *, offered: bool = False) -> Standing:
    """The message, which waits for something; ``offered`` where one that lies in the feed will do as well."""
    matter_id = deliveries.matter_of(tx, delivery_id)
    if matter_id is None:
        raise Rejected("unknown-message", "没有这条消息。", "There is no such message.", status=404)
    tx.lock(matter_id)
    standing = deliveries.lock(tx, delivery_id)
    if standing is None or not (standing.state in _BY_HAND or (offered and _in_feed(standing))):
        raise Rejected(
            "nothing-to-do",
            "这条消息已送达或正在发送，无需处理。",
            "This message is delivered or under way; there is nothing to do.",
            status=409,
        )
    return standing


def _in_feed(standing: Standing) -> bool:
    return standing.state is DeliveryState.SENDING and standing.offered


def explain(trouble: str | None, language: str) -> str | None:
    """A stored trouble in words."""
    return Trouble(trouble).label(language) if trouble else None
