"""The projection of what the other services say, for the petitioner's page; every write may be repeated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from lianban.chassis.transaction import Question, Transaction
from lianban.contracts.codes import AgencyRole, AssignmentState, ClosingReason, MatterState, NoticeKind
from lianban.contracts.notification import DocumentIssued
from lianban.contracts.oversight import ClockMoved, ClockStarted, ClockStopped
from lianban.contracts.refs import AgencyRef

Row = dict[str, Any]


@dataclass(slots=True)
class _Known:
    """What decides whether an event brings something new: the row and parts there are, and the decision that stands."""

    begun: bool
    parts: set[UUID] = field(default_factory=set)
    decided_round: int | None = None
    served: bool = False


_KNOWN = """
select wanted.id as matter_id, progress.matter_id is not null as begun,
    case when decided_at is not null then decided_round end as decided_round, served_at is not null as served,
    array(select assignment_id from part where part.matter_id = wanted.id) as parts
from unnest(%s::uuid[]) as wanted (id) left join progress on progress.matter_id = wanted.id
"""


def prepare(tx: Transaction, matters: list[UUID]) -> None:
    """Ask for what the handlers of a batch decide by."""

    def take(rows: list[Row]) -> None:
        for row in rows:
            tx.memory["progress", row["matter_id"]] = _as_known(row)

    tx.ask(_KNOWN, (matters,), take)


def _known(tx: Transaction, matter: UUID) -> _Known:
    found: _Known | None = tx.memory.get(("progress", matter))
    return found or _as_known(tx.execute(_KNOWN, ([matter],)).fetchall()[0])


def _as_known(row: Row) -> _Known:
    return _Known(row["begun"], set(row["parts"]), row["decided_round"], row["served"])


def standings(tx: Transaction, matters: list[UUID]) -> list[Row]:
    """What the states follow from: the moments, and role and state of each part of the round that runs."""
    return tx.execute(
        """
        select p.matter_id, p.state, p.round, p.disputed, p.decided_at, p.served_at, p.closed_at,
            array(select array[part.role, part.state] from part
                where part.matter_id = p.matter_id and part.round = p.round order by part.since) as parts
        from progress p where p.matter_id = any(%s)
        """,
        (matters,),
    ).fetchall()


def set_states(tx: Transaction, states: Mapping[UUID, MatterState]) -> None:
    """Set the states that follow, by matter."""
    tx.write(
        """
        update progress set state = new.state from unnest(%s::uuid[], %s::text[]) as new (id, state)
        where progress.matter_id = new.id
        """,
        (list(states), [state.value for state in states.values()]),
    )


def begin(tx: Transaction, matter: UUID) -> None:
    """See to it that a matter has a row."""
    remembered: _Known | None = tx.memory.get(("progress", matter))
    if remembered is not None:
        if remembered.begun:
            return
        remembered.begun = True
    tx.write("insert into progress (matter_id) values (%s) on conflict do nothing", (matter,))


def lead_by(tx: Transaction, matter: UUID, lead: AgencyRef, *, settled: bool) -> None:
    """Set the lead; ``settled`` where this ends a dispute."""
    tx.write(
        "update progress set lead_code = %s, lead_name = %s, disputed = disputed and not %s where matter_id = %s",
        (lead.code, lead.name, settled, matter),
    )


def dispute(tx: Transaction, matter: UUID) -> None:
    """Record that nobody accepts."""
    tx.write("update progress set disputed = true where matter_id = %s", (matter,))


def decide(tx: Transaction, matter: UUID, round_: int, lead: AgencyRef, at: datetime) -> None:
    """Record the decision of a round."""
    tx.write(
        """
        update progress set decided_round = %s, lead_code = %s, lead_name = %s, decided_at = %s, served_at = null
        where matter_id = %s
        """,
        (round_, lead.code, lead.name, at, matter),
    )
    _decided(tx, matter, round_)


def _decided(tx: Transaction, matter: UUID, round_: int | None) -> None:
    remembered: _Known | None = tx.memory.get(("progress", matter))
    if remembered is not None:
        remembered.decided_round, remembered.served = round_, False


def serve(tx: Transaction, matter: UUID, round_: int, at: datetime) -> bool:
    """Record that the decision of a round reached the petitioner, once; a later round is not served by it."""
    known = _known(tx, matter)
    if known.served or known.decided_round != round_:
        return False
    known.served = True
    tx.write("update progress set served_at = %s where matter_id = %s", (at, matter))
    return True


def close(tx: Transaction, matter: UUID, reason: ClosingReason, at: datetime) -> None:
    """Record that the case was closed."""
    tx.write("update progress set closed_at = %s, closing_reason = %s where matter_id = %s", (at, reason, matter))


def reopen(tx: Transaction, matter: UUID, round_: int) -> None:
    """Record that the case is handled anew: it is neither disputed, decided, served nor closed any more."""
    tx.write(
        """
        update progress set round = %s, disputed = false, decided_at = null, served_at = null, closed_at = null,
            closing_reason = null
        where matter_id = %s
        """,
        (round_, matter),
    )
    _decided(tx, matter, None)


def add_part(
    tx: Transaction, matter: UUID, assignment: UUID, agency: AgencyRef, role: AgencyRole, round_: int, at: datetime
) -> bool:
    """Insert an agency's part; one that is known keeps its state, and the answer is False."""
    known = _known(tx, matter)
    if assignment in known.parts:
        return False
    known.parts.add(assignment)
    tx.append(
        """
        insert into part (assignment_id, matter_id, agency_code, agency_name, role, state, round, since)
        select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[],
            %s::timestamptz[])
        """,
        (assignment, matter, agency.code, agency.name, role.value, AssignmentState.SENT.value, round_, at),
    )
    return True


