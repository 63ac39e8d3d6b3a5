"""``python -m tests.bench.publish``: write the figures of ``build/bench.json`` into docs/explanation/performance.md."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from deploy.local.layout import ROOT
from tests.bench.figures import shown

PAGE = ROOT / "docs" / "explanation" / "performance.md"
BLOCK = re.compile(r"(<!-- figures: begin -->\n).*?(<!-- figures: end -->)", re.DOTALL)


def table(found: dict[str, Any]) -> str:
    """The figures as a Markdown table, under a line that says where and when they were measured."""
    told, run = found["machine"], found["run"]
    lines = [
        f"Measured on {told['at'][:10]}, commit {told['commit']}: {told['processor']}, {told['cores']} cores, "
        f"{told['memory_gib']} GiB; {told['system']}; Python {told['python']}; {told['postgresql']}; "
        f"RabbitMQ {told['rabbitmq']}; {told['nginx']}"
        + ("; `make bench-quick`." if run["quick"] else "; `make bench`."),
        "",
        "| figure | median | min | max | n | bar | |",
        "|---|--:|--:|--:|--:|---|---|",
    ]
    for name, row in found["figures"].items():
        met = {True: "met", False: "**not met**", None: ""}[row.get("met")]
        values = " | ".join(shown(row[key]) for key in ("median", "min", "max"))
        lines.append(f"| `{name}` | {values} | {len(row['samples'])} | {row.get('bar', '')} | {met} |")
    return "\n".join(lines)


def filled(page: str, found: dict[str, Any]) -> str:
    """The page with the figures in their place; raises ValueError where the page has no place for them."""
    made, times = BLOCK.subn(lambda match: f"{match[1]}{table(found)}\n{match[2]}", page)
    if times != 1:
        raise ValueError("the page has no place for the figures")
    return made


@click.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path), default=ROOT / "build" / "bench.json")
def main(source: Path) -> None:
    """Write the figures of a run into the page about performance."""
    found = json.loads(source.read_text("utf-8"))
    PAGE.write_text(filled(PAGE.read_text("utf-8"), found), "utf-8")
    click.echo(f"{len(found['figures'])} figures written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
