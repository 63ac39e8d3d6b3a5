"""The broker is a cluster of three nodes, of which one dies and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deploy.waiting import until
from tests.chaos import witness
from tests.chaos.broker import NODES, Node, copies
from tests.chaos.conftest import REPORTS, new_stack
from tests.chaos.shaken import ShakenStack
from tests.chaos.trial import under_load
from tests.conftest import _finish
from tests.load import city as load_city


@pytest.fixture
def stack() -> Iterator[ShakenStack]:
    made = new_stack("cluster")
    try:
        yield made
    finally:
        _finish(made)


@pytest.fixture
def nodes(stack: ShakenStack) -> Iterator[list[Node]]:
    """Two further nodes; every queue has a copy on all three."""
    stack.further_brokers = [stack.layout.ports.base + port for port, _ in NODES.values()]
    stack.start(services=False)
    made = [Node(stack, name) for name in NODES]
    try:
        for node in made:
            node.begin()
            node.join()
        yield made
    finally:
        for node in made:
            node.end()


@pytest.mark.chaos
def test_node_of_three_killed_and_brought_back(
    stack: ShakenStack, nodes: list[Node], request: pytest.FixtureRequest
) -> None:
    """The node that all services are connected to dies: they go on with the other two at once."""
    city = load_city.start(stack)
    witness.install(stack)
    assert copies(nodes[0]) == {3}
    with under_load(city, stack, request.node.name.removeprefix("test_"), REPORTS) as load:
        load.more(8)
        stack.kill("rabbitmq")
        load.fault_over()
        stack.supervisor.end("rabbitmq")
        load.until_ready()
        load.more(8)
        stack.supervisor.begin("rabbitmq")
        until(lambda: copies(nodes[0]) == {3}, "every queue has three copies again", seconds=120)
        load.more(4)
