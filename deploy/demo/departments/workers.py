"""The two things that go on in the background: the autopilot, and calls to tenants' own addresses."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg
import psycopg_pool
import requests

from deploy.demo.departments import store, tickets
from deploy.demo.departments.records import Webhook
from deploy.demo.departments.vocabulary import Status

log = logging.getLogger("departments.workers")

PILOT_SECONDS = 0.25
CALL_SECONDS = 10.0
LEASE_SECONDS = 3 * CALL_SECONDS
DATABASE_ERRORS = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout)


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
            session = requests.Session()
            session.trust_env = False
            caller = (self._caller(session), self._call_bell)
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
        with self._pool.connection() as connection:
            due = store.due_turns(connection, now, 50)
        for ticket_id in due:
            if self._stopping.is_set():
                break
            self._move(ticket_id, now)
        return 0.0 if due else PILOT_SECONDS

    def _move(self, ticket_id: int, now: datetime) -> None:
        try:
            with self._pool.connection() as connection, connection.pipeline():
                moved = tickets.autopilot_turn(connection, ticket_id, now)
        except DATABASE_ERRORS:
            raise
        except Exception:
            log.exception("autopilot: row %d failed, looked at again in a minute", ticket_id)
            with self._pool.connection() as connection:
                store.postpone_turn(connection, ticket_id, now + timedelta(minutes=1))
            return
        if moved is not None:
            log.info("autopilot: ticket %s of %s is %s", moved.no, moved.tenant, moved.status)
            self._call_bell.ring()

    def _caller(self, session: requests.Session) -> Callable[[], float]:
        def call_due() -> float:
            keep: Callable[[store.Conn], None] | None = None
            while keep is not None or not self._stopping.is_set():
                # What became of a call is kept in the same exchange in which the next one is taken.
                with self._pool.connection() as connection, connection.pipeline():
                    if keep is not None:
                        keep(connection)
                    leased = [] if self._stopping.is_set() else store.lease_webhooks(connection, 1, LEASE_SECONDS)
                if not leased:
                    break
                keep = self._call(session, leased[0])
            return 1.0

        return call_due

    def _call(self, session: requests.Session, webhook: Webhook) -> Callable[[store.Conn], None]:
        """Make a call; returns what keeps its outcome."""
        error = send(session, webhook)
        if error is None:
            return partial(store.webhook_delivered, webhook_id=webhook.id)
        wait = min(0.5 * 2 ** min(webhook.attempts, 20), self._max_wait) * random.uniform(0.75, 1.25)
        status = Status(webhook.payload["status"])
        log.warning(
            "webhook %s of %s (%s), attempt %d: %s; again in %.1f s",
            webhook.event_id, webhook.tenant, status, webhook.attempts, error, wait,
        )  # fmt: skip
        return partial(store.webhook_failed, webhook_id=webhook.id, error=error, wait=wait)


def send(session: requests.Session, webhook: Webhook) -> str | None:
    """Call the tenant's address once; None when the other side took it, otherwise what went wrong."""
    headers = {"X-Api-Key": webhook.key} if webhook.key else {}
    try:
        answer = session.post(
            webhook.url, json=webhook.payload, headers=headers, timeout=CALL_SECONDS, allow_redirects=False
        )
    except (requests.RequestException, ValueError) as error:
        return type(error).__name__
    return None if 200 <= answer.status_code < 300 else f"HTTP {answer.status_code}"
