"""What lies on the desks of agencies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import ExchangeKind


@dataclass(frozen=True, slots=True)
class DeskItem:
    """A message on a desk, sealed."""

    delivery_id: UUID
    assignment_id: UUID
    kind: ExchangeKind
    version: int
    sealed: bytes
    arrived_at: datetime


def put(
    tx: Transaction,
    *,
    delivery_id: UUID,
    assignment_id: UUID,
    agency: str,
    kind: ExchangeKind,
    version: int,
    sealed: bytes,
    at: datetime,
) -> None:
    """Lay a message on the agency's desk; laying it again changes nothing."""
    tx.write(
        """
        insert into desk_item (delivery_id, assignment_id, agency_code, kind, version, sealed, arrived_at)
        values (%s, %s, %s, %s, %s, %s, %s) on conflict (delivery_id) do nothing
        """,
        (delivery_id, assignment_id, agency, kind.value, version, sealed, at),
    )


def of_assignment(tx: Transaction, assignment_id: UUID) -> list[DeskItem]:
    """Everything on the desk about an assignment, in order."""
    rows = tx.execute(
        """
        select delivery_id, assignment_id, kind, version, sealed, arrived_at from desk_item
        where assignment_id = %s order by version
        """,
        (assignment_id,),
    )
    return [_read(row) for row in rows]


def first_of(tx: Transaction, assignment_ids: list[UUID]) -> dict[UUID, DeskItem]:
    """The oldest message on the desk of each of these assignments."""
    rows = tx.execute(
        """
        select distinct on (assignment_id) delivery_id, assignment_id, kind, version, sealed, arrived_at from desk_item
        where assignment_id = any(%s) order by assignment_id, version
        """,
        (assignment_ids,),
    )
    return {row["assignment_id"]: _read(row) for row in rows}


def _read(row: dict[str, Any]) -> DeskItem:
    return DeskItem(**{**row, "kind": ExchangeKind(row["kind"]), "sealed": bytes(row["sealed"])})


def has_assignment(tx: Transaction, assignment_id: UUID) -> bool:
    """Whether the assignment itself was delivered on the desk, or is on its way there."""
    row = tx.execute(
        """
        select exists (select from desk_item where assignment_id = %(id)s and kind = %(kind)s) or exists (
            select from delivery
            where assignment_id = %(id)s and kind = %(kind)s and adapter = 'desk' and state <> 'delivered'
        ) as there
        """,
        {"id": assignment_id, "kind": ExchangeKind.ASSIGNMENT.value},
    ).fetchone()
    return bool(row and row["there"])
