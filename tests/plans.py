"""How PostgreSQL means to run the statements of a store's function: for tests that an index serves them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.rows import DictRow

from lianban.chassis.runtime import database
from lianban.chassis.transaction import Transaction


def plans_of(look: psycopg.Connection[DictRow], service: str, ask: Callable[[Transaction], Any]) -> list[str]:
    """The plan of each statement that ``ask`` runs, in their order, as text."""
    asked: list[tuple[str, Any]] = []

    class Noting(Transaction):
        def execute(self, sql: str, params: Any = ()) -> Any:
            asked.append((sql, params))
            return super().execute(sql, params)

    with database().transaction() as tx:
        ask(Noting(tx.connection, service))
    return [
        "\n".join(str(row["QUERY PLAN"]) for row in look.execute(f"explain {sql}".encode(), params or None))
        for sql, params in asked
    ]
