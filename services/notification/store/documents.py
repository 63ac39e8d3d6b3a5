"""Rows of documents: drafted, composed, issued."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from lianban.chassis.database import Transaction
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


def draft(tx: Transaction, document: Document) -> bool:
    """Put a document on the list of those to be composed; false where it is there already."""
    cursor = tx.execute(
        """
        insert into document (id, matter_id, kind, round, issuer_code, issuer_name, names, facts, state, happened_at,
            next_try_at, trace)
        values (%s, %s, %s, %s, %s, %s, %s, %s, 'drafted', %s, %s, %s)
        on conflict on constraint document_once_per_round do nothing
        """,
        (
            document.id,
            document.matter_id,
            document.kind.value,
            document.round,
            document.issuer.code,
            document.issuer.name,
            Jsonb([{"code": n.code, "name": n.name} for n in document.names]),
            Jsonb(document.facts),
            document.happened_at,
            document.happened_at,
            document.trace,
        ),
    )
    return cursor.rowcount == 1


def due(tx: Transaction, state: str, *, at: datetime, limit: int) -> list[Document]:
    """Documents in ``state`` whose turn has come, kept from other workers until the transaction ends."""
    rows = tx.execute(
        f"select {_COLUMNS} from document where state = %s and next_try_at <= %s"
        " order by next_try_at limit %s for update skip locked",
        (state, at, limit),
    )
    return [_read(row) for row in rows]


def hold(tx: Transaction, ids: list[UUID], until: datetime) -> None:
    """Keep documents from being taken again before ``until``: whoever holds them works with no transaction open."""
    tx.write("update document set next_try_at = %s where id = any(%s)", (until, ids))


def compose(tx: Transaction, document_id: UUID, content: bytes, *, at: datetime) -> None:
    """Store the sealed content; the press takes it from here."""
    tx.write(
        "update document set state = 'composed', content = %s, next_try_at = %s, tries = 0, error = null"
        " where id = %s and state = 'drafted'",
        (content, at, document_id),
    )


def fail(tx: Transaction, document_id: UUID, error: str, *, at: datetime) -> None:
    """Note why a step failed; it is tried again with growing pauses, at most 5 minutes."""
    tx.write(
        "update document set tries = tries + 1, error = %s,"
        " next_try_at = %s + least(interval '5 minutes', interval '2 seconds' * power(2, least(tries, 10)))"
        " where id = %s",
        (error[:500], at, document_id),
    )


def content(tx: Transaction, document_id: UUID) -> bytes:
    """The sealed content of a composed document."""
    row = tx.execute("select content from document where id = %s", (document_id,)).fetchone()
    if row is None or row["content"] is None:
        raise LookupError(f"document {document_id} has no content")
    return bytes(row["content"])


def next_number(tx: Transaction, kind: DocumentKind, year: int) -> int:
    """The next running number; others wait until this transaction ends, so that no number is lost."""
    row = tx.execute(
        "insert into document_counter (kind, year, last) values (%s, %s, 1)"
        " on conflict (kind, year) do update set last = document_counter.last + 1 returning last",
        (kind.value, year),
    ).fetchone()
    if row is None:
        raise LookupError("no document number")
    return int(row["last"])


def lock_composed(tx: Transaction, document_id: UUID) -> bool:
    """Take a document for issue; false where somebody else has issued it meanwhile."""
    row = tx.execute("select state from document where id = %s for update", (document_id,)).fetchone()
    return row is not None and row["state"] == "composed"


def issue(tx: Transaction, document_id: UUID, *, number: str, pdf: bytes, at: datetime) -> None:
    """Store the number and the sealed PDF."""
    tx.write(
        "update document set state = 'issued', number = %s, issued_at = %s, pdf = %s where id = %s",
        (number, at, pdf, document_id),
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


HOLD = timedelta(minutes=2)
"""How long a worker may take for the documents it holds before another may take them."""
