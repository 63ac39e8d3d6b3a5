"""``lianban import``: matters from another system's table, through the public API and to their end.

A row is known by its source and its number there, so a run that was interrupted is simply repeated: what is there
already is left alone. Rows that do not fit are reported with their reasons and are not sent.
"""

from __future__ import annotations

import csv
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from uuid import UUID

import click
import requests
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli import mapping as mappings
from cli.demo import bars
from cli.mapping import Row
from cli.target import as_service
from lianban.chassis import runtime
from lianban.chassis.auth import Principal, issue_access
from lianban.chassis.database import UNAVAILABLE
from lianban.chassis.runtime import database
from lianban.chassis.settings import settings
from lianban.chassis.time import china_day, now
from lianban.contracts.codes import MatterState, StaffRole
from services.intake.domain.progress import ENDED
from services.intake.store import matters, reference

PATIENCE_SECONDS = 300
"""How long a row is tried again while the server is out of reach or asks to wait."""
LONGEST_WAIT = 30.0
REQUEST_SECONDS = 30
TOKEN_SECONDS = 24 * 3600
SHOWN = 20
"""Rows that a preview shows, and bad ones whose reasons it tells; the report of an import has all."""

TITLE = 15
"""Characters of a title in a preview: its table fits a terminal of 80 columns."""


class Outcome(StrEnum):
    """What became of a row."""

    REGISTERED = "registered"
    ALREADY = "already there"
    INVALID = "invalid"
    REFUSED = "refused"
    FAILED = "failed"


OUTCOMES = {
    Outcome.REGISTERED: "新登记",
    Outcome.ALREADY: "此前已登记",
    Outcome.INVALID: "不符合要求，未发送",
    Outcome.REFUSED: "被拒绝",
    Outcome.FAILED: "未能送达，可再次导入",
}


@dataclass(slots=True)
class Done:
    """A row with what became of it; ``state`` is where its matter has come to."""

    row: Row
    outcome: Outcome
    matter: UUID | None = None
    number: str = ""
    problems: tuple[str, ...] = ()
    state: MatterState | None = None


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mapping", "mapping_file", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="映射文件 what stands in which column (YAML), see docs/how-to/import.md.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1), help="最多导入多少行 only the first rows.")
@click.option("--preview", is_flag=True, help="只预览，不导入 only show what would happen.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path),
              help="逐行报告 where to tell what became of each row (CSV). Default: FILE.report.csv.")  # fmt: skip
@click.option("--parallel", type=click.IntRange(1, 64), default=4, show_default=True, help="并行数 requests at a time.")
@click.option("--wait", "patience", type=click.IntRange(0), default=120, show_default=True,
              help="无变化时最多等待的秒数 seconds to wait for the end after the last change.")  # fmt: skip
def command(
    file: Path, mapping_file: Path, limit: int | None, preview: bool, report: Path | None, parallel: int, patience: int
) -> None:
    """导入信访事项 Import matters from another system's table (CSV), with a mapping file that says what is what.

    Safe to repeat: a row of the same source and number is registered once.
    """
    try:
        plan = mappings.read(mapping_file)
        rows = list(itertools.islice(mappings.rows(file, plan, today=china_day(now())), limit))
    except mappings.BadMapping as error:
        raise click.ClickException(f"映射文件有误 {mapping_file}:\n  " + "\n  ".join(error.problems)) from error
    except mappings.BadFile as error:
        raise click.ClickException(f"{file}: {error}") from error
    try:
        rows = [*_with_known_regions(_once(rows))]
        if preview:
            _preview(rows, plan)
            return
        target = report or Path(f"{file.stem}.report.csv")
        done = _register(rows, parallel)
        with as_service("intake"):
            _look(done)
            write_report(target, done)
            if patience:
                _follow(done, patience)
                write_report(target, done)
        _summary(done, target)
    finally:
        runtime.close()
    if any(item.outcome in (Outcome.FAILED, Outcome.REFUSED) for item in done):
        raise SystemExit(1)


