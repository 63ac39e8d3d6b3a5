"""Figures of a run: samples, medians with minimum and maximum, bars, the printed table and ``build/bench.json``."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


class Better(StrEnum):
    """Which way a bar is met."""

    MORE = "at least"
    LESS = "at most"


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure has to reach on two cores."""

    better: Better
    value: float

    def met(self, figure: float) -> bool:
        """Whether a figure reaches it."""
        return figure >= self.value if self.better is Better.MORE else figure <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.better is Better.MORE else '≤'} {self.value:g}"


SERVICES = ("intake", "routing", "agency_gateway", "oversight", "notification")

BARS: Mapping[str, Bar] = {
    "intake.ratio_to_bare_nameko": Bar(Better.MORE, 0.7),
    "intake.ratio_to_pg_three_rows": Bar(Better.MORE, 0.05),
    "intake.p95_ratio_to_bare_nameko": Bar(Better.LESS, 1.5),
    "lifecycle.single_per_s": Bar(Better.MORE, 20),
    "lifecycle.joint3_per_s": Bar(Better.MORE, 8),
    "lifecycle.single_ratio_to_pg_three_rows": Bar(Better.MORE, 0.005),
    "lifecycle.joint3_ratio_to_pg_three_rows": Bar(Better.MORE, 0.002),
    "lag.commit_to_department_p95_ms": Bar(Better.LESS, 1000),
    "lag.commit_to_status_page_p95_ms": Bar(Better.LESS, 1000),
    "scale.ratio_1m": Bar(Better.MORE, 0.9),
    "burst.lost": Bar(Better.LESS, 0),
    "burst.error_ratio": Bar(Better.LESS, 0.001),
    "burst.drain_s": Bar(Better.LESS, 60),
    **{f"memory_mb.{service}": Bar(Better.LESS, 200) for service in SERVICES},
}
"""The bars, by figure; they are stated for two cores."""

PERCENT = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def percentile(values: Iterable[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed; raises ValueError without values."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("there are no values")
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))
    return ordered[rank - 1]


class Figures:
    """Samples by figure, in the order in which the figures were first measured."""

    def __init__(self) -> None:
        self.samples: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, name: str, value: float) -> None:
        """Add one measurement."""
        self.samples[name].append(value)

    def add_all(self, values: Mapping[str, float], prefix: str = "") -> None:
        """Add one measurement of several figures."""
        for name, value in values.items():
            self.add(prefix + name, value)

    def summary(self) -> dict[str, dict[str, Any]]:
        """Per figure the median, minimum, maximum, samples and, where there is one, the bar and whether it is met."""
        return {name: _summary(name, values) for name, values in self.samples.items()}

    def table(self) -> Table:
        """The figures for people."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("figure", "median", "min", "max", "n", "bar", ""):
            table.add_column(column, justify="left" if column in ("figure", "bar", "") else "right", no_wrap=True)
        for name, row in self.summary().items():
            met = row.get("met")
            mark = "" if met is None else "[green]met[/]" if met else "[red]not met[/]"
            figures = [shown(row[key]) for key in ("median", "min", "max")]
            table.add_row(name, *figures, str(len(row["samples"])), str(BARS.get(name, "")), mark)
        return table

    def print(self, console: Console) -> None:
        """Print the table."""
        console.print(self.table())

    def write(self, path: Path, machine: Mapping[str, Any], **more: Any) -> None:
        """Write everything as JSON; a figure that was not measured is not there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        found = {"machine": dict(machine), **more, "figures": self.summary()}
        path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _summary(name: str, values: list[float]) -> dict[str, Any]:
    median = statistics.median(values)
    found: dict[str, Any] = {"median": median, "min": min(values), "max": max(values), "samples": values}
    bar = BARS.get(name)
    if bar is not None:
        found |= {"bar": str(bar), "met": bar.met(median)}
    return found


def shown(value: float) -> str:
    """A figure as people read it: three digits that count, at most."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
