"""Assignments as routing tells them, and who must not see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import Cursor

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import AgencyRole, AssignmentState, TransferKind
from lianban.contracts.refs import AgencyRef
from services.agency_gateway.store import desk
from services.agency_gateway.store.rows import only

Row = dict[str, Any]

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


def read_together(tx: Transaction, matters: list[UUID]) -> None:
    """Have the assignments of these matters read at once when one of them is asked for; their streams are held."""
    for matter in matters:
        tx.memory["read with", matter] = matters


def _load(tx: Transaction, matters: list[UUID]) -> None:
    rows = tx.execute(
        """
        select a.*, exists (select from desk_item i where i.assignment_id = a.id and i.kind = 'assignment')
            or exists (
                select from delivery d
                where d.assignment_id = a.id and d.kind = 'assignment' and d.adapter = 'desk' and d.state <> 'delivered'
            ) as on_desk
        from assignment a where a.matter_id = any(%s) order by a.sent_at, a.id
        """,
        (matters,),
    )
    for matter in matters:
        tx.memory["assignments of", matter] = {}
    for row in rows:
        tx.memory["on desk", row["id"]] = row.pop("on_desk")
        tx.memory["assignments of", row["matter_id"]][row["id"]] = _read(row)


def _loaded(tx: Transaction, matter_id: UUID) -> dict[UUID, Assignment] | None:
    """The matter's assignments in memory, by id; ``None`` where the transaction has none there."""
    if ("assignments of", matter_id) not in tx.memory and ("read with", matter_id) in tx.memory:
        _load(tx, tx.memory["read with", matter_id])
    return tx.memory.get(("assignments of", matter_id))


def put(tx: Transaction, sent: Assignment) -> Assignment:
    """Keep an assignment that was sent; sent again it is brought up to date and its version goes on."""
    loaded = _loaded(tx, sent.matter_id)
    if loaded is None:
        return _read(only(_put_now(tx, sent)))
    before = loaded.get(sent.id)
    if before is None:
        tx.append(PUT, _columns(sent))
        before = sent
    else:
        _put_now(tx, sent)  # what the batch amended until now goes out before
    loaded[sent.id] = replace(
        before,
        claims=sent.claims,
        round=sent.round,
        binding=sent.binding,
        state=sent.state,
        sent_at=sent.sent_at,
        changed_at=sent.changed_at,
    )
    tx.memory.setdefault(("on desk", sent.id), False)
    return loaded[sent.id]


PUT = """
insert into assignment (id, matter_id, number, agency_code, agency_name, role, transfer_kind, claims, round,
    region_code, region_name, matter_type, binding, state, sent_at, changed_at)
select id, matter_id, number, agency_code, agency_name, role, transfer_kind, claims::uuid[], round,
    region_code, region_name, matter_type, binding, state, sent_at, changed_at
from (select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
        %s::text[], %s::int[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s::text[], %s::timestamptz[],
        %s::timestamptz[]))
    as new (id, matter_id, number, agency_code, agency_name, role, transfer_kind, claims, round,
        region_code, region_name, matter_type, binding, state, sent_at, changed_at)
on conflict (id) do update set claims = excluded.claims, round = excluded.round, binding = excluded.binding,
    state = excluded.state, sent_at = excluded.sent_at, changed_at = excluded.changed_at, messages_gone_at = null
"""
"""Appends assignments; what refers to one is appended behind it."""


def _put_now(tx: Transaction, sent: Assignment) -> Cursor[Row]:
    return tx.execute(f"{PUT} returning *", [[value] for value in _columns(sent)])


def _columns(sent: Assignment) -> tuple[Any, ...]:
    """The columns of :data:`PUT`; claims as the text of an array, because an array of arrays is none that a column's
    values could be taken from."""
    return (
        sent.id, sent.matter_id, sent.number, sent.agency_code, sent.agency_name, sent.role.value,
        sent.transfer_kind.value, f"{{{','.join(map(str, sent.claims))}}}", sent.round, sent.region_code,
        sent.region_name, sent.matter_type, sent.binding, sent.state.value, sent.sent_at, sent.changed_at,
    )  # fmt: skip


def change(
    tx: Transaction,
    matter_id: UUID,
    assignment_id: UUID,
    *,
    state: AssignmentState,
    at: datetime,
    binding: bool | None = None,
) -> None:
    """Note routing's word on an assignment; ``binding`` only ever becomes true."""
    loaded = _loaded(tx, matter_id)
    if loaded is None:
        tx.write(
            """
            update assignment set state = %s, changed_at = %s, binding = binding or coalesce(%s, false),
                accepted_at = case when %s = 'accepted' then coalesce(accepted_at, %s) else accepted_at end
            where id = %s
            """,
            (state.value, at, binding, state.value, at, assignment_id),
        )
    elif assignment_id in loaded:
        known = loaded[assignment_id]
        accepted_at = known.accepted_at or at if state is AssignmentState.ACCEPTED else known.accepted_at
        _amend(
            tx,
            loaded,
            replace(known, state=state, changed_at=at, binding=known.binding or bool(binding), accepted_at=accepted_at),
        )


