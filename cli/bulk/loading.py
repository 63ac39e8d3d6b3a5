"""Loading copies: one process per group of services makes their rows, a thread per service writes them with COPY."""

from __future__ import annotations

import multiprocessing
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import psycopg
from psycopg import sql

from cli.bulk.casting import Chains, Moved, Pattern, Site
from cli.bulk.moulds import TABLES, Mould, columns
from lianban.chassis.secrets import AesGcm, load_provider
from lianban.contracts.envelope import PARTITIONS
from services.agency_gateway.domain.journal import GENESIS

CHUNK = 400
"""About so many copies are made, and written, at a time."""
WAITING = 2
"""Chunks that may wait for the database before their maker waits too."""
SORT_MEMORY = "512MB"
"""How much memory the sorting of one index may take."""


class Step(Enum):
    """How far a process is: everything is in the databases and waits for its commit; it is there."""

    WRITTEN = auto()
    COMMITTED = auto()


@dataclass(frozen=True, slots=True)
class Batch:
    """So many copies of one mould, moved back by so many weeks; they are numbered from ``first`` on."""

    mould: int
    weeks: int
    first: int
    copies: int


@dataclass(frozen=True, slots=True)
class Order:
    """What one process is to do."""

    services: tuple[str, ...]
    urls: Mapping[str, str]
    """Each service's database, for PostgreSQL's administrator."""
    keys: Mapping[str, str]
    """Each service's folder of keys."""
    moulds: Sequence[Mould]
    shared: frozenset[str]
    batches: Sequence[Batch]
    site: Site