def change_part(tx: Transaction, assignment: UUID, to: AssignmentState, at: datetime) -> None:
    """Set the state of a part; routing says that a part exists before it says what became of it."""
    tx.amend(
        """
        update part set state = new.state, since = new.since
        from (select * from unnest(%s::uuid[], %s::text[], %s::timestamptz[])) as new (id, state, since)
        where part.assignment_id = new.id
        """,
        assignment,
        to.value,
        at,
    )


def decide_parts(tx: Transaction, assignments: Sequence[UUID], round_: int) -> None:
    """Mark the parts that went into a decision."""
    for assignment in assignments:
        tx.amend(
            """
            update part set decided_round = new.round
            from (select * from unnest(%s::uuid[], %s::int[])) as new (id, round) where part.assignment_id = new.id
            """,
            assignment,
            round_,
        )


def start_clock(tx: Transaction, matter: UUID, clock: ClockStarted) -> None:
    """Insert a clock."""
    bound = clock.bound
    tx.append(
        """
        insert into clock (clock_id, matter_id, rule, agency_code, agency_name, assignment_id, started_on, raw_due,
            legal_due, provisional)
        select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::date[],
            %s::date[], %s::date[], %s::boolean[])
        on conflict (clock_id) do nothing
        """,
        (
            clock.clock_id, matter, clock.rule, bound.code if bound else None, bound.name if bound else None,
            clock.assignment_id, clock.started_on, clock.raw_due, clock.legal_due, clock.provisional,
        ),
    )  # fmt: skip


def move_clock(tx: Transaction, clock: ClockMoved) -> None:
    """Set a clock's dates."""
    tx.amend(
        """
        update clock set raw_due = new.raw_due, legal_due = new.legal_due, provisional = new.provisional
        from (select * from unnest(%s::uuid[], %s::date[], %s::date[], %s::boolean[]))
            as new (id, raw_due, legal_due, provisional)
        where clock.clock_id = new.id
        """,
        clock.clock_id,
        clock.raw_due,
        clock.legal_due,
        clock.provisional,
    )


def stop_clock(tx: Transaction, clock: ClockStopped) -> None:
    """Record how a clock ended."""
    tx.amend(
        """
        update clock set outcome = new.outcome, stopped_at = new.stopped_at
        from (select * from unnest(%s::uuid[], %s::text[], %s::timestamptz[])) as new (id, outcome, stopped_at)
        where clock.clock_id = new.id
        """,
        clock.clock_id,
        clock.outcome.value,
        clock.stopped_at,
    )


def breach_clock(tx: Transaction, clock: UUID) -> None:
    """Record that a clock's end has passed."""
    tx.amend(
        """
        update clock set breached = true from (select * from unnest(%s::uuid[])) as new (id)
        where clock.clock_id = new.id
        """,
        clock,
    )


