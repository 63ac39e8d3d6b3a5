"""Driving a load: clients in a process of their own submit, and petitioners rate as soon as the decision is served.

    with Drive(stack_city) as drive:
        drive.submit([Kind.SINGLE], number=200)
        drive.submitted()
        drive.complete(seconds=120)

When to rate is found out by a look into intake's database; the rating itself goes through the API.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import psycopg
from psycopg.rows import DictRow, dict_row

from deploy.local.environment import passed_on
from deploy.local.layout import ROOT
from tests.load import checklist
from tests.load.city import LoadCity
from tests.load.petitions import Kind

CLIENTS = 16
LOOK_SECONDS = 0.2
"""How often intake's database is asked whose decision was served, and which matters are closed."""
MOST_LOOKED_AT = 2000
"""Matters that one look asks for, the oldest first: a look must not become a load."""


@dataclass(slots=True)
class Matter:
    """A matter that was answered with 2xx; times are seconds since the epoch."""

    id: UUID
    number: str
    query_code: str
    kind: Kind
    sent_at: float
    seconds: float
    rated_at: float | None = None
    closed_at: float | None = None


@dataclass(slots=True)
class Failure:
    """A request that was not answered with 2xx; ``last``: it was not repeated."""

    at: float
    what: str
    status: int
    error: str
    seconds: float
    last: bool


@dataclass(slots=True)
class Requests:
    """What became of the requests of a load: answers that were 2xx, failures."""

    taken: list[Matter] = field(default_factory=list)
    rated: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def sent(self) -> int:
        """All requests."""
        return len(self.taken) + self.rated + len(self.failures)


