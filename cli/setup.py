"""``lianban migrate``, ``topology``, ``describe``: what is done before services start, one by one."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import click

from cli.target import amqp_url, as_service, databases, service_option
from deploy.local.layout import SERVICES, layout_from_environment


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
    type=click.IntRange(1, 64),
    default=4,
    envvar="LIANBAN_QUEUES",
    show_default=True,
    help="每个服务的队列数 queues per service; the 64 partitions are spread over them.",
)
def topology(queues: int) -> None:
    """声明消息交换机与队列 Declare the exchange, queues and bindings; repeating it changes nothing."""
    from lianban.chassis.topology import declare

    with click.progressbar(length=len(SERVICES), label="queues") as bar:
        bindings = declare(amqp_url(), queues=queues, progress=lambda _: bar.update(1))
    click.echo(f"{len(SERVICES)} services, {queues} queues each, {bindings} bindings")


@click.command()
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path),
              help="目标文件夹 folder for the files. Default: the one that the edge serves.")  # fmt: skip
def describe(folder: Path | None) -> None:
    """生成接口说明 Write openapi.json (all REST APIs) and asyncapi.json (all events)."""
    import lianban
    import lianban.chassis.patch
    from lianban.chassis.topology import HEARS
    from lianban.chassis.web import build_openapi
    from lianban.contracts import asyncapi

    target = folder or layout_from_environment().documents
    target.mkdir(parents=True, exist_ok=True)
    with as_service("intake"):
        present = [name for name in SERVICES if importlib.util.find_spec(f"services.{name}.web")]
        apps = [importlib.import_module(f"services.{name}.web").create_app() for name in present]
        documents = {
            "openapi.json": build_openapi(apps, version=lianban.__version__),
            "asyncapi.json": asyncapi.build(HEARS, lianban.__version__),
        }
    for name, document in documents.items():
        temporary = target / f".{name}.new"
        temporary.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
        temporary.replace(target / name)
        click.echo(str(target / name))
