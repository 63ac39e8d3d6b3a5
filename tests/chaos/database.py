"""What can happen to the database: no connections, no room on the disk, somebody's lock, a fail-over to the replica."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from deploy.local.account import account_for
from deploy.local.configuration import postgres_programs
from deploy.local.environment import MARK
from deploy.local.layout import SERVICES
from deploy.waiting import until
from tests.chaos.shaken import ShakenStack

REPLICA_PORT = 161
"""Where the streaming replica listens, counted from the stack's first port."""
TABLES = ("outbox", "inbox")
NO_ROOM = """
create function no_room() returns trigger language plpgsql as $$
begin
    raise exception 'could not extend file "base/1/2": No space left on device' using errcode = '53100';
end $$;
"""


@contextmanager
def no_connections(stack: ShakenStack) -> Iterator[None]:
    """Within the block no service gets a connection: those it had are ended, new ones are too many."""
    with stack.administer() as admin:
        for service in SERVICES:
            admin.execute(f"alter role {service} connection limit 0")
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = any(%s)", ([*SERVICES],))
        try:
            yield
        finally:
            for service in SERVICES:
                admin.execute(f"alter role {service} connection limit -1")


@contextmanager
def disk_full(stack: ShakenStack) -> Iterator[None]:
    """Within the block every insert into any service's outbox and inbox fails as on a full disk (53100)."""
    with ExitStack() as connections:
        admins = [connections.enter_context(stack.administer(service)) for service in SERVICES]
        for admin in admins:
            admin.execute(NO_ROOM)
            for table in TABLES:
                admin.execute(
                    f"create trigger no_room before insert on {table} for each statement execute function no_room()"
                )
        try:
            yield
        finally:
            for admin in admins:
                admin.execute("drop function no_room cascade")


@contextmanager
def locked(stack: ShakenStack) -> Iterator[None]:
    """Within the block somebody holds every service's streams, without which no matter can change."""
    with ExitStack() as connections:
        admins = [connections.enter_context(stack.administer(service)) for service in SERVICES]
        for admin in admins:
            admin.execute("set idle_in_transaction_session_timeout = 0")
            connections.enter_context(admin.transaction())
            admin.execute("lock table stream in exclusive mode")
        yield


class Replica:
    """A synchronous streaming replica of the stack's database, which can take the primary's place."""

    def __init__(self, stack: ShakenStack) -> None:
        self.stack = stack
        self.port = stack.layout.ports.base + REPLICA_PORT
        self.folder = stack.layout.home / "replica"
        self.account = account_for(stack.layout.home, postgres_programs() / "postgres")
        self.environment = {"PATH": os.defpath, "LANG": "C.UTF-8", MARK: str(stack.layout.home)}
        self._server: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Copy the primary, follow it, and have it wait for us at every commit."""
        primary = self.stack.layout.postgres / "data"
        with (primary / "pg_hba.conf").open("a") as rules:
            rules.write("host replication postgres 127.0.0.1/32 scram-sha-256\n")
        with self.stack.administer() as admin:
            admin.execute("select pg_reload_conf()")
        self.account.own(self.folder)
        self._run(
            "pg_basebackup", "--pgdata", str(self._data), "--write-recovery-conf", "--checkpoint", "fast",
            "--dbname", f"{self.stack.admin_url()}?application_name=replica",
        )  # fmt: skip
        self._serve()
        with self.stack.administer() as admin:
            admin.execute("alter system set synchronous_standby_names = 'replica'")
            admin.execute("select pg_reload_conf()")
        until(self._synchronous, "the replica follows synchronously", seconds=60)

    def take_over(self) -> None:
        """Kill the primary while it works, see that it stays away, promote the replica and lead the services to it."""
        assert self._synchronous(), "the replica does not follow synchronously any more"
        self.stack.kill("postgres")
        self.stack.database_door.shut()  # the supervisor starts it again, and nobody may find it
        self.stack.supervisor.end("postgres")
        self.stack.database_port = self.port
        with self.stack.administer() as admin:
            # The promoted server has no replica of its own yet: it must not wait for one.
            admin.execute("alter system set synchronous_standby_names = ''")
            admin.execute("select pg_promote()")
            admin.execute("select pg_reload_conf()")
        self.stack.database_door.open(self.port)

    def end(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(60)

    def _synchronous(self) -> bool:
        """Whether the primary waits for us at every commit."""
        with self.stack.administer() as admin:
            row = admin.execute("select from pg_stat_replication where sync_state = 'sync'").fetchone()
        return row is not None

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _serve(self) -> None:
        command = [str(postgres_programs() / "postgres"), "-D", str(self._data), "-c", f"port={self.port}"]
        with (self.stack.layout.logs / "replica.log").open("ab") as log:
            self._server = subprocess.Popen(
                self.account.command(command), cwd="/", env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        until(self._answers, "the replica accepts sessions", seconds=60)

    def _answers(self) -> bool:
        url = self.stack.admin_url().replace(f":{self.stack.database_port}/", f":{self.port}/")
        try:
            with psycopg.connect(url, connect_timeout=3):
                return True
        except psycopg.OperationalError:
            return False

    def _run(self, program: str, *arguments: str) -> None:
        outcome = subprocess.run(
            self.account.command([str(postgres_programs() / program), *arguments]),
            cwd="/", env=self.environment, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert outcome.returncode == 0, outcome.stdout + outcome.stderr
