"""Running the two small services as processes, keeping events flowing between them, and counting what arrived."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg.rows import DictRow, dict_row

from deploy.local.checks import free_ports
from deploy.local.stack import Stack
from deploy.waiting import NotSo, until
from lianban.chassis.database import Database
from lianban.contracts.intake import MatterSupplemented

ROOT = Path(__file__).parents[3]
History = dict[UUID, list[int]]

TABLES = {
    "intake": """
        create table said (subject uuid, number int, primary key (subject, number));
        create table heard (id bigint generated always as identity primary key, subject uuid, number int);
    """,
    "routing": "create table heard (id bigint generated always as identity primary key, subject uuid, number int);",
}
"""Nothing here keeps a repeat out: what happened twice would stand there twice."""


class Tiny:
    """One process of a small service."""

    def __init__(self, stack: Stack, service: str, **settings: str) -> None:
        self.service = service
        self.ops = free_ports()[0]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LIANBAN_")}
        environment |= stack.env(service) | {
            "LIANBAN_OPS_PORT": str(self.ops),
            "LIANBAN_DATABASE_POOL": "4",
            "LIANBAN_RETRY_SECONDS": "0.2",
            **settings,
        }
        self.log = stack.layout.logs / f"tiny-{service}-{self.ops}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.chassis.tiny", service],
                cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """What the operations listener answers: the status and the JSON document; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ops}{path}", timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.loads(refusal.read())
        except OSError:
            return 0, {}

    def ready(self) -> bool:
        assert self.process.poll() is None, f"it ended\n{self.log.read_text()[-2000:]}"
        return self.get("/readyz")[0] == 200

    def wait_until_ready(self) -> Tiny:
        try:
            until(self.ready, f"{self.service} is ready", seconds=60, every=0.1)
        except NotSo as error:
            raise AssertionError(f"{error}; {self.get('/readyz')}\n{self.log.read_text()[-2000:]}") from None
        return self

    def wait_until_not_ready(self, part: str) -> str:
        """What it says of a part when that part does not work."""

        def why() -> str:
            status, told = self.get("/readyz")
            words = told.get("parts", {}).get(part, "ok")
            return words if status == 503 and words != "ok" else ""

        return until(why, f"{self.service} says that {part} is not ready", seconds=60, every=0.1)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Ask it to stop; returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)

    def end(self) -> None:
        if self.process.poll() is None:
            self.kill()


class Pair:
    """A telling and a listening service, with the processes that run now."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        for service, tables in TABLES.items():
            with self.look(service) as connection:
                connection.execute(tables)
        self.processes: list[Tiny] = []
        self.intake = self.begin("intake")
        self.routing = self.begin("routing")
        self.wait_until_ready()

    def begin(self, service: str, **settings: str) -> Tiny:
        made = Tiny(self.stack, service, **settings)
        self.processes.append(made)
        return made

    def wait_until_ready(self) -> None:
        self.intake.wait_until_ready()
        self.routing.wait_until_ready()

    def end(self) -> None:
        for process in self.processes:
            process.end()

    @contextmanager
    def look(self, service: str) -> Iterator[psycopg.Connection[DictRow]]:
        """A connection to a service's database."""
        url = self.stack.database_url(service)
        with psycopg.connect(url, autocommit=True, row_factory=dict_row, connect_timeout=3) as connection:
            yield connection

    def histories(self, service: str, table: str) -> History:
        """For each subject the numbers in the order in which they were written."""
        order = "number" if table == "said" else "id"
        with self.look(service) as connection:
            rows = connection.execute(
                f"select subject, array_agg(number order by {order}) as n from {table} group by 1"
            )
            return {row["subject"]: row["n"] for row in rows}

    def _counts(self) -> tuple[int, int, int]:
        with suppress(psycopg.OperationalError), self.look("intake") as intake, self.look("routing") as routing:
            return count(intake, "said"), count(routing, "heard"), count(intake, "heard")
        return -1, -2, -3

    def assert_all_arrived_once_and_in_order(self) -> None:
        """Wait until as much arrived as was said; then everything must have arrived once, in order, on both sides."""

        def all_there() -> bool:
            said, heard, answered = self._counts()
            return said > 0 and heard >= said and answered >= said

        try:
            until(all_there, "everything said is heard and answered", seconds=60, every=0.2)
        except NotSo as error:
            raise AssertionError(f"{error}: said, heard, answered = {self._counts()}") from None
        said = self.histories("intake", "said")
        assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in said.values())
        assert self.histories("routing", "heard") == said
        assert self.histories("intake", "heard") == said

    @contextmanager
    def flow(self) -> Iterator[Flow]:
        """Within the block events are said all the time, as requests would."""
        flow = Flow(self.stack.database_url("intake"))
        try:
            yield flow
        finally:
            flow.end()


def count(looking: psycopg.Connection[DictRow], table: str) -> int:
    row = looking.execute(f"select count(*) as n from {table}").fetchone()
    return int(row["n"]) if row else 0


class Flow(threading.Thread):
    """Says numbered events about a few subjects, all the time; what fails is said again."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.database = Database(url, service="intake", size=1)
        self.database.open()
        self.subjects = [uuid4() for _ in range(20)]
        self.ending = threading.Event()
        self.committed = 0
        self.failed = 0
        self.start()

    def run(self) -> None:
        while not self.ending.wait(0.008):
            try:
                self._say(random.choice(self.subjects))
                self.committed += 1
            except psycopg.Error:
                self.failed += 1

    def _say(self, subject: UUID) -> None:
        moment = datetime.now(UTC)
        with self.database.transaction() as tx:
            tx.lock(subject)
            # What was committed although the connection was lost before it could say so counts too.
            row = tx.execute("select count(*) + 1 as n from said where subject = %s", (subject,)).fetchone()
            assert row
            tx.execute("insert into said values (%s, %s)", (subject, row["n"]))
            event = MatterSupplemented(supplement_id=uuid4(), attachments=row["n"], supplemented_at=moment)
            tx.emit(event, subject=subject, at=moment)

    def wait_for_more(self, events: int = 30) -> None:
        """Wait until so many more events were said."""
        goal = self.committed + events
        until(lambda: self.committed >= goal, f"{events} more events are said", seconds=60, every=0.05)

    def end(self) -> None:
        self.ending.set()
        self.join(30)
        self.database.close()
