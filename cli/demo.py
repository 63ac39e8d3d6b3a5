"""``lianban demo``: the demo city on this machine's stack."""

from __future__ import annotations

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.story import story
from cli.target import stack
from deploy.local.stack import Stack


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


def bars() -> Progress:
    """Progress as every long command shows it."""
    return Progress(
        TextColumn("  {task.description}"), BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(),
        console=Console(stderr=True),
    )  # fmt: skip
