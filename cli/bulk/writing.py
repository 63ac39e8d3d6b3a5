"""Writing copies into one service's database, with COPY, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from queue import Full, Queue
from threading import Thread
from typing import Any

import psycopg
from psycopg import sql

from cli.bulk import binary
from cli.bulk.casting import Chains
from cli.bulk.moulds import TABLES, columns

Rows = dict[str, bytes]
"""Rows as COPY reads them in its binary format, by table."""
WAITING = 2
"""So many portions of rows may wait for the database before their maker waits too."""


class Writer:
    """Writes rows into one service's database in one transaction, in a thread of its own.

    In that transaction the tables get files of their own first, so that PostgreSQL needs no log of what goes into them
    (it flushes the files before it commits), marks every row as visible to everybody at once, and forgets everything if
    there is no commit. Indexes and keys are taken away and made again behind the rows: sorting all entries once costs a
    fraction of putting them one by one into trees larger than the memory, and making a key looks at every row.
    """

    def __init__(self, url: str, service: str, sort_megabytes: int) -> None:
        """``url``: of the database, for PostgreSQL's administrator. Nobody else may work in it."""
        self._connection = psycopg.connect(url)
        self._tables = [table.name for table in TABLES[service]]
        self._sort_megabytes = sort_megabytes
        self._copies: dict[str, sql.Composed] = {}
        self._made_again: list[str] = []
        self._queue: Queue[Rows | tuple[Chains, Sequence[str]] | None] = Queue(WAITING)
        self._failed: BaseException | None = None
        self._thread = Thread(target=self._run, name=service, daemon=True)
        self._thread.start()

    def put(self, rows: Rows) -> None:
        """Have rows written; waits while others wait. Raises what writing earlier ones raised."""
        if self._failed is not None:
            raise self._failed
        self._queue.put(rows)

    def finish(self, chains: Chains, statements: Sequence[str]) -> None:
        """Behind everything else: write the chains' heads, run these statements, make keys and indexes again."""
        self._queue.put((chains, statements))
        self._queue.put(None)

    def wait(self) -> None:
        """Wait until everything is written; raises what writing raised."""
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def commit(self) -> None:
        """Make it all there."""
        self._connection.commit()

    def close(self) -> None:
        """End the connection; what was not committed was never there."""
        while self._thread.is_alive():  # somebody else failed
            with suppress(psycopg.Error):
                self._connection.cancel_safe(timeout=5)
            with suppress(Full):
                self._queue.put_nowait(None)
            self._thread.join(0.2)
        self._connection.close()

    def _run(self) -> None:
        try:
            self._begin()
            while (told := self._queue.get()) is not None:
                self._write(told)
        except BaseException as error:  # noqa: BLE001 - told to whoever puts the next rows, or waits
            self._failed = error
            while self._queue.get() is not None:
                pass

    def _begin(self) -> None:
        """Give the tables files of their own, without indexes and keys."""
        run = self._connection.execute
        run("set idle_in_transaction_session_timeout = 0")
        run("set lock_timeout = '60s'")
        run(f"set maintenance_work_mem = '{self._sort_megabytes}MB'".encode())
        self._connection.commit()
        for table in self._tables:
            found = columns(self._connection, table)
            self._copies[table] = sql.SQL("copy {} ({}) from stdin with (format binary, freeze)").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, found))
            )
        for table, key in run(_KEYS, (self._tables,)).fetchall():
            run(sql.SQL("cluster {} using {}").format(sql.Identifier(table), sql.Identifier(key)))
            run(sql.SQL("alter table {} set without cluster").format(sql.Identifier(table)))
        taken = [*run(_CONSTRAINTS, {"tables": self._tables}).fetchall(), *run(_INDEXES, (self._tables,)).fetchall()]
        for away, _ in taken:
            run(away.encode())
        self._made_again = [again for _, again in reversed(taken)]

    def _write(self, told: Rows | tuple[Chains, Sequence[str]]) -> None:
        with self._connection.cursor() as cursor:
            if isinstance(told, dict):
                for table, rows in told.items():
                    if rows:
                        with cursor.copy(self._copies[table]) as copy:
                            for part in (binary.HEAD, rows, binary.END):
                                copy.write(part)
                return
            chains, statements = told
            self._write_heads(cursor, chains)
            for statement in (*statements, *self._made_again):
                cursor.execute(statement.encode())

    def _write_heads(self, cursor: psycopg.Cursor[tuple[Any, ...]], chains: Chains) -> None:
        if "ledger" in self._tables:
            cursor.executemany(
                "update ledger_head set position = %s, hash = %s where partition = %s",
                [(position, head, partition) for partition, (position, head) in chains.ledger.items()],
            )
        if "journal" in self._tables:
            cursor.executemany(
                "insert into journal_head (agency_code, position, hash) values (%s, %s, %s)"
                " on conflict (agency_code) do update set position = excluded.position, hash = excluded.hash",
                [(agency, position, head) for agency, (position, head) in chains.journals.items()],
            )


_KEYS = """
select t.relname, i.relname
from pg_index join pg_class i on i.oid = indexrelid join pg_class t on t.oid = indrelid
where t.relname = any(%s) and t.relnamespace = 'public'::regnamespace and indisprimary
"""
_CONSTRAINTS = """
select format('alter table %%s drop constraint %%I', conrelid::regclass, conname),
    format('alter table %%s add constraint %%I %%s', conrelid::regclass, conname, pg_get_constraintdef(oid))
from pg_constraint
where contype in ('f', 'p', 'u') and connamespace = 'public'::regnamespace
    and (conrelid = any(%(tables)s::regclass[]) or contype = 'f' and confrelid = any(%(tables)s::regclass[]))
order by contype <> 'f', conrelid, conname
"""
"""Foreign keys first: they stand on the others."""
_INDEXES = """
select format('drop index %%I', i.relname), pg_get_indexdef(i.oid)
from pg_index join pg_class i on i.oid = indexrelid join pg_class t on t.oid = indrelid
where t.relname = any(%s) and t.relnamespace = 'public'::regnamespace
    and not exists (select from pg_constraint where conindid = i.oid and contype in ('p', 'u'))
order by t.relname, i.relname
"""
