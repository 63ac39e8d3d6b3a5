"""The stack that is shaken, shared by all scenarios, and the table of what each came to."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from deploy.local.checks import free_ports
from tests.chaos import report, witness
from tests.chaos.broker import QUEUES
from tests.chaos.report import Report
from tests.chaos.shaken import ShakenStack
from tests.chaos.trial import Load, under_load
from tests.conftest import STACKS, _finish, _sweep
from tests.load import city as load_city
from tests.load.city import LoadCity

Trial = Callable[[], AbstractContextManager[Load]]
REPORTS: list[Report] = []
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A scenario needs a private stack and watches its own time."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.stack)
            item.add_marker(pytest.mark.timeout(1200))


def new_stack(name: str) -> ShakenStack:
    """A stack to be shaken, not started."""
    _sweep()
    edge, base = free_ports()
    return ShakenStack(
        STACKS / f"{os.getpid()}-{name}", edge, base, settings=load_city.SETTINGS | {"LIANBAN_QUEUES": str(QUEUES)}
    )


@pytest.fixture(scope="session")
def shaken() -> Iterator[ShakenStack]:
    """The stack of most scenarios, with all services and the city under load."""
    stack = new_stack("chaos")
    try:
        yield stack
    finally:
        _finish(stack)


@pytest.fixture(scope="session")
def city(shaken: ShakenStack) -> LoadCity:
    """The city in it, ready for load."""
    made = load_city.start(shaken)
    witness.install(shaken)
    return made


@pytest.fixture
def trial(city: LoadCity, shaken: ShakenStack, request: pytest.FixtureRequest) -> Trial:
    """Begins the scenario that is named like the test."""
    name = request.node.name.removeprefix("test_")
    return lambda: under_load(city, shaken, name, REPORTS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what every scenario came to."""
    if REPORTS:
        terminalreporter.section("faults")
        for line in report.table(REPORTS):
            terminalreporter.write_line(line)
        terminalreporter.write_line(f"written to {report.FILE.relative_to(report.ROOT)}")
