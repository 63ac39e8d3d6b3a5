"""Re-handling when the petitioner says that it is not solved, and closing when the time for rating is over."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID, uuid4

from lianban.chassis.inbox import Received
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import ClosingReason, DecidedBy, DocumentKind
from lianban.contracts.notification import NoticeServed
from lianban.contracts.refs import AgencyRef
from services.routing.app import metrics
from services.routing.app.cases import POLICY, keep, locked
from services.routing.app.deadlines import Deadlines
from services.routing.domain.case import Case
from services.routing.domain.catalogue import in_force
from services.routing.domain.parts import Attention, NotApplicable
from services.routing.store import cases as store
from services.routing.store import desk, registers, texts

CLOSED_AT_ONCE = 50
"""Cases that one round of the closing loop closes."""


def on_notice_served(tx: Transaction, event: Received[NoticeServed]) -> None:
    """Service of the decision is proved: the rating window runs; repeated proofs change nothing."""
    if event.data.document_kind is not DocumentKind.DECISION:
        return
    case = locked(tx, event.subject)
    rated = case.everybody_rated(store.votes(tx, case.id, case.round))
    try:
        served_at = event.data.served_at
        until = Deadlines(tx).rating_over(served_at)
        case.serve(round=event.data.round, at=served_at, until=until, everybody_rated=rated)
    except NotApplicable:
        return
    keep(tx, case, actor=POLICY, at=event.time)


def reopen_round(tx: Transaction, case: Case, *, ordered_by: DecidedBy, at: datetime) -> None:
    """Order a new round with the same agencies, or those that continue their powers (条例 §24).

    Raises :class:`NotApplicable`, slug ``nobody-to-reopen``, when one of them has no successor in force.
    """
    agencies = registers.agencies(tx)
    successors: dict[str, AgencyRef] = {}
    for item in case.assignments:
        known = agencies.get(item.agency.code)
        current = in_force(known, agencies) if known is not None else None
        if current is None:
            if item.round == case.round and item.counts:
                raise NotApplicable("nobody-to-reopen")
        elif current.code != item.agency.code:
            successors[item.agency.code] = current.ref
    case.reopen(ordered_by=ordered_by, successors=successors, at=at, new_id=uuid4)


def close_due() -> int:
    """Worker loop: close served cases whose rating window is over; returns how many. Measures what waits, too."""
    at = now()
    with database().transaction() as tx:
        due = store.due_for_closing(tx, at=at, limit=CLOSED_AT_ONCE)
        _measure(tx)
    return sum(_close(case_id, at) for case_id in due)


def _measure(tx: Transaction) -> None:
    counts = desk.waiting_counts(tx, None)
    for attention in Attention:
        metrics.waiting.labels(attention.value).set(counts.get(attention.value, 0))
    metrics.suggestions_due.set(texts.waiting_for_suggestion(tx))


def _close(case_id: UUID, at: datetime) -> int:
    with database().transaction() as tx:
        case = locked(tx, case_id)
        if case.close_due is None or case.close_due > at:
            return 0
        if case.served_at is not None and case.reachable:  # calendar or length may have changed since
            case.close_due = Deadlines(tx).rating_over(case.served_at)
            if case.close_due > at:
                keep(tx, case, actor=POLICY, at=at)
                return 0
        case.close(ClosingReason.WINDOW_OVER, at=at)
        keep(tx, case, actor=POLICY, at=at)
        return 1