def keep_document(tx: Transaction, matter: UUID, document: DocumentIssued) -> None:
    """Insert a document."""
    tx.append(
        """
        insert into document (document_id, matter_id, kind, number, issuer_code, issuer_name, round, issued_at)
        select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[],
            %s::timestamptz[])
        on conflict (matter_id, document_id) do nothing
        """,
        (
            document.document_id, matter, document.kind.value, document.number, document.issuer.code,
            document.issuer.name, document.round, document.issued_at,
        ),
    )  # fmt: skip


def keep_notice(
    tx: Transaction,
    matter: UUID,
    notice: UUID,
    kind: NoticeKind,
    document: UUID | None,
    *,
    sent_at: datetime | None = None,
    served_at: datetime | None = None,
) -> None:
    """Record that a message was sent or served; the first of each counts."""
    tx.append(
        """
        insert into notice as old (notice_id, matter_id, kind, document_id, sent_at, served_at)
        select id, (array_agg(matter))[1], (array_agg(kind))[1],
            (array_agg(document) filter (where document is not null))[1], min(sent), min(served)
        from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::uuid[], %s::timestamptz[], %s::timestamptz[])
            as new (id, matter, kind, document, sent, served)
        group by id order by id
        on conflict (matter_id, notice_id) do update set document_id = coalesce(old.document_id, excluded.document_id),
            sent_at = coalesce(old.sent_at, excluded.sent_at), served_at = coalesce(old.served_at, excluded.served_at)
        """,
        (notice, matter, kind, document, sent_at, served_at),
    )


def unopened_notices(tx: Transaction, matter: UUID) -> list[UUID]:
    """The notices of a matter that are neither opened nor served."""
    rows = tx.execute(
        "select notice_id from notice where matter_id = %s and opened_at is null and served_at is null",
        (matter,),
    )
    return [row["notice_id"] for row in rows]


def open_notices(tx: Transaction, matter: UUID, at: datetime) -> list[UUID]:
    """Mark the unopened notices of a matter as opened; answers them."""
    rows = tx.execute(
        """
        update notice set opened_at = %s where matter_id = %s and opened_at is null and served_at is null
        returning notice_id
        """,
        (at, matter),
    )
    return sorted(row["notice_id"] for row in rows)


def note(
    tx: Transaction,
    event: UUID,
    matter: UUID,
    at: datetime,
    kind: str,
    *,
    agency: AgencyRef | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    """Add an entry to the time line."""
    tx.append(
        """
        insert into timeline_entry (event_id, matter_id, at, kind, agency_code, agency_name, data)
        select * from unnest(%s::uuid[], %s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::jsonb[])
        on conflict (matter_id, event_id) do nothing
        """,
        (event, matter, at, kind, agency.code if agency else None, agency.name if agency else None, Jsonb(data or {})),
    )


def parts(matter: UUID) -> Question:
    """Asks for the agencies' parts: the lead first, then by name."""
    return (
        """
        select assignment_id, agency_code, agency_name, role, state, since, decided_round from part where matter_id = %s
        order by state in ('released', 'withdrawn'), array_position(array['lead', 'co_handler', 'copy'], role),
            agency_name, since
        """,
        (matter,),
    )


def clocks(matter: UUID) -> Question:
    """Asks for the clocks of a matter in the order in which they began."""
    return (
        """
        select clock_id, rule, agency_code, agency_name, assignment_id, started_on, raw_due, legal_due, provisional,
            breached, outcome, stopped_at
        from clock where matter_id = %s order by started_on, legal_due, rule
        """,
        (matter,),
    )


def documents(matter: UUID) -> Question:
    """Asks for the documents of a matter, oldest first, with when their notice was served."""
    return (
        """
        select d.document_id, d.kind, d.number, d.issuer_code, d.issuer_name, d.round, d.issued_at,
            (select min(n.served_at) from notice n
                where n.matter_id = d.matter_id and n.document_id = d.document_id) as served_at
        from document d where d.matter_id = %s order by d.issued_at, d.document_id
        """,
        (matter,),
    )


def timeline(matter: UUID) -> Question:
    """Asks for the time line of a matter, oldest first."""
    return (
        (
            "select at, kind, agency_code, agency_name, data from timeline_entry where matter_id = %s"
            " order by at, position"
        ),
        (matter,),
    )
