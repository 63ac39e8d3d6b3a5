"""A burst's rounds are its samples."""

from __future__ import annotations

from tests.bench.burst import by_round


def test_a_moment_belongs_to_the_round_that_ends_after_it_and_the_last_round_has_the_rest() -> None:
    assert by_round([1.0, 80.0, 80.1, 159.0, 300.0, 2000.0], ends=[80.0, 160.0, 240.0]) == [2, 2, 2]


def test_a_round_in_which_nothing_happened_counts_none() -> None:
    assert by_round([], ends=[80.0, 160.0]) == [0, 0]
