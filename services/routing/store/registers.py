"""Regions, agencies and matter types."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from lianban.chassis.errors import Retry
from lianban.chassis.recent import Recent
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import AgencyLevel
from services.routing.domain.register import Agency, LegalBasis, MatterType, Part, Region


def _agency(row: dict[str, Any]) -> Agency:
    return Agency(
        code=row["code"],
        name=row["name"],
        level=AgencyLevel(row["level"]),
        region_code=row["region_code"],
        petition_office=row["petition_office"],
        superior_government=row["superior_government"],
        superior_vertical=row["superior_vertical"],
        functions=tuple(row["functions"]),
        phone=row["phone"],
        address=row["address"],
        duty_hours=row["duty_hours"],
        successor=row["successor"],
        active=row["active"],
    )


def region(tx: Transaction, code: str) -> Region | None:
    """One region."""
    row = tx.execute("select * from region where code = %s", (code,)).fetchone()
    return Region(row["code"], row["name"], AgencyLevel(row["level"]), row["parent_code"]) if row else None


def regions(tx: Transaction) -> list[Region]:
    """All regions in the order of their codes."""
    rows = tx.execute("select * from region order by code")
    return [Region(r["code"], r["name"], AgencyLevel(r["level"]), r["parent_code"]) for r in rows]


def put_region(tx: Transaction, item: Region, *, at: datetime) -> None:
    """Add a region or change it."""
    tx.write(
        """
        insert into region (code, name, level, parent_code, registered_at) values (%s, %s, %s, %s, %s)
        on conflict (code) do update
            set name = excluded.name, level = excluded.level, parent_code = excluded.parent_code
        """,
        (item.code, item.name, item.level.value, item.parent_code, at),
    )


def agency(tx: Transaction, code: str) -> Agency | None:
    """One agency."""
    row = tx.execute("select * from agency where code = %s", (code,)).fetchone()
    return _agency(row) if row else None


def agencies(tx: Transaction) -> dict[str, Agency]:
    """All agencies by code; a site has some hundreds."""
    return {row["code"]: _agency(row) for row in tx.execute("select * from agency order by code")}


def agency_page(tx: Transaction, *, q: str | None, after: str | None, limit: int, active_only: bool) -> list[Agency]:
    """Agencies by code, from after a code on; ``q`` is a part of the name or the start of the code."""
    rows = tx.execute(
        """
        select * from agency
        where (%(after)s::text is null or code > %(after)s)
          and (%(q)s::text is null or position(%(q)s in name) > 0 or starts_with(code, %(q)s))
          and (active or not %(active_only)s)
        order by code limit %(limit)s
        """,
        {"after": after, "q": q, "limit": limit, "active_only": active_only},
    )
    return [_agency(row) for row in rows]


def put_agency(tx: Transaction, item: Agency, *, at: datetime) -> None:
    """Add an agency or change it."""
    tx.after_commit("registers", _recent.clear)
    tx.write(
        """
        insert into agency (code, name, level, region_code, petition_office, superior_government, superior_vertical,
                            functions, phone, address, duty_hours, successor, active, registered_at)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (code) do update set
            name = excluded.name, level = excluded.level, region_code = excluded.region_code,
            petition_office = excluded.petition_office, superior_government = excluded.superior_government,
            superior_vertical = excluded.superior_vertical, functions = excluded.functions, phone = excluded.phone,
            address = excluded.address, duty_hours = excluded.duty_hours, successor = excluded.successor,
            active = excluded.active
        """,
        (
            item.code,
            item.name,
            item.level.value,
            item.region_code,
            item.petition_office,
            item.superior_government,
            item.superior_vertical,
            list(item.functions),
            item.phone,
            item.address,
            item.duty_hours,
            item.successor,
            item.active,
            at,
        ),
    )


def _part(value: Part) -> dict[str, Any]:
    return {"function": value.function, "level": value.level.value if value.level else None}


def _read_part(value: dict[str, Any]) -> Part:
    return Part(value["function"], AgencyLevel(value["level"]) if value["level"] else None)


def _matter_type(row: dict[str, Any]) -> MatterType:
    return MatterType(
        code=row["code"],
        item=row["item"],
        field=row["field"],
        name=row["name"],
        name_en=row["name_en"],
        lead=_read_part(row["lead"]),
        co_handlers=tuple(_read_part(part) for part in row["co_handlers"]),
        keywords=tuple(row["keywords"]),
        examples=tuple(row["examples"]),
        basis=tuple(LegalBasis(b["title"], b["article"]) for b in row["basis"]),
    )


def matter_types(tx: Transaction) -> list[MatterType]:
    """The responsibility catalogue, by code."""
    return [_matter_type(row) for row in tx.execute("select * from matter_type order by code")]


_recent: Recent[None, tuple[list[MatterType], dict[str, Agency]]] = Recent(2.0)


def for_suggesting(tx: Transaction) -> tuple[list[MatterType], dict[str, Agency]]:
    """The responsibility catalogue and all agencies, as they were at most two seconds ago."""
    return _recent.of(None, lambda: (matter_types(tx), agencies(tx)))


def put_matter_type(tx: Transaction, item: MatterType, *, at: datetime) -> None:
    """Add an item of the catalogue or change it; its revision rises only when something changed."""
    tx.after_commit("registers", _recent.clear)
    tx.write(
        """
        insert into matter_type as old (code, item, field, name, name_en, lead, co_handlers, keywords, examples, basis,
                                        revision, registered_at)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, nextval('matter_type_revision'), %s)
        on conflict (code) do update set
            item = excluded.item, field = excluded.field, name = excluded.name, name_en = excluded.name_en,
            lead = excluded.lead, co_handlers = excluded.co_handlers, keywords = excluded.keywords,
            examples = excluded.examples, basis = excluded.basis, revision = excluded.revision
        where (old.item, old.field, old.name, old.name_en, old.lead, old.co_handlers, old.keywords, old.examples,
               old.basis)
           is distinct from (excluded.item, excluded.field, excluded.name, excluded.name_en, excluded.lead,
                             excluded.co_handlers, excluded.keywords, excluded.examples, excluded.basis)
        """,
        (
            item.code,
            item.item,
            item.field,
            item.name,
            item.name_en,
            Jsonb(_part(item.lead)),
            Jsonb([_part(part) for part in item.co_handlers]),
            list(item.keywords),
            list(item.examples),
            Jsonb([{"title": b.title, "article": b.article} for b in item.basis]),
            at,
        ),
    )


def read_catalogue(url: str, *, known: int | None) -> tuple[int, list[MatterType]] | None:
    """The catalogue's revision and items, over a read-only connection of its own; ``None`` when still ``known``.

    For the text model's process, which is no service and has no pool. Raises :class:`Retry` when the database is out
    of reach.
    """
    try:
        return _read_catalogue(url, known)
    except psycopg.Error as error:
        raise Retry(f"the database is out of reach: {type(error).__name__}") from error


def _read_catalogue(url: str, known: int | None) -> tuple[int, list[MatterType]] | None:
    with psycopg.connect(
        url,
        row_factory=dict_row,
        connect_timeout=5,
        options="-c default_transaction_read_only=on -c statement_timeout=15000",
    ) as connection:
        row = connection.execute("select coalesce(max(revision), 0) as revision from matter_type").fetchone()
        revision = int(row["revision"]) if row else 0
        if revision == known:
            return None
        rows: Iterable[dict[str, Any]] = connection.execute("select * from matter_type order by code")
        return revision, [_matter_type(item) for item in rows]
