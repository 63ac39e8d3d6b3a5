"""What the routing desk reads: lists and one case with everything about it. Reads bypass the model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Filter:
    """Which cases a list shows; ``prefixes`` are digits of regions, ``grams`` the keyed grams searched for."""

    waiting: bool = True
    state: str | None = None
    attention: str | None = None
    prefixes: tuple[str, ...] = ()
    grams: tuple[int, ...] = ()
    number: str | None = None


def triage(tx: Transaction, wanted: Filter, *, after: tuple[datetime, UUID] | None, limit: int) -> list[dict[str, Any]]:
    """Cases, longest waiting first, from after a row on.

    A rare word is looked up first and its few cases are sorted; where a word stands in very many, the cases are walked
    through in their order until a page is full.
    """
    if wanted.grams and wanted.number is None:
        sql, params = triage_query(wanted, after=after, limit=limit, few=True)
        rows = tx.execute(sql, params).fetchall()
        found = rows[0]["found"] if rows else _found(tx, wanted)
        if found <= FEW:
            return rows
    sql, params = triage_query(wanted, after=after, limit=limit)
    return list(tx.execute(sql, params))


FEW = 20_000
"""So many cases that a word is found in are sorted; more are walked through."""


def _found(tx: Transaction, wanted: Filter) -> int:
    row = tx.execute(
        "select count(*) as n from (select from case_text where grams @> %s::bigint[] limit %s) as hit",
        (list(wanted.grams), FEW + 1),
    ).fetchone()
    return int(row["n"]) if row else 0


def triage_query(
    wanted: Filter, *, after: tuple[datetime, UUID] | None, limit: int, few: bool = False
) -> tuple[str, dict[str, Any]]:
    """The statement of :func:`triage` with its parameters; made of fixed parts only.

    ``few``: the cases that the words are found in are looked up first, at most one more than :data:`FEW`, and their
    number stands in each row as ``found``.
    """
    first, number_found, source = "", "0", "petition_case c"
    parts: list[str] = []
    params: dict[str, Any] = {"limit": limit}
    if wanted.attention is not None:
        parts.append("c.attention = %(attention)s")
        params["attention"] = wanted.attention
    elif wanted.waiting:
        parts.append("c.attention is not null")
    if wanted.state is not None:
        parts.append("c.state = %(state)s")
        params["state"] = wanted.state
    for number, prefix in enumerate(wanted.prefixes):
        parts.append(f"c.region_code >= %(from{number})s and c.region_code < %(to{number})s")
        params[f"from{number}"] = prefix
        params[f"to{number}"] = prefix + ":"  # the character after 9
    if wanted.number is not None:
        parts.append("c.number = %(number)s")
        params["number"] = wanted.number
    elif few:
        first = """with hit as materialized (
            select case_id from case_text where grams @> %(grams)s::bigint[] limit %(few)s)"""
        number_found = "(select count(*) from hit)"
        # One by one: joined in another way the planner would read all cases for some thousands of hits.
        source = "hit cross join lateral (select * from petition_case where id = hit.case_id offset 0) c"
        params |= {"grams": list(wanted.grams), "few": FEW + 1}
    elif wanted.grams:
        # A scalar subquery, so that the planner keeps to the order of the list.
        parts.append("(select w.grams @> %(grams)s::bigint[] from case_text w where w.case_id = c.id)")
        params["grams"] = list(wanted.grams)
    if after is not None:
        parts.append("(c.received_at, c.id) > (%(after_at)s, %(after_id)s)")
        params["after_at"], params["after_id"] = after
    if wanted.prefixes and wanted == Filter(waiting=False, prefixes=wanted.prefixes):
        # All cases of a region, read from its index and sorted: in the order of time they may lie behind all others.
        here = " and ".join(parts).replace("c.", "")
        first = f"with here as materialized (select id, received_at from petition_case where {here})"
        parts.append("c.id in (select id from here order by received_at, id limit %(limit)s)")
    where = " and ".join(parts) or "true"
    return (
        f"""
        {first}
        select c.id, c.number, c.channel, c.region_code, c.region_name, c.received_at, c.state, c.attention, c.round,
               c.version, c.matter_type, c.imported, t.body as text, s.body as suggestion, {number_found} as found
        from {source}
        left join case_text t on t.case_id = c.id
        left join suggestion s on s.case_id = c.id
        where {where}
        order by c.received_at, c.id
        limit %(limit)s
        """,
        params,
    )


def waiting_counts(tx: Transaction, prefix: str | None) -> dict[str, int]:
    """How many cases wait for each kind of attention."""
    rows = tx.execute(
        """
        select attention, count(*) as n from petition_case
        where attention is not null and region_code >= %(prefix)s and region_code < %(prefix)s || ':'
        group by attention
        """,
        {"prefix": prefix or ""},
    )
    return {row["attention"]: row["n"] for row in rows}


def history(tx: Transaction, case_id: UUID) -> list[dict[str, Any]]:
    """What happened to a case, oldest first."""
    return list(tx.execute("select * from history where case_id = %s order by position", (case_id,)))
