"""Figures of a run: samples, medians with minimum and maximum, bars, the printed table and ``build/bench.json``."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from deploy.local.layout import SERVICES
from deploy.local.processes import all_of


class Better(StrEnum):
    """Which way a bar is met."""

    MORE = "≥"
    LESS = "≤"
    BELOW = "<"


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure's median has to reach on two cores; ``each``: every sample has to."""

    better: Better
    value: float
    each: bool = False

    def met(self, samples: Sequence[float]) -> bool:
        """Whether a figure with these samples reaches it."""
        return all(map(self._reached, samples if self.each else [statistics.median(samples)]))

    def _reached(self, figure: float) -> bool:
        match self.better:
            case Better.MORE:
                return figure >= self.value
            case Better.LESS:
                return figure <= self.value
            case Better.BELOW:
                return figure < self.value

    def __str__(self) -> str:
        return f"{'each ' if self.each else ''}{self.better} {self.value:g}"


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
    "scale.seeding_s": Bar(Better.LESS, 900),
    "burst.lost": Bar(Better.LESS, 0, each=True),
    "burst.error_ratio": Bar(Better.BELOW, 0.001, each=True),
    "burst.drain_s": Bar(Better.LESS, 60),
    **{f"memory_mb.{process}": Bar(Better.LESS, 200, each=True) for process in all_of(*SERVICES)},
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
        """Per figure the median, minimum, maximum, samples and, where there is one, the bar and whether it is met.

        A figure with a bar that was not measured is there with its bar and without samples.
        """
        found = {name: _summary(name, values) for name, values in self.samples.items()}
        return found | {name: {"samples": [], "bar": str(bar)} for name, bar in BARS.items() if name not in found}

    def table(self, *, part: bool) -> Table:
        """The figures for people; of a run of a ``part`` without what was not measured."""
        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("figure", "median", "min", "max", "n", "bar", ""):
            table.add_column(column, justify="left" if column in ("figure", "bar", "") else "right", no_wrap=True)
        marks = {
            None: "",
            Met.YES: "[green]met[/]",
            Met.NO: "[red]not met[/]",
            Met.NOT_MEASURED: "[red]not measured[/]",
        }
        for name, row in self.summary().items():
            if row["samples"] or not part:
                table.add_row(name, *cells(row), row.get("bar", ""), marks[met(row)])
        return table

    def print(self, console: Console, *, part: bool = False) -> None:
        """Print the table; of a run of a ``part`` say below it which bars it says nothing about."""
        console.print(self.table(part=part))
        missing = not_measured(self.summary())
        if part and missing:
            console.print(f"not measured in this run: {', '.join(missing)}")

    def write(self, path: Path, machine: Mapping[str, Any], **more: Any) -> None:
        """Write everything as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        found = {"machine": dict(machine), **more, "figures": self.summary()}
        path.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")


def _summary(name: str, values: list[float]) -> dict[str, Any]:
    median = statistics.median(values)
    found: dict[str, Any] = {"median": median, "min": min(values), "max": max(values), "samples": values}
    bar = BARS.get(name)
    if bar is not None:
        found |= {"bar": str(bar), "met": bar.met(values)}
    return found


class Met(StrEnum):
    """What becomes of a bar."""

    YES = "met"
    NO = "not met"
    NOT_MEASURED = "not measured"


def met(row: Mapping[str, Any]) -> Met | None:
    """What became of the bar of a figure in a summary; None where it has no bar."""
    if "bar" not in row:
        return None
    if not row["samples"]:
        return Met.NOT_MEASURED
    return Met.YES if row["met"] else Met.NO


def cells(row: Mapping[str, Any]) -> list[str]:
    """Median, minimum, maximum and number of samples of a figure in a summary, as people read them."""
    return [*(shown(row[key]) if key in row else "" for key in ("median", "min", "max")), str(len(row["samples"]))]


def not_measured(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The figures of a summary that have a bar and were not measured."""
    return [name for name, row in figures.items() if met(row) is Met.NOT_MEASURED]


def shown(value: float) -> str:
    """A figure as people read it: three digits that count, at most."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
