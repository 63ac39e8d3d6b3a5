"""Who does things for many waits the longer for company, the more there is to do; within bounds."""

from __future__ import annotations

import pytest

from lianban.chassis.patience import patience


@pytest.mark.parametrize(
    ("took", "expected"),
    [(0.0, 0.005), (0.001, 0.005), (0.02, 0.08), (0.0625, 0.25), (10.0, 0.25)],
    ids=["nothing", "quiet", "half", "full", "stuck"],
)
def test_the_wait_grows_with_what_the_last_round_took(took: float, expected: float) -> None:
    assert patience(took, least=0.005, most=0.25) == pytest.approx(expected)
