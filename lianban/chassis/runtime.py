"""The one composition point of a process: the database of the service whose settings are at hand."""

from __future__ import annotations

from lianban.chassis.database import Database
from lianban.chassis.settings import settings

_opened: dict[tuple[str, str], Database] = {}


def database() -> Database:
    """The database of the service whose settings are at hand, opened. A service's process has one."""
    given = settings()
    key = (given.service, given.database_url)
    opened = _opened.get(key)
    if opened is None:
        opened = _opened[key] = Database(
            given.need("database_url"),
            service=given.need("service"),
            size=given.database_pool,
            statement_timeout=given.statement_timeout,
        )
        opened.open()
    return opened


def close() -> None:
    """Close every database that was opened; the next use opens anew."""
    while _opened:
        _opened.popitem()[1].close()
