"""What routing does when intake says something: open a case, look at new facts, end a withdrawn one, hear ratings."""

from __future__ import annotations

import structlog

from lianban.chassis.inbox import Received
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import ClosingReason, DecidedBy, MatterState
from lianban.contracts.intake import MatterRated, MatterRegistered, MatterSupplemented, MatterWithdrawn
from lianban.law.superiors import blocked_agencies
from services.routing.app import metrics
from services.routing.app.cases import POLICY, keep, known, remember
from services.routing.app.deciders import standings
from services.routing.app.policy import policy
from services.routing.app.reopening import reopen_round
from services.routing.domain.case import Case
from services.routing.domain.parts import NotApplicable
from services.routing.store import cases as store
from services.routing.store import registers, texts

log = structlog.get_logger()

PETITIONER = "petitioner"
"""The actor in the history where the petitioner did something."""


def on_matter_registered(tx: Transaction, event: Received[MatterRegistered]) -> None:
    """Open the case and ask for a suggestion; the blocked agencies are known before anybody sees it (条例 §30③)."""
    data = event.data
    tx.lock(event.subject)
    accused = tuple(ref.code for ref in data.accused)
    case = Case(
        id=event.subject,
        number=data.number,
        channel=data.channel.value,
        purpose=data.purpose.value,
        region_code=data.region_code,
        region_name=data.region_name,
        received_at=data.received_at,
        claims=data.claims,
        accused=accused,
        blocked=blocked_agencies(accused, standings(registers.agencies(tx))) if accused else frozenset(),
        anonymous=data.anonymous,
        reachable=bool(data.reachable),
        imported=data.imported,
    )
    if store.add(tx, case, suggest_at=event.time):
        metrics.cases_opened.inc()
        remember(tx, case.id, [(event.time, "matter-registered", PETITIONER, {"channel": case.channel})])
        tx.wake("suggest")


def on_matter_supplemented(tx: Transaction, event: Received[MatterSupplemented]) -> None:
    """New facts: fetch the text again, and suggest anew while nothing is decided."""
    case = known(tx, event.subject)
    if case is None:
        return
    texts.want_suggestion(tx, case.id, at=event.time)
    remember(tx, case.id, [(event.time, "matter-supplemented", PETITIONER, {"attachments": event.data.attachments})])
    tx.wake("suggest")


def on_matter_withdrawn(tx: Transaction, event: Received[MatterWithdrawn]) -> None:
    """Take every part back and end the case; one that is decided already stays as it is."""
    case = known(tx, event.subject)
    if case is None:
        return
    try:
        case.withdraw(at=event.time)
    except NotApplicable as refused:
        log.info("case.withdrawal_not_applicable", case_id=str(case.id), slug=refused.slug)
        return
    keep(tx, case, actor=PETITIONER, at=event.time)


def on_matter_rated(tx: Transaction, event: Received[MatterRated]) -> None:
    """Keep the votes; "not solved" asks for re-handling, votes for every target close the case."""
    case = known(tx, event.subject)
    if case is None:
        return
    data = event.data
    store.put_votes(tx, case.id, data.round, data.votes, at=data.rated_at)
    if data.round != case.round:
        log.info("case.rating_of_other_round", case_id=str(case.id), round=data.round)
        return
    remember(
        tx,
        case.id,
        [
            (
                event.time,
                "matter-rated",
                PETITIONER,
                {"round": data.round, "solved": data.solved, "votes": len(data.votes)},
            )
        ],
    )
    site = policy()
    try:
        if data.solved is False:
            case.not_solved()
            if site.automatic_reopening and case.round < site.reopen_rounds:
                reopen_round(tx, case, ordered_by=DecidedBy.POLICY, at=event.time)
            keep(tx, case, actor=POLICY if case.said else PETITIONER, at=event.time)
        elif case.state is MatterState.SERVED and case.everybody_rated(store.votes(tx, case.id, case.round)):
            case.close(ClosingReason.RATED, at=event.time)
            keep(tx, case, actor=POLICY, at=event.time)
    except NotApplicable as refused:
        log.info("case.rating_not_applicable", case_id=str(case.id), slug=refused.slug)
