"""Loading copies: one process per group of services makes their rows and has them written, by a thread per service."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg

from cli.bulk import binary
from cli.bulk.casting import Chains, Moved, Site
from cli.bulk.moulds import TABLES, Mould, columns
from cli.bulk.patterns import Pattern
from cli.bulk.writing import Writer
from lianban.chassis.secrets import AesGcm, load_provider
from lianban.contracts.envelope import PARTITIONS
from services.agency_gateway.domain.journal import GENESIS

CHUNK = 400
"""About so many copies are made, and written, at a time."""
LAST = "intake"
"""The service whose rows are committed when all others are there: what nobody knows of is in nobody's way."""


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
    finishing: Mapping[str, Sequence[str]]
    """Each service's statements that belong to the copies, behind their rows."""
    sort_megabytes: int
    """How much memory each service's database may take for sorting."""


def end_with_parent() -> None:
    """Let this process end when the one that started it is gone, however that ended."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    Thread(target=watch, name="watch the parent", daemon=True).start()


def work(order: Order, report: Any, together: Any) -> None:
    """Make and load everything that was ordered, and commit when all have come so far.

    ``report`` is told how many copies were made each time, then each :class:`Step`; or what went wrong, in words.
    ``together`` is the barrier of all such processes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command that started this decides
    end_with_parent()
    with ExitStack() as stack:
        try:
            _work(order, report, together, stack)
        except BaseException as error:
            report.put(str(error) or repr(error))
            raise


def _work(order: Order, report: Any, together: Any, stack: ExitStack) -> None:
    providers = {
        service: load_provider(Path(order.keys[service])) for service in ("intake", "routing", *order.services)
    }

    @cache
    def gram_field(gram: str) -> bytes:
        return binary.field(providers["routing"].mac(gram.encode(), b"blind:case_text.grams")[:8])

    types = {service: _types(order, service) for service in order.services}
    writers = {
        name: stack.enter_context(closing(Writer(order.urls[name], name, order.sort_megabytes)))
        for name in order.services
    }
    chains = _heads(order)
    patterns: dict[int, Pattern] = {}
    made: list[tuple[Moved, Batch]] = []
    waiting = 0
    for batch in order.batches:
        if batch.mould not in patterns:
            patterns[batch.mould] = Pattern(order.moulds[batch.mould], types, set(order.shared), gram_field)
        made.append((Moved(patterns[batch.mould], batch.weeks, order.site), batch))
        waiting += batch.copies
        if waiting >= CHUNK:
            _make(order, made, writers, chains, providers)
            report.put(waiting)
            made, waiting = [], 0
    _make(order, made, writers, chains, providers)
    report.put(waiting)
    for name, writer in writers.items():
        writer.finish(chains, order.finishing[name])
    for writer in writers.values():
        writer.wait()
    report.put(Step.WRITTEN)
    for last in (False, True):
        together.wait()
        for name, writer in writers.items():
            if (name == LAST) == last:
                writer.commit()
    report.put(Step.COMMITTED)


def _make(
    order: Order,
    made: list[tuple[Moved, Batch]],
    writers: dict[str, Writer],
    chains: Chains,
    providers: dict[str, AesGcm],
) -> None:
    rows: dict[str, dict[str, list[bytes]]] = {name: defaultdict(list) for name in order.services}
    for moved, batch in made:
        for values in moved.values(batch.first, batch.copies, providers["intake"].mac):
            for name in order.services:
                moved.cast(name, values, providers[name], chains, rows[name])
    for name in order.services:
        writers[name].put({table: b"".join(parts) for table, parts in rows[name].items()})


def _types(order: Order, service: str) -> dict[str, dict[str, str]]:
    with psycopg.connect(order.urls[service]) as connection:
        return {table.name: columns(connection, table.name) for table in TABLES[service]}


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
