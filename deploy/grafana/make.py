"""Writes the dashboards as Grafana's JSON from ``source/*.toml``: ``python -m deploy.grafana.make``.

A panel has a ``title``, a ``unit`` and one ``query`` with its ``legend``, several ``queries``, or ``quantiles`` (rates
of a histogram's buckets: the median, the 95th and the 99th percentile are shown). ``names`` puts the labels of a
code list in the place of codes: ``rules``, ``states`` or ``channels``. The rest is told at :class:`Panel`.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from deploy.grafana.board import Dashboard, Panel, Row, Variable, render
from lianban.contracts.codes import MatterState, NoticeChannel
from lianban.law.rulebook import standard

SOURCE = Path(__file__).parent / "source"
DASHBOARDS = Path(__file__).parent / "dashboards"

NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "rules": tuple((rule.id, f"{rule.zh} {rule.en}") for rule in standard().rules),
    "states": tuple((state.value, f"{state.zh} {state.en}") for state in MatterState),
    "channels": tuple((channel.value, f"{channel.zh} {channel.en}") for channel in NoticeChannel),
}


def read(path: Path) -> Dashboard:
    """The dashboard in a TOML file; raises ``TypeError`` for a field that there is not."""
    source = tomllib.loads(path.read_text(encoding="utf-8"))
    return Dashboard(
        uid=path.stem,
        title=source["title"],
        what=source["what"],
        variables=tuple(Variable(**variable) for variable in source.get("variables", [])),
        rows=tuple(Row(row["title"], tuple(_panel(panel) for panel in row["panels"])) for row in source["rows"]),
    )


def _panel(source: dict[str, Any]) -> Panel:
    given = dict(source)
    query, legend, quantiles = given.pop("query", None), given.pop("legend", ""), given.pop("quantiles", None)
    queries = [(one, name) for one, name in given.pop("queries", [])]
    if query:
        queries.append((query, legend))
    if quantiles:
        queries += [(f"histogram_quantile({q / 100}, {quantiles})", f"p{q}") for q in (50, 95, 99)]
    names = (*NAMES.get(given.pop("names", ""), ()), *given.pop("rename", {}).items())
    words = tuple((int(value), text) for value, text in given.pop("words", {}).items())
    return Panel(**given, queries=tuple(queries), names=names, words=words)


def text(dashboard: Dashboard) -> str:
    """The dashboard's file."""
    return json.dumps(render(dashboard), ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write every dashboard."""
    for path in sorted(SOURCE.glob("*.toml")):
        target = DASHBOARDS / f"{path.stem}.json"
        target.write_text(text(read(path)), encoding="utf-8")
        print(target.relative_to(Path.cwd()) if target.is_relative_to(Path.cwd()) else target)


if __name__ == "__main__":
    main()
