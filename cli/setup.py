"""``lianban migrate``, ``topology``: what is done before services start, one by one."""

from __future__ import annotations

import click

from cli.target import amqp_url, databases, queues, service_option
from deploy.local.layout import SERVICES


@click.command()
@service_option
def migrate(chosen: tuple[str, ...]) -> None:
    """数据库迁移 Bring the databases to the shape that this version expects; repeating it changes nothing."""
    from lianban.chassis.migrations import migrate as apply

    for service, url in databases(chosen):
        applied = apply(url, service)
        click.echo(f"{service:16} {len(applied)} applied" + "".join(f"\n  {name}" for name in applied))


@click.command()
@click.option(
    "--queues",
    "number",
    type=click.IntRange(1, 64),
    default=queues,
    envvar="LIANBAN_QUEUES",
    show_default="as many as the stack has",
    help="每个服务的队列数 queues per service; the 64 partitions are spread over them.",
)
def topology(number: int) -> None:
    """声明消息交换机与队列 Declare the exchange, queues and bindings; repeating it changes nothing."""
    from lianban.chassis.topology import declare

    with click.progressbar(length=len(SERVICES), label="queues") as bar:
        bindings = declare(amqp_url(), queues=number, progress=lambda _: bar.update(1))
    click.echo(f"{len(SERVICES)} services, {number} queues each, {bindings} bindings")
