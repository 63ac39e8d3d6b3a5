"""The benchmark's own arithmetic: medians, percentiles, bars, the table and the file."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.figures import BARS, Figures, percentile


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        (range(1, 101), 0.95, 95),
        (range(1, 101), 0.99, 99),
        ([4, 1, 3, 2], 0.5, 2),
        ([7], 0.99, 7),
        ([1, 2, 3], 0.95, 3),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)


def test_a_figure_is_the_median_of_its_samples_with_minimum_and_maximum() -> None:
    figures = Figures()
    for value in (19.0, 25.0, 21.0):
        figures.add("lifecycle.single_per_s", value)

    found = figures.summary()["lifecycle.single_per_s"]

    assert found == {
        "median": 21.0, "min": 19.0, "max": 25.0, "samples": [19.0, 25.0, 21.0], "bar": "≥ 20", "met": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "met"),
    [
        ("intake.ratio_to_bare_nameko", 0.7, True),
        ("intake.ratio_to_bare_nameko", 0.69, False),
        ("burst.lost", 0, True),
        ("burst.lost", 1, False),
        ("burst.error_ratio", 0.0009, True),
        ("burst.error_ratio", 0.001, False),
        ("scale.seeding_s", 900, True),
        ("scale.seeding_s", 901, False),
        ("memory_mb.intake-2", 200, True),
        ("memory_mb.intake-2", 201, False),
    ],
)
def test_a_bar_is_met_at_its_value_and_errors_stay_below_it(name: str, value: float, met: bool) -> None:
    figures = Figures()
    figures.add(name, value)
    assert figures.summary()[name]["met"] is met


@pytest.mark.parametrize(
    ("name", "samples", "met"),
    [
        ("lifecycle.single_per_s", [19, 20, 25], True),
        ("lag.commit_to_status_page_p95_ms", [900, 1000, 1500], True),
        ("burst.lost", [0, 0, 0, 0, 1], False),
        ("burst.error_ratio", [0, 0, 0.5, 0, 0], False),
        ("memory_mb.routing", [100, 100, 201], False),
    ],
)
def test_losses_errors_and_memory_have_to_meet_their_bar_each_time(name: str, samples: list[float], met: bool) -> None:
    figures = Figures()
    for value in samples:
        figures.add(name, value)
    assert figures.summary()[name]["met"] is met


def test_what_was_not_measured_is_in_the_file_where_it_has_a_bar(tmp_path: Path) -> None:
    figures = Figures()
    figures.add_all({"p50_ms": 20.0, "p95_ms": 60.0}, "intake.")

    figures.write(tmp_path / "build" / "bench.json", {"cores": 2}, run={"quick": True})

    found = json.loads((tmp_path / "build" / "bench.json").read_text("utf-8"))
    assert found["machine"] == {"cores": 2}
    assert found["run"] == {"quick": True}
    assert set(found["figures"]) == {"intake.p50_ms", "intake.p95_ms", *BARS}
    assert found["figures"]["scale.ratio_1m"] == {"samples": [], "bar": "≥ 0.9"}


def test_the_table_says_which_bars_are_met() -> None:
    figures = Figures()
    figures.add("lifecycle.single_per_s", 31.0)
    figures.add("lifecycle.joint3_per_s", 7.5)
    figures.add("limits.pg_insert_per_s", 11600.0)
    shown = io.StringIO()

    figures.print(Console(file=shown, width=120))

    single, joint3, limit, *others = shown.getvalue().splitlines()[1:]
    assert single.split() == ["lifecycle.single_per_s", "31.0", "31.0", "31.0", "1", "≥", "20", "met"]
    assert joint3.split() == ["lifecycle.joint3_per_s", "7.5", "7.5", "7.5", "1", "≥", "8", "not", "met"]
    assert limit.split() == ["limits.pg_insert_per_s", "11,600", "11,600", "11,600", "1"]

    assert ["scale.seeding_s", "0", "≤", "900", "not", "measured"] in [line.split() for line in others]


def test_a_part_of_a_run_names_the_bars_that_it_says_nothing_about_below_the_table() -> None:
    figures = Figures()
    for name in BARS.keys() - {"scale.ratio_1m", "burst.lost"}:
        figures.add(name, 1.0)
    shown = io.StringIO()

    figures.print(Console(file=shown, width=120), part=True)

    *table, last = shown.getvalue().splitlines()
    assert last == "not measured in this run: scale.ratio_1m, burst.lost"
    assert not any("not measured" in line for line in table)


def test_every_process_of_a_service_has_a_bar_for_its_memory() -> None:
    bars = {name for name in BARS if name.startswith("memory_mb.")}
    processes = ("intake", "intake-2", "routing", "agency_gateway", "oversight", "notification")
    assert bars == {f"memory_mb.{process}" for process in processes}
