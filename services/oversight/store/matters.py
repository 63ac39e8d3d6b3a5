"""Matters and assignments as oversight sees them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import AgencyRole, AssignmentState, MatterState
from lianban.contracts.intake import MatterRegistered
from lianban.contracts.refs import AgencyRef
from lianban.contracts.routing import AssignmentSent
from services.oversight.store import tallies
from services.oversight.store.tallies import Line

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """A matter without anything personal."""

    id: UUID
    number: str
    region_code: str
    region_name: str
    state: MatterState
    received_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    lead: AgencyRef | None
    reachable: bool
    round: int
    key: tuple[datetime, UUID] | tuple[()] = ()
    """Its place in the list that it was read in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One agency's part."""

    id: UUID
    agency: AgencyRef
    role: AgencyRole
    state: AssignmentState
    objections: int
    sent_at: datetime
    ended_at: datetime | None


_COLUMNS = (
    "id, number, region_code, region_name, state, received_at, changed_at, closed_at, lead_code, lead_name, reachable,"
    " round"
)
_PART_COLUMNS = "id, matter_id, agency_code, agency_name, role, state, objections, sent_at, ended_at"

_MEMORY = "oversight matter"
_PARTS, _PART_ROWS = "assignments of a matter", "rows of a matter's assignments"


def _read(row: Row) -> Matter:
    lead = AgencyRef(row["lead_code"], row["lead_name"]) if row["lead_code"] else None
    rest = {name: row[name] for name in _COLUMNS.split(", ") if name not in ("lead_code", "lead_name", "state")}
    return Matter(state=MatterState(row["state"]), lead=lead, **rest)


def _read_part(row: Row) -> Assignment:
    return Assignment(
        id=row["id"],
        agency=AgencyRef(row["agency_code"], row["agency_name"]),
        role=AgencyRole(row["role"]),
        state=AssignmentState(row["state"]),
        objections=row["objections"],
        sent_at=row["sent_at"],
        ended_at=row["ended_at"],
    )


def load(tx: Transaction, matter_ids: list[UUID]) -> None:
    """Ask for many matters and their assignments, into the transaction's memory."""
    tx.memory.update({(_MEMORY, matter_id): None for matter_id in matter_ids})

    def take(rows: list[Row]) -> None:
        tx.memory.update({(_MEMORY, row["id"]): _read(row) for row in rows})

    tx.ask(f"select {_COLUMNS} from matter where id = any(%s)", (matter_ids,), take)
    _load_parts(tx, matter_ids)


def _load_parts(tx: Transaction, matter_ids: list[UUID]) -> None:
    tx.memory.update({(_PART_ROWS, matter_id): [] for matter_id in matter_ids})

    def take(rows: list[Row]) -> None:
        for row in rows:
            tx.memory[_PART_ROWS, row["matter_id"]].append(row)

    tx.ask(f"select {_PART_COLUMNS} from assignment where matter_id = any(%s)", (matter_ids,), take)


def get(tx: Transaction, matter_id: UUID) -> Matter | None:
    """The matter with an id, as this transaction leaves it."""
    if (_MEMORY, matter_id) not in tx.memory:
        row = tx.execute(f"select {_COLUMNS} from matter where id = %s", (matter_id,)).fetchone()
        tx.memory[_MEMORY, matter_id] = _read(row) if row else None
    found: Matter | None = tx.memory[_MEMORY, matter_id]
    return found


def _parts(tx: Transaction, matter_id: UUID) -> dict[UUID, Assignment]:
    """A matter's assignments as this transaction leaves them; rows are read into assignments when first needed."""
    if (_PARTS, matter_id) not in tx.memory:
        if (_PART_ROWS, matter_id) not in tx.memory:
            _load_parts(tx, [matter_id])
            tx.settle()
        tx.memory[_PARTS, matter_id] = {row["id"]: _read_part(row) for row in tx.memory[_PART_ROWS, matter_id]}
    found: dict[UUID, Assignment] = tx.memory[_PARTS, matter_id]
    return found


def insert(tx: Transaction, matter_id: UUID, data: MatterRegistered, *, at: datetime) -> None:
    """A matter is registered; nothing happens where it is known. Its stream must be held, here and below.

    Matters and assignments are kept in the transaction's memory and written at the end, each once.
    """
    if get(tx, matter_id) is not None:
        return
    matter = Matter(
        id=matter_id,
        number=data.number,
        region_code=data.region_code,
        region_name=data.region_name,
        state=MatterState.REGISTERED,
        received_at=data.received_at,
        changed_at=at,
        closed_at=None,
        lead=None,
        reachable=bool(data.reachable),
        round=1,
    )
    tallies.count(tx, Line("matters", matter.region_code, word=matter.state.value), 1)
    _keep(tx, matter)


