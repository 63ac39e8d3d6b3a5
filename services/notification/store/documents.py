"""Rows of documents: drafted, composed, issued."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import DocumentKind
from lianban.contracts.refs import AgencyRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document without its content."""

    id: UUID
    matter_id: UUID
    kind: DocumentKind
    round: int
    issuer: AgencyRef
    names: tuple[AgencyRef, ...]
    facts: dict[str, Any]
    happened_at: datetime
    number: str | None = None
    issued_at: datetime | None = None
    trace: str | None = None


_COLUMNS = "id, matter_id, kind, round, issuer_code, issuer_name, names, facts, happened_at, number, issued_at, trace"


def _read(row: dict[str, Any]) -> Document:
    return Document(
        id=row["id"],
        matter_id=row["matter_id"],
        kind=DocumentKind(row["kind"]),
        round=row["round"],
        issuer=AgencyRef(row["issuer_code"], row["issuer_name"]),
        names=tuple(AgencyRef(n["code"], n["name"]) for n in row["names"]),
        facts=row["facts"],
        happened_at=row["happened_at"],
        number=row["number"],
        issued_at=row["issued_at"],
        trace=row["trace"],
    )


_MEMORY = "notification documents of"


def remember(tx: Transaction, matter_id: UUID, ids: Iterable[UUID]) -> None:
    """Keep in the transaction's memory which documents a matter has."""
    tx.memory[_MEMORY, matter_id] = set(ids)


def draft(tx: Transaction, document: Document) -> bool:
    """Put a document on the list of those to be composed; false where it is there already.

    The id of a matter's document of a kind and round is always the same. Where it is remembered which ones the matter
    has, nothing is asked: its stream is taken, so nobody else adds one.
    """
    remembered = tx.memory.get((_MEMORY, document.matter_id))
    if remembered is None:
        return tx.execute(DRAFT, [[value] for value in _row(document)]).rowcount == 1
    if document.id in remembered:
        return False
    remembered.add(document.id)
    tx.append(DRAFT, _row(document))
    return True


DRAFT = """
    insert into document (id, matter_id, kind, round, issuer_code, issuer_name, names, facts, state, happened_at,
        next_try_at, trace)
    select * from unnest(%s::uuid[], %s::uuid[], %s::text[], %s::int[], %s::text[], %s::text[], %s::jsonb[],
        %s::jsonb[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[])
    on conflict on constraint document_once_per_round do nothing
"""
"""Appends drafts; notices that refer to one are appended behind it."""


def _row(document: Document) -> tuple[Any, ...]:
    return (
        document.id,
        document.matter_id,
        document.kind.value,
        document.round,
        document.issuer.code,
        document.issuer.name,
        Jsonb([{"code": n.code, "name": n.name} for n in document.names]),
        Jsonb(document.facts),
        "drafted",
        document.happened_at,
        document.happened_at,
        document.trace,
    )


def due(tx: Transaction, state: str, *, at: datetime, limit: int) -> list[Document]:
    """Documents in ``state`` whose turn has come, oldest first, kept from other workers until the transaction ends."""
    rows = tx.execute(
        f"select {_COLUMNS} from document where state = %s and next_try_at <= %s"
        " order by happened_at limit %s for update skip locked",
        (state, at, limit),
    )
    return [_read(row) for row in rows]


def hold(tx: Transaction, ids: list[UUID], until: datetime) -> None:
    """Keep documents from being taken again before ``until``: whoever holds them works with no transaction open."""
    tx.write("update document set next_try_at = %s where id = any(%s)", (until, ids))


def compose(tx: Transaction, contents: dict[UUID, bytes], *, at: datetime) -> None:
    """Store sealed contents by document; the press takes them from here."""
    if not contents:
        return
    tx.write(
        """
        update document set state = 'composed', content = new.content, next_try_at = %s, tries = 0, error = null
        from unnest(%s::uuid[], %s::bytea[]) as new (id, content)
        where document.id = new.id and state = 'drafted'
        """,
        (at, list(contents), list(contents.values())),
    )


