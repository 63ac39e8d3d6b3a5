"""What tests of every kind share: the private stack, started once for a whole run and only when a test asks for it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from deploy.local import leftovers
from deploy.local.checks import free_ports
from deploy.local.layout import Layout, Ports
from deploy.local.stack import Stack
from tests.collector import Collector
from tests.databases import fresh_database, postgres, template
from tests.exported import exported
from tests.keys import become, keys, token

__all__ = ["become", "exported", "fresh_database", "keys", "postgres", "template", "token"]

BUILD = Path(__file__).parents[1] / "build"
STACKS = BUILD / "test-stacks"

# The run must not depend on what the operator has set for a stack of their own.
for _name in [name for name in os.environ if name.startswith(("LIANBAN_", "OTEL_"))]:
    del os.environ[_name]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures they use, so that ``-m "not stack"`` needs no list."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if "stack" in names or "infrastructure" in names:
            item.add_marker(pytest.mark.stack)


def _sweep() -> None:
    """End and remove stacks of test runs that were killed."""
    for home in STACKS.glob("*"):
        number = home.name.split("-")[0]
        if not (number.isdigit() and psutil.pid_exists(int(number))):
            leftovers.end(Layout(home, Ports(0, 0)))
            shutil.rmtree(home, ignore_errors=True)


def _new_stack(name: str, **settings: str) -> Stack:
    _sweep()
    home = STACKS / f"{os.getpid()}-{name}"
    edge, base = free_ports()
    # All people and programs of the tests share one address.
    settings["LIANBAN_RATE_ANONYMOUS"] = "6000 per minute"
    return Stack(home, edge, base, demo=True, settings=settings)


def _finish(stack: Stack) -> None:
    """Stop the stack; its logs stay in build/test-logs until the next run."""
    try:
        stack.stop()
    finally:
        logs = BUILD / "test-logs" / stack.layout.home.name.split("-", 1)[1]
        shutil.rmtree(logs, ignore_errors=True)
        if stack.layout.logs.exists():
            shutil.copytree(stack.layout.logs, logs)
        stack.reset()
        shutil.rmtree(stack.layout.home, ignore_errors=True)


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """The collector to which the private stack exports its traces."""
    made = Collector()
    yield made
    made.stop()


@pytest.fixture(scope="session")
def infrastructure(collector: Collector) -> Iterator[Stack]:
    """PostgreSQL, RabbitMQ and nginx of a private stack, with databases, tables and queues; no services."""
    stack = _new_stack("main", LIANBAN_TRACES_ENDPOINT=collector.endpoint)
    try:
        stack.start(services=False)
        yield stack
    finally:
        _finish(stack)


@pytest.fixture(scope="session")
def stack(infrastructure: Stack) -> Stack:
    """The whole private stack with the demo city, ready."""
    infrastructure.start()
    for arguments in (("describe",), ("demo", "seed", "--pace", "0.1")):
        outcome = infrastructure.command(*arguments)
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    infrastructure.wait_until_ready(with_data=True)
    return infrastructure


@pytest.fixture
def another_stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A second stack, not started, for tests that kill and restart one."""
    stack = _new_stack(request.node.name.replace("/", "_")[:60])
    try:
        yield stack
    finally:
        _finish(stack)
