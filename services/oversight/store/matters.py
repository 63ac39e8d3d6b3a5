"""Matters and assignments as oversight sees them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from lianban.chassis.database import Transaction
from lianban.contracts.codes import AgencyRole, AssignmentState, MatterState
from lianban.contracts.intake import MatterRegistered
from lianban.contracts.refs import AgencyRef
from lianban.contracts.routing import AssignmentSent


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


def _read(row: dict[str, Any]) -> Matter:
    lead = AgencyRef(row["lead_code"], row["lead_name"]) if row["lead_code"] else None
    rest = {name: row[name] for name in _COLUMNS.split(", ") if name not in ("lead_code", "lead_name", "state")}
    return Matter(state=MatterState(row["state"]), lead=lead, **rest)


def insert(tx: Transaction, matter_id: UUID, data: MatterRegistered, *, at: datetime) -> None:
    """A matter is registered."""
    tx.execute(
        "insert into matter (id, number, region_code, region_name, state, received_at, changed_at, reachable)"
        " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict (id) do nothing",
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


def get(tx: Transaction, matter_id: UUID) -> Matter | None:
    """The matter with an id."""
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
    tx.execute(
        """
        update matter set state = coalesce(%(state)s, state), lead_code = coalesce(%(code)s, lead_code),
            lead_name = coalesce(%(name)s, lead_name), round = coalesce(%(round)s, round), changed_at = %(at)s,
            closed_at = case when %(state)s::text is null then closed_at when %(state)s = 'closed' then %(at)s end
        where id = %(id)s
        """,
        {
            "state": state.value if state else None,
            "code": lead.code if lead else None,
            "name": lead.name if lead else None,
            "round": round_,
            "at": at,
            "id": matter_id,
        },
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
    """Matters, the last changed first; ``after`` is the key of the last one seen."""
    rows = tx.execute(
        f"""
        select {_COLUMNS} from matter
        where region_code like %(territory)s
            and (%(state)s::text is null or state = %(state)s)
            and (%(agency)s::text is null or exists (
                select from assignment where matter_id = matter.id and agency_code = %(agency)s))
            and (%(at)s::timestamptz is null or (changed_at, id) < (%(at)s, %(id)s))
        order by changed_at desc, id desc limit %(limit)s
        """,
        {
            "territory": territory + "%",
            "state": state,
            "agency": agency,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_read(row) for row in rows]


def counts_by_state(tx: Transaction, *, territory: str) -> dict[MatterState, int]:
    """How many matters are in each state."""
    rows = tx.execute(
        "select state, count(*) as matters from matter where region_code like %s group by state", (territory + "%",)
    )
    return {MatterState(row["state"]): row["matters"] for row in rows}


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


def open_assignments_by_agency(tx: Transaction) -> dict[str, int]:
    """Per agency how many assignments it has in work; for the gauges."""
    rows = tx.execute("select agency_code, count(*) as n from assignment where ended_at is null group by agency_code")
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
    tx.execute(
        """
        with known as (
            insert into agency_in_region (region_code, agency_code, agency_name)
            select region_code, %(agency)s, %(name)s from matter where id = %(matter)s
            on conflict (region_code, agency_code) do nothing
        )
        insert into assignment (id, matter_id, agency_code, agency_name, role, state, sent_at)
        values (%(id)s, %(matter)s, %(agency)s, %(name)s, %(role)s, %(state)s, %(at)s)
        on conflict (id) do update set role = excluded.role, state = excluded.state, ended_at = null
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
    tx.execute(
        "update assignment set state = %s, ended_at = %s, objections = objections + %s where id = %s",
        (state.value, at if ended else None, int(state is AssignmentState.OBJECTED), assignment_id),
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
