"""A whole stack on this machine: started, watched and stopped as one thing.

    stack = Stack(home, port, base)
    stack.start()                 # returns when everything is ready
    stack.env("intake")           # the LIANBAN_* variables of a service
    stack.stop()

A start does what is missing and leaves alone what is there, so a killed or interrupted run is continued by the next.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
import psycopg

from deploy.local import configuration, databases, leftovers
from deploy.local.account import Account, account_for
from deploy.local.checks import Trouble, check_disk, check_policy, check_ports
from deploy.local.environment import (
    MARK,
    admin_url,
    amqp_url,
    database_url,
    passed_on,
    process_environment,
    service_environment,
    site_policy,
)
from deploy.local.keys import Passwords, make_keys, write_private
from deploy.local.layout import HOST, ROOT, SERVICES, Layout, Ports
from deploy.local.processes import Process, needed_ports, processes, roles
from deploy.local.supervision import Supervisor
from lianban.chassis import topology
from lianban.chassis.migrations import migrate

Say = Callable[[str], None]

CITY_POLICY = ROOT / "deploy" / "demo" / "city" / "site.toml"
"""The demo city's policy, with which a stack with the demo city begins; from then on the stack's own counts."""

READY_SECONDS = 300
"""How long a start waits for the processes to be ready."""


LIVES = 5
"""So many processes of one kind may end during a start before it is given up: what they need is there already."""


class Stack:
    """PostgreSQL, RabbitMQ, nginx, the services and, if wanted, the demo city, in one state folder."""

    def __init__(
        self,
        home: Path,
        port: int,
        base: int,
        *,
        demo: bool = True,
        settings: Mapping[str, str] | None = None,
        say: Say = lambda _: None,
    ) -> None:
        """``settings``: ``LIANBAN_*`` variables for its services, beside those of the caller's environment."""
        self.layout = Layout(home.absolute(), Ports(port, base))
        self.demo = demo
        self.settings = dict(settings or {})
        self.supervisor = Supervisor(self.layout.run)
        self._say = say

    # --- what others need to know

    @property
    def url(self) -> str:
        """The edge."""
        return self.layout.public_url

    @property
    def table(self) -> list[Process]:
        """The processes besides the infrastructure."""
        return processes(demo=self.demo)

    def passwords(self) -> Passwords:
        """The stack's secrets, made if they are missing."""
        return make_keys(self.layout.keys, SERVICES, roles(demo=self.demo))

    def env(self, name: str) -> dict[str, str]:
        """The ``LIANBAN_*`` variables of a service, or of another process of the table."""
        queues = {"LIANBAN_QUEUES": str(self.queues())}
        for process in self.table:
            if process.name == name:
                own = process_environment(self.layout, self.passwords(), process)
                return self.settings | (queues if process.environment else {}) | own
        return self.settings | queues | service_environment(self.layout, self.passwords(), name)

    def queues(self) -> int:
        """How many queues each service has: the operator's choice, else as many as the state folder was made with.

        One where each service has one process that hears events: what is said then goes to each of them in one message.
        """
        chosen = self.settings.get("LIANBAN_QUEUES") or os.environ.get("LIANBAN_QUEUES")
        if not chosen and self.layout.queues.exists():
            chosen = self.layout.queues.read_text()
        return int(chosen or 1)

    def database_url(self, role: str) -> str:
        """The URL of the role's own database."""
        return database_url(self.layout, role, self.passwords().roles[role])

    def admin_url(self) -> str:
        """The URL of PostgreSQL's administrator."""
        return admin_url(self.layout, self.passwords())

    def amqp_url(self) -> str:
        """The URL of the broker."""
        return amqp_url(self.layout, self.passwords())

    def running(self) -> bool:
        """Whether the stack's supervisor lives and answers."""
        return self.layout.run.exists() and self.supervisor.running()

    # --- start

    def start(self, *, services: bool = True, owner: dict[str, Any] | None = None) -> None:
        """Start what does not run and wait until all is ready; ``services=False``: the infrastructure only.

        ``owner`` is remembered: who holds a stack in the foreground. Raises :class:`Trouble`.
        """
        layout = self.layout
        check_disk(layout.home)
        self._folders()
        if services:
            self._check_policy()
        with self._alone():
            if not self.running():
                self._recover()
                check_ports(needed_ports(layout, demo=self.demo), edge=layout.ports.edge)
                self._begin(owner or {"mode": "background"})
            self._infrastructure()
            self._migrate()
            if services:
                self._services()

    def _folders(self) -> None:
        layout = self.layout
        layout.home.mkdir(parents=True, exist_ok=True)
        if not layout.queues.exists():
            layout.queues.write_text("4" if layout.rabbitmq.exists() else "1")
        for folder in (layout.run, layout.logs, layout.keys, layout.files, layout.demo):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)
        layout.documents.mkdir(exist_ok=True)
        if not layout.puller.exists():
            write_private(layout.puller, b"[]")
        if self.demo and not layout.site.exists():
            shutil.copyfile(CITY_POLICY, layout.site)
        for service in SERVICES:
            (layout.files / service).mkdir(exist_ok=True)

    def _check_policy(self) -> None:
        policy = self.settings.get("LIANBAN_SITE") or site_policy(self.layout)
        if policy:
            check_policy(Path(policy))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no second start, stop or reset of the same state folder in."""
        with (self.layout.home / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say("waiting for another lianban command on the same state folder")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _recover(self) -> None:
        """End what a killed run left behind."""
        ended = leftovers.end(self.layout)
        if ended:
            self._say(f"上次运行被强行终止，已清理遗留进程 an earlier run was killed: ended its {ended} processes")
        databases.forget_stale_lock(self.layout)

    def _begin(self, owner: dict[str, Any]) -> None:
        """Write all configuration and start the supervisor, with nothing running under it yet."""
        layout, passwords = self.layout, self.passwords()
        account = self._account()
        if databases.initialise(layout, account, passwords.postgres):
            self._say("数据库已初始化 a new database cluster was made")
        configuration.write_postgres(layout, account)
        configuration.write_rabbitmq(layout, passwords)
        configuration.write_nginx(layout, account)
        listed = configuration.programs(layout, account, self.table, self.env)
        path = configuration.write_supervisor(layout, listed)
        (layout.run / "owner.json").write_text(json.dumps(owner))
        wanted = ("PATH", "LANG", "TMPDIR")
        given = {name: value for name, value in passed_on().items() if name in wanted}
        self.supervisor.start(path, given | {MARK: str(layout.home)})

    def _account(self) -> Account:
        return account_for(self.layout.home, configuration.postgres_programs() / "postgres", configuration.STATIC)

    def _infrastructure(self) -> None:
        self._say("PostgreSQL, RabbitMQ, nginx")
        for name in configuration.INFRASTRUCTURE:
            self.supervisor.begin(name)

    def _migrate(self) -> None:
        passwords = self.passwords()
        databases.wait_until_up(self.admin_url(), seconds=120, alive=lambda: self._alive("postgres"))
        databases.provide(self.admin_url(), roles(demo=self.demo), passwords.roles)
        for service in SERVICES:
            applied = migrate(self.database_url(service), service)
            if applied:
                self._say(f"{service}: {len(applied)} migrations applied")
        self._wait_for_broker()
        topology.declare(self.amqp_url(), queues=self.queues())
        self._say("数据库与消息队列就绪 databases and queues are ready")

    def _wait_for_broker(self) -> None:
        deadline = time.monotonic() + 150
        while not broker_answers(self.layout.ports.amqp):
            if time.monotonic() > deadline:
                raise Trouble("RabbitMQ did not come up.", self._log_advice("rabbitmq"))
            time.sleep(0.2)

    def _services(self) -> None:
        for process in self.table:
            self.supervisor.begin(process.name)
        self.wait_until_ready()

    def wait_until_ready(self, seconds: float = READY_SECONDS, *, with_data: bool = False) -> None:
        """Wait until every process says that it is ready; raises :class:`Trouble` with what one of them said last.

        ``with_data``: also those that are ready only when there is a register and a catalogue.
        """
        deadline, told = time.monotonic() + seconds, time.monotonic()
        waiting = {process.name: process for process in self.table if with_data or not process.needs_data}
        lives: defaultdict[str, set[int]] = defaultdict(set)
        while True:
            reasons = {name: self.unready(process) for name, process in waiting.items()}
            waiting = {name: waiting[name] for name, reason in reasons.items() if reason}
            if not waiting:
                return
            states = self.supervisor.states()
            for name in waiting:
                lives[name].add(states[name]["pid"])
            dying = [name for name in waiting if len(lives[name] - {0}) > LIVES]
            if dying or time.monotonic() > deadline:
                why = "Ends again and again: " if dying else f"Not ready after {seconds:.0f} s: "
                raise Trouble(
                    why + "; ".join(f"{name}: {reasons[name]}" for name in dying or waiting),
                    f"{self._log_advice((dying or list(waiting))[0])}\nThe rest runs on; make down stops it.",
                )
            if time.monotonic() - told > 10:
                told = time.monotonic()
                self._say("waiting for " + ", ".join(f"{name} ({reasons[name]})" for name in waiting))
            time.sleep(0.2)

    def unready(self, process: Process) -> str:
        """Why the process cannot serve now; empty when it can."""
        ports = self.layout.ports
        if process.ops:
            return unready(f"http://{HOST}:{process.ops(ports)}/readyz")
        if process.http and not listens(process.http(ports)):
            return "does not listen yet"
        return "" if self._alive(process.name) else "does not run"

    def _alive(self, name: str) -> bool:
        return self.supervisor.states().get(name, {}).get("statename") in ("RUNNING", "STARTING")

    def _log_advice(self, name: str) -> str:
        path = self.layout.logs / f"{name}.log"
        lines = path.read_text(errors="replace").splitlines()[-12:] if path.exists() else []
        return f"The end of {path}:\n" + "\n".join(f"  {line[:300]}" for line in lines)

    def restart(self, name: str) -> None:
        """Restart one process, as after a change of what it reads at its start."""
        self.supervisor.end(name)
        self.supervisor.begin(name)

    @contextmanager
    def postgres_with(self, settings: Mapping[str, str]) -> Iterator[None]:
        """PostgreSQL restarted with other settings, and behind the block with its own; services must stand still.

        What is killed inside leaves them until the stack starts anew. Raises :class:`Trouble`.
        """
        try:
            self._restart_postgres(settings)
            yield
        finally:
            self._restart_postgres({})

    def _restart_postgres(self, settings: Mapping[str, str]) -> None:
        with suppress(psycopg.OperationalError), psycopg.connect(self.admin_url(), autocommit=True) as admin:
            admin.execute("checkpoint")  # so that the end is quick
        configuration.write_postgres(self.layout, self._account(), settings)
        self.restart("postgres")
        databases.wait_until_up(self.admin_url(), seconds=600, alive=lambda: self._alive("postgres"))

    # --- stop

    def stop(self) -> None:
        """Stop everything in order: demo city, services, then what they stand on. Safe to repeat."""
        if not self.layout.home.exists():
            return
        with self._alone():
            self._stop()

    def _stop(self) -> None:
        if self.running():
            names = [process.name for process in self.table]
            known = self.supervisor.states()
            self._say("停止服务 stopping the services")
            self.supervisor.end_together(["nginx", *(name for name in reversed(names) if name in known)])
            self._say("停止 RabbitMQ 与 PostgreSQL stopping RabbitMQ and PostgreSQL")
            self.supervisor.end_together(["rabbitmq", "postgres"])
            self.supervisor.end("epmd")
            self.supervisor.finish(self._say)
        leftovers.end(self.layout)
        (self.layout.run / "owner.json").unlink(missing_ok=True)

    def reset(self) -> None:
        """Stop everything and remove the state folder."""
        if not self.layout.home.exists():
            return
        with self._alone():
            self._stop()
            for entry in self.layout.home.iterdir():
                if entry.name == "lock":
                    continue
                if entry.is_dir() and not entry.is_symlink():
                    shutil.rmtree(entry)
                else:
                    entry.unlink()

    # --- who holds it

    def owner(self) -> dict[str, Any]:
        """Who started the running stack: ``{"mode": "run", "pid": …}`` in the foreground, else the background."""
        try:
            known: dict[str, Any] = json.loads((self.layout.run / "owner.json").read_text())
        except (OSError, ValueError):
            return {"mode": "background"}
        return known

    def abandoned(self) -> bool:
        """Whether the stack runs although the command that held it in the foreground was killed."""
        owner = self.owner()
        if owner.get("mode") != "run":
            return False
        try:
            holder = psutil.Process(owner["pid"])
            return holder.status() == psutil.STATUS_ZOMBIE or bool(holder.create_time() != owner["since"])
        except psutil.Error:
            return True

    # --- commands of our own

    def begin_command(self, *arguments: str, service: str | None = None) -> subprocess.Popen[str]:
        """Start ``lianban`` with these arguments against this stack; who starts it reads what it writes."""
        ports = self.layout.ports
        environment = (
            passed_on()
            | self.settings
            | {
                "LIANBAN_HOME": str(self.layout.home),
                "LIANBAN_PORT": str(ports.edge),
                "LIANBAN_PORT_BASE": str(ports.base),
            }
        )
        if service:
            environment |= self.env(service)
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *arguments],
            env=environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, *arguments: str, service: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run ``lianban`` with these arguments against this stack; returns what it wrote and its exit code."""
        with self.begin_command(*arguments, service=service) as process:
            try:
                written, errors = process.communicate()
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.returncode, written, errors)


def listens(port: int) -> bool:
    """Whether somebody accepts connections on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def broker_answers(port: int) -> bool:
    """Whether the broker opens an AMQP conversation: it does so only when its start is over."""
    try:
        with socket.create_connection((HOST, port), timeout=2) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return connection.recv(1) == b"\x01"
    except OSError:
        return False


def _why(body: bytes) -> str:
    """The parts that are not ready, as ``/readyz`` names them."""
    try:
        parts = json.loads(body)["parts"].items()
    except (ValueError, KeyError, AttributeError, TypeError):
        return body[:200].decode(errors="replace").strip()
    return ", ".join(f"{part}: {why}" for part, why in parts if why not in ("ok", None))


def unready(url: str) -> str:
    """What a readiness address says when it is not ready; empty when it is."""
    try:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (our own address on loopback)
                answer.read()
            return ""
        except urllib.error.HTTPError as error:
            return _why(error.read(2000)) or f"HTTP {error.code}"
    except (OSError, HTTPException):  # the latter where it is killed while it answers
        return "does not answer yet"
