"""What can happen to the broker: no memory left, and a cluster of three nodes of which one dies."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local.configuration import RABBITMQ, rabbitmq_environment
from deploy.local.environment import MARK
from deploy.local.keys import write_private
from deploy.local.layout import HOST
from deploy.local.stack import broker_answers
from deploy.waiting import until
from lianban.chassis.topology import HEARS, poison_name, queue_name
from tests.chaos.shaken import ShakenStack

QUEUES = 4
"""Queues of each service: several, so that replicas share them."""
NODES = {"b": (171, 172), "c": (173, 174)}
"""The further nodes of a cluster: AMQP port and distribution port, counted from the stack's first port."""


@contextmanager
def memory_alarm(stack: ShakenStack) -> Iterator[None]:
    """Within the block the broker takes nothing from publishers, because it has no memory left."""
    stack.control_broker("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        until(lambda: "memory" in stack.control_broker("eval", "rabbit_alarm:get_alarms()."), "the alarm", seconds=30)
        yield
    finally:
        stack.control_broker("set_vm_memory_high_watermark", "0.4")


class Node:
    """A further node of the stack's broker."""

    def __init__(self, stack: ShakenStack, name: str) -> None:
        self.stack = stack
        self.name = f"{name}@localhost"
        base = stack.layout.ports.base
        self.port, distribution = (base + offset for offset in NODES[name])
        self.folder = stack.layout.home / f"rabbitmq-{name}"
        for own in (self.folder, self.folder / "data", self.folder / "log"):
            own.mkdir(exist_ok=True)
            own.chmod(0o700)
        write_private(self.folder / "rabbitmq.conf", f"listeners.tcp.1 = {HOST}:{self.port}\n".encode())
        write_private(self.folder / "enabled_plugins", b"[].\n")
        self.environment = rabbitmq_environment(stack.layout) | {
            MARK: str(stack.layout.home),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
        }
        self._server: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Start the node; returns when it takes connections."""
        with (self.stack.layout.logs / f"{self.name}.log").open("ab") as log:
            self._server = subprocess.Popen(
                [str(RABBITMQ)],
                env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8"} | self.environment,
                cwd=self.folder, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        until(lambda: broker_answers(self.port), f"{self.name} answers", seconds=120)

    def join(self) -> None:
        """Join the stack's broker and hold a copy of every queue."""
        for command in (["stop_app"], ["join_cluster", "lianban@localhost"], ["start_app"]):
            self.stack.control_broker(*command, node=self.environment)
        self.stack.control_broker("grow", self.name, "all", tool="rabbitmq-queues")

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """End the node if it runs."""
        if self._server is not None and self._server.poll() is None:
            self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        assert self._server is not None
        self._server.send_signal(how)
        self._server.wait(60)


def copies(node: Node) -> set[int]:
    """How many copies of the queues of the bus are at work, as a node knows it; one number when all have as many."""
    queues = [queue_name(service, index) for service in HEARS for index in range(QUEUES)]
    queues += [poison_name(service) for service in HEARS]
    listed = node.stack.control_broker("list_queues", "name", "online", "--no-table-headers", node=node.environment)
    # A queue that is just looking for its leader has a line without nodes.
    online = {name: nodes.count("@") for name, _, nodes in (line.partition("\t") for line in listed.splitlines())}
    return {online.get(name, 0) for name in queues}
