"""Assignments as routing tells them, and who must not see them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.database import Transaction
from lianban.contracts.codes import AgencyRole, AssignmentState, TransferKind
from lianban.contracts.refs import AgencyRef
from services.agency_gateway.store.rows import only

_NOT_BLOCKED = """
    not exists (
        select from accused
        where accused.matter_id = a.matter_id and accused.agency_code in (
            with recursive line (code) as (
                select a.agency_code
                union
                select superior.code
                from line join agency on agency.code = line.code,
                    lateral unnest(array[agency.superior_government, agency.superior_vertical]) as superior (code)
                where superior.code is not null
            )
            select code from line
        )
    )
"""
"""An agency that the matter accuses, and every agency below it in either line, is blocked (条例 §30③)."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """One agency's part in a matter, with routing's last word on its state."""

    id: UUID
    matter_id: UUID
    number: str
    agency_code: str
    agency_name: str
    role: AgencyRole
    transfer_kind: TransferKind
    claims: tuple[UUID, ...]
    round: int
    region_code: str
    region_name: str
    matter_type: str | None
    binding: bool
    state: AssignmentState
    sent_at: datetime
    accepted_at: datetime | None
    changed_at: datetime
    version: int
    reference: str | None

    @property
    def agency(self) -> AgencyRef:
        """The agency as it was called when the assignment was sent."""
        return AgencyRef(code=self.agency_code, name=self.agency_name)


def _read(row: dict[str, Any]) -> Assignment:
    return Assignment(
        **{
            **{name: value for name, value in row.items() if name != "messages_gone_at"},
            "role": AgencyRole(row["role"]),
            "transfer_kind": TransferKind(row["transfer_kind"]),
            "claims": tuple(row["claims"]),
            "state": AssignmentState(row["state"]),
        }
    )


def put(tx: Transaction, sent: Assignment) -> None:
    """Keep an assignment that was sent; sent again it is brought up to date and its version goes on."""
    tx.write(
        """
        insert into assignment (id, matter_id, number, agency_code, agency_name, role, transfer_kind, claims, round,
            region_code, region_name, matter_type, binding, state, sent_at, changed_at)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (id) do update set claims = excluded.claims, round = excluded.round, binding = excluded.binding,
            state = excluded.state, sent_at = excluded.sent_at, changed_at = excluded.changed_at,
            messages_gone_at = null
        """,
        (
            sent.id, sent.matter_id, sent.number, sent.agency_code, sent.agency_name, sent.role.value,
            sent.transfer_kind.value, list(sent.claims), sent.round, sent.region_code, sent.region_name,
            sent.matter_type, sent.binding, sent.state.value, sent.sent_at, sent.changed_at,
        ),
    )  # fmt: skip


def change(
    tx: Transaction, assignment_id: UUID, *, state: AssignmentState, at: datetime, binding: bool | None = None
) -> None:
    """Note routing's word on an assignment; ``binding`` only ever becomes true."""
    tx.write(
        """
        update assignment set state = %s, changed_at = %s, binding = binding or coalesce(%s, false),
            accepted_at = case when %s = 'accepted' then coalesce(accepted_at, %s) else accepted_at end
        where id = %s
        """,
        (state.value, at, binding, state.value, at, assignment_id),
    )


def next_version(tx: Transaction, assignment_id: UUID) -> int:
    """The next version number of messages on an assignment, from 1 without gaps."""
    row = only(
        tx.execute("update assignment set version = version + 1 where id = %s returning version", (assignment_id,))
    )
    return int(row["version"])


def note_reference(tx: Transaction, assignment_id: UUID, reference: str) -> None:
    """Keep the department's own number for an assignment, the first one it told."""
    tx.write("update assignment set reference = coalesce(reference, %s) where id = %s", (reference, assignment_id))


def get(tx: Transaction, assignment_id: UUID) -> Assignment | None:
    """The assignment, whoever it belongs to."""
    row = tx.execute("select a.* from assignment a where a.id = %s", (assignment_id,)).fetchone()
    return _read(row) if row else None


def of_agency(tx: Transaction, assignment_id: UUID, agency: str) -> Assignment | None:
    """The assignment if it belongs to the agency and the agency may see it; nothing tells why it is not there."""
    row = tx.execute(
        f"select a.* from assignment a where a.id = %s and a.agency_code = %s and {_NOT_BLOCKED}",
        (assignment_id, agency),
    ).fetchone()
    return _read(row) if row else None


def by_reference(tx: Transaction, agency: str, reference: str) -> UUID | None:
    """The agency's assignment that bears this number in the department's own system."""
    row = tx.execute(
        "select id from assignment where agency_code = %s and reference = %s order by sent_at desc limit 1",
        (agency, reference),
    ).fetchone()
    return row["id"] if row else None


