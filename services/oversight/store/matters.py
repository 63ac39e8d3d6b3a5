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
    "id, number, region_code, region_name, state, received_at, changed_at, lead_code, lead_name, reachable, round"
)


_MEMORY = "oversight matter"


def _read(row: Row) -> Matter:
    lead = AgencyRef(row["lead_code"], row["lead_name"]) if row["lead_code"] else None
    rest = {name: row[name] for name in _COLUMNS.split(", ") if name not in ("lead_code", "lead_name", "state")}
    return Matter(state=MatterState(row["state"]), lead=lead, **rest)


def insert(tx: Transaction, matter_id: UUID, data: MatterRegistered, *, at: datetime) -> None:
    """A matter is registered."""
    tx.write(
        """
        with registered as (
            insert into matter (id, number, region_code, region_name, state, received_at, changed_at, reachable)
            values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict (id) do nothing returning region_code, state
        )
        insert into tally_change (what, region_code, word, n) select 'matters', region_code, state, 1 from registered
        """,
        (
            matter_id,
            data.number,
            data.region_code,
            data.region_name,
            MatterState.REGISTERED.value,
            data.received_at,
            at,
            bool(data.reachable),
        ),
    )
    if (_MEMORY, matter_id) in tx.memory and tx.memory[_MEMORY, matter_id] is None:
        tx.memory[_MEMORY, matter_id] = Matter(
            id=matter_id,
            number=data.number,
            region_code=data.region_code,
            region_name=data.region_name,
            state=MatterState.REGISTERED,
            received_at=data.received_at,
            changed_at=at,
            lead=None,
            reachable=bool(data.reachable),
            round=1,
        )


def load(tx: Transaction, matter_ids: list[UUID]) -> None:
    """Ask for many matters, into the transaction's memory."""
    tx.memory.update({(_MEMORY, matter_id): None for matter_id in matter_ids})

    def take(rows: list[Row]) -> None:
        tx.memory.update({(_MEMORY, row["id"]): _read(row) for row in rows})

    tx.ask(f"select {_COLUMNS} from matter where id = any(%s)", (matter_ids,), take)


def get(tx: Transaction, matter_id: UUID) -> Matter | None:
    """The matter with an id."""
    if (_MEMORY, matter_id) in tx.memory:
        remembered: Matter | None = tx.memory[_MEMORY, matter_id]
        return remembered
    row = tx.execute(f"select {_COLUMNS} from matter where id = %s", (matter_id,)).fetchone()
    return _read(row) if row else None


def by_number(tx: Transaction, number: str, *, territory: str) -> Matter | None:
    """The matter with a number, where it lies in a territory (the beginning of a region code)."""
    row = tx.execute(
        f"select {_COLUMNS} from matter where number = %s and region_code like %s",
        (number, territory + "%"),
    ).fetchone()
    return _read(row) if row else None


def change(
    tx: Transaction,
    matter_id: UUID,
    *,
    state: MatterState | None,
    lead: AgencyRef | None,
    round_: int | None,
    at: datetime,
) -> None:
    """Bring a matter up to date; None leaves a column as it is. Closed it stays until another state follows."""
    tx.write(
        """
        with before as (
            select region_code, state from matter where id = %(id)s and state <> %(state)s::text
        ), tallied as (
            insert into tally_change (what, region_code, word, n)
            select 'matters', region_code, word, n
            from before, lateral (values (state, -1), (%(state)s::text, 1)) as moved (word, n)
        )
        update matter set state = coalesce(%(state)s::text, state), lead_code = coalesce(%(lead)s, lead_code),
            lead_name = coalesce(%(lead_name)s, lead_name), round = coalesce(%(round)s, round), changed_at = %(at)s,
            closed_at = case when %(state)s::text is null then closed_at when %(state)s = 'closed' then %(at)s end
        where id = %(id)s
        """,
        {
            "id": matter_id,
            "state": state.value if state else None,
            "lead": lead.code if lead else None,
            "lead_name": lead.name if lead else None,
            "round": round_,
            "at": at,
        },
    )
    before: Matter | None = tx.memory.get((_MEMORY, matter_id))
    if before is not None:
        tx.memory[_MEMORY, matter_id] = replace(
            before, state=state or before.state, lead=lead or before.lead, round=round_ or before.round, changed_at=at
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


def send(tx: Transaction, matter_id: UUID, data: AssignmentSent) -> None:
    """An assignment went out, or again with a binding decision."""
    tx.write(
        """
        with place as (
            select region_code from matter where id = %(matter)s
        ), known as (
            insert into agency_in_region (region_code, agency_code, agency_name)
            select region_code, %(agency)s, %(name)s from place
            on conflict (region_code, agency_code) do nothing
        ), tallied as (
            insert into tally_change (what, region_code, agency_code, n)
            select 'assignments', region_code, %(agency)s, 1 from place
            where not exists (select from assignment where id = %(id)s)
        )
        insert into assignment (id, matter_id, region_code, agency_code, agency_name, role, state, sent_at)
        values (%(id)s, %(matter)s, (select region_code from place), %(agency)s, %(name)s, %(role)s, %(state)s, %(at)s)
        on conflict (id) do update set role = excluded.role, state = excluded.state, ended_at = null,
            region_code = excluded.region_code
        """,
        {
            "id": data.assignment_id,
            "matter": matter_id,
            "agency": data.agency.code,
            "name": data.agency.name,
            "role": data.role.value,
            "state": AssignmentState.SENT.value,
            "at": data.sent_at,
        },
    )


def move(tx: Transaction, assignment_id: UUID, state: AssignmentState, *, ended: bool, at: datetime) -> None:
    """An assignment's state changed."""
    tx.write(
        """
        with moved as (
            update assignment set state = %(state)s, ended_at = %(ended)s, objections = objections + %(objected)s
            where id = %(id)s returning matter_id, agency_code
        )
        insert into tally_change (what, region_code, agency_code, n)
        select 'objections', matter.region_code, agency_code, 1
        from moved join matter on matter.id = moved.matter_id where %(objected)s > 0
        """,
        {
            "id": assignment_id,
            "state": state.value,
            "ended": at if ended else None,
            "objected": int(state is AssignmentState.OBJECTED),
        },
    )


def assignments(tx: Transaction, matter_id: UUID) -> list[Assignment]:
    """A matter's assignments, leads first, in the order in which they went out."""
    rows = tx.execute(
        "select id, agency_code, agency_name, role, state, objections, sent_at, ended_at from assignment"
        " where matter_id = %s order by role <> 'lead', sent_at, agency_code",
        (matter_id,),
    )
    return [
        Assignment(
            id=row["id"],
            agency=AgencyRef(row["agency_code"], row["agency_name"]),
            role=AgencyRole(row["role"]),
            state=AssignmentState(row["state"]),
            objections=row["objections"],
            sent_at=row["sent_at"],
            ended_at=row["ended_at"],
        )
        for row in rows
    ]
