"""``python -m tests.bench.publish``: write the figures of ``build/bench.json`` into docs/explanation/performance.md.

Of several runs, given as files, each has a table of its own under a line that says what it was.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from deploy.local.layout import ROOT
from tests.bench.figures import Met, cells, met, not_measured

PAGE = ROOT / "docs" / "explanation" / "performance.md"
BLOCK = re.compile(r"(<!-- figures: begin -->\n).*?(<!-- figures: end -->)", re.DOTALL)
MARKS = {None: "", Met.YES: "met", Met.NO: "**not met**", Met.NOT_MEASURED: "**not measured**"}


def table(found: dict[str, Any]) -> str:
    """The figures as a Markdown table, under a line that says where and when they were measured."""
    told, run, figures = found["machine"], found["run"], found["figures"]
    part = run["quick"] or bool(run["only"])
    measured = (
        f"Measured on {told['at'][:10]}, commit {told['commit']}: {told['processor']}, {told['cores']} cores, "
        f"{told['memory_gib']} GiB; {told['system']}; Python {told['python']}; {told['postgresql']}; "
        f"RabbitMQ {told['rabbitmq']}; {told['nginx']}; {_command(run)}."
    )
    lines = [
        measured,
        "",
        "| figure | median | min | max | n | bar | |",
        "|---|--:|--:|--:|--:|---|---|",
    ]
    for name, row in figures.items():
        if row["samples"] or not part:
            mark = MARKS[met(row)]
            lines.append(f"| `{name}` | {' | '.join(cells(row))} | {row.get('bar', '')} | {mark} |")
    missing = not_measured(figures)
    if part and missing:
        lines += ["", f"Not measured in this run: {', '.join(f'`{name}`' for name in missing)}."]
    return "\n".join(lines)


def _command(run: dict[str, Any]) -> str:
    """How the run was started, and whether it came to its end."""
    told = "`make bench-quick" if run["quick"] else "`make bench"
    if run["only"]:
        told += f' ARGS="{" ".join(f"--only {name}" for name in run["only"])}"'
    return told + ("`" if run["finished"] else "`, which did not come to its end")


def filled(page: str, *runs: dict[str, Any]) -> str:
    """The page with the figures in their place; raises ValueError where the page has no place for them."""
    tables = "\n\n".join(map(table, runs))
    made, times = BLOCK.subn(lambda match: f"{match[1]}{tables}\n{match[2]}", page)
    if times != 1:
        raise ValueError("the page has no place for the figures")
    return made


@click.command()
@click.argument("sources", nargs=-1, type=click.Path(exists=True, path_type=Path))
def main(sources: tuple[Path, ...]) -> None:
    """Write the figures of a run, or of several, into the page about performance."""
    runs = [json.loads(source.read_text("utf-8")) for source in sources or (ROOT / "build" / "bench.json",)]
    PAGE.write_text(filled(PAGE.read_text("utf-8"), *runs), "utf-8")
    click.echo(f"{len(runs)} tables written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