def by_message(tx: Transaction, agency: str, message_id: UUID) -> UUID | None:
    """The agency's assignment that a message of ours was about."""
    row = tx.execute(
        "select assignment_id from delivery where id = %s and agency_code = %s", (message_id, agency)
    ).fetchone()
    return row["assignment_id"] if row else None


def of_matter(tx: Transaction, matter_id: UUID) -> list[Assignment]:
    """Every assignment of a matter, oldest first."""
    rows = tx.execute("select a.* from assignment a where a.matter_id = %s order by a.sent_at, a.id", (matter_id,))
    return [_read(row) for row in rows]


def is_blocked(tx: Transaction, assignment_id: UUID) -> bool:
    """Whether the assignment's agency is accused in the matter or stands below one that is."""
    row = tx.execute(
        f"select {_NOT_BLOCKED} as free from assignment a where a.id = %s",
        (assignment_id,),
    ).fetchone()
    return row is not None and not row["free"]


def accuse(tx: Transaction, matter_id: UUID, agencies: Sequence[str]) -> None:
    """Note the agencies that a matter accuses."""
    tx.write_many(
        "insert into accused (matter_id, agency_code) values (%s, %s) on conflict do nothing",
        [(matter_id, code) for code in agencies],
    )


OPEN_STATES = ("sent", "objected", "upheld", "designated", "accepted", "handling")
"""States in which the agency has something to do."""

FILTERS: dict[str, tuple[str, ...]] = {
    "open": OPEN_STATES,
    "new": ("sent", "designated", "upheld"),
    "running": ("accepted", "handling"),
    "objected": ("objected",),
    "answered": ("opinion_given", "replied", "done"),
    "ended": ("released", "withdrawn"),
    "all": tuple(state.value for state in AssignmentState),
}
"""The filters of the desk's list."""


def listed(
    tx: Transaction,
    agency: str,
    *,
    states: Sequence[str],
    number: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Assignment]:
    """One page of an agency's assignments, newest first: the newest of each state, merged."""
    found = f"""
        select a.* from unnest(%(states)s::text[]) as wanted (state) cross join lateral (
            select a.* from assignment a
            where a.agency_code = %(agency)s and a.state = wanted.state
                and (%(sent_at)s::timestamptz is null or (a.sent_at, a.id) < (%(sent_at)s, %(id)s::uuid))
                and {_NOT_BLOCKED}
            order by a.sent_at desc, a.id desc
            limit %(limit)s
        ) as a
    """
    of_number = f"""
        select a.* from assignment a
        where a.agency_code = %(agency)s and a.number = %(number)s and a.state = any(%(states)s)
            and (%(sent_at)s::timestamptz is null or (a.sent_at, a.id) < (%(sent_at)s, %(id)s::uuid))
            and {_NOT_BLOCKED}
    """
    rows = tx.execute(
        f"{found if number is None else of_number} order by sent_at desc, id desc limit %(limit)s",
        {
            "agency": agency,
            "states": list(states),
            "number": number,
            "sent_at": before[0] if before else None,
            "id": before[1] if before else None,
            "limit": limit,
        },
    )
    return [_read(row) for row in rows]


MOST_COUNTED = 1000
"""Nobody needs to know how many more there are."""


def counts(tx: Transaction, agency: str) -> dict[str, int]:
    """How many assignments an agency has in each state, at most :data:`MOST_COUNTED` of each."""
    rows = tx.execute(
        f"""
        select wanted.state, count(*) as n from unnest(%(states)s::text[]) as wanted (state) cross join lateral (
            select from assignment a
            where a.agency_code = %(agency)s and a.state = wanted.state and {_NOT_BLOCKED} limit %(most)s
        ) as counted group by wanted.state
        """,
        {"states": [state.value for state in AssignmentState], "agency": agency, "most": MOST_COUNTED},
    )
    return {row["state"]: row["n"] for row in rows}


def forget_messages(tx: Transaction, before: datetime, limit: int) -> int:
    """Take the messages of assignments that ended before an instant from feed and desk; returns how many assignments.

    An assignment with a message that its department does not have yet is left alone.
    """
    row = tx.execute(
        """
        with ended as materialized (
            select id from assignment a
            where messages_gone_at is null and state in ('done', 'released', 'withdrawn') and changed_at < %s
                and not exists (select from delivery d where d.assignment_id = a.id and d.state <> 'delivered')
            order by changed_at limit %s for update skip locked
        ), noted as (
            update assignment set messages_gone_at = now() from ended where assignment.id = ended.id
        ), of_desk as (
            delete from desk_item using ended where desk_item.assignment_id = ended.id
        ), of_feed as (
            delete from feed_item using ended, delivery
            where delivery.assignment_id = ended.id and feed_item.delivery_id = delivery.id
        )
        select count(*) as assignments from ended
        """,
        (before, limit),
    ).fetchone()
    return int(row["assignments"]) if row else 0
