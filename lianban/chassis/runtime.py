"""The one composition point of a process: its database, made from its settings."""

from __future__ import annotations

from functools import cache

from lianban.chassis.database import Database
from lianban.chassis.settings import settings


@cache
def database() -> Database:
    """The database of this process's service, opened."""
    given = settings()
    made = Database(
        given.need("database_url"),
        service=given.need("service"),
        size=given.database_pool,
        statement_timeout=given.statement_timeout,
    )
    made.open()
    return made
