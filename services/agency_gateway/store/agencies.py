"""The register of agencies as the gateway keeps it by event."""

from __future__ import annotations

from lianban.chassis.transaction import Transaction
from lianban.contracts.routing import AgencyRegistered


def put(tx: Transaction, agency: AgencyRegistered) -> None:
    """Keep what routing says about an agency."""
    tx.write(
        """
        insert into agency (code, name, level, region_code, superior_government, superior_vertical, petition_office,
            active)
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (code) do update set name = excluded.name, level = excluded.level,
            region_code = excluded.region_code, superior_government = excluded.superior_government,
            superior_vertical = excluded.superior_vertical, petition_office = excluded.petition_office,
            active = excluded.active
        """,
        (
            agency.code, agency.name, agency.level.value, agency.region_code, agency.superior_government,
            agency.superior_vertical, agency.petition_office, agency.active,
        ),
    )  # fmt: skip
    tx.write("update lane set agency_name = %s where agency_code = %s", (agency.name, agency.code))


def active(tx: Transaction) -> dict[str, str]:
    """Code and name of every active agency, by name."""
    rows = tx.execute("select code, name from agency where active order by level, name")
    return {row["code"]: row["name"] for row in rows}


def name_of(tx: Transaction, code: str) -> str:
    """The agency's name; its code where the register does not have it (yet)."""
    row = tx.execute("select name from agency where code = %s", (code,)).fetchone()
    return str(row["name"]) if row else code