def end_with_parent() -> None:
    """Let this process end when the one that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=watch, name="watch the parent", daemon=True).start()


def work(order: Order, report: Any, go: Any) -> None:
    """Make and load everything that was ordered, then wait for ``go`` and commit.

    ``report`` is told how many copies were made each time, then each :class:`Step`; or what went wrong, in words.
    """
    end_with_parent()
    try:
        _work(order, report, go)
    except BaseException as error:
        report.put(repr(error))
        raise


def _work(order: Order, report: Any, go: Any) -> None:
    providers = {
        service: load_provider(Path(order.keys[service])) for service in ("intake", "routing", *order.services)
    }
    keys: dict[str, str] = {}

    def gram_key(gram: str) -> str:
        if gram not in keys:
            digest = providers["routing"].mac(gram.encode(), b"blind:case_text.grams")
            keys[gram] = str(int.from_bytes(digest[:8], "big", signed=True))
        return keys[gram]

    with ExitStack() as stack:
        writers = {name: stack.enter_context(closing(Writer(order.urls[name], name))) for name in order.services}
        chains = _heads(order)
        patterns: dict[int, Pattern] = {}
        made: list[tuple[Moved, Batch]] = []
        waiting = 0
        for batch in order.batches:
            if batch.mould not in patterns:
                patterns[batch.mould] = Pattern(order.moulds[batch.mould], order.services, set(order.shared))
            made.append((patterns[batch.mould].moved(batch.weeks, order.site), batch))
            waiting += batch.copies
            if waiting >= CHUNK:
                _make(order, made, writers, chains, providers, gram_key)
                report.put(waiting)
                made, waiting = [], 0
        _make(order, made, writers, chains, providers, gram_key)
        report.put(waiting)
        for writer in writers.values():
            writer.finish(chains)
        for writer in writers.values():
            writer.wait()
        report.put(Step.WRITTEN)
        go.wait()
        for writer in writers.values():
            writer.commit()
        report.put(Step.COMMITTED)


def _make(
    order: Order,
    made: list[tuple[Moved, Batch]],
    writers: dict[str, Writer],
    chains: Chains,
    providers: dict[str, AesGcm],
    gram_key: Any,
) -> None:
    texts: dict[str, dict[str, list[str]]] = {name: defaultdict(list) for name in order.services}
    for moved, batch in made:
        for copy in range(batch.first, batch.first + batch.copies):
            values = moved.values(copy, providers["intake"].mac, gram_key)
            for name in order.services:
                moved.cast(name, values, providers[name], chains, texts[name])
    for name in order.services:
        writers[name].put({table: "".join(parts) for table, parts in texts[name].items()})


def _heads(order: Order) -> Chains:
    chains = Chains(journals=_Journals())
    if "oversight" in order.services:
        with psycopg.connect(order.urls["oversight"]) as connection:
            for partition, position, head in connection.execute("select partition, position, hash from ledger_head"):
                chains.ledger[partition] = (position, bytes(head))
        if len(chains.ledger) != PARTITIONS:
            raise RuntimeError("the ledger has not one head per partition")
    if "agency_gateway" in order.services:
        with psycopg.connect(order.urls["agency_gateway"]) as connection:
            for agency, position, head in connection.execute("select agency_code, position, hash from journal_head"):
                chains.journals[agency] = (position, bytes(head))
    return chains


class _Journals(dict[str, tuple[int, bytes]]):
    """Heads of journals; an agency without one begins anew."""

    def __missing__(self, agency: str) -> tuple[int, bytes]:
        return 0, GENESIS


class Writer:
    """Writes rows into one service's database in one transaction, in a thread of its own.

    In that transaction the tables get files of their own first, so that PostgreSQL needs no log of what goes into them
    (it flushes the files before it commits), marks every row as visible to everybody at once, and can forget everything
    without a trace. Indexes that only make reading faster are made behind the rows.
    """

    def __init__(self, url: str, service: str) -> None:
        self._connection = psycopg.connect(url)
        self._service = service
        self._tables = [table.name for table in TABLES[service]]
        self._copies: dict[str, sql.Composed] = {}
        self._queue: Queue[dict[str, str] | Chains] = Queue(WAITING)
        self._failed: BaseException | None = None
        self._thread = Thread(target=self._run, name=service, daemon=True)
        self._thread.start()

    def put(self, texts: dict[str, str]) -> None:
        """Have rows written, by table; waits while others wait. Raises what writing earlier ones raised."""
        if self._failed is not None:
            raise self._failed
        self._queue.put(texts)

    def finish(self, chains: Chains) -> None:
        """Have the chains' heads written behind everything else, and the indexes made."""
        self._queue.put(chains)

    def wait(self) -> None:
        """Wait until everything is written; raises what writing raised."""
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def commit(self) -> None:
        """Make it all there, at once."""
        self._connection.commit()

    def close(self) -> None:
        """End the connection; what was not committed was never there."""
        self._connection.close()

    def _run(self) -> None:
        try:
            indexes = self._begin()
        except BaseException as error:  # noqa: BLE001 - told to whoever puts the next rows
            self._failed, indexes = error, []
        while True:
            told = self._queue.get()
            if self._failed is None:
                try:
                    self._write(told, indexes)
                except BaseException as error:  # noqa: BLE001 - as above
                    self._failed = error
            if isinstance(told, Chains):
                return

    def _begin(self) -> list[str]:
        """Tables with files of their own and without what only readers need; returns the statements that make that."""
        run = self._connection.execute
        # Foreign keys hold because they hold in the moulds; asking for each row would cost more than writing it.
        run("set session_replication_role = replica")
        run("set idle_in_transaction_session_timeout = 0")
        run(f"set maintenance_work_mem = '{SORT_MEMORY}'".encode())
        self._connection.commit()
        for table in self._tables:
            found = columns(self._connection, table)
            self._copies[table] = sql.SQL("copy {} ({}) from stdin with (freeze)").format(
                sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, found))
            )
        for table, key in run(_KEYS, (self._tables,)).fetchall():
            run(sql.SQL("cluster {} using {}").format(sql.Identifier(table), sql.Identifier(key)))
            run(sql.SQL("alter table {} set without cluster").format(sql.Identifier(table)))
        indexes = run(_FOR_READERS, (self._tables,)).fetchall()
        for name, _ in indexes:
            run(sql.SQL("drop index {}").format(sql.Identifier(name)))
        return [made_by for _, made_by in indexes]

    def _write(self, told: dict[str, str] | Chains, indexes: list[str]) -> None:
        with self._connection.cursor() as cursor:
            if isinstance(told, Chains):
                self._heads(cursor, told)
                for statement in indexes:
                    cursor.execute(statement.encode())
                return
            for table, text in told.items():
                if text:
                    with cursor.copy(self._copies[table]) as copy:
                        copy.write(text)

    def _heads(self, cursor: psycopg.Cursor[tuple[Any, ...]], chains: Chains) -> None:
        if self._service == "oversight":
            cursor.executemany(
                "update ledger_head set position = %s, hash = %s where partition = %s",
                [(position, head, partition) for partition, (position, head) in chains.ledger.items()],
            )
        if self._service == "agency_gateway":
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
_FOR_READERS = """
select i.relname, pg_get_indexdef(i.oid)
from pg_index join pg_class i on i.oid = indexrelid join pg_class t on t.oid = indrelid
where t.relname = any(%s) and t.relnamespace = 'public'::regnamespace and not indisunique
order by t.relname, i.relname
"""
"""Indexes that hold no rule. Sorting all their entries once costs a fraction of putting in one by one."""
