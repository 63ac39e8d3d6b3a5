"""All processes of a stack, as one table: what runs, from which module, on which ports, with which settings.

The supervisor's configuration, the list of ports that must be free, ``lianban status`` and the waiting for readiness
are made from it. A service may have a second process, a full replica of the first with ports of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy.local.layout import HOST, SERVICES, Layout, Ports

DEPARTMENTS = "demo_departments"
"""Role and database of the demo departments' own systems."""


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the stack besides PostgreSQL, RabbitMQ and nginx."""

    name: str
    label: str
    command: tuple[str, ...]
    """Arguments of the Python of the stack."""
    environment: str = ""
    """The service whose settings it gets; empty: settings of the stack only."""
    serves: str = ""
    """The service that it runs, alone or beside another process; empty: it runs none."""
    http: Callable[[Ports], int] | None = None
    ops: Callable[[Ports], int] | None = None
    stands_by: bool = False
    """Takes events only when the service's first process does not."""
    demo: bool = False
    """Belongs to the demo city and not to the product."""
    needs_data: bool = False
    """Ready only when the installation has a register and a catalogue: a start does not wait for it."""

    def ports(self, ports: Ports) -> dict[int, str]:
        """The ports that it listens on."""
        return {listener(ports): self.label for listener in (self.http, self.ops) if listener}


def _service(name: str, label: str, number: int = 1) -> Process:
    """A service's first or second process."""
    return Process(
        name=name if number == 1 else f"{name}-{number}",
        label=label if number == 1 else f"{label} ({number})",
        command=("-m", "cli", "serve", name),
        environment=name,
        serves=name,
        http=lambda ports: ports.http(name, number),
        ops=lambda ports: ports.ops(name, number),
        stands_by=number > 1,
    )


TABLE: tuple[Process, ...] = (
    Process(
        "suggest", "text model 文本模型", ("-m", "services.routing.suggest"), "routing",
        http=lambda ports: ports.suggest, ops=lambda ports: ports.suggest_ops, needs_data=True,
    ),
    _service("routing", "routing 分办"),
    _service("intake", "intake 登记"),
    _service("intake", "intake 登记", 2),
    _service("agency_gateway", "agency gateway 交换"),
    _service("oversight", "oversight 督办"),
    _service("notification", "notification 告知"),
    Process(
        "documents", "document worker 文书生成", ("-m", "services.notification.worker"),
        "notification", ops=lambda ports: ports.documents_ops,
    ),
    Process(
        "mail", "demo mail server 演示邮箱", ("-m", "deploy.demo.mail"),
        http=lambda ports: ports.mailbox, demo=True,
    ),
    Process(
        "departments", "demo departments 演示部门系统", ("-m", "deploy.demo.departments"),
        http=lambda ports: ports.departments, demo=True,
    ),
    Process(
        "puller", "demo pull client 演示拉取客户端", ("-m", "deploy.demo.puller"), demo=True,
    ),
)  # fmt: skip


def processes(*, demo: bool) -> list[Process]:
    """The processes of a stack, with or without the demo city."""
    return [process for process in TABLE if demo or not process.demo]


def service_of(name: str) -> str:
    """The service that a process runs; the name itself where it runs none."""
    return next((process.serves for process in TABLE if process.name == name and process.serves), name)


def all_of(*names: str) -> list[str]:
    """The processes that names stand for: a service's name for all of its processes, another for itself."""
    found: list[str] = []
    for name in names:
        found += [process.name for process in TABLE if process.serves == name] or [name]
    return list(dict.fromkeys(found))


def roles(*, demo: bool) -> tuple[str, ...]:
    """The database roles, each owning the database of its name."""
    return (*SERVICES, DEPARTMENTS) if demo else SERVICES


def needed_ports(layout: Layout, *, demo: bool) -> dict[int, str]:
    """Every port that must be free, with what will listen there."""
    needed = layout.ports.infrastructure()
    for process in processes(demo=demo):
        needed.update(process.ports(layout.ports))
    if demo:
        needed[layout.ports.mail] = "demo mail server 演示邮箱 (SMTP)"
    return needed


def internal_url(port: int) -> str:
    """An address on loopback."""
    return f"http://{HOST}:{port}"
