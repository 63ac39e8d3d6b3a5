"""Where everything of a stack lies: the ports and the folders, all computed from three values.

A stack is told apart from others on the same machine by its state folder (``LIANBAN_HOME``), the port of its edge
(``LIANBAN_PORT``) and the first of its other ports (``LIANBAN_PORT_BASE``). Everything listens on loopback only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The clone."""

HOST = "127.0.0.1"
SERVICES = ("intake", "routing", "agency_gateway", "oversight", "notification")


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a stack."""

    edge: int
    base: int

    def http(self, service: str, number: int = 1) -> int:
        """The HTTP listener of the service's first or second process; only the edge and other services call it."""
        return self.base + 1 + SERVICES.index(service) + 6 * (number - 1)

    def ops(self, service: str, number: int = 1) -> int:
        """The listener of the service's first or second process for /healthz, /readyz and /metrics."""
        return self.base + 101 + SERVICES.index(service) + 6 * (number - 1)

    @property
    def suggest(self) -> int:
        """The text model's process."""
        return self.base + 12

    @property
    def suggest_ops(self) -> int:
        """The text model's listener for operations."""
        return self.base + 112

    @property
    def documents_ops(self) -> int:
        """The document worker's listener for operations."""
        return self.base + 115

    @property
    def departments(self) -> int:
        """The demo departments' own systems."""
        return self.base + 21

    @property
    def mail(self) -> int:
        """The demo mail server (SMTP)."""
        return self.base + 25

    @property
    def mailbox(self) -> int:
        """The demo mailbox's pages."""
        return self.base + 26

    @property
    def postgres(self) -> int:
        """PostgreSQL."""
        return self.base + 32

    @property
    def epmd(self) -> int:
        """Erlang's port mapper, private to the broker."""
        return self.base + 69

    @property
    def amqp(self) -> int:
        """RabbitMQ."""
        return self.base + 72

    @property
    def distribution(self) -> int:
        """RabbitMQ's own talk between node and command-line tools."""
        return self.base + 73

    @property
    def broker_metrics(self) -> int:
        """RabbitMQ's Prometheus plug-in."""
        return self.base + 92

    def infrastructure(self) -> dict[int, str]:
        """The ports of what every stack has, with what listens there."""
        return {
            self.edge: "edge (nginx)",
            self.postgres: "PostgreSQL",
            self.epmd: "epmd of RabbitMQ",
            self.amqp: "RabbitMQ",
            self.distribution: "RabbitMQ's distribution",
            self.broker_metrics: "RabbitMQ's metrics",
        }


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and addresses of a stack."""

    home: Path
    ports: Ports

    @property
    def run(self) -> Path:
        """Generated configuration, sockets and marks of the running stack."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """Logs, rotated."""
        return self.home / "logs"

    @property
    def keys(self) -> Path:
        """Keys and passwords: one folder per service, readable by the owner only."""
        return self.home / "keys"

    @property
    def files(self) -> Path:
        """Attachments and documents."""
        return self.home / "files"

    @property
    def documents(self) -> Path:
        """The API descriptions that the edge serves as files."""
        return self.home / "public"

    @property
    def demo(self) -> Path:
        """What the demo city's programs keep."""
        return self.home / "demo"

    @property
    def site(self) -> Path:
        """The site's policy; a stack with the demo city begins with the city's."""
        return self.home / "site.toml"

    @property
    def puller(self) -> Path:
        """The list of agencies for which the demo pull client works: written by seeding the city."""
        return self.demo / "puller.json"

    @property
    def past(self) -> Path:
        """The mark that the demo city has its past: in the first line until when, then what was made."""
        return self.demo / "past.txt"

    @property
    def past_begun(self) -> Path:
        """The mark that the past is being played; where it is found at a start, that was interrupted."""
        return self.demo / "past.begun"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's folder."""
        return self.home / "postgres"

    @property
    def rabbitmq(self) -> Path:
        """RabbitMQ's folder."""
        return self.home / "rabbitmq"

    @property
    def queues(self) -> Path:
        """How many queues each service has in this broker; a folder without it is of a time when it was four."""
        return self.home / "queues"

    @property
    def nginx(self) -> Path:
        """nginx's folder."""
        return self.home / "nginx"

    @property
    def public_url(self) -> str:
        """The edge as people see it."""
        return f"http://{HOST}:{self.ports.edge}"


class BadSetting(ValueError):
    """A variable of the environment has a value that cannot work."""


def port_from(variable: str, default: int, *, highest: int = 65535) -> int:
    """A port number from the environment; raises :class:`BadSetting`."""
    text = os.environ.get(variable) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= highest:
        raise BadSetting(f"{variable}={text!r} is no port number from 1 to {highest}")
    return int(text)


def layout_from_environment() -> Layout:
    """The stack that ``LIANBAN_HOME``, ``LIANBAN_PORT`` and ``LIANBAN_PORT_BASE`` name; raises :class:`BadSetting`."""
    ports = Ports(port_from("LIANBAN_PORT", 8080), port_from("LIANBAN_PORT_BASE", 18000, highest=65000))
    if ports.base < ports.edge <= ports.base + 120:
        raise BadSetting(
            f"LIANBAN_PORT={ports.edge} lies among the ports from LIANBAN_PORT_BASE={ports.base} to {ports.base + 120}"
        )
    home = Path(os.environ.get("LIANBAN_HOME") or ROOT / ".lianban").expanduser().absolute()
    if set(str(home)) & set("\"';#\n\\$"):
        raise BadSetting(f"LIANBAN_HOME={str(home)!r}: no quotes and none of ; # $ may be in the folder's name")
    return Layout(home, ports)
