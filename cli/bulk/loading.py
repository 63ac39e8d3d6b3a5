"""Loading copies: one process per group of services makes their rows, a thread per service writes them with COPY."""

from __future__ import annotations

import multiprocessing
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
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
"""About so many copies go into one transaction."""
WAITING = 2
"""Chunks that may wait for the database before their maker waits too."""


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


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of some copies, by table, and where the chains stand after them."""

    texts: dict[str, str]
    ledger: dict[int, tuple[int, bytes]]
    journals: dict[str, tuple[int, bytes]]


def end_with_parent() -> None:
    """Let this process end when the one that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=watch, name="watch the parent", daemon=True).start()


def work(order: Order, report: Any) -> None:
    """Make and load everything that was ordered; ``report`` is told how many copies were made, or what went wrong."""
    end_with_parent()
    try:
        _work(order, report)
    except BaseException as error:
        report.put(repr(error))
        raise


def _work(order: Order, report: Any) -> None:
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
        writers = {name: stack.enter_context(_writer(order.urls[name], name)) for name in order.services}
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
        told = {table: "".join(parts) for table, parts in texts[name].items()}
        ledger = dict(chains.ledger) if name == "oversight" else {}
        journals = dict(chains.journals) if name == "agency_gateway" else {}
        writers[name].put(Chunk(told, ledger, journals))


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
    """Writes chunks into one service's database, in a thread of its own."""

    def __init__(self, connection: psycopg.Connection[tuple[Any, ...]], service: str) -> None:
        self._connection = connection
        self._queue: Queue[Chunk | None] = Queue(WAITING)
        self._failed: BaseException | None = None
        self._thread = Thread(target=self._run, name=service)
        listed = {table.name: columns(connection, table.name) for table in TABLES[service]}
        connection.commit()
        self._copies = {
            name: sql.SQL("copy {} ({}) from stdin").format(
                sql.Identifier(name), sql.SQL(", ").join(map(sql.Identifier, found))
            )
            for name, found in listed.items()
        }
        self._thread.start()

    def put(self, chunk: Chunk) -> None:
        """Have a chunk written; waits while others wait. Raises what writing an earlier one raised."""
        if self._failed is not None:
            raise self._failed
        self._queue.put(chunk)

    def finish(self) -> None:
        """Write what waits; raises what writing raised."""
        self._queue.put(None)
        self._thread.join()
        if self._failed is not None:
            raise self._failed

    def _run(self) -> None:
        while (chunk := self._queue.get()) is not None:
            if self._failed is None:
                try:
                    self._write(chunk)
                except Exception as error:  # noqa: BLE001 - told to whoever puts the next chunk
                    self._failed = error

    def _write(self, chunk: Chunk) -> None:
        with self._connection.transaction(), self._connection.cursor() as cursor:
            for table, text in chunk.texts.items():
                if text:
                    with cursor.copy(self._copies[table]) as copy:
                        copy.write(text)
            cursor.executemany(
                "update ledger_head set position = %s, hash = %s where partition = %s",
                [(position, head, partition) for partition, (position, head) in chunk.ledger.items()],
            )
            cursor.executemany(
                "insert into journal_head (agency_code, position, hash) values (%s, %s, %s)"
                " on conflict (agency_code) do update set position = excluded.position, hash = excluded.hash",
                [(agency, position, head) for agency, (position, head) in chunk.journals.items()],
            )


@contextmanager
def _writer(url: str, service: str) -> Iterator[Writer]:
    with psycopg.connect(url) as connection:
        # Foreign keys hold because they hold in the moulds; asking for each row would cost more than writing it.
        connection.execute("set session_replication_role = replica")
        connection.execute("set gin_pending_list_limit = '64MB'")
        connection.execute("set maintenance_work_mem = '256MB'")
        connection.commit()
        writer = Writer(connection, service)
        try:
            yield writer
        finally:
            writer.finish()
