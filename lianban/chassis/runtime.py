"""The one composition point of a process: the database of the service whose settings are at hand."""

from __future__ import annotations

from time import monotonic

from lianban.chassis.database import Database
from lianban.chassis.settings import settings
from lianban.chassis.time import keep_to

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


def look_at_the_clock() -> None:
    """Have this process go by its database's clock (:func:`~lianban.chassis.time.keep_to`); every few seconds.

    Raises what the database raises when it is out of reach.
    """
    with database().transaction() as tx:
        asked = monotonic()
        row = tx.execute("select clock_timestamp() as instant").fetchone()
        answered = monotonic()
    if row:
        keep_to(row["instant"], asked=asked, answered=answered)


def close() -> None:
    """Close every database that was opened; the next use opens anew."""
    while _opened:
        _opened.popitem()[1].close()