def _once(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows; one whose number was on an earlier row is a bad one."""
    seen: dict[str, int] = {}
    for row in rows:
        first = seen.setdefault(row.source_id, row.line) if row.source_id else row.line
        if first == row.line:
            yield row
        else:
            yield Row(row.line, row.source_id, row.body, (*row.problems, f"source_id: is on line {first} already"))


def _with_known_regions(rows: Iterator[Row]) -> Iterator[Row]:
    """The rows; one whose place is not in the register is a bad one."""
    known: dict[str, bool] = {}
    with as_service("intake"):
        for row in rows:
            code = row.body.get("region_code", "")
            if code not in known:
                with database().transaction() as tx:
                    known[code] = not code or reference.region_name(tx, code) is not None
            if known[code]:
                yield row
            else:
                problem = f"region_code: 没有代码为“{code}”的区划"
                yield Row(row.line, row.source_id, row.body, (*row.problems, problem))


def _preview(rows: Sequence[Row], plan: mappings.Plan) -> None:
    good, bad = [row for row in rows if not row.problems], [row for row in rows if row.problems]
    with as_service("intake"), database().transaction() as tx:
        there = matters.sources_known(tx, plan.source, [row.source_id for row in good])
    console = Console()
    console.print(_previewed(rows[:SHOWN]))
    if len(rows) > SHOWN:
        console.print(f"… 共 {len(rows)} 行 rows in all")
    for row in bad[:SHOWN]:
        console.print(f"  行 line {row.line}: {'; '.join(row.problems)}", style="red", markup=False)
    if len(bad) > SHOWN:
        console.print(f"  … 共 {len(bad)} 行有问题 bad rows in all", style="red")
    console.print(_as_mapped(good, plan))
    console.print(
        f"可导入 would be sent: {len(good) - len(there)}    此前已登记 already there: {len(there)}    "
        f"有问题 bad: {len(bad)}"
    )


def _previewed(rows: Sequence[Row]) -> Table:
    """Some rows as they would be sent; a bad one is red, its problems stand below the table."""
    table = Table(title="预览 preview: nothing is sent", title_justify="left")
    for column in ("行\nline", "编号\nsource id", "原收到日期\nreceived", "属地\nregion"):
        table.add_column(column, no_wrap=True)
    table.add_column("标题\ntitle")
    table.add_column("诉求\nclaims", no_wrap=True, justify="right")
    for row in rows:
        told = row.body
        cells = (
            str(row.line), row.source_id, told.get("original_received_on", ""), told.get("region_code", ""),
            str(told.get("title", ""))[:TITLE], str(len(told.get("claims", []))),
        )  # fmt: skip
        table.add_row(*(escape(cell) for cell in cells), style="red" if row.problems else None)
    return table


def _as_mapped(rows: Sequence[Row], plan: mappings.Plan) -> Table:
    """What the rows would be registered as, by the mapping's values."""
    table = Table.grid(padding=(0, 2))
    table.add_row("来源 source", escape(plan.source))
    table.add_row("信访人 petitioner", "匿名，不保留 anonymous, not kept" if plan.anonymous else "保留 kept")
    for title, name in (
        ("信访形式 channel", "channel"),
        ("信访目的 purpose", "purpose"),
        ("属地 region", "region_code"),
    ):
        counts = Counter(str(row.body[name]) for row in rows)
        table.add_row(title, "，".join(f"{value} {count}" for value, count in counts.most_common(SHOWN)))
    table.add_row("不导入的列 left out", escape("，".join(sorted(plan.unused))) or "无 none")
    return table


class _Sender:
    """Posts rows to the API with an importer's token; one session for each thread."""

    def __init__(self) -> None:
        with as_service("routing"):
            who = Principal(
                kind="staff", subject="cli:importer", name="lianban import", roles=frozenset({StaffRole.IMPORTER})
            )
            self._token = issue_access(who, at=now(), seconds=TOKEN_SECONDS)
            self._url = settings().public_url.rstrip("/") + "/api/v1/matters"
        self._own = threading.local()

    def send(self, row: Row) -> Done:
        """Register a row; waits and repeats while the server is busy or away."""
        if row.problems:
            return Done(row, Outcome.INVALID, problems=row.problems)
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, 0.5
        while True:
            try:
                answer = self._session().post(self._url, json=row.body, timeout=REQUEST_SECONDS)
            except requests.RequestException as error:
                why, asked = type(error).__name__, None
            else:
                if answer.status_code in (200, 201):
                    told = answer.json()
                    outcome = Outcome.REGISTERED if answer.status_code == 201 else Outcome.ALREADY
                    return Done(row, outcome, UUID(told["id"]), told["number"])
                if answer.status_code != 429 and answer.status_code < 500:
                    return Done(row, Outcome.REFUSED, problems=_reasons(answer))
                why, asked = f"HTTP {answer.status_code}", answer.headers.get("Retry-After")
            pause = min(pause * 2, LONGEST_WAIT)
            seconds = min(float(asked), 120.0) if asked and asked.isdigit() else pause
            if time.monotonic() + seconds > deadline:
                return Done(row, Outcome.FAILED, problems=(why,))
            time.sleep(seconds)

    def _session(self) -> requests.Session:
        if not hasattr(self._own, "session"):
            session = requests.Session()
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self._token}"
            self._own.session = session
        found: requests.Session = self._own.session
        return found


