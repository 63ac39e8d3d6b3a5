"""What every use case on a case does: take it alone, and keep it with its events and history."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lianban.chassis import traces
from lianban.chassis.errors import Poison
from lianban.chassis.secrets import seal
from lianban.chassis.transaction import Transaction
from lianban.contracts.events import dump
from lianban.contracts.routing import CaseRouted
from services.routing.app import metrics
from services.routing.domain.case import Case
from services.routing.store import cases as store

POLICY = "policy"
"""The actor in the history where no person decided."""


def known(tx: Transaction, case_id: UUID) -> Case | None:
    """The case, alone until commit; ``None`` for a matter that never came to routing, as a sealed accusation."""
    tx.lock(case_id)
    return store.load(tx, case_id)


def locked(tx: Transaction, case_id: UUID) -> Case:
    """The case, alone until commit; raises :class:`Poison` when routing never got the matter."""
    case = known(tx, case_id)
    if case is None:
        raise Poison(f"routing has no case {case_id}")
    return case


def keep(tx: Transaction, case: Case, *, actor: str, at: datetime, note: str | None = None) -> None:
    """Write the case, say its events, and add them to its history; ``note`` are the officer's own words."""
    traces.about(case.number)
    store.save(tx, case)
    lines = []
    for event in case.said:
        tx.emit(event, subject=case.id, at=at)
        kind = event.TYPE.removeprefix("lianban.routing.")
        metrics.case_events.labels(kind.rpartition(".")[0]).inc()
        if isinstance(event, CaseRouted):
            metrics.decisions.labels(event.decided_by.value).inc()
        lines.append((at, kind, actor, dump(event)))
    case.said.clear()
    remember(tx, case.id, lines, note=note)


def remember(
    tx: Transaction,
    case_id: UUID,
    lines: list[tuple[datetime, str, str, dict[str, object]]],
    *,
    note: str | None = None,
) -> None:
    """Add lines to a case's history; the note is sealed."""
    if not lines:
        return
    sealed = None
    if note:
        position = store.next_history_position(tx, case_id)
        sealed = seal(note, context=note_context(case_id, position))
    store.add_history(tx, case_id, lines, note=sealed)


def note_context(case_id: UUID, position: int) -> str:
    """Where the note of a history line is kept."""
    return f"history.note:{case_id}:{position}"
