"""What notification knows about a matter: its number and how its petitioner can be reached, no address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import NoticeChannel
from services.notification.store import documents

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """A matter as far as notices need it."""

    id: UUID
    number: str
    region_code: str
    region_name: str
    reachable: tuple[NoticeChannel, ...]
    received_at: datetime
    withdrawn: bool


def insert(tx: Transaction, matter: Matter) -> None:
    """Keep a newly registered matter."""
    tx.write(
        "insert into matter (id, number, region_code, region_name, reachable, received_at)"
        " values (%s, %s, %s, %s, %s, %s)",
        (
            matter.id,
            matter.number,
            matter.region_code,
            matter.region_name,
            [c.value for c in matter.reachable],
            matter.received_at,
        ),
    )
    if (_MEMORY, matter.id) in tx.memory:
        tx.memory[_MEMORY, matter.id] = matter
        documents.remember(tx, matter.id, [])


_COLUMNS = "id, number, region_code, region_name, reachable, received_at, withdrawn_at"
_MEMORY = "notification matter"


def load(tx: Transaction, matter_ids: list[UUID]) -> None:
    """Ask for many matters, and which documents they have, into the transaction's memory."""
    tx.memory.update({(_MEMORY, matter_id): None for matter_id in matter_ids})

    def take(rows: list[Row]) -> None:
        for row in rows:
            tx.memory[_MEMORY, row["id"]] = _read(row)
            documents.remember(tx, row["id"], row["documents"])

    tx.ask(
        f"select {_COLUMNS}, array(select document.id from document where matter_id = matter.id) as documents"
        " from matter where id = any(%s)",
        (matter_ids,),
        take,
    )


def read(tx: Transaction, matter_ids: Iterable[UUID]) -> dict[UUID, Matter]:
    """Many matters at once; those that never were registered here are not in the answer."""
    rows = tx.execute(f"select {_COLUMNS} from matter where id = any(%s)", (list(matter_ids),))
    return {row["id"]: _read(row) for row in rows}


def get(tx: Transaction, matter_id: UUID) -> Matter | None:
    """The matter, None where it never was registered here (a sealed accusation, for example)."""
    if (_MEMORY, matter_id) in tx.memory:
        remembered: Matter | None = tx.memory[_MEMORY, matter_id]
        return remembered
    row = tx.execute(f"select {_COLUMNS} from matter where id = %s", (matter_id,)).fetchone()
    return _read(row) if row is not None else None


def _read(row: Row) -> Matter:
    return Matter(
        id=row["id"],
        number=row["number"],
        region_code=row["region_code"],
        region_name=row["region_name"],
        reachable=tuple(NoticeChannel(c) for c in row["reachable"]),
        received_at=row["received_at"],
        withdrawn=row["withdrawn_at"] is not None,
    )


def withdraw(tx: Transaction, matter_id: UUID, at: datetime) -> None:
    """Note that the petitioner withdrew the matter, and cancel what has not been handed over.

    What is being handed over just now is cancelled as well, so that it is not tried again: if it arrives all the same,
    that is noted (:func:`services.notification.store.notices.sent`).
    """
    tx.memory.pop((_MEMORY, matter_id), None)
    tx.settle()  # notices of the same batch must be there to be cancelled
    tx.write("update matter set withdrawn_at = %s where id = %s", (at, matter_id))
    tx.write(
        "update notice set state = 'cancelled' where matter_id = %s and state in ('waiting', 'queued', 'sending')",
        (matter_id,),
    )
