"""The steady rate of a run."""

from __future__ import annotations

import pytest

from tests.bench.lifecycle import middle_rate


def test_the_steady_rate_leaves_out_how_a_run_begins_and_ends() -> None:
    moments = [0.0, 10.0, 10.5, 11.0, 11.5, 12.0, 12.5, 40.0]
    assert middle_rate(moments) == pytest.approx(4 / 2.0)
