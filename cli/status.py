"""``lianban status``: one screen for a person at night, and the same as JSON for programs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.target import stack

COLUMNS = (
    "进程\nprocess", "就绪\nready", "版本\nversion", "运行\nup", "队列\nqueued", "发件箱\noutbox", "等待\nparked",
    "隔离\nquar.", "毒信\npoison", "运维\nports",
)  # fmt: skip
WIDE = 100
"""Columns of a terminal that has room for whole addresses; on the 80 of a plain one the ports alone are shown."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="机器可读 print JSON.")
def status(as_json: bool) -> None:
    """运行状态 What needs a person, then processes, events, lanes, clocks, calendar and disk, on one screen.

    Exit code 0 when everything is ready, 1 when something is not or nothing runs.
    """
    from cli.survey import survey

    here = stack()
    if not here.running():
        if as_json:
            click.echo(json.dumps({"running": False, "home": str(here.layout.home)}))
        else:
            click.echo(f"没有在运行 not running ({here.layout.home}); start it with: lianban up")
        raise SystemExit(1)
    found = survey(here)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        show(found, Console(highlight=False))
    raise SystemExit(0 if found["ready"] else 1)


def show(found: dict[str, Any], console: Console) -> None:
    """What was found, for a person."""
    if not console.is_terminal:
        console.width = 130
    at = datetime.fromisoformat(found["at"]).astimezone()
    console.print(f"[bold]联办 Lianban[/] {found['url']}  {at:%Y-%m-%d %H:%M:%S}")
    if not found["attention"]:
        console.print("[green]✓ 一切正常，无需处理 all is well, nothing needs you[/]")
    for item in found["attention"]:
        console.print(f"[red]✗[/] {escape(item['text'])}  [dim]docs/runbooks/{item['alert']}.md[/]")
    console.print(_processes(found["processes"], wide=console.width >= WIDE))
    disk = found["disk"]
    rest = Table.grid(padding=(0, 2))
    rest.add_row("通道 lanes", _lanes(found["lanes"]))
    rest.add_row("时限 clocks", _clocks(found["clocks"]))
    rest.add_row("日历 calendar", _calendar(found["calendar"]))
    rest.add_row(
        "磁盘 disk",
        f"{disk['free_bytes'] / 1e9:.1f} GB 可用 free of {disk['size_bytes'] / 1e9:.1f} GB"
        f"  [dim]{escape(found['home'])}[/]",
    )
    console.print(rest)


def _processes(rows: list[dict[str, Any]], *, wide: bool) -> Table:
    """One line for each process. Why one is not ready stands above the table."""
    from cli.survey import age

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2 if wide else 1, 0, 0))
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="right" if 3 <= number <= 8 else "left", no_wrap=True)
    for row in rows:
        operations = (row.get("operations") or "").removeprefix("http://")
        table.add_row(
            row["name"],
            "[green]✓[/]" if row["ready"] else "[red]✗[/]",
            row.get("version") or "",
            age(row["seconds"]),
            _count(row, "queued"),
            _count(row, "outbox"),
            _count(row, "parked"),
            _count(row, "quarantined", bad=True),
            _count(row, "poison", bad=True),
            operations if wide else operations.rpartition(":")[2],
        )
    return table


def _count(row: dict[str, Any], what: str, *, bad: bool = False) -> str:
    """Nothing for a process that has no such number, a question mark where it could not be read."""
    from cli.survey import age

    if what not in row:
        return ""
    number, oldest = row[what], row.get(f"{what}_oldest")
    if number is None:
        return "[red]?[/]"
    text = f"{number} ({age(oldest)})" if oldest else str(number)
    return f"[red]{text}[/]" if bad and number else text


def _lanes(lanes: dict[str, Any] | None) -> str:
    from cli.survey import age

    if lanes is None:
        return "[red]数据库不可达 the gateway's database is out of reach[/]"
    oldest = f"\n最早未送达 oldest not delivered {age(lanes['oldest_seconds'])}" if lanes["oldest_seconds"] else ""
    return (
        f"{lanes['lanes']}，断开 not flowing {lanes['not_flowing']}，不明 unknown {lanes['unknown']}，"
        f"人工 person {lanes['person']}\n"
        f"待发 waiting {lanes['waiting']}，发送 sending {lanes['sending']}，待取 offered {lanes['offered']}"
        f"{oldest}"
    )


def _clocks(clocks: dict[str, Any] | None) -> str:
    from cli.survey import age

    if clocks is None:
        return "[red]数据库不可达 oversight's database is out of reach[/]"
    watched = clocks["watched_seconds_ago"]
    looked = f"{age(watched)} 前检查 watched {age(watched)} ago" if watched is not None else "未在检查 not watched"
    return (
        f"运行 running {clocks['running']}，今日到期 due today {clocks['due_today']}，"
        f"超期 overdue {clocks['overdue']}\n暂定 provisional {clocks['provisional']}；{looked}"
    )


def _calendar(years: list[dict[str, Any]] | None) -> str:
    if years is None:
        return "[red]数据库不可达 oversight's database is out of reach[/]"
    return "，".join(f"{y['year']} {'正式' if y['status'] == 'official' else '暂定'} {y['status']}" for y in years)