def _reasons(answer: requests.Response) -> tuple[str, ...]:
    """What the API says is wrong."""
    try:
        told = answer.json()
        errors = told.get("errors") or []
        return tuple(f"{item['pointer'].lstrip('/')}: {item['message']}" for item in errors) or (str(told["title"]),)
    except (ValueError, KeyError, AttributeError, TypeError):
        return (f"HTTP {answer.status_code}",)


def _register(rows: Sequence[Row], parallel: int) -> list[Done]:
    """Send the rows, some at a time, in the order of the file; returns what became of each."""
    sender = _Sender()
    done: list[Done] = []
    with bars() as progress, ThreadPoolExecutor(parallel) as pool:
        task = progress.add_task("登记 registering", total=len(rows))
        waiting: set[Future[Done]] = set()
        left = iter(rows)
        while True:
            waiting |= {pool.submit(sender.send, row) for row in itertools.islice(left, parallel * 2 - len(waiting))}
            if not waiting:
                break
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            done += [future.result() for future in finished]
            progress.update(task, completed=len(done))
    return sorted(done, key=lambda item: item.row.line)


def _look(done: Sequence[Done]) -> None:
    """Bring the states up to date; to be called as intake."""
    ids = [item.matter for item in done if item.matter is not None]
    with database().transaction() as tx:
        found = matters.states(tx, ids)
    for item in done:
        if item.matter is not None:
            item.state = found.get(item.matter)


def _follow(done: Sequence[Done], patience: int) -> None:
    """Wait until every matter has ended, or nothing has changed for ``patience`` seconds."""
    expected = [item for item in done if item.matter is not None]
    with bars() as progress:
        task = progress.add_task("办理 on their way", total=len(expected))
        before: Counter[MatterState | None] = Counter()
        changed = time.monotonic()
        while True:
            with suppress(*UNAVAILABLE):  # a database that is away for a moment does not end the waiting
                _look(done)
            present = Counter(item.state for item in expected)
            ended = sum(count for state, count in present.items() if state in ENDED)
            progress.update(task, completed=ended, description=f"办理 {_states(present)}")
            if present != before:
                before, changed = present, time.monotonic()
            if ended == len(expected) or time.monotonic() - changed > patience:
                return
            time.sleep(1.0)


def _states(present: Mapping[MatterState | None, int]) -> str:
    order = [state for state in MatterState if present.get(state)]
    return " ".join(f"{state.zh} {present[state]}" for state in order)


def write_report(path: Path, done: Sequence[Done]) -> None:
    """One line for each row of the file: what became of it. Without petitioners' words and query codes."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "source_id", "outcome", "number", "state", "problems"])
        for item in done:
            state = item.state.value if item.state else ""
            writer.writerow(
                [item.row.line, item.row.source_id, item.outcome.value, item.number, state, "; ".join(item.problems)]
            )
    temporary.replace(path)


def _summary(done: Sequence[Done], report: Path) -> None:
    outcomes = Counter(item.outcome for item in done)
    table = Table()
    table.add_column("结果 outcome")
    table.add_column("行数 rows", justify="right")
    for outcome in Outcome:
        if outcomes[outcome]:
            table.add_row(f"{OUTCOMES[outcome]} {outcome.value}", str(outcomes[outcome]))
    states = Table()
    states.add_column("状态 state")
    states.add_column("件数 matters", justify="right")
    matters_ = [item for item in done if item.matter is not None]
    present = Counter(item.state for item in matters_)
    for state in MatterState:
        if present[state]:
            states.add_row(f"{state.zh} {state.value}", str(present[state]))
    lost = present[None]
    states.add_row("丢失 lost", str(lost), style="red" if lost else "green")
    console = Console()
    console.print(f"{len(done)} 行 rows")
    console.print(table)
    if matters_:
        console.print("事项现在的状态 where the matters are now")
        console.print(states)
    console.print(f"逐行报告 report: {report}")
