"""Filling a stack: play the moulds, load the copies, bring counters and statistics up to date."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import date, timedelta
from multiprocessing.process import BaseProcess
from queue import Empty
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
from psycopg import sql
from rich.progress import Progress

from cli import city as setting_up
from cli.bulk import moulds as playing
from cli.bulk.casting import DOCUMENTS_PER_MATTER, Site
from cli.bulk.loading import Batch, Order, Step, work
from cli.bulk.moulds import OLDEST_WEEKS, Mould
from cli.bulk.patterns import shared_ids
from cli.bulk.plan import planned, shares
from cli.past import alone, start_needed
from cli.world import Busy
from deploy.demo.matters import generate
from deploy.local.checks import Trouble
from deploy.local.layout import SERVICES
from deploy.local.stack import Stack
from lianban.chassis import logs
from lianban.chassis.calendar_seed import announced_years
from lianban.chassis.database import Database
from lianban.chassis.settings import Settings
from lianban.chassis.time import china_day, now
from lianban.contracts.codes import DocumentKind
from lianban.law.calendar import WorkCalendar
from services.oversight.app.working_calendar import FIRST_YEAR
from services.oversight.store import tallies

SHARED_OUT = (("agency_gateway", "routing"), ("intake", "oversight", "notification"))
"""How the services are shared out to two processes that have about equally much to do."""
BYTES_PER_MATTER = 66_000
"""So much do the five databases take for each copy, with what sorting takes meanwhile; measured."""
SMALLEST_BATCH = 10
"""Where there are fewer copies, a mould is moved to fewer weeks."""


def fill(here: Stack, progress: Progress, *, matters: int, seed: int, most_moulds: int | None, ledger_days: int) -> str:
    """Fill the stack's databases once; returns what was done, in words. Raises :class:`Trouble`."""
    _refuse_a_second(here)
    free = shutil.disk_usage(here.layout.home).free
    needed = matters * BYTES_PER_MATTER
    if free < needed:
        raise Trouble(
            f"磁盘空间不足 {matters} matters need about {needed / 1e9:.0f} GB, {free / 1e9:.0f} GB are free.",
            "Ask for fewer with --matters.",
        )
    with alone(here):
        logs.configure("bulk", "WARNING")
        today = china_day(now())
        calendar = WorkCalendar(tuple(year for year in announced_years() if year.year >= FIRST_YEAR))
        setting_up.register_city(setting_up.load(), progress)
        start_needed(here)
        try:
            plan = planned(setting_up.load(), today, calendar, most=most_moulds)
            made = playing.play(here, plan, progress, calendar)
        except Busy as busy:
            raise Trouble(f"{busy} is running on its database.", "Stop it first.") from None
        with here.postgres_with(FOR_LOADING):
            _load(here, progress, made, matters, _site(here, matters, seed, today, ledger_days))
            _settle(here, progress)
    return f"批量事项 {matters} matters from {len(made)} moulds"


FOR_LOADING = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "12GB",
    "checkpoint_timeout": "30min",
    "shared_buffers": "1GB",
    "autovacuum": "off",
}
"""Settings of PostgreSQL while copies are loaded: what goes into new files is flushed with the commit, and not logged
before; a changed page is logged whole once, not after every gigabyte. Nothing is less durable. All tables are analysed
at the end; autovacuum would begin with the same ones meanwhile.
"""
MARK = "lianban demo bulk"
"""How the comment on a database with copies begins; it becomes true with their commit."""


def _refuse_a_second(here: Stack) -> None:
    with psycopg.connect(here.admin_url()) as connection:
        rows = connection.execute(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = any(%s)", (list(SERVICES),)
        ).fetchall()
    filled = [told for (told,) in rows if (told or "").startswith(MARK)]
    again = "To begin anew: lianban reset, then lianban up."
    if len(filled) == len(SERVICES):
        matters = filled[0].removeprefix(MARK).strip()
        raise Trouble(
            f"已有 {matters} 件批量事项 this stack has copies already ({matters} matters): bulk fills a stack once.",
            again,
        )
    if filled:
        raise Trouble(
            f"上次批量数据只写入了一部分 an earlier bulk was ended while it committed: {len(filled)} of {len(SERVICES)}"
            " databases have its copies.",
            again,
        )