def _amend(tx: Transaction, loaded: dict[UUID, Assignment], changed: Assignment) -> None:
    """Write what changes in an assignment after it was sent, and remember it."""
    loaded[changed.id] = changed
    tx.amend(
        """
        update assignment set state = new.state, changed_at = new.changed_at, binding = new.binding,
            accepted_at = new.accepted_at, version = new.version
        from (select * from unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::boolean[], %s::timestamptz[],
                %s::int[]))
            as new (id, state, changed_at, binding, accepted_at, version)
        where assignment.id = new.id
        """,
        changed.id,
        changed.state.value,
        changed.changed_at,
        changed.binding,
        changed.accepted_at,
        changed.version,
    )


def next_version(tx: Transaction, assignment: Assignment) -> int:
    """The next version number of messages on an assignment, from 1 without gaps; its matter's stream is held."""
    loaded = _loaded(tx, assignment.matter_id)
    if loaded is None:
        row = only(
            tx.execute("update assignment set version = version + 1 where id = %s returning version", (assignment.id,))
        )
        return int(row["version"])
    known = loaded[assignment.id]
    _amend(tx, loaded, replace(known, version=known.version + 1))
    return known.version + 1


_NOTE_REFERENCE = """
update assignment set reference = coalesce(assignment.reference, new.reference)
from (select * from unnest(%s::uuid[], %s::text[])) as new (id, reference) where assignment.id = new.id
"""


def note_reference(tx: Transaction, assignment_id: UUID, reference: str) -> None:
    """Keep the department's own number for an assignment, the first one it told."""
    tx.amend(_NOTE_REFERENCE, assignment_id, reference)
    seen = tx.memory.get(("seen by", assignment_id), {})
    for agency, known in seen.items():
        if known is not None and known.reference is None:
            seen[agency] = replace(known, reference=reference)


def see_together(tx: Transaction, asked: Sequence[tuple[UUID, str]]) -> None:
    """Read at once what :func:`of_agency` tells of several assignments, each with the agency that asks for it."""
    rows = tx.execute(
        f"""
        select a.* from assignment a
        where (a.id, a.agency_code) in (select * from unnest(%s::uuid[], %s::text[])) and {_NOT_BLOCKED}
        """,
        ([assignment_id for assignment_id, _ in asked], [agency for _, agency in asked]),
    )
    found = {(row["id"], row["agency_code"]): _read(row) for row in rows}
    for assignment_id, agency in asked:
        tx.memory.setdefault(("seen by", assignment_id), {})[agency] = found.get((assignment_id, agency))


def of_agency(tx: Transaction, assignment_id: UUID, agency: str) -> Assignment | None:
    """The assignment if it belongs to the agency and the agency may see it; nothing tells why it is not there."""
    if agency not in tx.memory.get(("seen by", assignment_id), {}):
        see_together(tx, [(assignment_id, agency)])
    found: Assignment | None = tx.memory["seen by", assignment_id][agency]
    return found


def of_matter_by_id(tx: Transaction, matter_id: UUID, assignment_id: UUID) -> Assignment | None:
    """One assignment of a matter."""
    return next((found for found in of_matter(tx, matter_id) if found.id == assignment_id), None)


def on_desk(tx: Transaction, assignment_id: UUID) -> bool:
    """Whether the assignment itself was delivered on the desk, or is on its way there."""
    key = "on desk", assignment_id
    return bool(tx.memory[key]) if key in tx.memory else desk.has_assignment(tx, assignment_id)


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
    loaded = _loaded(tx, matter_id)
    if loaded is not None:
        return sorted(loaded.values(), key=lambda found: (found.sent_at, str(found.id)))
    rows = tx.execute("select a.* from assignment a where a.matter_id = %s order by a.sent_at, a.id", (matter_id,))
    return [_read(row) for row in rows]


def with_leave(ids: list[UUID]) -> tuple[str, tuple[Any, ...]]:
    """The statement that finds assignments, and whether each one's agency may see its matter, for :func:`read_leave`.

    It may not where it is accused in the matter or stands below one that is.
    """
    return f"select a.*, {_NOT_BLOCKED} as free from assignment a where a.id = any(%s)", (ids,)


def read_leave(rows: Iterable[dict[str, Any]]) -> dict[UUID, tuple[Assignment, bool]]:
    """What :func:`with_leave` finds, by id."""
    return {row["id"]: (_read(row), free) for row in rows for free in [row.pop("free")]}


def accuse(tx: Transaction, matter_id: UUID, agencies: Sequence[str]) -> None:
    """Note the agencies that a matter accuses."""
    for code in agencies:
        tx.append(
            "insert into accused (matter_id, agency_code) select * from unnest(%s::uuid[], %s::text[])"
            " on conflict do nothing",
            (matter_id, code),
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
