"""Messages to departments on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import DeliveryState, ExchangeKind
from lianban.contracts.refs import AgencyRef
from services.agency_gateway.domain.delivery import Step
from services.agency_gateway.domain.profile import AdapterName
from services.agency_gateway.store import assignments, journal


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process has in hand; ``ask`` where its outcome was unknown.

    ``sent_at``, the moment of the claim, tells this attempt from every other one.
    """

    id: UUID
    agency_code: str
    assignment_id: UUID
    matter_id: UUID
    kind: ExchangeKind
    version: int
    adapter: AdapterName
    statement_id: UUID | None
    ask: bool
    sent_at: datetime
    reference: str | None
    trace: str | None
    created_at: datetime


def queue(
    tx: Transaction,
    *,
    delivery_id: UUID,
    agency: str,
    assignment_id: UUID,
    matter_id: UUID,
    kind: ExchangeKind,
    version: int,
    adapter: AdapterName,
    statement_id: UUID | None,
    trace: str | None,
    at: datetime,
) -> None:
    """Queue a message in its agency's lane, due at ``at``."""
    tx.append(
        """
        insert into delivery (id, agency_code, assignment_id, matter_id, kind, version, adapter, statement_id, due_at,
            trace, created_at)
        select * from unnest(%s::uuid[], %s::text[], %s::uuid[], %s::uuid[], %s::text[], %s::int[], %s::text[],
            %s::uuid[], %s::timestamptz[], %s::text[], %s::timestamptz[])
        """,
        (
            delivery_id, agency, assignment_id, matter_id, kind.value, version, adapter.value, statement_id, at,
            trace, at,
        ),
        behind=assignments.PUT,
    )  # fmt: skip


_CLAIM = """
with open_lane as materialized (
    select l.agency_code, l.concurrency, l.circuit, l.pause_seconds
    from lane l
    where l.ready_at <= %(at)s
        and (l.circuit <> 'open' or l.probe_at <= %(at)s)
        and exists (
            select from delivery d
            where d.agency_code = l.agency_code and d.state in ('pending', 'unknown') and d.due_at <= %(at)s
        )
    order by l.served_at
    limit %(lanes)s
    for update skip locked
), room as materialized (
    select o.agency_code,
        least(
            case when o.circuit = 'closed' then o.concurrency else 1 end - in_flight.n,
            case when o.pause_seconds > 0 then greatest(1, (0.5 / o.pause_seconds)::int) else 1000000 end
        ) as room
    from open_lane o cross join lateral (
        select count(*)::int as n from delivery s
        where s.agency_code = o.agency_code and s.state = 'sending' and s.offered_at is null
    ) in_flight
), due as materialized (
    select chosen.id from room cross join lateral (
        select d.id from delivery d
        where d.agency_code = room.agency_code and d.state in ('pending', 'unknown') and d.due_at <= %(at)s
            and not exists (
                select from delivery e
                where e.assignment_id = d.assignment_id and e.version < d.version
                    and e.state <> 'delivered' and e.offered_at is null
            )
        order by d.due_at, d.created_at, d.version
        limit greatest(room.room, 0)
        for update skip locked
    ) chosen
    limit %(most)s
), taken as (
    update delivery set state = 'sending', ask = (delivery.state = 'unknown'), tries = delivery.tries + 1,
        due_at = null, lease_until = %(lease_until)s, worker = %(worker)s, sent_at = %(at)s
    from due where delivery.id = due.id
    returning delivery.id, delivery.agency_code, delivery.assignment_id, delivery.matter_id, delivery.kind,
        delivery.version, delivery.adapter, delivery.statement_id, delivery.ask, delivery.sent_at, delivery.reference,
        delivery.trace, delivery.created_at
), served as (
    update lane set served_at = %(at)s, ready_at = %(at)s + make_interval(secs => lane.pause_seconds * per.n),
        circuit = case when lane.circuit = 'open' then 'half_open' else lane.circuit end
    from (select agency_code, count(*) as n from taken group by agency_code) per
    where lane.agency_code = per.agency_code
)
select * from taken order by agency_code, created_at, version
"""


