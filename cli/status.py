"""``lianban status``: health, readiness, versions, queues and waiting events of every process, on one screen."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from typing import Any

import click
import psycopg
from rich.console import Console
from rich.table import Table

from cli.target import stack
from deploy.local.layout import HOST, SERVICES
from deploy.local.stack import Stack

COUNTS = """
select (select count(*) from outbox where published_at is null) as outbox,
       (select count(*) from inbox where state = 'parked') as parked,
       (select count(*) from inbox where state = 'quarantined') as quarantined
"""
DEPTH = re.compile(r'^rabbitmq_queue_messages\{[^}]*queue="([^"]+)"[^}]*\} (\d+)', re.MULTILINE)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="机器可读 print JSON.")
def status(as_json: bool) -> None:
    """运行状态 Health, readiness and version of every process, depth of queues, events that wait.

    Exit code 0 when everything is ready, 1 when something is not or nothing runs.
    """
    here = stack()
    if not here.running():
        if as_json:
            click.echo(json.dumps({"running": False, "home": str(here.layout.home)}))
        else:
            click.echo(f"没有在运行 not running ({here.layout.home}); start it with: lianban up")
        raise SystemExit(1)
    found = collect(here)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        _print(found)
    raise SystemExit(0 if found["ready"] else 1)


def collect(here: Stack) -> dict[str, Any]:
    """Everything that status shows."""
    states = here.supervisor.states()
    depths = _depths(here)
    listed = {process.name: process for process in here.table}
    rows = []
    for name, state in states.items():
        row: dict[str, Any] = {
            "name": name,
            "state": state["statename"].lower(),
            "pid": state["pid"] or None,
            "seconds": int(time.time() - state["start"]) if state["statename"] == "RUNNING" else None,
            "ready": state["statename"] == "RUNNING",
        }
        process = listed.get(name)
        if process:
            why = here.unready(process)
            row |= {"ready": not why, "why": why or None}
            if process.ops:
                row["operations"] = f"http://{HOST}:{process.ops(here.layout.ports)}"
                row["version"] = _json(row["operations"] + "/healthz").get("version")
        if name in SERVICES:
            row["queued"] = sum(depth for queue, depth in depths.items() if queue.startswith(f"{name}.in."))
            row["poison"] = depths.get(f"{name}.poison", 0)
            row |= _counts(here.database_url(name))
        rows.append(row)
    order = {process.name: number for number, process in enumerate(here.table)}
    rows.sort(key=lambda row: order.get(row["name"], -1))
    return {
        "running": True,
        "ready": all(row["ready"] for row in rows),
        "url": here.url,
        "home": str(here.layout.home),
        "broker_metrics": f"http://{HOST}:{here.layout.ports.broker_metrics}/metrics",
        "processes": rows,
    }


def _json(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:  # noqa: S310  (our own address on loopback)
            found: dict[str, Any] = json.load(answer)
            return found
    except (OSError, ValueError):
        return {}


def _depths(here: Stack) -> dict[str, int]:
    """How many messages lie in each queue, from the broker's own metrics."""
    url = f"http://{HOST}:{here.layout.ports.broker_metrics}/metrics/per-object"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return {queue: int(depth) for queue, depth in DEPTH.findall(answer.read().decode())}
    except OSError:
        return {}


def _counts(url: str) -> dict[str, int | None]:
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            row = connection.execute(COUNTS).fetchone() or (None, None, None)
    except psycopg.Error:
        row = (None, None, None)
    return dict(zip(("outbox", "parked", "quarantined"), row, strict=True))


def _print(found: dict[str, Any]) -> None:
    table = Table(title=f"联办 Lianban {found['url']}", title_justify="left")
    columns = ("进程\nprocess", "状态\nstate", "就绪\nready", "版本\nversion", "运行\nup", "队列\nqueued",
               "毒信\npoison", "发件\noutbox", "等待\nparked", "隔离\nquarant.", "运维端口\noperations")  # fmt: skip
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if 4 <= number <= 9 else "left", no_wrap=number != 2)
    for row in found["processes"]:
        table.add_row(
            row["name"], row["state"], "[green]✓[/]" if row["ready"] else f"[red]✗[/] {row.get('why') or ''}",
            row.get("version") or "", _duration(row["seconds"]),
            *("" if row.get(key) is None else str(row[key])
              for key in ("queued", "poison", "outbox", "parked", "quarantined")),
            (row.get("operations") or "").removeprefix("http://"),
        )  # fmt: skip
    console = Console()
    if not console.is_terminal:
        console.width = 140
    console.print(table)
    console.print("每个运维端口 every operations port: /healthz /readyz /metrics", style="dim")


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}"
