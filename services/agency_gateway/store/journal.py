"""The journal: append-only, one hash chain per agency."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction
from services.agency_gateway.domain.journal import GENESIS, Entry, link

Head = tuple[int, bytes]
"""Position and hash of an agency's last entry."""


def hold(agencies: Iterable[str]) -> tuple[str, tuple[Any, ...]]:
    """The statement that holds agencies' chains until commit, in one order for all, for :func:`held` to read."""
    return (
        """
        insert into journal_head (agency_code, position, hash) select unnest(%s::text[]), 0, %s
        on conflict (agency_code) do update set position = journal_head.position
        returning agency_code, position, hash
        """,
        (sorted(set(agencies)), GENESIS),
    )


def held(tx: Transaction, rows: Iterable[dict[str, Any]]) -> None:
    """Remember what :func:`hold` answered: nobody else moves these heads before the transaction ends."""
    for row in rows:
        tx.memory["journal head", row["agency_code"]] = row["position"], bytes(row["hash"])


def head(tx: Transaction, agency: str) -> Head:
    """Position and hash of the agency's last entry, held until commit."""
    key = "journal head", agency
    if key not in tx.memory:
        held(tx, tx.execute(*hold([agency])))
    found: Head = tx.memory[key]
    return found


_APPEND = """
insert into journal (agency_code, position, direction, kind, message_id, assignment_id, matter_id, sealed,
    body_hash, sealed_answer, answer_hash, received_at, passed_on_at, answered_at, answer_passed_on_at,
    previous_hash, hash)
select * from unnest(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::uuid[], %s::uuid[], %s::bytea[],
    %s::bytea[], %s::bytea[], %s::bytea[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
    %s::bytea[], %s::bytea[])
"""
_MOVE_HEAD = """
update journal_head set position = new.position, hash = new.hash
from (select * from unnest(%s::text[], %s::bigint[], %s::bytea[])) as new (agency_code, position, hash)
where journal_head.agency_code = new.agency_code
"""


def append(
    tx: Transaction, entry: Entry, *, previous: bytes, matter_id: UUID, sealed: bytes, sealed_answer: bytes | None
) -> None:
    """Write an entry at its position and move the head."""
    made = link(previous, entry)
    tx.append(
        _APPEND,
        (
            entry.agency, entry.position, entry.direction, entry.kind, entry.message_id, entry.assignment_id, matter_id,
            sealed, entry.body_hash, sealed_answer, entry.answer_hash, entry.received_at, entry.passed_on_at,
            entry.answered_at, entry.answer_passed_on_at, previous, made,
        ),
    )  # fmt: skip
    tx.amend(_MOVE_HEAD, entry.agency, entry.position, made)
    tx.memory["journal head", entry.agency] = entry.position, made


def end(tx: Transaction, agency: str) -> tuple[int, bytes]:
    """Position and hash of the agency's last entry as the head says; ``(0, GENESIS)`` where there is no head."""
    row = tx.execute("select position, hash from journal_head where agency_code = %s", (agency,)).fetchone()
    return (row["position"], bytes(row["hash"])) if row else (0, GENESIS)


def agencies(tx: Transaction) -> list[str]:
    """Every agency that has a journal, or had one."""
    rows = tx.execute("select agency_code from journal_head union select agency_code from journal order by agency_code")
    return [row["agency_code"] for row in rows]


PAGE = 1000


def _pages(tx: Transaction, columns: str, agency: str) -> Iterator[dict[str, Any]]:
    """The agency's entries in order, read in pages."""
    last = 0
    while True:
        rows = tx.execute(
            f"select {columns} from journal where agency_code = %s and position > %s order by position limit %s",
            (agency, last, PAGE),
        ).fetchall()
        if not rows:
            return
        last = rows[-1]["position"]
        yield from rows


def chain(tx: Transaction, agency: str) -> Iterator[tuple[Entry, bytes, bytes]]:
    """The agency's entries in order, each with the hash before it and its own."""
    columns = (
        "agency_code as agency, position, direction, kind, message_id, assignment_id, body_hash, answer_hash,"
        " received_at, passed_on_at, answered_at, answer_passed_on_at, previous_hash, hash"
    )
    for row in _pages(tx, columns, agency):
        previous, made = bytes(row.pop("previous_hash")), bytes(row.pop("hash"))
        entry = Entry(**row)
        answer = bytes(entry.answer_hash) if entry.answer_hash is not None else None
        yield replace(entry, body_hash=bytes(entry.body_hash), answer_hash=answer), previous, made


def bytes_of(tx: Transaction, agency: str) -> Iterator[tuple[int, bytes | None, bytes, bytes | None, bytes | None]]:
    """Position, sealed bytes with their hash, sealed answer with its hash, of every entry of the agency."""
    for row in _pages(tx, "position, sealed, body_hash, sealed_answer, answer_hash", agency):
        yield (
            row["position"],
            bytes(row["sealed"]) if row["sealed"] is not None else None,
            bytes(row["body_hash"]),
            bytes(row["sealed_answer"]) if row["sealed_answer"] is not None else None,
            bytes(row["answer_hash"]) if row["answer_hash"] is not None else None,
        )