def _site(here: Stack, matters: int, seed: int, today: date, ledger_days: int) -> Site:
    words = generate.blocks().words
    kept = Settings()
    with psycopg.connect(here.database_url("intake")) as connection:
        row = connection.execute("select last_value from matter_number").fetchone()
    with psycopg.connect(here.database_url("notification")) as connection:
        counters = {(kind, year): last for kind, year, last in connection.execute("select * from document_counter")}
    return Site(
        seed=seed,
        first_number=(row[0] if row else 0) + 1000,
        first_documents=counters,
        persons=max(1, matters * 3 // 4),
        surnames=words["surnames"],
        given=words["given"],
        events_since=(today - timedelta(days=kept.keep_events_days)).isoformat(),
        exchange_since=(today - timedelta(days=kept.keep_exchange_days)).isoformat(),
        ledger_since=today - timedelta(days=ledger_days),
    )


def batches(moulds: Sequence[Mould], matters: int) -> list[Batch]:
    """How many copies each mould gets, and how far back they lie: the oldest first."""
    wanted = [share * matters for share in shares([(mould.stage, mould.lean, len(mould.shifts)) for mould in moulds])]
    counts = [int(count) for count in wanted]
    for number in sorted(range(len(counts)), key=lambda n: counts[n] - wanted[n])[: matters - sum(counts)]:
        counts[number] += 1
    found: list[tuple[int, int, int]] = []
    for number, (mould, count) in enumerate(zip(moulds, counts, strict=True)):
        parts = min(len(mould.shifts), max(1, count // SMALLEST_BATCH))
        for part in range(parts):
            weeks = mould.shifts[part * len(mould.shifts) // parts]
            found.append((weeks, number, count * (part + 1) // parts - count * part // parts))
    placed, first = [], 0
    for weeks, number, copies in sorted(found, reverse=True):
        placed.append(Batch(number, weeks, first, copies))
        first += copies
    return placed


def _load(here: Stack, progress: Progress, moulds: list[Mould], matters: int, site: Site) -> None:
    """Have all copies made and written, and committed when every process has written its part."""
    groups = SHARED_OUT if (os.cpu_count() or 1) < len(SERVICES) else tuple((service,) for service in SERVICES)
    context = multiprocessing.get_context("spawn")
    report, together = context.Queue(), context.Barrier(len(groups))
    shared, ordered = frozenset(shared_ids(moulds)), batches(moulds, matters)
    urls = {service: _as_admin(here, service) for service in SERVICES}
    keys = {service: here.env(service)["LIANBAN_KEYS"] for service in SERVICES}
    finishing, sorting = _finishing(here, moulds, matters), _sort_megabytes()
    orders = [Order(group, urls, keys, moulds, shared, ordered, site, finishing, sorting) for group in groups]
    processes = [context.Process(target=work, args=(order, report, together), daemon=True) for order in orders]
    loading = progress.add_task("批量事项 loading copies", total=matters * len(groups))
    steps = {
        Step.WRITTEN: progress.add_task("索引 indexing", total=len(groups)),
        Step.COMMITTED: progress.add_task("提交 committing", total=len(groups)),
    }
    reached = Counter[Step]()
    for process in processes:
        process.start()
    try:
        while reached[Step.COMMITTED] < len(orders):
            match _next(report, processes):
                case int(copies):
                    progress.advance(loading, copies)
                case Step() as step:
                    reached[step] += 1
                    progress.advance(steps[step])
                case failure:
                    raise Trouble(
                        f"批量数据写入失败 loading failed: {failure}",
                        "Nothing was loaded." if reached[Step.WRITTEN] < len(orders) else "Begin anew: lianban reset.",
                    )
    finally:
        for process in processes:
            if reached[Step.COMMITTED] < len(orders):
                process.terminate()
            process.join()


def _finishing(here: Stack, moulds: Sequence[Mould], matters: int) -> dict[str, list[str]]:
    """What belongs to the copies besides rows of their own: numbers go on behind theirs, each agency that got something
    has a lane, and each database says what it has.
    """
    statements = {service: [f"comment on database {service} is '{MARK} {matters}'"] for service in SERVICES}
    with psycopg.connect(here.database_url("intake")) as connection:
        row = connection.execute("select last_value from matter_number").fetchone()
    statements["intake"].append(f"alter sequence matter_number restart with {(row[0] if row else 0) + matters + 2000}")
    parts = (row.values for mould in moulds for row in mould.rows["agency_gateway"]["assignment"])
    names = {values["agency_code"]: values["agency_name"] for values in parts}
    lanes = sql.SQL(", ").join(sql.SQL("({}, {})").format(code, name) for code, name in sorted(names.items()))
    statements["agency_gateway"].append(
        sql.SQL("insert into lane (agency_code, agency_name) values {} on conflict do nothing")
        .format(lanes)
        .as_string()
    )
    years = range(china_day(now()).year - OLDEST_WEEKS // 52 - 1, china_day(now()).year + 1)
    counted = DOCUMENTS_PER_MATTER * (matters + 1)
    rows = ", ".join(f"('{kind.value}', {year}, {counted})" for kind in DocumentKind for year in years)
    statements["notification"].append(
        f"insert into document_counter (kind, year, last) values {rows}"
        " on conflict (kind, year) do update set last = document_counter.last + excluded.last"
    )
    return statements


def _sort_megabytes() -> int:
    """A part of the free memory for each database, because they sort at the same time."""
    return int(min(1024, max(64, psutil.virtual_memory().available // (3 * len(SERVICES)) // 2**20)))


def _next(report: Any, processes: Sequence[BaseProcess]) -> Any:
    """What is reported next, or that a process is gone without a word."""
    while True:
        try:
            return report.get(timeout=2)
        except Empty:
            for process in processes:
                if process.exitcode:
                    return f"a process ended with {process.exitcode}"


def _as_admin(here: Stack, service: str) -> str:
    return urlsplit(here.admin_url())._replace(path=f"/{service}").geturl()


def _settle(here: Stack, progress: Progress) -> None:
    """Count what oversight's board shows, and tell the planner how the tables look now: on as many cores as there are,
    because one connection keeps one busy.
    """
    task = progress.add_task("统计信息 analysing", total=len(SERVICES))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in as_completed([pool.submit(_settle_one, here, service) for service in LONGEST_FIRST]):
            done.result()
            progress.advance(task)


LONGEST_FIRST = ("routing", "oversight", "intake", "agency_gateway", "notification")
"""The services by how long their databases take to analyse; measured."""


def _settle_one(here: Stack, service: str) -> None:
    if service == "oversight":
        counting = Database(_as_admin(here, service), service=service, size=1, statement_timeout=1800)
        counting.open()
        with counting.transaction() as tx:
            tallies.rebuild(tx)
        counting.close()
    with psycopg.connect(_as_admin(here, service), autocommit=True) as connection:
        # Vacuum too: where an index alone answers, the table must be known to be visible to everybody.
        connection.execute("vacuum (analyze)")
