"""``lianban demo``: the demo city on this machine's stack."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from cli.story import story
from cli.target import stack
from deploy.local.stack import Stack

QUIET_SECONDS = 10.0
"""How long a long command says nothing where its output is no terminal."""


@click.group()
def demo() -> None:
    """演示城市 The demo city: fictional, for trying out; never for real matters."""


demo.add_command(story)


@demo.command()
@click.option("--pace", type=click.FloatRange(0, 1000),
              help="演示部门的快慢 how long the demo departments take, in multiples of usual.")  # fmt: skip
def seed(pace: float | None) -> None:
    """设置演示城市 Set up the demo city: registers, catalogue, staff, connections. Repeating changes nothing."""
    from cli import city as setting_up
    from lianban.chassis import runtime

    here = _running()
    city = setting_up.load()
    connections = setting_up.Connections(here, city, pace=pace)
    try:
        with bars() as progress:
            setting_up.register_city(city, progress)
            connections.set_up_departments(progress)
            setting_up.wait_until_heard(city, progress)
            connections.register(progress)
            connections.set_up_puller(progress)
    finally:
        runtime.close()
    _say_accounts()


@demo.command()
@click.option("--most", type=click.IntRange(2), help="最多多少件 no more matters than these. Default: all.")
def histories(most: int | None) -> None:
    """演示历史 Play the city's past: some 200 matters in all stages, some overdue. Once, in a city without matters.

    The services are stopped meanwhile: their use cases run in this command, with the clock set back.
    """
    from cli import past
    from lianban.chassis import runtime

    here = _running()
    try:
        with bars() as progress:
            told = past.make(here, progress, most=most)
    finally:
        runtime.close()
    click.echo(told)


@demo.command()
@click.option("--matters", type=click.IntRange(1, 9_000_000), default=1_000_000, show_default=True,
              help="多少件 how many matters.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="随机种子 the same seed makes the same copies.")
@click.option("--ledger-days", type=click.IntRange(0), default=365, show_default=True,
              help="台账包含多少天内的事项 how old matters may be to stand in the ledger.")  # fmt: skip
@click.option("--moulds", type=click.IntRange(16), default=120, show_default=True,
              help="样本件数 play so many moulds; there are some 300 different ones.")  # fmt: skip
def bulk(matters: int, seed: int, ledger_days: int, moulds: int) -> None:
    """批量数据 Fill the five databases with very many matters, for benchmarks and demonstrations. Once per stack.

    Matters of every stage are played through the real use cases in databases made for it; copies of all their rows,
    with ids, numbers, persons and dates of their own, are loaded with COPY: sealed with the services' keys, linked
    into ledger and journals, spread over three years. Nine of ten are closed. What the services would have pruned is
    left out: events of more than 30 days ago in the outbox, and the bytes of messages of ended assignments of
    more than 180 days ago (the journal has their hashes). The ledger has the matters of the last year only, because it
    takes 25 KB a matter; its chains verify. PDFs are one plain page. The services are stopped meanwhile, and PostgreSQL
    is restarted before and after. What is ended before everything is written leaves nothing.
    """
    from cli.bulk import filling
    from lianban.chassis import runtime

    here = _running()
    try:
        with bars() as progress:
            told = filling.fill(here, progress, matters=matters, seed=seed, most_moulds=moulds, ledger_days=ledger_days)
    finally:
        runtime.close()
    click.echo(told)


@demo.command()
def accounts() -> None:
    """演示账号 The demo sign-ins and their password."""
    _say_accounts()


def _say_accounts() -> None:
    from cli import city as setting_up

    city = setting_up.load()
    click.echo(f"演示账号 demo sign-ins ({stack().url}/sign-in):")
    for line in setting_up.lines(setting_up.sign_ins(city), setting_up.password(city)):
        click.echo(line)


def _running() -> Stack:
    here = stack()
    if not here.running():
        raise click.ClickException(f"没有在运行 not running ({here.layout.home}); start it with: lianban up")
    return here


class Bars(Progress):
    """Bars on a terminal; where the output is a file or a pipe, a line every ``QUIET_SECONDS`` with how far it is."""

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Count some more as done."""
        super().advance(task_id, advance)
        self._tell(task_id)

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """Change what is known about a task: ``completed``, ``description`` and so on."""
        super().update(task_id, **changes)
        self._tell(task_id)

    def _tell(self, task_id: TaskID) -> None:
        task = next(task for task in self.tasks if task.id == task_id)
        since, total = self._told.get(task_id, 0.0), task.total or 0
        if self.console.is_terminal or task.elapsed is None or task.elapsed - since < QUIET_SECONDS:
            return
        self._told[task_id] = task.elapsed
        click.echo(f"  {task.description} {task.completed:.0f}/{total:.0f}", err=True)

    @cached_property
    def _told(self) -> dict[TaskID, float]:
        """For each task how many seconds it had taken when it was last told of."""
        return {}


def bars() -> Bars:
    """Progress as every long command shows it."""
    return Bars(
        TextColumn("  {task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True),
    )  # fmt: skip