def claim(tx: Transaction, *, at: datetime, worker: str, lease: timedelta, lanes: int, most: int) -> list[Claimed]:
    """Take due messages, at most what each lane has room for, least recently served lanes first.

    Per assignment only the oldest undelivered message is taken. Rows that another process has are passed over.
    """
    rows = tx.execute(
        _CLAIM, {"at": at, "lanes": lanes, "most": most, "worker": worker, "lease_until": at + lease}
    ).fetchall()
    return [
        Claimed(**{**row, "kind": ExchangeKind(row["kind"]), "adapter": AdapterName(row["adapter"])}) for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a delivery stands, its row locked."""

    id: UUID
    state: DeliveryState
    ask: bool
    """Whether the department is asked first in this attempt, or in the next where a person must let it go on."""
    tries: int
    offered: bool
    unknown_told: bool
    kind: ExchangeKind
    assignment_id: UUID
    matter_id: UUID
    number: str
    agency_code: str
    agency_name: str
    adapter: AdapterName
    created_at: datetime
    sent_at: datetime | None
    named: bool
    """Whether the department's own number for the assignment is known."""

    @property
    def agency(self) -> AgencyRef:
        """The agency as it was called when the assignment was sent."""
        return AgencyRef(code=self.agency_code, name=self.agency_name)


_STANDING_OF = """
    select d.id, d.state, d.ask, d.tries, d.offered_at is not null as offered, d.unknown_told, d.kind, d.assignment_id,
        d.matter_id, a.number, d.agency_code, a.agency_name, d.adapter, d.created_at, d.sent_at,
        a.reference is not null as named
    from delivery d join assignment a on a.id = d.assignment_id
"""
_STANDING = f"{_STANDING_OF} where d.id = any(%s) order by d.id for update of d"


def _standing(row: dict[str, Any]) -> Standing:
    return Standing(
        **{
            **row,
            "state": DeliveryState(row["state"]),
            "kind": ExchangeKind(row["kind"]),
            "adapter": AdapterName(row["adapter"]),
        }
    )


def lock(tx: Transaction, delivery_id: UUID) -> Standing | None:
    """The delivery, its row locked until the end of the transaction."""
    row = tx.execute(_STANDING, ([delivery_id],)).fetchone()
    return _standing(row) if row else None


def following(tx: Transaction, assignment_id: UUID) -> list[Standing]:
    """What follows an assignment and is not delivered, in order, the rows locked."""
    rows = tx.execute(
        f"{_STANDING_OF} where d.assignment_id = %s and d.kind <> %s and d.state <> 'delivered'"
        " order by d.version for update of d",
        (assignment_id, ExchangeKind.ASSIGNMENT.value),
    )
    return [_standing(row) for row in rows]


_ANY_DUE = """
    select from delivery where agency_code = any(%s) and state in ('pending', 'unknown') and due_at <= %s limit 1
"""


def take(tx: Transaction, items: Sequence[Claimed], *, at: datetime) -> tuple[dict[UUID, Standing], bool]:
    """Several deliveries: their matters' streams, their agencies' journals and their rows, all held until commit.

    Also whether another message waits for its turn in one of their lanes.
    """
    agencies = sorted({item.agency_code for item in items})
    heads, rows, more = tx.execute_all(
        [
            journal.hold(agencies),
            (_STANDING, ([item.id for item in items],)),
            (_ANY_DUE, (agencies, at)),
        ],
        lock=[item.matter_id for item in items],
    )
    journal.held(tx, heads)
    return {row["id"]: _standing(row) for row in rows}, more.rowcount > 0


def matter_of(tx: Transaction, delivery_id: UUID) -> UUID | None:
    """The matter that a delivery is about."""
    row = tx.execute("select matter_id from delivery where id = %s", (delivery_id,)).fetchone()
    return row["matter_id"] if row else None


_MOVE = """
update delivery set state = new.state, due_at = new.due_at, lease_until = null, worker = null, ask = new.ask,
    trouble = new.trouble, detail = new.detail, reference = coalesce(new.reference, delivery.reference),
    offered_at = case when new.offered then new.at when new.state = 'delivered' then delivery.offered_at end,
    delivered_at = case when new.state = 'delivered' then new.at end,
    unknown_told = delivery.unknown_told or new.state = 'unknown',
    adapter = coalesce(new.adapter, delivery.adapter)
from (
    select * from unnest(%s::uuid[], %s::text[], %s::timestamptz[], %s::bool[], %s::text[], %s::text[], %s::text[],
        %s::bool[], %s::timestamptz[], %s::text[])
) as new (id, state, due_at, ask, trouble, detail, reference, offered, at, adapter)
where delivery.id = new.id
"""


def move(tx: Transaction, delivery_id: UUID, step: Step, *, at: datetime, adapter: AdapterName | None = None) -> None:
    """Write what a delivery has become, once in a transaction; ``adapter`` where it goes on by another one."""
    tx.amend(
        _MOVE,
        delivery_id,
        step.state.value,
        step.due_at,
        step.ask,
        step.trouble.value if step.trouble else None,
        step.detail[:300] or None,
        step.reference,
        step.offered,
        at,
        adapter.value if adapter else None,
    )


def go_by(tx: Transaction, items: Sequence[Claimed]) -> None:
    """Note the adapters by which deliveries in hand go, where that is another one than they were queued for."""
    for item in items:
        tx.write(
            "update delivery set adapter = %s where id = %s and state = 'sending' and sent_at = %s",
            (item.adapter.value, item.id, item.sent_at),
        )


def start_over(tx: Transaction, delivery_id: UUID) -> None:
    """Forget the tries, so that the pauses are short again."""
    tx.write("update delivery set tries = 0 where id = %s", (delivery_id,))


def interrupted(tx: Transaction, *, worker: str | None, at: datetime) -> list[UUID]:
    """Deliveries left in `sending`: those of ``worker`` (this process, before it began), or whose lease is over."""
    rows = tx.execute(
        """
        select id from delivery
        where state = 'sending' and lease_until is not null and (worker = %s or lease_until < %s)
        order by lease_until limit 500
        """,
        (worker, at),
    )
    return [row["id"] for row in rows]


def unknown_of(assignments: Sequence[UUID]) -> tuple[str, tuple[Any, ...]]:
    """The statement that finds the messages of assignments themselves of which it is unknown whether the department has
    them.

    What follows the assignment is not found: whoever speaks about an assignment may not have got it.
    """
    return (
        """
        select id, assignment_id from delivery
        where assignment_id = any(%s) and kind = %s and state = 'unknown' order by version
        """,
        (list(assignments), ExchangeKind.ASSIGNMENT.value),
    )


def trace_of(tx: Transaction, assignment_id: UUID) -> str | None:
    """The trace in which the last message on an assignment was queued."""
    row = tx.execute(
        "select trace from delivery where assignment_id = %s and trace is not null order by version desc limit 1",
        (assignment_id,),
    ).fetchone()
    return row["trace"] if row else None


def due_now(tx: Transaction, agency: str, at: datetime) -> None:
    """Let everything that waits in a lane be due, without waiting for its pause to end."""
    tx.write(
        "update delivery set due_at = %s where agency_code = %s and state in ('pending', 'unknown') and due_at > %s",
        (at, agency, at),
    )


def take_along(tx: Transaction, agency: str, kind: ExchangeKind, adapter: AdapterName) -> None:
    """Send what waits in a lane by the adapter that the agency's new profile names for this kind.

    What may have reached the system that was connected until now stays: it is asked for, or a person decides. What
    follows an assignment on the desk stays there: the system knows nothing of it.
    """
    tx.write(
        """
        update delivery set adapter = %s
        where agency_code = %s and kind = %s and adapter <> %s and state in ('pending', 'parked', 'rejected')
            and not ask
            and not (%s and exists (
                select from desk_item i where i.assignment_id = delivery.assignment_id and i.kind = 'assignment'
            ))
        """,
        (adapter.value, agency, kind.value, adapter.value, kind is not ExchangeKind.ASSIGNMENT),
    )


def bring_to_desks(tx: Transaction) -> None:
    """Have everything that waits delivered on the agencies' desks."""
    tx.write(
        "update delivery set adapter = %s where adapter <> %s and state = 'pending'",
        (AdapterName.DESK.value, AdapterName.DESK.value),
    )


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A delivery as the console and the desk show it."""

    id: UUID
    agency_code: str
    number: str
    assignment_id: UUID
    kind: ExchangeKind
    version: int
    adapter: str
    state: DeliveryState
    ask: bool
    tries: int
    due_at: datetime | None
    offered: bool
    reference: str | None
    trouble: str | None
    detail: str | None
    created_at: datetime
    delivered_at: datetime | None


_VIEW = """
    select d.id, d.agency_code, a.number, d.assignment_id, d.kind, d.version, d.adapter, d.state, d.ask, d.tries,
        d.due_at, d.offered_at is not null as offered, d.reference, d.trouble, d.detail, d.created_at, d.delivered_at
    from delivery d join assignment a on a.id = d.assignment_id
"""


def _view(row: dict[str, Any]) -> DeliveryView:
    return DeliveryView(**{**row, "kind": ExchangeKind(row["kind"]), "state": DeliveryState(row["state"])})


def open_in_lane(tx: Transaction, agency: str, *, limit: int) -> list[DeliveryView]:
    """What has not reached the department: first what waits for a person, then the oldest."""
    rows = tx.execute(
        _VIEW
        + """
        where d.agency_code = %s and d.state <> 'delivered'
        order by d.state in ('rejected', 'parked') desc, d.state = 'unknown' desc, d.created_at, d.version
        limit %s
        """,
        (agency, limit),
    )
    return [_view(row) for row in rows]


def of_assignment(tx: Transaction, assignment_id: UUID) -> list[DeliveryView]:
    """Every message on an assignment, in order."""
    rows = tx.execute(_VIEW + " where d.assignment_id = %s order by d.version", (assignment_id,))
    return [_view(row) for row in rows]
