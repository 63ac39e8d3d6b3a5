"""Sealed texts: of matters for the desk and for search, of statements for the desk; and what is to be fetched."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction


def take_due_cases(tx: Transaction, *, at: datetime, until: datetime, limit: int) -> list[UUID]:
    """Cases that wait for a suggestion, oldest first; lent until ``until``, then they come again."""
    rows = tx.execute(
        """
        update petition_case set suggest_due = %s
        where id in (
            select id from petition_case where suggest_due <= %s order by suggest_due limit %s for update skip locked
        )
        returning id
        """,
        (until, at, limit),
    )
    return [row["id"] for row in rows]


def suggestions_made(tx: Transaction, case_ids: list[UUID], *, lent_until: datetime) -> None:
    """These cases no longer wait for a suggestion, unless their text changed since they were lent until that moment."""
    tx.write(
        "update petition_case set suggest_due = null where id = any(%s) and suggest_due = %s", (case_ids, lent_until)
    )


def want_suggestion(tx: Transaction, case_id: UUID, *, at: datetime) -> None:
    """The case's text changed: fetch it again and suggest anew."""
    tx.write("update petition_case set suggest_due = %s where id = %s", (at, case_id))


def waiting_for_suggestion(tx: Transaction) -> int:
    """How many cases wait for a suggestion."""
    row = tx.execute("select count(*) as n from petition_case where suggest_due is not null").fetchone()
    return int(row["n"]) if row else 0


def put_text(tx: Transaction, case_id: UUID, body: bytes, grams: list[int], *, at: datetime) -> None:
    """Keep a matter's sealed text and its keyed grams."""
    tx.write(
        """
        insert into case_text (case_id, body, grams, fetched_at) values (%s, %s, %s, %s)
        on conflict (case_id) do update
            set body = excluded.body, grams = excluded.grams, fetched_at = excluded.fetched_at
        """,
        (case_id, body, grams, at),
    )


def bodies(tx: Transaction, case_ids: list[UUID]) -> dict[UUID, bytes]:
    """The sealed texts of some matters."""
    rows = tx.execute("select case_id, body from case_text where case_id = any(%s)", (case_ids,))
    return {row["case_id"]: bytes(row["body"]) for row in rows}


def put_statement(
    tx: Transaction,
    *,
    statement_id: UUID,
    case_id: UUID,
    assignment_id: UUID,
    agency_code: str,
    kind: str,
    refused: str | None,
    stated_at: datetime,
    fetch_at: datetime,
) -> None:
    """A department said something; its words are to be fetched."""
    tx.append(
        """
        insert into statement (id, case_id, assignment_id, agency_code, kind, refused, stated_at, fetch_due)
        select * from unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],
            %s::timestamptz[])
        on conflict (id) do nothing
        """,
        (statement_id, case_id, assignment_id, agency_code, kind, refused, stated_at, fetch_at),
    )


def take_due_statements(tx: Transaction, *, at: datetime, until: datetime, limit: int) -> list[UUID]:
    """Statements whose words are to be fetched, oldest first; lent until ``until``."""
    rows = tx.execute(
        """
        update statement set fetch_due = %s
        where id in (
            select id from statement where body is null and fetch_due <= %s
            order by stated_at limit %s for update skip locked
        )
        returning id
        """,
        (until, at, limit),
    )
    return [row["id"] for row in rows]


def put_statement_text(tx: Transaction, statement_id: UUID, body: bytes) -> None:
    """Keep a statement's sealed words."""
    tx.amend(
        """
        update statement set body = new.body, fetch_due = null
        from (select * from unnest(%s::uuid[], %s::bytea[])) as new (id, body) where statement.id = new.id
        """,
        statement_id,
        body,
    )


def statements(tx: Transaction, case_id: UUID) -> list[dict[str, Any]]:
    """What departments said about a case, in the order of their statements."""
    return list(tx.execute("select * from statement where case_id = %s order by stated_at, id", (case_id,)))
