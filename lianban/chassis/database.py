"""A service's own PostgreSQL database: a pool of connections, and transactions on them.

Under eventlet no ``eventlet.Timeout`` is put round a transaction: time-outs are the server's
(``statement_timeout``, ``idle_in_transaction_session_timeout``) and the pool's.
"""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout

from lianban.chassis import metrics
from lianban.chassis.arrays import ADAPTING
from lianban.chassis.pipelines import Connection
from lianban.chassis.readiness import readiness
from lianban.chassis.transaction import Transaction

set_json_dumps(partial(orjson.dumps, default=str))
set_json_loads(orjson.loads)

UNAVAILABLE = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    PoolTimeout,
)
"""Errors that say that the database is out of reach or cannot work now; the work is to be repeated later."""

OF_ONE_STATEMENT = (
    psycopg.errors.QueryCanceled,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.LockNotAvailable,
)
"""Operational errors that concern one statement: the database itself answers."""


@dataclass(slots=True)
class _Outer:
    """A transaction that later ones of the same request join; ``failed`` when one of them did not end well."""

    tx: Transaction
    failed: bool = False


_outer: ContextVar[_Outer | None] = ContextVar("lianban_outer_transaction", default=None)


class Database:
    """The pool of one service's connections."""

    def __init__(self, url: str, *, service: str, size: int = 12, statement_timeout: float = 15.0) -> None:
        milliseconds = int(statement_timeout * 1000)
        self.service = service
        options: dict[str, Any] = {
            "row_factory": dict_row,
            "autocommit": True,  # transactions are begun and ended here
            "connect_timeout": 5,
            # Notice within half a minute that the other side is gone without a word.
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30000,
            "application_name": f"lianban-{service}",
            "context": ADAPTING,
            "options": f"-c statement_timeout={milliseconds} -c idle_in_transaction_session_timeout=60000"
            " -c lock_timeout=10000 -c timezone=UTC",
        }
        self._connect: Callable[[], psycopg.Connection[DictRow]] = partial(Connection[DictRow].connect, url, **options)
        self._pool: ConnectionPool[psycopg.Connection[DictRow]] = ConnectionPool(
            url,
            connection_class=Connection[DictRow],
            min_size=min(2, size),
            max_size=size,
            timeout=5.0,
            max_idle=300,
            reconnect_timeout=30.0,
            kwargs=options,
            open=False,
        )

    def open(self) -> None:
        """Start connecting; does not wait, readiness says when the database answers."""
        self._pool.open(wait=False)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close(timeout=5)

    @contextmanager
    def transaction(self, *, whole: bool = True) -> Iterator[Transaction]:
        """A transaction that commits when the block ends and rolls back when an exception leaves it.

        Within :meth:`one_transaction` it joins the surrounding one, which then commits or rolls back for both.
        ``whole=False`` where each exchange may commit by itself: no begin and no commit then, for a single statement
        and for what is only read.
        """
        outer = _outer.get()
        if outer is not None and not outer.failed:
            try:
                yield outer.tx
            except BaseException:
                outer.failed = True
                raise
            return
        started = clock.perf_counter()
        try:
            with self._pool.connection() as connection:
                tx = Transaction(connection, self.service, begin=whole)
                try:
                    yield tx
                    tx.commit() if whole else tx.settle()
                except BaseException:
                    if not whole:  # no rollback tells psycopg which of its prepared statements are there
                        connection.close()
                    raise
        except UNAVAILABLE as error:
            if not isinstance(error, OF_ONE_STATEMENT):
                metrics.database_unavailable.inc()
                readiness.down("database", "the database is out of reach; waiting for it")
                self._pool.check()
            raise
        metrics.database_seconds.observe(clock.perf_counter() - started)
        readiness.up("database")

    @contextmanager
    def one_transaction(self) -> Iterator[_Outer]:
        """One transaction for everything in the block: those that begin inside join it.

        Where one of them failed the caller must let an exception leave the block, so that all is rolled back;
        the answer's ``failed`` says so. Used to store the answer to an Idempotency-Key with the use case itself.
        """
        with self.transaction() as tx:
            outer = _Outer(tx)
            token = _outer.set(outer)
            try:
                yield outer
            finally:
                _outer.reset(token)

    @contextmanager
    def session(self) -> Iterator[Transaction]:
        """A connection of its own outside the pool, on which every statement commits by itself."""
        with self._connect() as connection:
            made = Transaction(connection, self.service, begin=False)
            yield made
            made.settle()

    def answers(self) -> bool:
        """Whether the database answers now; updates readiness."""
        try:
            with self.transaction() as tx:
                tx.execute("select 1")
        except UNAVAILABLE:
            return False
        return True
