"""The two things that go on in the background: the autopilot, and calls to tenants' own addresses."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import psycopg_pool
import urllib3

from deploy.demo.departments import store, tickets
from deploy.demo.departments.records import Webhook

log = logging.getLogger("departments.workers")

PILOT_SECONDS = 0.25
TURNS = 50
"""How many moves are made in one transaction at most."""
CALL_SECONDS = 10.0
GATHER_SECONDS = 0.1
"""How long moves that are due, and calls that have ended, wait for others, so that they are made, or kept, together."""
LEASE_SECONDS = 3 * CALL_SECONDS
DATABASE_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout)


@dataclass(frozen=True)
class Outcome:
    """What became of a call: taken where there is no error, else tried again after ``wait`` seconds."""

    webhook_id: int
    error: str | None = None
    wait: float = 0.0


class Workers:
    """The background threads of one process."""

    def __init__(self, pool: store.Pool, webhook_calls: int, webhook_max_wait: float) -> None:
        """``webhook_calls``: how many calls are under way at once."""
        self._pool = pool
        self._max_wait = webhook_max_wait
        self._stopping = threading.Event()
        self._bell = threading.Event()
        self._calls = webhook_calls
        self._connections = urllib3.PoolManager(maxsize=webhook_calls)
        self._callers = ThreadPoolExecutor(webhook_calls, thread_name_prefix="call")
        self._under_way: set[Future[Outcome]] = set()
        self._threads = [
            threading.Thread(target=self._run, args=(self.pilot, self._stopping), name="autopilot"),
            threading.Thread(target=self._call_until_stopped, name="webhooks"),
        ]

    def start(self) -> None:
        """Begin the work."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Finish the row at hand and end."""
        self._stopping.set()
        self._bell.set()
        for thread in self._threads:
            thread.join(CALL_SECONDS + 1)

    def ring(self) -> None:
        """A call to a tenant's address was queued, or one has ended."""
        self._bell.set()

    def _run(self, work: Callable[[], float], bell: threading.Event) -> None:
        """Do the work again and again until the program stops; it says how long to wait for the bell each time."""
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
        return GATHER_SECONDS if due and self._move(due, now) else PILOT_SECONDS

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
            self.ring()
        return bool(moved)

    def _call_until_stopped(self) -> None:
        self._run(self.call_due, self._bell)
        self._callers.shutdown()  # waits for those under way: what became of them is kept
        try:
            with self._pool.connection() as connection:
                _keep(connection, self._ended())
        except DATABASE_ERRORS as error:
            log.warning("what became of the last calls was not kept (%s): they are made again", type(error).__name__)

    def call_due(self) -> float:
        """Keep what became of calls that have ended, and make those that are due; returns how many seconds to wait.

        Each is kept as it ends, so that one that hangs holds up its own ticket only (and one of the calls at once).
        """
        if self._ended():
            self._stopping.wait(GATHER_SECONDS)
        self._bell.clear()
        ended = self._ended()
        room = self._calls - len(self._under_way) + len(ended)
        if room and not self._stopping.is_set():
            with self._pool.connection() as connection, connection.pipeline():
                _keep(connection, ended)
                leased = store.lease_webhooks(connection, room, LEASE_SECONDS)
            self._under_way -= ended
            for webhook in leased:
                call = self._callers.submit(self._call, webhook)
                self._under_way.add(call)
                call.add_done_callback(lambda _: self.ring())
        return 1.0

    def _ended(self) -> set[Future[Outcome]]:
        return {call for call in self._under_way if call.done()}

    def _call(self, webhook: Webhook) -> Outcome:
        """Make a call, unless the program is stopping meanwhile: then it is due for whoever comes next."""
        if self._stopping.is_set():
            return Outcome(webhook.id, "stopped before the call")
        try:
            error = send(self._connections, webhook)
        except Exception as bug:
            log.exception("webhook %s of %s could not be sent", webhook.event_id, webhook.tenant)
            error = type(bug).__name__
        if error is None:
            return Outcome(webhook.id)
        wait = min(0.5 * 2 ** min(webhook.attempts, 20), self._max_wait) * random.uniform(0.75, 1.25)
        log.warning(
            "webhook %s of %s (%s), attempt %d: %s; again in %.1f s",
            webhook.event_id, webhook.tenant, webhook.payload.get("status"), webhook.attempts, error, wait,
        )  # fmt: skip
        return Outcome(webhook.id, error, wait)


def _keep(connection: store.Conn, ended: Iterable[Future[Outcome]]) -> None:
    """Write down what became of calls."""
    outcomes = [call.result() for call in ended]
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
