"""A stack whose services reach database and broker through doors that a test can shut."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg.rows import DictRow, dict_row

from deploy.local.layout import HOST
from deploy.local.processes import all_of
from deploy.local.stack import Stack
from deploy.waiting import until
from tests.chaos.door import Door

DATABASE_DOOR, BROKER_DOOR = 141, 142
"""Where the doors listen, counted from the stack's first port: beyond the stack's own ports."""


class ShakenStack(Stack):
    """A stack with a door before its database and one before its broker; the tests themselves go by neither."""

    def __init__(self, home: Path, port: int, base: int, *, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(home, port, base, demo=True, settings=settings)
        self.database_port = self.layout.ports.postgres
        """Where the database is that counts: another one after a fail-over."""
        self.further_brokers: list[int] = []
        """Ports of further nodes of the broker, that the services may turn to."""
        self.killed: Counter[str] = Counter()
        """How often each program was killed so far, a service by its own name."""
        self._doors: list[Door] = []

    @property
    def database_door(self) -> Door:
        """The door before the database."""
        return self._doors[0]

    @property
    def broker_door(self) -> Door:
        """The door before the broker."""
        return self._doors[1]

    def start(self, *, services: bool = True, owner: dict[str, Any] | None = None) -> None:
        """Put up the doors where there are none, then start."""
        ports = self.layout.ports
        if not self._doors:
            self._doors = [
                Door(ports.base + DATABASE_DOOR, ports.postgres),
                Door(ports.base + BROKER_DOOR, ports.amqp),
            ]
        super().start(services=services, owner=owner)

    def stop(self) -> None:
        """Stop everything, the doors last."""
        super().stop()
        for door in self._doors:
            door.end()
        self._doors = []

    def env(self, name: str) -> dict[str, str]:
        """The variables of a process, which knows the doors only."""
        ports = self.layout.ports
        doors = {
            f"@{HOST}:{ports.postgres}/": f"@{HOST}:{ports.base + DATABASE_DOOR}/",
            f"@{HOST}:{ports.amqp}/": f"@{HOST}:{ports.base + BROKER_DOOR}/",
        }
        given = super().env(name)
        for variable in given:
            for server, door in doors.items():
                given[variable] = given[variable].replace(server, door)
        if "LIANBAN_AMQP_URL" in given:
            first = given["LIANBAN_AMQP_URL"]
            others = [first.replace(f":{ports.base + BROKER_DOOR}/", f":{port}/") for port in self.further_brokers]
            given["LIANBAN_AMQP_URL"] = ";".join([first, *others])
        return given

    def database_url(self, role: str) -> str:
        """The URL of the role's own database, past the door."""
        return self._present(super().database_url(role))

    def admin_url(self, database: str = "postgres") -> str:
        """The URL of PostgreSQL's administrator, past the door."""
        return self._present(super().admin_url()).removesuffix("/postgres") + f"/{database}"

    def _present(self, url: str) -> str:
        return url.replace(f"@{HOST}:{self.layout.ports.postgres}/", f"@{HOST}:{self.database_port}/")

    # --- looking in

    def look(self, role: str) -> psycopg.Connection[DictRow]:
        """A connection to the role's database, every statement committed by itself."""
        return psycopg.connect(self.database_url(role), autocommit=True, row_factory=dict_row, connect_timeout=5)

    def administer(self, database: str = "postgres") -> psycopg.Connection[DictRow]:
        """A connection as PostgreSQL's administrator."""
        return psycopg.connect(self.admin_url(database), autocommit=True, row_factory=dict_row, connect_timeout=5)

    # --- processes

    def pid(self, program: str) -> int:
        """The program's present process."""
        return int(self.supervisor.states()[program]["pid"])

    def stopped_by_itself(self, process: str) -> int:
        """How often a service's process has said that it has ended everything it had in hand."""
        return sum(
            path.read_text(errors="replace").count('"event": "service.stopped"')
            for path in self.layout.logs.glob(f"{process}.log*")
        )

    def kill(self, *programs: str) -> None:
        """SIGKILL, for a service to all of its processes; the supervisor starts them again.

        Returns when they are gone.
        """
        self.killed.update(programs)
        pids = [self.pid(program) for program in all_of(*programs)]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            until(lambda pid=pid: _gone(pid), f"process {pid} is gone", seconds=30, every=0.05)  # type: ignore[misc]

    def control_broker(self, *arguments: str, tool: str = "rabbitmqctl", node: Mapping[str, str] | None = None) -> str:
        """Run one of RabbitMQ's tools against the broker, or against the node whose variables are given."""
        from deploy.local.configuration import RABBITMQ, rabbitmq_environment

        environment = {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            **rabbitmq_environment(self.layout),
            **(node or {}),
        }
        outcome = subprocess.run(
            [str(RABBITMQ.with_name(tool)), "-q", *arguments],
            env=environment, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
        return outcome.stdout

    def ask_departments(self, method: str, path: str, body: Any = None) -> Any:
        """Call the administration of the departments' own systems."""
        import requests

        given = super().env("departments")
        session = requests.Session()
        session.trust_env = False
        answer = session.request(
            method, given["DEPARTMENTS_URL"] + path, json=body, timeout=10,
            headers={"X-Admin-Key": given["DEPARTMENTS_ADMIN_KEY"]},
        )  # fmt: skip
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def unready_services(self) -> dict[str, str]:
        """The processes of services that are not ready, each with its reason."""
        reasons = {process.name: self.unready(process) for process in self.table if process.serves}
        return {name: why for name, why in reasons.items() if why}


def _gone(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    return True
