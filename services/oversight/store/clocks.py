"""Rows of clocks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import ClockOutcome
from lianban.contracts.refs import AgencyRef
from lianban.law.projector import Clock, Clocks
from lianban.law.rulebook import Bound, Lapse, standard
from services.oversight.store import tallies
from services.oversight.store.matters import Matter
from services.oversight.store.tallies import Line

Row = dict[str, Any]

PETITIONERS = [rule.id for rule in standard().rules if rule.bound is Bound.PETITIONER]
"""Rules that bind the petitioner: told only where asked for."""

_RIGHTS = [rule.id for rule in standard().rules if rule.lapse is Lapse.ENDS]
"""Rules of rights: when they run out nobody is late, also not in the moments until the watch has seen it."""

_COLUMNS = (
    "clock.id, clock.matter_id, rule, bound_code, bound_name, assignment_id, clock.round, started_on, raw_due,"
    " legal_due, provisional, extension, extended, outcome, stopped_at, warned, breached_at"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A clock as it is kept: with its matter, and what was said about it."""

    clock: Clock
    matter_id: UUID
    warned: tuple[str, ...]
    breached_at: datetime | None
    number: str = ""
    region_name: str = ""


def _read(row: Row) -> Kept:
    clock = Clock(
        id=row["id"],
        rule=row["rule"],
        bound=AgencyRef(row["bound_code"], row["bound_name"]) if row["bound_code"] else None,
        assignment_id=row["assignment_id"],
        round=row["round"],
        started_on=row["started_on"],
        raw_due=row["raw_due"],
        legal_due=row["legal_due"],
        provisional=row["provisional"],
        extension=row["extension"],
        extended=row["extended"],
        outcome=ClockOutcome(row["outcome"]) if row["outcome"] else None,
        stopped_at=row["stopped_at"],
    )
    return Kept(
        clock=clock,
        matter_id=row["matter_id"],
        warned=tuple(row["warned"]),
        breached_at=row["breached_at"],
        number=row.get("number") or "",
        region_name=row.get("region_name") or "",
    )


_MEMORY, _ROWS, _UNWRITTEN = "clocks of a matter", "rows of a matter's clocks", "clock to write"


def load(tx: Transaction, matter_ids: list[UUID]) -> None:
    """Ask for the clocks of many matters, into the transaction's memory."""
    tx.memory.update({(_ROWS, matter_id): [] for matter_id in matter_ids})

    def take(rows: list[Row]) -> None:
        for row in rows:
            tx.memory[_ROWS, row["matter_id"]].append(row)

    tx.ask(f"select {_COLUMNS} from clock where matter_id = any(%s) order by started_on, rule, id", (matter_ids,), take)


def _remembered(tx: Transaction, matter_id: UUID) -> dict[UUID, Kept]:
    """A matter's clocks as this transaction leaves them; asked for here where they were not for the whole batch.

    Rows are made into clocks when first needed: many events of a batch need none.
    """
    if (_MEMORY, matter_id) not in tx.memory:
        if (_ROWS, matter_id) not in tx.memory:
            load(tx, [matter_id])
            tx.settle()
        tx.memory[_MEMORY, matter_id] = {row["id"]: _read(row) for row in tx.memory[_ROWS, matter_id]}
    found: dict[UUID, Kept] = tx.memory[_MEMORY, matter_id]
    return found


def of_matter(tx: Transaction, matter_id: UUID) -> list[Kept]:
    """All clocks of a matter, in the order of their starts."""
    return list(_remembered(tx, matter_id).values())


def state_of(tx: Transaction, matter_id: UUID, *, reachable: bool) -> Clocks:
    """A matter's clocks as the projector takes them."""
    return Clocks(matter_id, reachable, {kept.clock.id: kept.clock for kept in of_matter(tx, matter_id)})


