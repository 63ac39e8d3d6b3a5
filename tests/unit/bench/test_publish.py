"""Figures come into the page about performance as they were measured."""

from __future__ import annotations

import pytest

from tests.bench.publish import PAGE, filled, table

RUN = {
    "machine": {
        "at": "2026-11-23T08:00:00+00:00", "commit": "abc1234", "processor": "Some Processor", "cores": 2,
        "memory_gib": 23.5, "system": "Linux 6", "python": "3.11.2", "postgresql": "postgres (PostgreSQL) 18.0",
        "rabbitmq": "3.10.8", "nginx": "nginx/1.22",
    },
    "run": {"quick": False, "only": [], "finished": True},
    "figures": {
        "limits.pg_insert_per_s": {"median": 11600.0, "min": 11000.0, "max": 12000.0, "samples": [1, 2, 3]},
        "lifecycle.single_per_s": {
            "median": 21.26, "min": 19.0, "max": 25.0, "samples": [1, 2, 3], "bar": "≥ 20", "met": True,
        },
        "scale.ratio_1m": {"samples": [], "bar": "≥ 0.9"},
    },
}  # fmt: skip


def test_the_table_has_a_line_for_every_figure() -> None:
    lines = table(RUN).splitlines()
    assert "commit abc1234" in lines[0]
    assert lines[0].endswith("; `make bench`.")
    assert lines[-3:] == [
        "| `limits.pg_insert_per_s` | 11,600 | 11,000 | 12,000 | 3 |  |  |",
        "| `lifecycle.single_per_s` | 21.3 | 19.0 | 25.0 | 3 | ≥ 20 | met |",
        "| `scale.ratio_1m` |  |  |  | 0 | ≥ 0.9 | **not measured** |",
    ]


def test_a_part_of_a_run_says_so_and_names_what_it_did_not_measure() -> None:
    lines = table(RUN | {"run": {"quick": False, "only": ["limits.", "lifecycle."], "finished": True}}).splitlines()
    assert lines[0].endswith('; `make bench ARGS="--only limits. --only lifecycle."`.')
    assert lines[-1] == "Not measured in this run: `scale.ratio_1m`."
    assert not any("**not measured**" in line for line in lines)


def test_a_run_that_was_ended_says_so() -> None:
    lines = table(RUN | {"run": {"quick": True, "only": [], "finished": False}}).splitlines()
    assert lines[0].endswith("; `make bench-quick`, which did not come to its end.")


def test_two_runs_have_a_table_each_under_their_own_commit() -> None:
    other = RUN | {"machine": RUN["machine"] | {"commit": "def5678"}}
    page = filled(PAGE.read_text("utf-8"), RUN, other)
    block = page.partition("<!-- figures: begin -->")[2].partition("<!-- figures: end -->")[0]
    first, second = block.split("\n\nMeasured on ")
    assert "commit abc1234" in first
    assert "def5678" not in first
    assert "commit def5678" in second


def test_new_figures_take_the_place_of_the_old_ones() -> None:
    page = PAGE.read_text("utf-8")
    once = filled(page, RUN)
    assert filled(once, RUN) == once
    assert once.partition("<!-- figures: begin -->")[0] == page.partition("<!-- figures: begin -->")[0]
    assert once.partition("<!-- figures: end -->")[2] == page.partition("<!-- figures: end -->")[2]


def test_a_page_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no place"):
        filled("# Performance\n", RUN)
