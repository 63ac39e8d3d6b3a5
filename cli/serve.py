"""``lianban serve``: runs one service in this process; what the supervisor and containers call."""

from __future__ import annotations

import click

from deploy.local.layout import SERVICES


@click.command()
@click.argument("service", type=click.Choice(SERVICES))
def serve(service: str) -> None:
    """运行一个服务 Run one service until SIGTERM or Ctrl-C; its settings come from LIANBAN_* variables."""
    import importlib

    import lianban.chassis.patch  # noqa: F401  (before everything else that the service imports)
    from lianban.chassis.service import run

    module = importlib.import_module(f"services.{service}.service")
    name = "".join(part.capitalize() for part in service.split("_")) + "Service"
    run(getattr(module, name))