class Drive:
    """A load on a city."""

    def __init__(
        self,
        city: LoadCity,
        *,
        clients: int = CLIENTS,
        tries: int = 1,
        rate_decisions: bool = True,
        url: str | None = None,
    ) -> None:
        """``tries``: how often a request is sent until it is answered with 2xx; ``url``: not the stack's edge."""
        self.city = city
        self._url = url or city.stack.url
        self.requests = Requests()
        self.matters: dict[UUID, Matter] = {}
        self._clients = clients
        self._tries = tries
        self._petitioners = rate_decisions
        self._serial = int(time.time() * 10) % 10**8 * 100
        self._prefix = f"load-{time.time_ns():x}"
        self._lock = threading.Lock()
        self._orders = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._running = 0
        self._open: dict[UUID, Matter] = {}
        self._complete: set[UUID] = set()
        self._in_flight = False
        self._ending = threading.Event()

    # --- begin and end

    def __enter__(self) -> Self:
        """Start the clients and the petitioners."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.load.client"],
            cwd=ROOT,
            env=passed_on(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._order({"url": self._url, "token": self.city.token, "clients": self._clients})
        self._threads = [threading.Thread(target=self._read, daemon=True)]
        if self._petitioners:
            self._threads.append(threading.Thread(target=self._look, daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the clients; what they were sending is given up."""
        self._ending.set()
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join(10)

    @property
    def client_pid(self) -> int:
        """The process of the clients."""
        return self._process.pid

    # --- the load

    def submit(
        self,
        kinds: Sequence[Kind],
        *,
        number: int | None = None,
        seconds: float | None = None,
        rate: float | None = None,
        in_flight: int | None = None,
    ) -> None:
        """Begin to submit: ``number`` matters or for ``seconds``, at ``rate`` a second or as fast as is answered.

        Matters of several kinds come in turn. ``in_flight`` bounds how many are on their way at once.
        """
        by_kind = [self.city.templates[kind] for kind in kinds]
        longest = max(len(items) for items in by_kind)
        turns = [asdict(items[i % len(items)]) for i in range(longest) for items in by_kind]
        with self._lock:
            self._running += 1
            self._serial += 1_000_000
            first = self._serial
            self._in_flight = in_flight is not None
        self._order(
            {
                "do": "submit",
                "templates": turns,
                "prefix": self._prefix,
                "first": first,
                "number": number,
                "seconds": seconds,
                "rate": rate,
                "in_flight": in_flight,
                "tries": self._tries,
            }
        )

    def stop(self) -> None:
        """Submit no more."""
        self._order({"do": "stop"})

    def submitted(self, seconds: float = 600) -> list[Matter]:
        """Wait until everything is submitted; the matters that were answered with 2xx so far."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._running == 0, seconds):
                raise TimeoutError(f"the clients did not finish in {seconds:.0f} s")
            return list(self.requests.taken)

    def complete(self, seconds: float) -> float:
        """Wait until the life-cycle of every matter is complete in every service; the moment when it was.

        Raises :class:`AssertionError` that names what is missing.
        """
        deadline = time.monotonic() + seconds
        with checklist.looking(self.city.stack) as connections:
            while True:
                with self._lock:
                    closed = all(matter.closed_at for matter in self.matters.values()) or not self._petitioners
                    left = {i: m.kind for i, m in self.matters.items() if i not in self._complete}
                late = time.monotonic() > deadline
                if closed or late:
                    missing = checklist.missing(connections, left)
                    at = time.time()
                    self._complete |= left.keys() - missing.keys()
                    if not missing:
                        return at
                    if late:
                        raise AssertionError(self._told(missing, seconds))
                time.sleep(LOOK_SECONDS)

    def _told(self, missing: checklist.Missing, seconds: float) -> str:
        matter, what = next(iter(missing.items()))
        return (
            f"{len(missing)} of {len(self.matters)} life-cycles were not complete after {seconds:.0f} s, such as "
            f"{self.matters[matter].number} ({matter}): {'; '.join(what)}"
        )

    # --- inside

    def _order(self, line: dict[str, Any]) -> None:
        if self._process.stdin is None:
            raise AssertionError("the clients were started with a pipe")
        with self._orders:
            self._process.stdin.write(json.dumps(line) + "\n")
            self._process.stdin.flush()

    def _read(self) -> None:
        if self._process.stdout is None:
            raise AssertionError("the clients were started with a pipe")
        for text in self._process.stdout:
            line = json.loads(text)
            with self._changed:
                self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if "submitted" in line:
            self._running -= 1
            self._changed.notify_all()
        elif "error" in line:
            what = "rating" if "rated" in line else "matter"
            failure = Failure(line["at"], what, line["status"], line["error"], line["seconds"], line["last"])
            self.requests.failures.append(failure)
        elif "rated" in line:
            self.requests.rated += 1
            self.matters[UUID(line["rated"])].rated_at = line["at"]
        else:
            answer = line["answer"]
            matter = Matter(
                id=UUID(answer["id"]),
                number=answer["number"],
                query_code=answer["query_code"],
                kind=Kind(line["kind"]),
                sent_at=line["at"],
                seconds=line["seconds"],
            )
            self.requests.taken.append(matter)
            if matter.id not in self.matters:
                self.matters[matter.id] = self._open[matter.id] = matter

    def _look(self) -> None:
        asked: set[UUID] = set()
        while not self._ending.wait(LOOK_SECONDS):
            try:
                url = self.city.stack.database_url("intake")  # where it is now: it may have moved
                with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
                    while not self._ending.wait(LOOK_SECONDS):
                        self._once(connection, asked)
            except psycopg.OperationalError:
                continue  # a fault that is being tried: the petitioners wait as well

    def _once(self, connection: psycopg.Connection[DictRow], asked: set[UUID]) -> None:
        with self._lock:
            looked_at = list(self._open)[:MOST_LOOKED_AT]
        rows = connection.execute(
            "select progress.matter_id, closed_at, decided_round, (select array_agg(agency_code) from part"
            " where part.matter_id = progress.matter_id and part.decided_round = progress.decided_round) as agencies"
            " from progress where progress.matter_id = any(%s) and (served_at is not null or closed_at is not null)",
            (looked_at,),
        ).fetchall()
        closed = [row for row in rows if row["closed_at"] is not None]
        moment = time.time()
        with self._lock:
            for row in closed:
                self._open.pop(row["matter_id"]).closed_at = moment
        if closed and self._in_flight:
            self._order({"do": "permit", "number": len(closed)})
        for row in rows:
            if row["closed_at"] is None and row["matter_id"] not in asked:
                asked.add(row["matter_id"])
                self._rate(self.matters[row["matter_id"]], row["agencies"] or [], row["decided_round"])

    def _rate(self, matter: Matter, agencies: list[str], round_: int) -> None:
        votes: list[dict[str, str]] = [{"target": "petition_office", "value": "satisfied"}]
        votes += [{"target": "agency", "agency": code, "value": "satisfied"} for code in agencies]
        self._order(
            {
                "do": "send",
                "path": f"/api/v1/matters/{matter.number}/ratings",
                "body": {"query_code": matter.query_code, "votes": votes, "solved": True},
                "key": f"{self._prefix}-{matter.number}-{round_}",
                "told": {"rated": str(matter.id)},
                "tries": self._tries,
            }
        )
