"""Lanes: one row per agency with its limits, its circuit and what went wrong last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lianban.chassis.transaction import Transaction
from services.agency_gateway.domain.lane import Breaker, Circuit
from services.agency_gateway.domain.profile import Limits
from services.agency_gateway.domain.trouble import Trouble
from services.agency_gateway.store.rows import only

TOLD_EVERY = timedelta(seconds=5)
"""How often a lane that works notes that it does."""


def ensure(tx: Transaction, agency: str, name: str) -> None:
    """Make sure that the agency has a lane."""
    tx.write("insert into lane (agency_code, agency_name) values (%s, %s) on conflict do nothing", (agency, name))


def set_limits(tx: Transaction, agency: str, *, adapter: str, limits: Limits, at: datetime) -> None:
    """Give the lane its profile's limits; a new profile is tried at once, whatever the circuit was."""
    tx.write(
        """
        update lane set adapter = %s, concurrency = %s, pause_seconds = %s,
            probe_at = case when circuit = 'closed' then probe_at else %s end
        where agency_code = %s
        """,
        (adapter, limits.concurrency, 60 / limits.per_minute if limits.per_minute else 0, at, agency),
    )


def breaker(tx: Transaction, agency: str) -> Breaker:
    """The lane's circuit, its row locked until the end of the transaction."""
    row = only(
        tx.execute(
            "select circuit, failures, openings, probe_at from lane where agency_code = %s for update", (agency,)
        )
    )
    return Breaker(Circuit(row["circuit"]), row["failures"], row["openings"], row["probe_at"])


_NOTE_SUCCESS = """
update lane set circuit = 'closed', failures = 0, openings = 0, probe_at = null, last_success_at = new.at
from (select * from unnest(%s::text[], %s::timestamptz[], %s::timestamptz[])) as new (agency_code, at, told)
where lane.agency_code = new.agency_code and (
    lane.circuit <> 'closed' or lane.failures > 0 or lane.last_success_at is null or lane.last_success_at < new.told
)
"""


def note_success(tx: Transaction, agency: str, at: datetime) -> None:
    """A message got through: the circuit is closed. Writes nothing where that is known already."""
    tx.amend(_NOTE_SUCCESS, agency, at, at - TOLD_EVERY)


def note_trouble(
    tx: Transaction, agency: str, breaker: Breaker | None, *, trouble: Trouble, detail: str, at: datetime
) -> None:
    """Keep the lane's circuit (where it changed) and its last trouble."""
    tx.write(
        "update lane set last_trouble = %s, last_detail = %s, last_trouble_at = %s where agency_code = %s",
        (trouble.value, detail, at, agency),
    )
    if breaker is not None:
        tx.write(
            "update lane set circuit = %s, failures = %s, openings = %s, probe_at = %s where agency_code = %s",
            (breaker.circuit.value, breaker.failures, breaker.openings, breaker.probe_at, agency),
        )


def probe_now(tx: Transaction, agency: str, at: datetime) -> None:
    """Let the next message of an open lane out at once, to see."""
    tx.write(
        "update lane set probe_at = %s where agency_code = %s and circuit <> 'closed'",
        (at, agency),
    )


@dataclass(frozen=True, slots=True)
class LaneView:
    """A lane as the integration console shows it."""

    agency_code: str
    agency_name: str
    adapter: str
    level: int
    circuit: Circuit
    probe_at: datetime | None
    failures: int
    last_trouble: str | None
    last_detail: str | None
    last_trouble_at: datetime | None
    last_success_at: datetime | None
    waiting: int
    sending: int
    offered: int
    unknown: int
    person: int
    oldest_at: datetime | None
    unknown_at: datetime | None
    """When the oldest message was made of which it is unknown whether the department has it."""

    @property
    def backlog(self) -> int:
        """Messages that the department does not have (as far as we know)."""
        return self.waiting + self.sending + self.offered + self.unknown + self.person


_OVERVIEW = """
    select l.agency_code, l.agency_name, l.adapter, coalesce(p.level, 0) as level, l.circuit, l.probe_at, l.failures,
        l.last_trouble, l.last_detail, l.last_trouble_at, l.last_success_at,
        coalesce(d.waiting, 0) as waiting, coalesce(d.sending, 0) as sending, coalesce(d.offered, 0) as offered,
        coalesce(d.unknown, 0) as unknown, coalesce(d.person, 0) as person, d.oldest_at,
        d.unknown_at
    from lane l
    left join profile p on p.agency_code = l.agency_code
    left join (
        select agency_code,
            count(*) filter (where state = 'pending') as waiting,
            count(*) filter (where state = 'sending' and offered_at is null) as sending,
            count(*) filter (where state = 'sending' and offered_at is not null) as offered,
            count(*) filter (where state = 'unknown') as unknown,
            count(*) filter (where state in ('rejected', 'parked')) as person,
            min(created_at) as oldest_at,
            min(created_at) filter (where state = 'unknown') as unknown_at
        from delivery where state <> 'delivered' group by agency_code
    ) d on d.agency_code = l.agency_code
"""


def overview(tx: Transaction) -> list[LaneView]:
    """Every lane, those in trouble first, then by what waits."""
    rows = tx.execute(
        _OVERVIEW + " order by (l.circuit <> 'closed') desc, coalesce(d.person + d.unknown, 0) desc,"
        " coalesce(d.waiting, 0) desc, (l.last_success_at is null and l.last_trouble_at is null), l.agency_name"
    )
    return [LaneView(**{**row, "circuit": Circuit(row["circuit"])}) for row in rows]


def one(tx: Transaction, agency: str) -> LaneView | None:
    """One lane."""
    row = tx.execute(_OVERVIEW + " where l.agency_code = %s", (agency,)).fetchone()
    return LaneView(**{**row, "circuit": Circuit(row["circuit"])}) if row else None
