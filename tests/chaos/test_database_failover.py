"""The database dies for good, and its synchronous streaming replica takes its place."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos import witness
from tests.chaos.conftest import REPORTS, new_stack
from tests.chaos.database import Replica
from tests.chaos.shaken import ShakenStack
from tests.chaos.trial import under_load
from tests.conftest import _finish
from tests.load import city as load_city


@pytest.fixture
def stack() -> Iterator[ShakenStack]:
    made = new_stack("failover")
    try:
        yield made
    finally:
        _finish(made)


@pytest.fixture
def replica(stack: ShakenStack) -> Iterator[Replica]:
    """A replica that follows synchronously."""
    stack.start(services=False)
    made = Replica(stack)
    try:
        made.begin()
        yield made
    finally:
        made.end()


@pytest.mark.chaos
def test_primary_killed_and_synchronous_replica_promoted(
    stack: ShakenStack, replica: Replica, request: pytest.FixtureRequest
) -> None:
    city = load_city.start(stack)
    witness.install(stack)
    with under_load(city, stack, request.node.name.removeprefix("test_"), REPORTS) as load:
        load.more(8)
        replica.take_over()
        load.fault_over()
        load.more(8)
