"""How long things take to arrive: between two commits, by the moments that PostgreSQL itself has noted.

The benchmark's stack has ``track_commit_timestamp`` on, so that every row that is written once tells when the
transaction that wrote it was committed: nothing is asked while the load runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from deploy.local.processes import DEPARTMENTS
from deploy.local.stack import Stack
from tests.bench.figures import PERCENT, percentile
from tests.load.city import LoadCity
from tests.load.drive import Drive
from tests.load.petitions import Kind

LONGEST = 300
SHOWN = {
    "case-routed.v1": "routed",
    "case-accepted.v1": "case_accepted",
    "case-decided.v1": "decided",
    "case-closed.v1": "closed",
}
"""What routing says about a case, and the entry of the petitioner's time line that it becomes."""


def note_commits(stack: Stack) -> None:
    """Let PostgreSQL note the moment of each commit; counts after its next start."""
    with psycopg.connect(stack.admin_url(), autocommit=True) as connection:
        connection.execute("alter system set track_commit_timestamp = on")


def run(city: LoadCity, kind: Kind, *, rate: float, seconds: float) -> dict[str, float]:
    """Percentiles of the lags in milliseconds, at ``rate`` matters a second.

    ``commit_to_department``: from the commit of the matter (the petitioner's answer) to that of the ticket in the
    department's own system, suggestion and confirmation included; ``assignment_to_department``: from the commit of
    the decision who is responsible; ``commit_to_status_page``: from routing's commit of what happened to the commit
    that makes it stand on the status page.
    """
    with Drive(city) as drive:
        drive.submit([kind], rate=rate, seconds=seconds)
        taken = drive.submitted(LONGEST)
        if drive.requests.failures:
            raise AssertionError(f"requests failed: {drive.requests.failures[:3]}")
        drive.complete(LONGEST)
    ids, numbers = [matter.id for matter in taken], {matter.id: matter.number for matter in taken}
    matters = _committed(city.stack, "intake", "select id as key, xmin from matter where id = any(%s)", ids)
    routed = _committed(
        city.stack,
        "routing",
        "select case_id as key, xmin from history where case_id = any(%s) and type = 'case-routed.v1'",
        ids,
    )
    tickets = _tickets(city.stack, list(numbers.values()))
    shown = _entries(city.stack, ids)
    said = _history(city.stack, ids)
    lags = {
        "commit_to_department": [_ms(matters[i], at) for i in ids for at in tickets[numbers[i]]],
        "assignment_to_department": [_ms(routed[i], at) for i in ids for at in tickets[numbers[i]]],
        "commit_to_status_page": [_ms(at, shown[key]) for key, at in said.items()],
    }
    return {
        f"{lag}_{name}_ms": percentile(values, share) for lag, values in lags.items() for name, share in PERCENT.items()
    }


def _ms(earlier: datetime, later: datetime) -> float:
    return (later - earlier).total_seconds() * 1000


def _rows(stack: Stack, role: str, sql: str, keys: Iterable[Any]) -> list[dict[str, Any]]:
    with psycopg.connect(stack.database_url(role), autocommit=True, row_factory=dict_row) as connection:
        return connection.execute(
            f"select *, pg_xact_commit_timestamp(xmin) as at from ({sql}) as found",
            (list(keys),),
        ).fetchall()


def _committed(stack: Stack, role: str, sql: str, keys: Iterable[UUID]) -> dict[UUID, datetime]:
    return {row["key"]: row["at"] for row in _rows(stack, role, sql, keys)}


def _tickets(stack: Stack, numbers: list[str]) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = {number: [] for number in numbers}
    sql = """
        select distinct on (ticket.id) ticket.source_no as key, step.xmin from ticket
        join step on step.ticket_id = ticket.id where ticket.source_no = any(%s) order by ticket.id, step.id
    """
    for row in _rows(stack, DEPARTMENTS, sql, numbers):
        found[row["key"]].append(row["at"])
    return found


def _entries(stack: Stack, ids: list[UUID]) -> dict[tuple[UUID, str], datetime]:
    sql = "select matter_id as key, kind, xmin from timeline_entry where matter_id = any(%s)"
    return {(row["key"], row["kind"]): row["at"] for row in _rows(stack, "intake", sql, ids)}


def _history(stack: Stack, ids: list[UUID]) -> dict[tuple[UUID, str], datetime]:
    sql = "select case_id as key, type, xmin from history where case_id = any(%s)"
    rows = _rows(stack, "routing", sql, ids)
    return {(row["key"], SHOWN[row["type"]]): row["at"] for row in rows if row["type"] in SHOWN}
