"""Departments' own systems are down, slow, answer late or answer garbage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.chaos.conftest import Trial
from tests.chaos.shaken import ShakenStack


@contextmanager
def every_department(stack: ShakenStack, fault: dict[str, Any]) -> Iterator[None]:
    """Within the block every department's system misbehaves when it is given something."""
    codes = [tenant["code"] for tenant in stack.ask_departments("GET", "/admin/tenants")["tenants"]]
    for code in codes:
        stack.ask_departments("PUT", f"/admin/tenants/{code}/fault", fault | {"methods": ["POST"]})
    try:
        yield
    finally:
        for code in codes:
            stack.ask_departments("DELETE", f"/admin/tenants/{code}/fault")


@pytest.mark.chaos_quick
def test_departments_down(trial: Trial) -> None:
    with trial() as load:
        load.more(3)
        load.stack.supervisor.end("departments")
        load.more(5)
        load.stack.supervisor.begin("departments")
        load.fault_over()
        load.more(2)


@pytest.mark.chaos
def test_departments_take_30_seconds(trial: Trial) -> None:
    with trial() as load:
        load.more(4)
        with every_department(load.stack, {"mode": "hang", "seconds": 30}):
            load.lasting(40)
        load.fault_over()
        load.more(4)


@pytest.mark.chaos
def test_departments_answer_late(trial: Trial) -> None:
    """Just after the gateway has given up: the department has the message, and nobody heard it say so."""
    with trial() as load:
        load.more(4)
        with every_department(load.stack, {"mode": "hang", "seconds": 9}):
            load.more(12)
        load.fault_over()
        load.more(4)


@pytest.mark.chaos
def test_departments_store_and_hang_up(trial: Trial) -> None:
    with trial() as load:
        load.more(4)
        with every_department(load.stack, {"mode": "drop_after_storing", "times": 3}):
            load.more(16)
        load.fault_over()
        load.more(4)


@pytest.mark.chaos
def test_departments_answer_garbage(trial: Trial) -> None:
    with trial() as load:
        load.more(4)
        with every_department(load.stack, {"mode": "html"}):
            load.more(12)
        load.fault_over()
        load.more(4)
