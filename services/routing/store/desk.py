"""What the routing desk reads: lists and one case with everything about it. Reads bypass the model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.database import Transaction


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
    found = None
    if wanted.grams and wanted.number is None:
        rows = tx.execute(
            "select case_id from case_text where grams @> %s::bigint[] limit %s", (list(wanted.grams), FEW + 1)
        ).fetchall()
        found = [row["case_id"] for row in rows] if len(rows) <= FEW else None
    sql, params = triage_query(wanted, after=after, limit=limit, found=found)
    return list(tx.execute(sql, params))


FEW = 2000
"""So many cases that a word is found in are fetched and sorted; more are walked through."""


def triage_query(
    wanted: Filter, *, after: tuple[datetime, UUID] | None, limit: int, found: list[UUID] | None = None
) -> tuple[str, dict[str, Any]]:
    """The statement of :func:`triage` with its parameters; made of fixed parts only."""
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
    elif found is not None:
        parts.append("c.id = any(%(found)s)")
        params["found"] = found
    elif wanted.grams:
        # A scalar subquery, so that the planner keeps to the order of the list.
        parts.append("(select w.grams @> %(grams)s::bigint[] from case_text w where w.case_id = c.id)")
        params["grams"] = list(wanted.grams)
    if after is not None:
        parts.append("(c.received_at, c.id) > (%(after_at)s, %(after_id)s)")
        params["after_at"], params["after_id"] = after
    where = " and ".join(parts) or "true"
    return (
        f"""
        select c.id, c.number, c.channel, c.region_code, c.region_name, c.received_at, c.state, c.attention, c.round,
               c.version, c.matter_type, c.imported, t.body as text, s.body as suggestion
        from petition_case c
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
