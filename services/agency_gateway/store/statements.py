"""What departments stated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import ExchangeKind, ObjectionReason
from services.agency_gateway.domain.statement import StatementStatus, Via
from services.agency_gateway.store import deliveries, journal
from services.agency_gateway.store.assignments import Assignment


@dataclass(frozen=True, slots=True)
class Stored:
    """A statement as it is kept; its words are in ``sealed``."""

    id: UUID
    agency_code: str
    agency_name: str
    sender_id: str
    fingerprint: bytes
    assignment_id: UUID
    matter_id: UUID
    kind: ExchangeKind
    reason: ObjectionReason | None
    version: int | None
    sealed: bytes
    via: Via
    stated_at: datetime
    received_at: datetime
    status: StatementStatus
    refusal: str | None
    judged_at: datetime | None


def _read(row: dict[str, Any]) -> Stored:
    return Stored(
        **{
            **row,
            "fingerprint": bytes(row["fingerprint"]),
            "sealed": bytes(row["sealed"]),
            "kind": ExchangeKind(row["kind"]),
            "reason": ObjectionReason(row["reason"]) if row["reason"] else None,
            "via": Via(row["via"]),
            "status": StatementStatus(row["status"]),
        }
    )


_ADD = """
insert into statement (id, agency_code, agency_name, sender_id, fingerprint, assignment_id, matter_id, kind,
    reason, version, sealed, via, stated_at, received_at)
select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::bytea[], %s::uuid[], %s::uuid[], %s::text[],
    %s::text[], %s::int[], %s::bytea[], %s::text[], %s::timestamptz[], %s::timestamptz[])
"""


def add(tx: Transaction, new: Stored) -> None:
    """Keep a statement whose id its sender has not used (:func:`meets`)."""
    tx.append(
        _ADD,
        (
            new.id, new.agency_code, new.agency_name, new.sender_id, new.fingerprint, new.assignment_id, new.matter_id,
            new.kind.value, new.reason.value if new.reason else None, new.version, new.sealed, new.via.value,
            new.stated_at, new.received_at,
        ),
    )  # fmt: skip
    tx.memory["sent under", (new.agency_code, new.sender_id)] = new


def meet_together(tx: Transaction, met: Sequence[tuple[Assignment, str]]) -> None:
    """Read at once what :func:`meets` tells of several statements, each on an assignment and with its sender's id."""
    agencies, senders = [assignment.agency_code for assignment, _ in met], [sender for _, sender in met]
    heads, before, unknown = tx.execute_all(
        [
            journal.hold(agencies),
            (
                """
                select * from statement
                where (agency_code, sender_id) in (select * from unnest(%s::text[], %s::text[]))
                """,
                (agencies, senders),
            ),
            deliveries.unknown_of([assignment.id for assignment, _ in met]),
        ],
        lock=[assignment.matter_id for assignment, _ in met],
    )
    journal.held(tx, heads)
    for assignment, sender in met:
        tx.memory["sent under", (assignment.agency_code, sender)] = None
        tx.memory["unknown of", assignment.id] = []
    for row in before:
        tx.memory["sent under", (row["agency_code"], row["sender_id"])] = _read(row)
    for row in unknown:
        tx.memory["unknown of", row["assignment_id"]].append(row["id"])


def meets(tx: Transaction, assignment: Assignment, sender_id: str) -> tuple[Stored | None, list[UUID]]:
    """What a statement meets: the one sent under this id, and the assignment's message where its outcome is unknown.

    The matter's stream and then the agency's journal are held until commit, so that nobody else takes in a statement
    of the agency meanwhile. Who settles the message takes it from the list.
    """
    sent, unknown = ("sent under", (assignment.agency_code, sender_id)), ("unknown of", assignment.id)
    if sent not in tx.memory or unknown not in tx.memory:
        meet_together(tx, [(assignment, sender_id)])
    return tx.memory[sent], tx.memory[unknown]


def of_ids(ids: list[UUID]) -> tuple[str, tuple[Any, ...]]:
    """The statement of SQL that finds statements by their ids, for :func:`read`."""
    return "select * from statement where id = any(%s)", (ids,)


def read(rows: Iterable[dict[str, Any]]) -> list[Stored]:
    """What :func:`of_ids` finds, in no order."""
    return [_read(row) for row in rows]


def get(tx: Transaction, ids: list[UUID]) -> list[Stored]:
    """The statements with these ids, in no order."""
    return read(tx.execute(*of_ids(ids)))


def of_assignment(tx: Transaction, assignment_id: UUID) -> list[Stored]:
    """Everything stated on an assignment, in order of arrival."""
    rows = tx.execute("select * from statement where assignment_id = %s order by received_at, id", (assignment_id,))
    return [_read(row) for row in rows]


def applied_opinions(tx: Transaction, assignments: list[UUID]) -> list[Stored]:
    """Opinions that routing has taken, on these assignments, in order of arrival."""
    rows = tx.execute(
        """
        select * from statement
        where assignment_id = any(%s) and kind = 'opinion' and status = 'applied' order by received_at, id
        """,
        (assignments,),
    )
    return [_read(row) for row in rows]


_JUDGE = """
update statement set status = new.status, refusal = new.refusal, judged_at = new.at
from (select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[])) as new (id, status, refusal, at)
where statement.id = new.id and statement.status = 'awaiting_confirmation'
"""
_JUDGE_ACCEPTANCE = """
update statement set status = 'applied', judged_at = new.at
from (select * from unnest(%s::uuid[], %s::timestamptz[])) as new (assignment_id, at)
where statement.assignment_id = new.assignment_id and kind = 'accept' and status = 'awaiting_confirmation'
"""


def judge(tx: Transaction, statement_id: UUID, status: StatementStatus, *, refusal: str | None, at: datetime) -> None:
    """Note routing's verdict on a statement; the first verdict stands."""
    key = "judged", statement_id
    if key not in tx.memory:
        tx.memory[key] = True
        tx.amend(_JUDGE, statement_id, status.value, refusal, at)


def judge_acceptance(tx: Transaction, assignment_id: UUID, *, at: datetime) -> None:
    """Routing has taken the acceptance of an assignment; its event does not name the statement.

    Those that are named are judged first: the acceptance that was taken is the one that no verdict names.
    """
    tx.at_end(_judge_acceptances, (assignment_id, at))


def _judge_acceptances(tx: Transaction, taken: list[tuple[UUID, datetime]]) -> None:
    for assignment_id, at in taken:
        tx.amend(_JUDGE_ACCEPTANCE, assignment_id, at)
