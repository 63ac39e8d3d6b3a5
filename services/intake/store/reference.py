"""Intake's own copy of the register of regions and agencies, kept by event from routing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lianban.chassis.recent import Recent
from lianban.chassis.transaction import Transaction
from lianban.contracts.refs import AgencyRef
from lianban.contracts.routing import AgencyRegistered, RegionRegistered

Row = dict[str, Any]


def keep_region(tx: Transaction, region: RegionRegistered) -> None:
    """Insert or change a region."""
    tx.after_commit("names of regions", _names.clear)
    tx.write(
        """
        insert into region (code, name, level, parent_code) values (%s, %s, %s, %s)
        on conflict (code) do update set name = excluded.name, level = excluded.level,
            parent_code = excluded.parent_code
        """,
        (region.code, region.name, region.level, region.parent_code),
    )


def keep_agency(tx: Transaction, agency: AgencyRegistered) -> None:
    """Insert or change an agency."""
    tx.write(
        """
        insert into agency (code, name, level, region_code, petition_office, superior_government, superior_vertical,
            active)
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (code) do update set name = excluded.name, level = excluded.level,
            region_code = excluded.region_code, petition_office = excluded.petition_office,
            superior_government = excluded.superior_government, superior_vertical = excluded.superior_vertical,
            active = excluded.active
        """,
        (
            agency.code, agency.name, agency.level, agency.region_code, agency.petition_office,
            agency.superior_government, agency.superior_vertical, agency.active,
        ),
    )  # fmt: skip


_names: Recent[str, str] = Recent(10.0)
"""Names of regions; they change less often than once in years."""


def region_name(tx: Transaction, code: str) -> str | None:
    """The name of a region, as it was at most ten seconds ago; None where there is none of this code."""
    known = _names.get(code)
    if known is not None:
        return known
    row = tx.execute("select name from region where code = %s", (code,)).fetchone()
    return _names.keep(code, str(row["name"])) if row else None


def line_of(tx: Transaction, code: str) -> list[Row]:
    """A region and those above it, topmost first."""
    return tx.execute(
        """
        with recursive line as (
            select code, name, level, parent_code, 1 as depth from region where code = %s
            union all
            select r.code, r.name, r.level, r.parent_code, line.depth + 1
            from region r join line on r.code = line.parent_code where line.depth < 10
        )
        select code, name, level from line order by depth desc
        """,
        (code,),
    ).fetchall()


def agencies(tx: Transaction, codes: Sequence[str]) -> dict[str, AgencyRef]:
    """The agencies that are known of some codes."""
    rows = tx.execute("select code, name from agency where code = any(%s)", (list(codes),))
    return {row["code"]: AgencyRef(row["code"], row["name"]) for row in rows}


def agencies_by_name(tx: Transaction, names: Sequence[str]) -> dict[str, AgencyRef]:
    """The active agencies that bear exactly one of the names."""
    rows = tx.execute("select code, name from agency where name = any(%s) and active", (list(names),))
    return {row["name"]: AgencyRef(row["code"], row["name"]) for row in rows}


def petition_office(tx: Transaction, region_code: str) -> AgencyRef | None:
    """The petition office nearest to a region: its own, else that of the regions above it."""
    row = tx.execute(
        """
        with recursive line as (
            select code, parent_code, 1 as depth from region where code = %s
            union all
            select r.code, r.parent_code, line.depth + 1
            from region r join line on r.code = line.parent_code where line.depth < 10
        )
        select agency.code, agency.name from line join agency on agency.region_code = line.code
        where agency.petition_office and agency.active order by line.depth limit 1
        """,
        (region_code,),
    ).fetchone()
    return None if row is None else AgencyRef(row["code"], row["name"])


def regions_to_choose(tx: Transaction) -> list[Row]:
    """Cities, counties and townships in the order of their codes, which is that of the levels too."""
    return tx.execute(
        "select code, name, level, parent_code from region where level in ('city', 'county', 'township') order by code"
    ).fetchall()