def by_number(tx: Transaction, number: str, *, territory: str) -> Matter | None:
    """The matter with a number, where it lies in a territory (the beginning of a region code)."""
    row = tx.execute(
        f"select {_COLUMNS} from matter where number = %s and region_code like %s",
        (number, territory + "%"),
    ).fetchone()
    return _read(row) if row else None


def change(
    tx: Transaction,
    matter: Matter,
    *,
    state: MatterState | None,
    lead: AgencyRef | None,
    round_: int | None,
    at: datetime,
) -> None:
    """Bring a matter up to date; None leaves a column as it is. Closed it stays until another state follows."""
    if state is not None:
        tallies.count(tx, Line("matters", matter.region_code, word=matter.state.value), -1)
        tallies.count(tx, Line("matters", matter.region_code, word=state.value), 1)
        matter = replace(matter, state=state, closed_at=at if state is MatterState.CLOSED else None)
    _keep(
        tx,
        replace(matter, lead=lead or matter.lead, round=matter.round if round_ is None else round_, changed_at=at),
    )


def page(
    tx: Transaction,
    *,
    territory: str,
    state: str | None,
    agency: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Matter]:
    """Matters, the last changed first; those of one agency by when it got them, the last first.

    ``after`` is the key of the last one seen. Each order has its index: among a million matters a list must not be
    sorted.
    """
    rows = tx.execute(
        _OF_AGENCY if agency else _ALL,
        {
            "territory": territory + "%",
            "state": state,
            "agency": agency,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [replace(_read(row), key=(row["key_at"], row["key_id"])) for row in rows]


_LISTED = ", ".join(f"matter.{column}" for column in _COLUMNS.split(", "))
_ALL = f"""
select {_LISTED}, changed_at as key_at, id as key_id from matter
where region_code like %(territory)s
    and (%(state)s::text is null or state = %(state)s)
    and (%(at)s::timestamptz is null or (changed_at, id) < (%(at)s, %(id)s))
order by changed_at desc, id desc limit %(limit)s
"""
_OF_AGENCY = f"""
select {_LISTED}, part.sent_at as key_at, part.id as key_id
from assignment as part join matter on matter.id = part.matter_id
where part.agency_code = %(agency)s and matter.region_code like %(territory)s
    and (%(state)s::text is null or matter.state = %(state)s)
    and (%(at)s::timestamptz is null or (part.sent_at, part.id) < (%(at)s, %(id)s))
    and not exists (
        select from assignment as later where later.matter_id = part.matter_id
            and later.agency_code = part.agency_code and (later.sent_at, later.id) > (part.sent_at, part.id)
    )
order by part.sent_at desc, part.id desc limit %(limit)s
"""


def by_month(tx: Transaction, *, territory: str, since: date) -> dict[date, tuple[int, int]]:
    """How many matters were registered and closed in each month in China from the first day of one on."""
    rows = tx.execute(
        """
        select month, sum(registered)::int as registered, sum(closed)::int as closed from (
            select date_trunc('month', received_at at time zone 'Asia/Shanghai')::date as month,
                count(*) as registered, 0 as closed
            from matter
            where received_at >= %(since)s::timestamp at time zone 'Asia/Shanghai' and region_code like %(territory)s
            group by 1
            union all
            select date_trunc('month', closed_at at time zone 'Asia/Shanghai')::date, 0, count(*)
            from matter
            where closed_at >= %(since)s::timestamp at time zone 'Asia/Shanghai' and region_code like %(territory)s
            group by 1
        ) as counted group by month
        """,
        {"since": since, "territory": territory + "%"},
    )
    return {row["month"]: (row["registered"], row["closed"]) for row in rows}


def open_assignments_by_agency(tx: Transaction, *, territory: str) -> dict[str, int]:
    """Per agency how many assignments it has in work."""
    rows = tx.execute(
        "select agency_code, count(*) as n from assignment where ended_at is null and region_code like %s"
        " group by agency_code",
        (territory + "%",),
    )
    return {row["agency_code"]: row["n"] for row in rows}


def agencies(tx: Transaction, *, territory: str) -> list[AgencyRef]:
    """The agencies that have had a matter of a territory, by name."""
    rows = tx.execute(
        "select agency_code, max(agency_name) as name from agency_in_region where region_code like %s"
        " group by agency_code order by name, agency_code",
        (territory + "%",),
    )
    return [AgencyRef(row["agency_code"], row["name"]) for row in rows]


def send(tx: Transaction, matter: Matter, data: AssignmentSent) -> None:
    """An assignment went out, or again with a binding decision."""
    tx.at_end(_write_agencies, (matter.region_code, data.agency.code, data.agency.name))
    before = _parts(tx, matter.id).get(data.assignment_id)
    if before is not None:
        _keep_part(tx, matter, replace(before, role=data.role, state=AssignmentState.SENT, ended_at=None))
        return
    tallies.count(tx, Line("assignments", matter.region_code, data.agency.code), 1)
    part = Assignment(
        id=data.assignment_id,
        agency=data.agency,
        role=data.role,
        state=AssignmentState.SENT,
        objections=0,
        sent_at=data.sent_at,
        ended_at=None,
    )
    _keep_part(tx, matter, part)


def move(
    tx: Transaction, matter: Matter, assignment_id: UUID, state: AssignmentState, *, ended_at: datetime | None
) -> None:
    """An assignment's state changed; nothing happens where it is not known."""
    before = _parts(tx, matter.id).get(assignment_id)
    if before is None:
        return
    objected = int(state is AssignmentState.OBJECTED)
    if objected:
        tallies.count(tx, Line("objections", matter.region_code, before.agency.code), 1)
    _keep_part(tx, matter, replace(before, state=state, ended_at=ended_at, objections=before.objections + objected))


def _keep(tx: Transaction, matter: Matter) -> None:
    tx.memory[_MEMORY, matter.id] = matter
    _write_at_end(tx, matter.id)


def _keep_part(tx: Transaction, matter: Matter, part: Assignment) -> None:
    _parts(tx, matter.id)[part.id] = part
    _write_at_end(tx, matter.id, part.id)


def _write_at_end(tx: Transaction, matter_id: UUID, part_id: UUID | None = None) -> None:
    tx.at_end(_write, (matter_id, part_id))


def _write(tx: Transaction, changed: list[tuple[UUID, UUID | None]]) -> None:
    """Write matters and then assignments, which refer to them."""
    for matter_id, part_id in changed:
        if part_id is None:
            _write_matter(tx, tx.memory[_MEMORY, matter_id])
    for matter_id, part_id in changed:
        if part_id is not None:
            _write_part(tx, tx.memory[_MEMORY, matter_id], tx.memory[_PARTS, matter_id][part_id])


def _write_matter(tx: Transaction, matter: Matter) -> None:
    tx.append(
        """
        insert into matter (id, number, region_code, region_name, state, received_at, changed_at, closed_at, lead_code,
            lead_name, reachable, round)
        select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
            %s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[], %s::bool[], %s::int[])
        on conflict (id) do update set state = excluded.state, changed_at = excluded.changed_at,
            closed_at = excluded.closed_at, lead_code = excluded.lead_code, lead_name = excluded.lead_name,
            round = excluded.round
        """,
        (
            matter.id, matter.number, matter.region_code, matter.region_name, matter.state.value, matter.received_at,
            matter.changed_at, matter.closed_at, matter.lead.code if matter.lead else None,
            matter.lead.name if matter.lead else None, matter.reachable, matter.round,
        ),
    )  # fmt: skip


def _write_part(tx: Transaction, matter: Matter, part: Assignment) -> None:
    tx.append(
        """
        insert into assignment (id, matter_id, region_code, agency_code, agency_name, role, state, objections, sent_at,
            ended_at)
        select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[],
            %s::int[], %s::timestamptz[], %s::timestamptz[])
        on conflict (id) do update set role = excluded.role, state = excluded.state, objections = excluded.objections,
            ended_at = excluded.ended_at, region_code = excluded.region_code
        """,
        (
            part.id, matter.id, matter.region_code, part.agency.code, part.agency.name, part.role.value,
            part.state.value, part.objections, part.sent_at, part.ended_at,
        ),
    )  # fmt: skip


def _write_agencies(tx: Transaction, known: list[tuple[str, str, str]]) -> None:
    for row in sorted(known):  # in one order for all transactions, since each waits for another's new rows
        tx.append(
            """
            insert into agency_in_region (region_code, agency_code, agency_name)
            select * from unnest(%s::text[], %s::text[], %s::text[])
            on conflict (region_code, agency_code) do nothing
            """,
            row,
        )


def assignments(tx: Transaction, matter_id: UUID) -> list[Assignment]:
    """A matter's assignments, leads first, in the order in which they went out."""
    rows = tx.execute(
        f"select {_PART_COLUMNS} from assignment where matter_id = %s order by role <> 'lead', sent_at, agency_code",
        (matter_id,),
    )
    return [_read_part(row) for row in rows]
