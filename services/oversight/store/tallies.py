"""Counts of what is over, kept with every change; see the migration 0006."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import MatterState

FOLDED_AT_ONCE = 5000
_MEMORY = "tally change"


class Line(NamedTuple):
    """What is counted together."""

    what: str
    region_code: str
    agency_code: str = ""
    rule: str = ""
    word: str = ""


def count(tx: Transaction, line: Line, n: int) -> None:
    """Change a count; the changes of a transaction are written as their sums, and not where these are zero."""
    tx.memory[_MEMORY, line] = tx.memory.get((_MEMORY, line), 0) + n
    tx.at_end(_write, line)


def _write(tx: Transaction, lines: list[Line]) -> None:
    for line in lines:
        if n := tx.memory.pop((_MEMORY, line)):
            tx.append(
                """
                insert into tally_change (what, region_code, agency_code, rule, word, n)
                select * from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::int[])
                """,
                (*line, n),
            )


def fold(tx: Transaction) -> int:
    """Add up some changes, whichever; returns how many. What is counted stays the same.

    A second process that takes the same ones waits, and then finds them gone.
    """
    row = tx.execute(
        """
        with taken as (
            delete from tally_change where ctid = any(array(select ctid from tally_change limit %s))
            returning what, region_code, agency_code, rule, word, n
        ), added as (
            insert into tally (what, region_code, agency_code, rule, word, n)
            select what, region_code, agency_code, rule, word, sum(n) from taken
            group by what, region_code, agency_code, rule, word
            order by what, region_code, agency_code, rule, word
            on conflict (what, region_code, agency_code, rule, word) do update set n = tally.n + excluded.n
        )
        select count(*) as folded from taken
        """,
        (FOLDED_AT_ONCE,),
    ).fetchone()
    return int(row["folded"]) if row else 0


def rebuild(tx: Transaction) -> None:
    """Count everything anew, where rows were brought in from outside; nobody may write meanwhile."""
    tx.execute("truncate tally, tally_change")
    tx.execute(
        """
        insert into tally (what, region_code, word, n)
        select 'matters', region_code, state, count(*) from matter group by region_code, state
        """
    )
    tx.execute(
        """
        insert into tally (what, region_code, agency_code, n)
        select what, matter.region_code, agency_code, sum(n)
        from assignment join matter on matter.id = assignment.matter_id,
            lateral (values ('assignments', 1), ('objections', objections)) as counted (what, n)
        group by what, matter.region_code, agency_code
        """
    )
    tx.execute(
        """
        insert into tally (what, region_code, agency_code, rule, word, n)
        select 'clocks', matter.region_code, coalesce(bound_code, ''), rule, outcome, count(*)
        from clock join matter on matter.id = clock.matter_id where outcome is not null
        group by matter.region_code, coalesce(bound_code, ''), rule, outcome
        """
    )
    tx.execute(
        """
        insert into agency_in_region (region_code, agency_code, agency_name)
        select matter.region_code, agency_code, max(agency_name)
        from assignment join matter on matter.id = assignment.matter_id group by matter.region_code, agency_code
        on conflict do nothing
        """
    )


def matters_by_state(tx: Transaction, *, territory: str) -> dict[MatterState, int]:
    """How many matters are in each state."""
    rows = tx.execute(
        "select word, sum(n)::bigint as n from counted where what = 'matters' and region_code like %s"
        " group by word having sum(n) > 0",
        (territory + "%",),
    )
    return {MatterState(row["word"]): row["n"] for row in rows}


def clocks_by_outcome(tx: Transaction, *, territory: str) -> dict[tuple[str, str], dict[str, int]]:
    """Per agency (empty: the petition offices and petitioners) and rule: how many clocks ended how."""
    rows = tx.execute(
        "select agency_code, rule, word, sum(n)::bigint as n from counted where what = 'clocks' and region_code like %s"
        " group by agency_code, rule, word having sum(n) > 0",
        (territory + "%",),
    )
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row["agency_code"], row["rule"]][row["word"]] = row["n"]
    return found


def assignments_by_agency(tx: Transaction, *, territory: str) -> dict[str, dict[str, int]]:
    """Per agency how many ``assignments`` and ``objections`` it has had."""
    rows = tx.execute(
        "select agency_code, what, sum(n)::bigint as n from counted"
        " where what in ('assignments', 'objections') and region_code like %s group by agency_code, what",
        (territory + "%",),
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for row in rows:
        found[row["agency_code"]][row["what"]] = row["n"]
    return found
