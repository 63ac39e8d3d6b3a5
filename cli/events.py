"""``lianban outbox``, ``inbox``, ``quarantine``, ``poison``: looking into the bus and repairing it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import click
from rich.console import Console
from rich.table import Table

from cli.target import amqp_url, databases, service_option
from deploy.local.layout import SERVICES
from lianban.chassis import inspect
from lianban.chassis.database import Database

json_option = click.option("--json", "as_json", is_flag=True, help="机器可读 print JSON.")


@contextmanager
def _opened(service: str, url: str) -> Iterator[Database]:
    database = Database(url, service=service, size=2)
    database.open()
    try:
        yield database
    finally:
        database.close()


def _show(title: str, rows: list[dict[str, object]], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, default=str, indent=1))
        return
    if not rows:
        click.echo(f"{title}: 无 none")
        return
    table = Table(title=title, title_justify="left")
    for column in rows[0]:
        table.add_column(column)
    for row in rows:
        table.add_row(*("" if value is None else _text(value) for value in row.values()))
    Console().print(table)


def show_events(title: str, rows: list[dict[str, object]], *, as_json: bool) -> None:
    """Events one below the other: ids must be there whole, and an error may be long."""
    if as_json or not rows:
        _show(title, rows, as_json=as_json)
        return
    click.echo(f"{title}: {len(rows)}")
    for row in rows:
        click.echo(f"\n{row['service']}  {row['event']}  {row['type']}")
        click.echo(f"  事项 matter    {row['matter']}，第 {row['sequence']} 号 sequence {row['sequence']}")
        next_try = f"，下次 next {_text(row['next'])}" if row["next"] else ""
        click.echo(f"  收到 received  {_text(row['received'])}，已试 tries {row['tries']}{next_try}")
        if row["error"]:
            click.echo(f"  错误 error     {row['error']}")


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone().strftime("%m-%d %H:%M:%S")
    return f"{value:.1f}" if isinstance(value, float) else str(value)


@click.command()
@service_option
@json_option
def outbox(chosen: tuple[str, ...], as_json: bool) -> None:
    """发件箱 Events that wait to be published, per service, and the age of the oldest."""
    rows: list[dict[str, object]] = []
    for service, url in databases(chosen):
        with _opened(service, url) as database:
            found = inspect.outbox_summary(database)
        oldest = found.get("oldest_seconds")
        rows.append({
            "service": service, "waiting": found["waiting"], "oldest_seconds": float(oldest) if oldest else None,
            "published": found["published"],
        })  # fmt: skip
    _show("发件箱 outbox", rows, as_json=as_json)


@click.command()
@service_option
@click.option("--parked", is_flag=True, help="逐条列出等待中的事件 list the events that wait, oldest first.")
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True)
@json_option
def inbox(chosen: tuple[str, ...], parked: bool, limit: int, as_json: bool) -> None:
    """收件箱 Events that were handled, wait for an earlier one or their next try, or are quarantined."""
    rows: list[dict[str, object]] = []
    for service, url in databases(chosen):
        with _opened(service, url) as database:
            if parked:
                rows += [_waiting(service, item) for item in inspect.waiting(database, "parked", limit=limit)]
            else:
                rows.append({"service": service, **inspect.inbox_summary(database)})
    tell = show_events if parked else _show
    tell("收件箱 inbox", rows, as_json=as_json)


def _waiting(service: str, item: inspect.Waiting) -> dict[str, object]:
    return {
        "service": service, "event": item.event_id, "type": item.type, "matter": item.subject,
        "sequence": item.sequence, "received": item.received_at, "tries": item.tries, "next": item.next_try_at,
        "error": item.error,
    }  # fmt: skip


@click.group()
def quarantine() -> None:
    """隔离区 Events that could not be handled and wait for a person."""


@quarantine.command("list")
@service_option
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True)
@json_option
def list_(chosen: tuple[str, ...], limit: int, as_json: bool) -> None:
    """列出 List quarantined events with the error of each."""
    rows: list[dict[str, object]] = []
    for service, url in databases(chosen):
        with _opened(service, url) as database:
            rows += [_waiting(service, item) for item in inspect.waiting(database, "quarantined", limit=limit)]
    show_events("隔离区 quarantine", rows, as_json=as_json)


@quarantine.command()
@click.argument("event", type=click.UUID)
@service_option
def show(event: UUID, chosen: tuple[str, ...]) -> None:
    """查看 Show a quarantined or parked event as it arrived."""
    for service, url in databases(chosen):
        with _opened(service, url) as database:
            body = inspect.event_body(database, event)
        if body is not None:
            click.echo(f"# {service}")
            try:
                click.echo(json.dumps(json.loads(body), ensure_ascii=False, indent=2))
            except ValueError:
                click.echo(repr(body))
            return
    raise click.ClickException(f"没有等待处理的事件 no waiting event {event}")


@quarantine.command()
@click.argument("events", type=click.UUID, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="全部重放 replay all quarantined events.")
@service_option
def replay(events: tuple[UUID, ...], everything: bool, chosen: tuple[str, ...]) -> None:
    """重放 Let quarantined events be handled again, after what stopped them was mended."""
    if bool(events) == everything:
        raise click.UsageError("give event ids, or --all")
    total = 0
    for service, url in databases(chosen):
        with _opened(service, url) as database:
            count = inspect.replay(database, None if everything else list(events))
        total += count
        if count:
            click.echo(f"{service}: {count} 条重新处理 to be handled again")
    if not total:
        click.echo("隔离区中没有这样的事件 no such event in quarantine")
        raise SystemExit(0 if everything else 1)


@click.command()
@service_option
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
def poison(chosen: tuple[str, ...], limit: int) -> None:
    """毒信队列 Messages that are no events, or were delivered too often; they stay where they are."""
    for service in chosen or SERVICES:
        found = inspect.poison(amqp_url(), service, limit=limit)
        click.echo(f"{service}: {len(found)}")
        for body, headers in found:
            reason = headers.get("x-first-death-reason", "")
            click.echo(f"  {reason} {len(body)} bytes: {body[:200]!r}")
