"""Figures of a service with several processes."""

from __future__ import annotations

import pytest

from tests.bench.processes import largest, spent


def test_the_processor_time_of_a_service_is_that_of_all_its_processes() -> None:
    before = {"intake": 10.0, "intake-2": 4.0, "documents": 1.0, "nginx": 0.5, "mail": 3.0}
    after = {"intake": 12.0, "intake-2": 5.5, "documents": 1.25, "nginx": 0.5, "puller": 9.0}
    assert spent(before, after) == pytest.approx({"intake": 3.5, "documents": 0.25, "nginx": 0.0})


def test_the_memory_of_a_service_is_that_of_its_largest_process() -> None:
    """The bar is one for each process."""
    assert largest({"intake": 110.0, "intake-2": 120.0, "routing": 90.0}) == {"intake": 120.0, "routing": 90.0}
