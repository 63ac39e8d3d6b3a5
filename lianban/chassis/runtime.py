"""The one composition point of a process: the database of the service whose settings are at hand."""

from __future__ import annotations

from lianban.chassis.database import Database
from lianban.chassis.settings import Settings, settings

_opened: dict[Settings, Database] = {}


def database() -> Database:
    """The database of the service whose settings are at hand, opened. A service's process has one."""
    given = settings()
    if given not in _opened:
        made = Database(
            given.need("database_url"),
            service=given.need("service"),
            size=given.database_pool,
            statement_timeout=given.statement_timeout,
        )
        made.open()
        _opened[given] = made
    return _opened[given]


def close() -> None:
    """Close every database that was opened; the next use opens anew."""
    while _opened:
        _opened.popitem()[1].close()
