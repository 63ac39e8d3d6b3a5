"""The case and its assignments, as the domain sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import (
    AgencyRole,
    AssignmentState,
    ClaimResult,
    MatterState,
    ObjectionReason,
    RatingTarget,
    RatingValue,
    TransferKind,
)
from lianban.contracts.refs import AgencyRef, ClaimOutcome, ClaimRef, RatingVote
from services.routing.domain.case import Case
from services.routing.domain.dispute import Dispute
from services.routing.domain.parts import Assignment, Attention, Objection

Row = dict[str, Any]


def _ref(value: dict[str, str] | None) -> AgencyRef | None:
    return AgencyRef(value["code"], value["name"]) if value else None


def _plain(ref: AgencyRef | None) -> dict[str, str] | None:
    return {"code": ref.code, "name": ref.name} if ref else None


def _assignment(row: Row) -> Assignment:
    objection = row["objection"]
    return Assignment(
        id=row["id"],
        position=row["position"],
        round=row["round"],
        agency=AgencyRef(row["agency_code"], row["agency_name"]),
        role=AgencyRole(row["role"]),
        kind=TransferKind(row["kind"]),
        claims=tuple(row["claims"]),
        state=AssignmentState(row["state"]),
        binding=row["binding"],
        sent_at=row["sent_at"],
        objection=Objection(
            ObjectionReason(objection["reason"]),
            _ref(objection["proposed"]),
            UUID(objection["statement_id"]),
            datetime.fromisoformat(objection["at"]),
        )
        if objection
        else None,
        statement_id=row["statement_id"],
        results=tuple(ClaimOutcome(UUID(r["claim_id"]), ClaimResult(r["result"])) for r in row["results"]),
    )


def _case(row: Row, assignments: list[Assignment]) -> Case:
    dispute = row["dispute"]
    return Case(
        id=row["id"],
        number=row["number"],
        channel=row["channel"],
        purpose=row["purpose"],
        region_code=row["region_code"],
        region_name=row["region_name"],
        received_at=row["received_at"],
        claims=tuple(ClaimRef(UUID(c["id"]), c["ordinal"]) for c in row["claims"]),
        accused=tuple(row["accused"]),
        blocked=frozenset(row["blocked"]),
        anonymous=row["anonymous"],
        reachable=row["reachable"],
        imported=row["imported"],
        state=MatterState(row["state"]),
        attention=Attention(row["attention"]) if row["attention"] else None,
        round=row["round"],
        matter_type=row["matter_type"],
        dispute=Dispute(
            tuple(AgencyRef(p["code"], p["name"]) for p in dispute["parties"]),
            _ref(dispute["decider"]),
            datetime.fromisoformat(dispute["at"]),
        )
        if dispute
        else None,
        decision_id=row["decision_id"],
        decided_at=row["decided_at"],
        served_at=row["served_at"],
        close_due=row["close_due"],
        version=row["version"],
        assignments=assignments,
    )


_MEMORY, _WRITTEN, _VOTES = "petition case", "assignments as written", "votes"


def prepare(tx: Transaction, case_ids: list[UUID]) -> None:
    """Ask for many cases and their votes, into the transaction's memory, each case for the next :func:`load`."""
    parts: dict[UUID, list[Assignment]] = {case_id: [] for case_id in case_ids}
    tx.memory.update({(_MEMORY, case_id): None for case_id in case_ids})
    tx.memory.update({(_VOTES, case_id): {} for case_id in case_ids})

    def take_parts(rows: list[Row]) -> None:
        for row in rows:
            parts[row["case_id"]].append(_assignment(row))

    def take(rows: list[Row]) -> None:
        tx.memory.update({(_MEMORY, row["id"]): _remember(tx, _case(row, parts[row["id"]])) for row in rows})

    def take_votes(rows: list[Row]) -> None:
        for row in rows:
            _remember_vote(tx, row["case_id"], row["round"], _vote(row))

    tx.ask("select * from rating where case_id = any(%s)", (case_ids,), take_votes)
    tx.ask("select * from assignment where case_id = any(%s) order by position", (case_ids,), take_parts)
    tx.ask("select * from petition_case where id = any(%s)", (case_ids,), take)


def _remember(tx: Transaction, case: Case) -> Case:
    """Note how the assignments stand in the database, so that only changed ones are written."""
    tx.memory[_WRITTEN, case.id] = {item.id: _changing(item) for item in case.assignments}
    return case