def save(tx: Transaction, matter: Matter, clock: Clock, *, next_look: date | None, edition: int) -> None:
    """Keep a clock that started, moved or ended, and count it where it ended; it is written at the end, once.

    The matter's stream must be held: what was read of its clocks is what the database has until then.
    """
    remembered = _remembered(tx, matter.id)
    before = remembered.get(clock.id)
    _count(tx, matter, clock, before.clock.outcome if before else None)
    remembered[clock.id] = (
        replace(before, clock=clock) if before else Kept(clock=clock, matter_id=matter.id, warned=(), breached_at=None)
    )
    tx.memory[_UNWRITTEN, clock.id] = (
        clock.id, matter.id, matter.region_code, clock.rule, clock.bound.code if clock.bound else None,
        clock.bound.name if clock.bound else None, clock.assignment_id, clock.round, clock.started_on, clock.raw_due,
        clock.legal_due, clock.provisional, clock.extension, clock.extended,
        clock.outcome.value if clock.outcome else None, clock.stopped_at, next_look, edition,
    )  # fmt: skip
    tx.at_end(_write, clock.id)


def _count(tx: Transaction, matter: Matter, clock: Clock, was: ClockOutcome | None) -> None:
    agency = clock.bound.code if clock.bound else ""
    for outcome, n in ((was, -1), (clock.outcome, 1)):
        if outcome is not None:
            tallies.count(tx, Line("clocks", matter.region_code, agency, clock.rule, outcome.value), n)


def _write(tx: Transaction, clock_ids: list[UUID]) -> None:
    for clock_id in clock_ids:
        tx.append(
            """
            insert into clock (id, matter_id, region_code, rule, bound_code, bound_name, assignment_id, round,
                started_on, raw_due, legal_due, provisional, extension, extended, outcome, stopped_at, next_look,
                calendar_edition)
            select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::uuid[],
                %s::int[], %s::date[], %s::date[], %s::date[], %s::bool[], %s::int[], %s::int[], %s::text[],
                %s::timestamptz[], %s::date[], %s::bigint[])
            on conflict (id) do update set raw_due = excluded.raw_due, legal_due = excluded.legal_due,
                provisional = excluded.provisional, extension = excluded.extension, extended = excluded.extended,
                outcome = excluded.outcome, stopped_at = excluded.stopped_at, next_look = excluded.next_look,
                calendar_edition = excluded.calendar_edition
            """,
            tx.memory.pop((_UNWRITTEN, clock_id)),
        )


def matters_to_look_at(tx: Transaction, today: date, limit: int) -> list[UUID]:
    """Matters with a clock that warns, is breached or runs out by ``today``, the oldest end first."""
    rows = tx.execute(
        "select matter_id, min(legal_due) as first from (select matter_id, legal_due from clock"
        " where outcome is null and next_look <= %s order by next_look, legal_due limit %s) as due"
        " group by matter_id order by first",
        (today, limit),
    )
    return [row["matter_id"] for row in rows]


def said(
    tx: Transaction, kept: Kept, *, warned: list[str], breached_at: datetime | None, next_look: date | None
) -> None:
    """Note what was said about a running clock and when to look again; not for one that :func:`save` keeps as well."""
    tx.write(
        "update clock set warned = warned || %s::text[], breached_at = coalesce(breached_at, %s), next_look = %s"
        " where id = %s",
        (warned, breached_at, next_look, kept.clock.id),
    )
    _remembered(tx, kept.matter_id)[kept.clock.id] = replace(
        kept, warned=(*kept.warned, *warned), breached_at=kept.breached_at or breached_at
    )


