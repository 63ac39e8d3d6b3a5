"""The two things that go on in the background: the autopilot, and calls to tenants' own addresses."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import psycopg_pool
import urllib3

from deploy.demo.departments import store, tickets
from deploy.demo.departments.records import Webhook
from deploy.demo.departments.vocabulary import Status

log = logging.getLogger("departments.workers")

PILOT_SECONDS = 0.25
TURNS = 50
"""How many moves are made in one transaction at most."""
CALL_SECONDS = 10.0
CALLS = 4
"""How many calls one thread takes at a time; it makes them one after another."""
LEASE_SECONDS = (CALLS + 2) * CALL_SECONDS
DATABASE_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout)


@dataclass(frozen=True)
class Outcome:
    """What became of a call: taken where there is no error, else tried again after ``wait`` seconds."""

    webhook_id: int
    error: str | None = None
    wait: float = 0.0


class Bell:
    """Wakes one of those who wait on it for each ring; rings that nobody waited for are heard by the next ones."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._rings = 0
        self._closed = False

    def ring(self) -> None:
        """Wake one waiter."""
        with self._condition:
            self._rings += 1
            self._condition.notify()

    def close(self) -> None:
        """From now on nobody waits."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait for a ring, at most ``seconds``."""
        with self._condition:
            self._condition.wait_for(lambda: self._rings or self._closed, seconds)
            self._rings = max(0, self._rings - 1)


class Workers:
    """The background threads of one process."""

    def __init__(self, pool: store.Pool, webhook_workers: int, webhook_max_wait: float) -> None:
        self._pool = pool
        self._max_wait = webhook_max_wait
        self._stopping = threading.Event()
        self._pilot_bell = Bell()
        self._call_bell = Bell()
        self._threads = [threading.Thread(target=self._run, args=(self.pilot, self._pilot_bell), name="autopilot")]
        for number in range(webhook_workers):
            caller = (self._caller(urllib3.PoolManager(maxsize=CALLS)), self._call_bell)
            self._threads.append(threading.Thread(target=self._run, args=caller, name=f"webhook-{number}"))

    def start(self) -> None:
        """Begin the work."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the row at hand and end."""
        self._stopping.set()
        self._pilot_bell.close()
        self._call_bell.close()
        for thread in self._threads:
            thread.join(CALL_SECONDS + 1)

    def ring(self) -> None:
        """A call to a tenant's address was queued."""
        self._call_bell.ring()

    def _run(self, work: Callable[[], float], bell: Bell) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                wait = work()
                failures = 0
            except DATABASE_ERRORS as error:
                failures += 1
                wait = min(0.5 * 2**failures, 10.0)
                log.warning("database out of reach (%s), next try in %.1f s", type(error).__name__, wait)
                self._stopping.wait(wait)
                continue
            except Exception:
                failures += 1
                log.exception("a worker failed")
                self._stopping.wait(min(0.5 * 2**failures, 30.0))
                continue
            if wait > 0:
                bell.wait(wait)

    def pilot(self) -> float:
        """Make the moves that are due; returns how many seconds to wait before looking again."""
        now = datetime.now(UTC)
        with self._pool.connection() as connection, connection.pipeline():
            due = store.due_turns(connection, now, TURNS)
        return 0.0 if due and self._move(due, now) else PILOT_SECONDS

    def _move(self, due: Sequence[int], now: datetime) -> bool:
        """Make moves together; where that fails one by one, so that only the one that fails is put off."""
        try:
            with self._pool.connection() as connection, connection.pipeline():
                moved = tickets.autopilot_turns(connection, due, now)
        except DATABASE_ERRORS:
            raise
        except Exception:
            if len(due) > 1:
                each = [self._move([ticket_id], now) for ticket_id in due]
                return any(each)
            log.exception("autopilot: row %d failed, looked at again in a minute", due[0])
            with self._pool.connection() as connection:
                store.postpone_turn(connection, due[0], now + timedelta(minutes=1))
            return False
        for ticket in moved:
            log.info("autopilot: ticket %s of %s is %s", ticket.no, ticket.tenant, ticket.status)
        if moved:
            self._call_bell.ring()
        return bool(moved)

    def _caller(self, connections: urllib3.PoolManager) -> Callable[[], float]:
        at_once = ThreadPoolExecutor(CALLS, thread_name_prefix="call")  # each tenant's system calls by itself

        def call_due() -> float:
            outcomes: list[Outcome] = []
            while outcomes or not self._stopping.is_set():
                # What became of calls is kept in the same exchange in which the next ones are taken.
                with self._pool.connection() as connection, connection.pipeline():
                    _keep(connection, outcomes)
                    leased = [] if self._stopping.is_set() else store.lease_webhooks(connection, CALLS, LEASE_SECONDS)
                if len(leased) == CALLS:  # there may be more: let another thread look
                    self._call_bell.ring()
                outcomes = list(at_once.map(partial(self._call, connections), leased))
                if not outcomes:
                    break
            return 1.0

        return call_due

    def _call(self, connections: urllib3.PoolManager, webhook: Webhook) -> Outcome:
        """Make a call, unless the program is stopping meanwhile: then it is due for whoever comes next."""
        if self._stopping.is_set():
            return Outcome(webhook.id, "stopped before the call")
        error = send(connections, webhook)
        if error is None:
            return Outcome(webhook.id)
        wait = min(0.5 * 2 ** min(webhook.attempts, 20), self._max_wait) * random.uniform(0.75, 1.25)
        status = Status(webhook.payload["status"])
        log.warning(
            "webhook %s of %s (%s), attempt %d: %s; again in %.1f s",
            webhook.event_id, webhook.tenant, status, webhook.attempts, error, wait,
        )  # fmt: skip
        return Outcome(webhook.id, error, wait)


def _keep(connection: store.Conn, outcomes: Sequence[Outcome]) -> None:
    taken = [outcome.webhook_id for outcome in outcomes if outcome.error is None]
    if taken:
        store.webhooks_delivered(connection, taken)
    for outcome in outcomes:
        if outcome.error is not None:
            store.webhook_failed(connection, outcome.webhook_id, outcome.error, outcome.wait)


def send(connections: urllib3.PoolManager, webhook: Webhook) -> str | None:
    """Call the tenant's address once; None when the other side took it, otherwise what went wrong."""
    headers = {"X-Api-Key": webhook.key} if webhook.key else {}
    try:
        answer = connections.request(
            "POST",
            webhook.url,
            json=webhook.payload,
            headers=headers,
            timeout=CALL_SECONDS,
            retries=False,
            redirect=False,
        )
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        return type(error).__name__
    return None if 200 <= answer.status < 300 else f"HTTP {answer.status}"