def _changing(item: Assignment) -> tuple[Any, ...]:
    return (item.state, item.binding, item.objection, item.statement_id, item.results)


def load(tx: Transaction, case_id: UUID) -> Case | None:
    """One case with its assignments; to change it, take its stream first."""
    if (_MEMORY, case_id) in tx.memory:
        prepared: Case | None = tx.memory.pop((_MEMORY, case_id))
        return prepared
    row = tx.execute("select * from petition_case where id = %s", (case_id,)).fetchone()
    if row is None:
        return None
    rows = tx.execute("select * from assignment where case_id = %s order by position", (case_id,))
    return _remember(tx, _case(row, [_assignment(item) for item in rows]))


_ADD = """
insert into petition_case (id, number, channel, purpose, region_code, region_name, received_at, claims,
    accused, blocked, anonymous, reachable, imported, state, attention, suggest_due)
values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
on conflict (id) do nothing
"""


def add(tx: Transaction, case: Case, *, suggest_at: datetime) -> bool:
    """Add a new case; false when it is there already.

    Where it was read for the batch that there is none, nothing is asked: its stream is taken, so nobody else adds it.
    """
    row = (
        case.id,
        case.number,
        case.channel,
        case.purpose,
        case.region_code,
        case.region_name,
        case.received_at,
        Jsonb([{"id": str(c.id), "ordinal": c.ordinal} for c in case.claims]),
        list(case.accused),
        sorted(case.blocked),
        case.anonymous,
        case.reachable,
        case.imported,
        case.state.value,
        case.attention.value if case.attention else None,
        suggest_at,
    )
    if (_MEMORY, case.id) not in tx.memory:
        return bool(tx.execute(_ADD, row).rowcount)
    if tx.memory[_MEMORY, case.id] is not None:
        return False
    tx.write(_ADD, row)
    tx.memory[_MEMORY, case.id] = _remember(tx, case)
    return True


def save(tx: Transaction, case: Case) -> None:
    """Write a changed case and its assignments; the version rises by one. The next :func:`load` gives this very case.

    A case that changes several times in one exchange is written once, as it is at last. The case's stream is held.
    """
    case.version += 1
    dispute = case.dispute
    tx.amend(
        """
        update petition_case set state = new.state, attention = new.attention, round = new.round,
            matter_type = new.matter_type, dispute = new.dispute, decision_id = new.decision_id,
            decided_at = new.decided_at, served_at = new.served_at, close_due = new.close_due, version = new.version
        from (select * from unnest(%s::uuid[], %s::text[], %s::text[], %s::int[], %s::text[], %s::jsonb[], %s::uuid[],
                %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::int[]))
            as new (id, state, attention, round, matter_type, dispute, decision_id, decided_at, served_at, close_due,
                version)
        where petition_case.id = new.id
        """,
        case.id,
        case.state.value,
        case.attention.value if case.attention else None,
        case.round,
        case.matter_type,
        Jsonb(
            {
                "parties": [_plain(p) for p in dispute.parties],
                "decider": _plain(dispute.decider),
                "at": dispute.at.isoformat(),
            }
        )
        if dispute
        else None,
        case.decision_id,
        case.decided_at,
        case.served_at,
        case.close_due,
        case.version,
    )
    written = tx.memory.get((_WRITTEN, case.id), {})
    changed = [item for item in case.assignments if written.get(item.id) != _changing(item)]
    # Ended parts first: the constraints on one lead and one part per agency hold at every row.
    for item in sorted(changed, key=lambda a: (a.active, a.position)):
        tx.amend(
            """
            insert into assignment (id, case_id, position, round, agency_code, agency_name, role, kind, claims, state,
                binding, sent_at, objection, statement_id, results)
            select id, case_id, position, round, agency_code, agency_name, role, kind, claims::uuid[], state,
                binding, sent_at, objection, statement_id, results
            from (select * from unnest(%s::uuid[], %s::uuid[], %s::int[], %s::int[], %s::text[], %s::text[],
                    %s::text[], %s::text[], %s::text[], %s::text[], %s::boolean[], %s::timestamptz[], %s::jsonb[],
                    %s::uuid[], %s::jsonb[]))
                as new (id, case_id, position, round, agency_code, agency_name, role, kind, claims, state,
                    binding, sent_at, objection, statement_id, results)
            on conflict (id) do update set state = excluded.state, binding = excluded.binding,
                objection = excluded.objection, statement_id = excluded.statement_id, results = excluded.results
            """,
            item.id,
            *_row(case.id, item),
        )
    tx.memory[_MEMORY, case.id] = _remember(tx, case)


