"""One agency's work: fetch, keep, acknowledge, answer; again and again until told to stop."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from deploy.demo.puller.answers import OBJECT, answers
from deploy.demo.puller.client import Exchange, Failed, Refused
from deploy.demo.puller.settings import Agency
from deploy.demo.puller.store import Assignment, Store

log = logging.getLogger("puller")

INSISTING = {"upheld", "designated"}
"""States in which an agency that objected must accept."""


class Malformed(Exception):
    """A message that cannot be read; it is kept off the books and told in the log."""


class Worker:
    """Works for one agency; ``round`` does everything that can be done now."""

    def __init__(self, agency: Agency, store: Store, exchange: Exchange) -> None:
        self._agency = agency
        self._store = store
        self._exchange = exchange

    def round(self, now: float) -> bool:
        """Fetch, acknowledge and answer once; True when there was something to do. Raises ``Failed``."""
        fetched = self._watch_desk(now) if self._agency.desk else self._fetch(now)
        receipts = self._give_receipts(now)
        statements = self._state(now)
        return bool(fetched or receipts or statements)

    # Fetching

    def _fetch(self, now: float) -> int:
        items, following = self._exchange.messages(self._store.cursor())
        kept = 0
        for item in items:
            cursor, message = str(item["cursor"]), item["message"]
            with self._store.transaction():
                try:
                    kept += self._keep(message, now)
                except Malformed as error:
                    log.error("%s: a message at place %s cannot be read: %s", self._agency.code, cursor, error)
                self._store.move_cursor(cursor)
        if not items and following:
            with self._store.transaction():
                self._store.move_cursor(str(following))
        return kept

    def _keep(self, message: Any, now: float) -> bool:
        for field in ("id", "kind", "assignment_id"):
            if not isinstance(message, dict) or not isinstance(message.get(field), str):
                raise Malformed(f"no {field}")
        known = self._store.assignment(message["assignment_id"])
        reference = known.reference if known else _reference(self._agency.code)
        if not self._store.add_message(message, reference, now):
            return False
        log.info("%s: %s for %s", self._agency.code, message["kind"], reference)
        match message["kind"]:
            case "assignment" | "assignment-changed":
                self._take(message, known, reference, now)
            case "assignment-withdrawn" | "case-closed" if known:
                self._store.drop_statements(known.id)
                state = "withdrawn" if message["kind"] == "assignment-withdrawn" else "closed"
                self._store.put_assignment(replace(known, state=state))
            case _:
                pass
        return True

    def _take(self, message: dict[str, Any], known: Assignment | None, reference: str, now: float) -> None:
        assignment = _read_assignment(message, known, reference)
        self._store.put_assignment(assignment)
        if self._agency.autopilot.is_for_people(message.get("sent_at")):
            return
        if message["kind"] == "assignment" or known is None:
            self._plan(assignment, "sent", now)
        elif assignment.binding and self._store.last_planned(assignment.id) == OBJECT:
            self._plan(assignment, "designated", now)

    def _watch_desk(self, now: float) -> int:
        """Look at the open assignments of an agency that works on the web desk."""
        seen: set[str] = set()
        planned, after = 0, ""
        while True:
            items, following = self._exchange.open_assignments(after)
            for item in items:
                if not isinstance(item.get("assignment_id"), str):
                    log.error("%s: an open assignment cannot be read", self._agency.code)
                    continue
                seen.add(item["assignment_id"])
                with self._store.transaction():
                    planned += self._look_at(item, now)
            if not following or following == after or not items:
                break
            after = following
        for gone in self._store.open_assignments():
            if gone.id not in seen:
                with self._store.transaction():
                    self._store.drop_statements(gone.id)
                    self._store.put_assignment(replace(gone, state="closed"))
        return planned

    def _look_at(self, item: dict[str, Any], now: float) -> bool:
        if not isinstance(item.get("matter"), dict):
            return False  # sent, but it does not lie on the desk yet
        known = self._store.assignment(item["assignment_id"])
        assignment = _read_assignment(item, known, known.reference if known else _reference(self._agency.code))
        state = str(item.get("state") or "sent")
        self._store.put_assignment(assignment)
        if self._agency.autopilot.is_for_people(item.get("sent_at")):
            return False
        # What the exchange believes may be older than what was just said to it: only a new round or a refused
        # objection starts anew.
        fresh = known is None or known.state != "open" or known.round != assignment.round
        refused = state in INSISTING and self._store.last_planned(assignment.id) == OBJECT
        if fresh or refused:
            self._plan(assignment, state, now)
        return fresh or refused

    # Answering

    def _plan(self, assignment: Assignment, state: str, now: float) -> None:
        self._store.drop_statements(assignment.id)
        due = now
        for answer in answers(self._agency, assignment, state):
            due += answer.wait
            body = {
                "id": str(uuid4()),
                "reference": assignment.reference,
                "version": self._store.next_version(assignment.id),
                **answer.fields,
            }
            self._store.add_statement(assignment.id, body, answer.wait, due)

    def _give_receipts(self, now: float) -> int:
        due = self._store.receipts_due(now, 50)
        for message_id, reference, attempts in due:
            try:
                self._exchange.receipt(message_id, reference)
            except Failed:
                self._store.receipt_failed(message_id, now + back_off(attempts))
                raise
            except Refused as refused:
                log.warning("%s: receipt for %s refused: %s", self._agency.code, reference, refused)
            self._store.receipt_given(message_id)
        return len(due)

    def _state(self, now: float) -> int:
        due = self._store.statements_due(now, 20)
        for statement in due:
            # The time is that of the first attempt, so that a repeat is the same statement to the byte.
            body = statement.body
            if "stated_at" not in body:
                body = {**body, "stated_at": datetime.now(UTC).isoformat()}
                self._store.put_body(statement, body)
            try:
                self._exchange.state(statement.assignment_id, body)
            except Failed as failed:
                wait = failed.wait if failed.wait is not None else back_off(statement.attempts)
                self._store.statement_failed(statement, now + wait)
                raise
            except Refused as refused:
                log.warning("%s: %s on %s refused: %s", self._agency.code, statement.kind, body["reference"], refused)
                with self._store.transaction():
                    self._store.statement_refused(statement)
                continue
            log.info("%s: %s on %s sent", self._agency.code, statement.kind, body["reference"])
            with self._store.transaction():
                self._store.statement_sent(statement, now)
        return len(due)


def run(worker: Worker, code: str, stopping: threading.Event, poll: float, longest_poll: float) -> None:
    """Work for one agency until told to stop; slower while nothing happens, slower still while nothing works."""
    wait, failures = poll, 0
    # Many agencies that start at once must not ask at once.
    stopping.wait(random.uniform(0, poll))
    while not stopping.is_set():
        try:
            wait = poll if worker.round(time.time()) else min(wait * 1.5, longest_poll)
            if failures:
                log.info("%s: the exchange answers again", code)
            failures = 0
        except Failed as failed:
            failures += 1
            wait = max(back_off(failures), failed.wait or 0.0)
            log.warning("%s: the exchange failed (%s), again in %.1f s", code, failed, wait)
        except Exception:
            failures += 1
            wait = back_off(failures)
            log.exception("%s: a round failed, again in %.1f s", code, wait)
        stopping.wait(wait)


def back_off(attempts: int) -> float:
    """Seconds to wait after so many failures, with jitter; at most about half a minute."""
    return min(0.5 * 2.0 ** min(attempts, 10), 30.0) * random.uniform(0.75, 1.25)


def _reference(code: str) -> str:
    """A number of the agency's own."""
    return f"{code.upper()}-{datetime.now(UTC):%Y}-{uuid4().hex[:8].upper()}"


def _read_assignment(source: dict[str, Any], known: Assignment | None, reference: str) -> Assignment:
    matter = source.get("matter")
    version = source.get("version")
    return Assignment(
        id=source["assignment_id"],
        reference=reference,
        role=str(source.get("role") or (known.role if known else "co_handler")),
        version=version if isinstance(version, int) else (known.version if known else 1),
        binding=bool(source.get("binding")),
        round=str(source.get("round") or (known.round if known else "")),
        matter=matter if isinstance(matter, dict) else (known.matter if known else {}),
        state="open",
    )
