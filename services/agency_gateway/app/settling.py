"""Writing down what became of a delivery: its state, its lane's circuit, and what is said on the bus.

Everything that moves a delivery passes here, so that what is delivered stays delivered, whoever comes late.
"""

from __future__ import annotations

import random
from datetime import datetime
from uuid import UUID

from lianban.chassis.transaction import Transaction
from lianban.contracts.agency_gateway import MessageDelivered, MessageOutcomeUnknown, MessageRejected
from lianban.contracts.codes import DeliveryState
from services.agency_gateway.app import metrics
from services.agency_gateway.domain.delivery import Delivered, Outcome, Step, after_attempt, follows
from services.agency_gateway.domain.lane import after_outcome, shows_life
from services.agency_gateway.domain.profile import Profile
from services.agency_gateway.store import assignments, deliveries, lanes
from services.agency_gateway.store.deliveries import Standing


def settle(
    tx: Transaction,
    standing: Standing,
    outcome: Outcome,
    profile: Profile,
    *,
    attempt: datetime | None,
    at: datetime,
    unsure: bool = False,
) -> Step | None:
    """Give a delivery the outcome of an attempt; ``attempt`` is when it was claimed (``None``: no attempt of ours).

    ``unsure`` where the attempt left open whether an earlier one reached the department.

    An outcome that comes late (the lease was over, somebody else took the message up) counts only where it says that
    the department has the message. Returns what the delivery became, ``None`` where nothing changed.
    """
    current = standing.state is DeliveryState.SENDING and not standing.offered and standing.sent_at == attempt
    if not current and not isinstance(outcome, Delivered):
        return None
    settle_seconds = (
        profile.rest_push.question.wait_seconds if profile.rest_push and profile.rest_push.question else 0.0
    )
    step = after_attempt(
        outcome,
        tries=max(standing.tries, 1),
        at=at,
        back_off=profile.back_off,
        chance=random.random(),
        settle=settle_seconds,
        unsure=unsure,
    )
    if not (step.offered or follows(standing.state, step.state)):
        return None
    deliveries.move(tx, standing.id, step, at=at, adapter=standing.adapter)
    if step.reference is not None and not standing.named:
        assignments.note_reference(tx, standing.assignment_id, step.reference)
    if standing.adapter is profile.adapter:  # what goes to the desk instead says nothing about the department's system
        _lane(tx, standing.agency_code, outcome, profile, step, at)
    say(tx, standing, step, at=at)
    metrics.deliveries.labels(standing.agency_code, standing.adapter.value, type(outcome).__name__.lower()).inc()
    if step.state is DeliveryState.DELIVERED:
        metrics.lag_seconds.labels(standing.agency_code).observe(max(0.0, (at - standing.created_at).total_seconds()))
    return step


def _lane(tx: Transaction, agency: str, outcome: Outcome, profile: Profile, step: Step, at: datetime) -> None:
    alive = shows_life(outcome)
    if alive:
        lanes.note_success(tx, agency, at)
        return
    if step.trouble is None:
        return
    breaker = None
    if alive is False:
        breaker = after_outcome(
            lanes.breaker(tx, agency), outcome, at=at, policy=profile.breaker, chance=random.random()
        )
    lanes.note_trouble(tx, agency, breaker, trouble=step.trouble, detail=step.detail, at=at)


def say(tx: Transaction, standing: Standing, step: Step, *, at: datetime) -> None:
    """Say what a delivery became: delivered, unknown (the first time), rejected; other states concern nobody else."""
    match step.state:
        case DeliveryState.DELIVERED:
            event: object = MessageDelivered(
                delivery_id=standing.id,
                kind=standing.kind,
                assignment_id=standing.assignment_id,
                agency=standing.agency,
                adapter=standing.adapter.value,
                reference=step.reference,
                delivered_at=at,
            )
        case DeliveryState.UNKNOWN if not standing.unknown_told:
            event = MessageOutcomeUnknown(
                delivery_id=standing.id,
                kind=standing.kind,
                assignment_id=standing.assignment_id,
                agency=standing.agency,
                adapter=standing.adapter.value,
                since=standing.sent_at or at,
            )
        case DeliveryState.REJECTED:
            event = MessageRejected(
                delivery_id=standing.id,
                kind=standing.kind,
                assignment_id=standing.assignment_id,
                agency=standing.agency,
                adapter=standing.adapter.value,
                slug=step.trouble.value if step.trouble else "refused",
                rejected_at=at,
            )
        case _:
            return
    tx.emit(event, subject=standing.matter_id, at=at)


def proved(tx: Transaction, delivery_id: UUID, profile: Profile, *, at: datetime) -> None:
    """The department speaks about an assignment, so it has the message of which that was unknown."""
    standing = deliveries.lock(tx, delivery_id)
    if standing is not None:
        settle(tx, standing, Delivered(), profile, attempt=None, at=at)
        tx.wake("deliver")