def _row(case_id: UUID, item: Assignment) -> tuple[Any, ...]:
    """The columns of an assignment behind its id; claims as the text of an array, because an array of arrays is none
    that a column's values could be taken from."""
    objection = item.objection
    return (
        case_id,
        item.position,
        item.round,
        item.agency.code,
        item.agency.name,
        item.role.value,
        item.kind.value,
        f"{{{','.join(map(str, item.claims))}}}",
        item.state.value,
        item.binding,
        item.sent_at,
        Jsonb(
            {
                "reason": objection.reason.value,
                "proposed": _plain(objection.proposed),
                "statement_id": str(objection.statement_id),
                "at": objection.at.isoformat(),
            }
        )
        if objection
        else None,
        item.statement_id,
        Jsonb([{"claim_id": str(r.claim_id), "result": r.result.value} for r in item.results]),
    )


def add_history(
    tx: Transaction, case_id: UUID, rows: list[tuple[datetime, str, str, dict[str, Any]]], *, note: bytes | None
) -> None:
    """Append what happened: time, type, actor, data; the officer's words go with the first row."""
    for number, (at, kind, actor, data) in enumerate(rows):
        tx.append(
            """
            insert into history (case_id, position, at, type, actor, data, note)
            select new.id, (select coalesce(max(position), 0) from history where case_id = new.id)
                + row_number() over (partition by new.id order by ordinality), at, type, actor, data, note
            from unnest(%s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::jsonb[], %s::bytea[])
                with ordinality as new (id, at, type, actor, data, note, ordinality)
            """,
            (case_id, at, kind, actor, Jsonb(data), note if number == 0 else None),
        )


def next_history_position(tx: Transaction, case_id: UUID) -> int:
    """The position that the next line of the history will get."""
    found = tx.execute(
        "select coalesce(max(position), 0) + 1 as next from history where case_id = %s", (case_id,)
    ).fetchone()
    return int(found["next"]) if found else 1


def put_votes(tx: Transaction, case_id: UUID, round_: int, votes: tuple[RatingVote, ...], *, at: datetime) -> None:
    """Keep votes; a later vote for the same target replaces the earlier one."""
    for vote in votes:
        tx.append(
            """
            insert into rating (case_id, round, target, agency_code, value, rated_at)
            select distinct on (id, round, target, agency) id, round, target, agency, value, at
            from unnest(%s::uuid[], %s::int[], %s::text[], %s::text[], %s::text[], %s::timestamptz[])
                with ordinality as new (id, round, target, agency, value, at, ordinality)
            order by id, round, target, agency, ordinality desc
            on conflict (case_id, round, target, agency_code) do update
                set value = excluded.value, rated_at = excluded.rated_at
            """,
            (case_id, round_, vote.target.value, vote.agency.code if vote.agency else "", vote.value.value, at),
        )
        _remember_vote(tx, case_id, round_, vote)


def votes(tx: Transaction, case_id: UUID, round_: int) -> list[RatingVote]:
    """The votes of a round."""
    remembered: _Votes | None = tx.memory.get((_VOTES, case_id))
    if remembered is not None:
        return list(remembered.get(round_, {}).values())
    rows = tx.execute("select * from rating where case_id = %s and round = %s", (case_id, round_))
    return [_vote(row) for row in rows]


_Votes = dict[int, dict[tuple[RatingTarget, str], RatingVote]]
"""By round and target, as the memory holds them."""


def _vote(row: Row) -> RatingVote:
    return RatingVote(
        RatingTarget(row["target"]),
        RatingValue(row["value"]),
        AgencyRef(row["agency_code"], "") if row["agency_code"] else None,
    )


def _remember_vote(tx: Transaction, case_id: UUID, round_: int, vote: RatingVote) -> None:
    remembered: _Votes | None = tx.memory.get((_VOTES, case_id))
    if remembered is not None:
        target = vote.target, vote.agency.code if vote.agency else ""
        remembered.setdefault(round_, {})[target] = vote


def due_for_closing(tx: Transaction, *, at: datetime, limit: int) -> list[UUID]:
    """Cases whose rating window is over, oldest first."""
    rows = tx.execute("select id from petition_case where close_due <= %s order by close_due limit %s", (at, limit))
    return [row["id"] for row in rows]