def fail(tx: Transaction, errors: Mapping[UUID, str], *, at: datetime) -> None:
    """Note why a step failed, by document; it is tried again with growing pauses, at most 5 minutes.

    One that was issued meanwhile stays as it is.
    """
    if errors:
        tx.write(
            """
            update document set tries = tries + 1, error = new.error,
                next_try_at = %s + least(interval '5 minutes', interval '2 seconds' * power(2, least(tries, 10)))
            from unnest(%s::uuid[], %s::text[]) as new (id, error)
            where document.id = new.id and state <> 'issued'
            """,
            (at, list(errors), [error[:500] for error in errors.values()]),
        )


def contents(tx: Transaction, ids: list[UUID]) -> dict[UUID, bytes]:
    """The sealed contents of composed documents."""
    rows = tx.execute("select id, content from document where id = any(%s) and content is not null", (ids,))
    return {row["id"]: bytes(row["content"]) for row in rows}


def last_numbers(tx: Transaction, year: int) -> dict[DocumentKind, int]:
    """The running numbers given so far; others may go on counting."""
    rows = tx.execute("select kind, last from document_counter where year = %s", (year,))
    return {DocumentKind(row["kind"]): row["last"] for row in rows}


def lock_numbers(tx: Transaction, kinds: Iterable[DocumentKind], year: int) -> dict[DocumentKind, int]:
    """The same, and others wait until this transaction ends: no number is given twice, and none is lost."""
    rows = tx.execute(
        """
        insert into document_counter (kind, year, last) select kind, %s, 0 from unnest(%s::text[]) as kind
        on conflict (kind, year) do update set last = document_counter.last
        returning kind, last
        """,
        (year, sorted(kind.value for kind in kinds)),  # in one order for all presses
    )
    return {DocumentKind(row["kind"]): row["last"] for row in rows}


def count_to(tx: Transaction, last: Mapping[DocumentKind, int], year: int) -> None:
    """Note the last running numbers that were given; the counters are locked."""
    tx.write(
        """
        update document_counter set last = new.last from unnest(%s::text[], %s::int[]) as new (kind, last)
        where document_counter.kind = new.kind and year = %s
        """,
        ([kind.value for kind in last], list(last.values()), year),
    )


def lock_composed(tx: Transaction, ids: list[UUID]) -> set[UUID]:
    """Take documents for issue; those that somebody else has issued meanwhile are not in the answer."""
    rows = tx.execute(
        "select id from document where id = any(%s) and state = 'composed' order by id for update", (ids,)
    )
    return {row["id"] for row in rows}


def issue(tx: Transaction, printed: Mapping[UUID, tuple[str, bytes]], *, at: datetime) -> None:
    """Store number and sealed PDF of each document."""
    tx.write(
        """
        update document set state = 'issued', number = new.number, issued_at = %s, pdf = new.pdf
        from unnest(%s::uuid[], %s::text[], %s::bytea[]) as new (id, number, pdf) where document.id = new.id
        """,
        (at, list(printed), [number for number, _ in printed.values()], [pdf for _, pdf in printed.values()]),
    )


def get(tx: Transaction, document_id: UUID) -> Document | None:
    """An issued document."""
    row = tx.execute(
        f"select {_COLUMNS} from document where id = %s and state = 'issued'",
        (document_id,),
    ).fetchone()
    return _read(row) if row else None


def pdf(tx: Transaction, document_id: UUID) -> bytes | None:
    """The sealed PDF of an issued document."""
    row = tx.execute("select pdf from document where id = %s and state = 'issued'", (document_id,)).fetchone()
    return bytes(row["pdf"]) if row else None


@dataclass(frozen=True, slots=True)
class Issued:
    """An issued document, and where it was asked for its sealed PDF."""

    document: Document
    pdf: bytes


def issued(tx: Transaction, ids: list[UUID], *, pdf: bool = False) -> dict[UUID, Issued]:
    """Issued documents, with their sealed PDF where it is asked for."""
    rows = tx.execute(
        f"select {_COLUMNS}, {'pdf' if pdf else 'null'} as pdf from document where id = any(%s) and state = 'issued'",
        (ids,),
    )
    return {row["id"]: Issued(_read(row), bytes(row["pdf"] or b"")) for row in rows}


HOLD = timedelta(minutes=2)
"""How long a worker may take for the documents it holds before another may take them."""
