"""What a command works on: the stack of the environment, or one service elsewhere by its own settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from deploy.local.layout import SERVICES, layout_from_environment
from deploy.local.stack import Stack

service_option = click.option(
    "--service", "-s", "chosen", type=click.Choice(SERVICES), multiple=True,
    help="只看这个服务（可重复） only this service; may be repeated. Default: all.",
)  # fmt: skip


def stack(*, demo: bool = True) -> Stack:
    """The stack that the environment names."""
    layout = layout_from_environment()
    return Stack(layout.home, layout.ports.edge, layout.ports.base, demo=demo, say=say)


def say(text: str) -> None:
    """One line of progress."""
    click.echo(f"  {text}")


def databases(chosen: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Each service with its database's URL.

    With LIANBAN_SERVICE and LIANBAN_DATABASE_URL set (in a container, say) that service only; else the stack's.
    """
    own, url = os.environ.get("LIANBAN_SERVICE"), os.environ.get("LIANBAN_DATABASE_URL")
    if own and url:
        yield own, url
        return
    here = stack()
    if not here.layout.keys.exists():
        raise click.ClickException(f"没有找到运行环境 no stack in {here.layout.home}; start one with: lianban up")
    for service in chosen or SERVICES:
        yield service, here.database_url(service)


def amqp_url() -> str:
    """The broker's URL, from the settings of the process or of the stack."""
    return os.environ.get("LIANBAN_AMQP_URL") or stack().amqp_url()


def queues() -> int:
    """How many queues each service has, from the settings of the process or of the stack."""
    if os.environ.get("LIANBAN_AMQP_URL"):
        from lianban.chassis.settings import read

        return read(os.environ).queues
    return stack().queues()


@contextmanager
def as_service(service: str) -> Iterator[None]:
    """Work with the settings of a service, as one of its processes would: its database, its keys, its site policy."""
    if os.environ.get("LIANBAN_SERVICE") == service:
        yield
        return
    from lianban.chassis.settings import read, use

    with use(read(os.environ | stack().env(service))):
        yield
