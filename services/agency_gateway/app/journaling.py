"""Writing the journal: sealed bytes, hashes in one chain per agency, four time stamps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from lianban.chassis.secrets import CannotOpen, seal_bytes, unseal_bytes
from lianban.chassis.transaction import Transaction
from services.agency_gateway.domain.journal import Entry, first_break
from services.agency_gateway.store import journal as store


def record(
    tx: Transaction,
    *,
    agency: str,
    direction: str,
    kind: str,
    message_id: str,
    assignment_id: UUID,
    matter_id: UUID,
    body: bytes,
    answer: bytes | None = None,
    received_at: datetime,
    passed_on_at: datetime | None,
    answered_at: datetime | None = None,
    answer_passed_on_at: datetime | None = None,
) -> None:
    """Append one message with its answer to the agency's journal; its chain is held until commit.

    ``direction`` is ``in`` or ``out``. The stamps say when the message reached the gateway, when it left it, when its
    answer came, and when the answer was passed on.
    """
    position, previous = store.head(tx, agency)
    entry = Entry(
        agency=agency,
        position=position + 1,
        direction=direction,
        kind=kind,
        message_id=message_id,
        assignment_id=assignment_id,
        body_hash=hashlib.sha256(body).digest(),
        answer_hash=hashlib.sha256(answer).digest() if answer is not None else None,
        received_at=received_at,
        passed_on_at=passed_on_at,
        answered_at=answered_at,
        answer_passed_on_at=answer_passed_on_at,
    )
    store.append(
        tx,
        entry,
        previous=previous,
        matter_id=matter_id,
        sealed=seal_bytes(body, context=_context(agency, entry.position, "body")),
        sealed_answer=seal_bytes(answer, context=_context(agency, entry.position, "answer"))
        if answer is not None
        else None,
    )


def hold(tx: Transaction, agency: str) -> None:
    """Hold the agency's chain until commit: whoever writes into it later in the transaction need not wait then."""
    store.head(tx, agency)


def verify(tx: Transaction, agency: str) -> str | None:
    """What is wrong with an agency's journal; ``None``: every entry is there, in order and unchanged."""
    end = store.end(tx, agency)  # before the chain is read: entries may be added meanwhile
    broken = first_break(store.chain(tx, agency), end=end)
    if broken is not None:
        return f"{agency}: {broken}"
    return next(_changed_bytes(tx, agency), None)


def _changed_bytes(tx: Transaction, agency: str) -> Iterator[str]:
    for position, sealed, body_hash, sealed_answer, answer_hash in store.bytes_of(tx, agency):
        for part, blob, told in (("body", sealed, body_hash), ("answer", sealed_answer, answer_hash)):
            if blob is None:
                continue
            try:
                found = unseal_bytes(blob, context=_context(agency, position, part))
            except CannotOpen:
                yield f"{agency}: the {part} of entry {position} does not open"
                continue
            if hashlib.sha256(found).digest() != told:
                yield f"{agency}: the {part} of entry {position} was changed"


def agencies(tx: Transaction) -> list[str]:
    """Every agency that has a journal."""
    return store.agencies(tx)


def _context(agency: str, position: int, part: str) -> str:
    return f"journal.{part}:{agency}:{position}"
