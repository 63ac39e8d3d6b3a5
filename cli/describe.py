"""``lianban describe``: the machine-readable descriptions of all APIs and events, as files."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import click


@click.command()
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path),
              help="目标文件夹 folder for the files. Default: the one that the edge serves.")  # fmt: skip
def describe(folder: Path | None) -> None:
    """生成接口说明 Write openapi.json (all REST APIs) and asyncapi.json (all events)."""
    import lianban
    import lianban.chassis.patch
    from cli.target import as_service
    from deploy.local.layout import SERVICES, layout_from_environment
    from deploy.local.processes import processes
    from lianban.chassis.topology import HEARS
    from lianban.chassis.web import build_openapi
    from lianban.contracts import asyncapi

    target = folder or layout_from_environment().documents
    target.mkdir(parents=True, exist_ok=True)
    with as_service("intake"):
        services = [process.name for process in processes(demo=False) if process.name in SERVICES]
        apps = [importlib.import_module(f"services.{name}.web").create_app() for name in services]
        documents = {
            "openapi.json": build_openapi(apps, version=lianban.__version__),
            "asyncapi.json": asyncapi.build(HEARS, lianban.__version__),
        }
    for name, document in documents.items():
        temporary = target / f".{name}.new"
        temporary.write_text(json.dumps(document, ensure_ascii=False, indent=1), encoding="utf-8")
        temporary.replace(target / name)
        click.echo(str(target / name))