def matters_of_old_edition(tx: Transaction, edition: int, limit: int) -> list[UUID]:
    """Matters with running clocks that were computed on an earlier calendar."""
    rows = tx.execute(
        "select distinct matter_id from (select matter_id from clock"
        " where outcome is null and calendar_edition < %s limit %s) as old",
        (edition, limit),
    )
    return [row["matter_id"] for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What a list of clocks shows; None means everything."""

    territory: str
    rule: str | None = None
    agency: str | None = None
    overdue_on: date | None = None
    provisional: bool | None = None


def running(tx: Transaction, wanted: Filter, *, after: tuple[date, UUID] | None, limit: int) -> list[Kept]:
    """Running clocks, the first to end in front; ``after`` is the key of the last one seen.

    Those that bind the petitioner are told only where their rule is asked for: nobody can be overdue with them.
    """
    rows = tx.execute(
        f"""
        select {_COLUMNS}, matter.number, matter.region_name from clock join matter on matter.id = clock.matter_id
        where outcome is null and clock.region_code like %(territory)s
            and (rule = %(rule)s or %(rule)s::text is null and rule <> all(%(petitioners)s))
            and (%(agency)s::text is null or bound_code = %(agency)s)
            and (%(today)s::date is null or legal_due < %(today)s and rule <> all(%(rights)s))
            and (%(provisional)s::bool is null or provisional = %(provisional)s)
            and (%(due)s::date is null or (legal_due, clock.id) > (%(due)s, %(id)s))
        order by legal_due, clock.id limit %(limit)s
        """,
        {
            "territory": wanted.territory + "%",
            "rule": wanted.rule,
            "agency": wanted.agency,
            "today": wanted.overdue_on,
            "provisional": wanted.provisional,
            "due": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
            "petitioners": PETITIONERS,
            "rights": _RIGHTS,
        },
    )
    return [_read(row) for row in rows]


def unanswered(tx: Transaction, wanted: Filter, *, after: tuple[date, UUID] | None, limit: int) -> list[Kept]:
    """Windows of objection that ran out while the agency, until now, neither accepted nor objected; oldest first."""
    rows = tx.execute(
        f"""
        select {_COLUMNS}, matter.number, matter.region_name
        from assignment join clock on clock.assignment_id = assignment.id
            join matter on matter.id = assignment.matter_id
        where assignment.state = 'sent' and outcome = 'lapsed' and assignment.region_code like %(territory)s
            and (%(rule)s::text is null or rule = %(rule)s)
            and (%(agency)s::text is null or agency_code = %(agency)s)
            and (%(due)s::date is null or (legal_due, clock.id) > (%(due)s, %(id)s))
        order by legal_due, clock.id limit %(limit)s
        """,
        {
            "territory": wanted.territory + "%",
            "rule": wanted.rule,
            "agency": wanted.agency,
            "due": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_read(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Running:
    """How many clocks of one rule run for one agency (empty: petition office or petitioner), and how they stand."""

    rule: str
    agency: str
    running: int
    soon: int
    overdue: int
    provisional: int


def counts(tx: Transaction, *, territory: str, today: date, soon: date) -> list[Running]:
    """The running clocks of a territory, counted by rule and agency; ``soon`` is the last day that is soon."""
    rows = tx.execute(
        """
        select rule, coalesce(bound_code, '') as agency, count(*) as running,
            count(*) filter (where legal_due between %(today)s and %(soon)s) as soon,
            count(*) filter (where legal_due < %(today)s and rule <> all(%(rights)s)) as overdue,
            count(*) filter (where provisional) as provisional
        from clock where outcome is null and region_code like %(territory)s group by rule, bound_code
        """,
        {"today": today, "soon": soon, "territory": territory + "%", "rights": _RIGHTS},
    )
    return [Running(**row) for row in rows]


def unanswered_by_agency(tx: Transaction, *, territory: str) -> dict[str, int]:
    """Per agency how many windows of objection ran out while it, until now, neither accepted nor objected."""
    rows = tx.execute(
        """
        select agency_code, count(*) as n
        from assignment join clock on clock.assignment_id = assignment.id
        where assignment.state = 'sent' and assignment.region_code like %s and outcome = 'lapsed' group by agency_code
        """,
        (territory + "%",),
    )
    return {row["agency_code"]: row["n"] for row in rows}


@dataclass(frozen=True, slots=True)
class Standing:
    """How the running clocks of one rule stand."""

    rule: str
    due_later: int = 0
    due_today: int = 0
    overdue: int = 0
    provisional: int = 0


def standings(tx: Transaction, today: date) -> list[Standing]:
    """Per rule how its running clocks stand; for the gauges."""
    rows = tx.execute(
        """
        select rule, count(*) filter (where legal_due > %(today)s) as due_later,
            count(*) filter (where legal_due = %(today)s) as due_today,
            count(*) filter (where legal_due < %(today)s and rule <> all(%(rights)s)) as overdue,
            count(*) filter (where provisional) as provisional
        from clock where outcome is null group by rule
        """,
        {"today": today, "rights": _RIGHTS},
    )
    return [Standing(**row) for row in rows]


def overdue_by_agency(tx: Transaction, today: date) -> dict[str, int]:
    """Per agency how many of its running clocks are overdue; for the gauges."""
    rows = tx.execute(
        "select bound_code, count(*) as clocks from clock"
        " where outcome is null and legal_due < %s and rule <> all(%s) and bound_code is not null group by bound_code",
        (today, _RIGHTS),
    )
    return {row["bound_code"]: row["clocks"] for row in rows}
