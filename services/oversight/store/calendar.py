"""Editions of the work calendar: each change is one, with who made it."""

from __future__ import annotations

from datetime import datetime

from lianban.chassis.transaction import Transaction


def edition(tx: Transaction) -> int:
    """The number of the present edition; 0 before the first."""
    row = tx.execute("select coalesce(max(id), 0) as edition from calendar_edition").fetchone()
    return int(row["edition"]) if row else 0


def new_edition(tx: Transaction, *, year: int, actor: str, at: datetime) -> int:
    """Note a change of the calendar; returns its number."""
    row = tx.execute(
        "insert into calendar_edition (at, year, actor) values (%s, %s, %s) returning id", (at, year, actor)
    ).fetchone()
    if row is None:
        raise LookupError("no calendar edition")
    return int(row["id"])


def is_empty(tx: Transaction) -> bool:
    """Whether no year was ever stored."""
    return tx.execute("select 1 from calendar_year limit 1").fetchone() is None


def hold(tx: Transaction) -> None:
    """Let nobody else change the calendar until this transaction ends."""
    tx.execute("lock table calendar_edition in share row exclusive mode")
