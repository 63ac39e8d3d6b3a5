"""The inbox: every event has its effect once, in order per subject, cause before effect.

A batch is handled in one transaction. Where a handler fails, the batch is rolled back and gone through one
by one with savepoints, so that one bad event holds up its own subject only: its later events queue up behind
it (``parked``), other subjects go on. Nothing is skipped: an event that spends its tries waits in quarantine.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import DictRow

from lianban.chassis import metrics, traces
from lianban.chassis.database import UNAVAILABLE, Database
from lianban.chassis.errors import Poison, Retry
from lianban.chassis.logs import say
from lianban.chassis.settings import settings
from lianban.chassis.time import now
from lianban.chassis.transaction import Stream, Transaction
from lianban.contracts.catalogue import InvalidEvent, UnknownEvent, load_envelope, newest
from lianban.contracts.envelope import Envelope

log = structlog.get_logger()
T = TypeVar("T")

GAP_LOOK_SECONDS = 2.0
"""How often a subject that waits for an earlier event is looked at again, besides when an event of it arrives."""


@dataclass(frozen=True, slots=True)
class Received(Generic[T]):
    """An event as handlers see it: the newest version of its data, and what the envelope says."""

    id: UUID
    subject: UUID
    source: str
    sequence: int
    time: datetime
    data: T


Handler = Callable[[Transaction, Any], None]
Handlers = Mapping[type, Handler]
Prepare = Callable[[Transaction, list[UUID]], None]
"""Asks (:meth:`Transaction.ask`) for what the handlers of a batch will need, for all its subjects at once; the answers
come with the batch's first exchange, into the transaction's memory."""


class _Failed(Exception):
    """A handler failed inside a batch; the batch is gone through one by one."""


@dataclass(slots=True)
class _Waiting:
    envelope: Envelope
    tries: int = 0
    next_try_at: datetime | None = None
    stored: bool = False


@dataclass(slots=True)
class Inbox:
    """What a service does with the events of the producers it hears."""

    database: Database
    service: str
    hears: tuple[str, ...]
    handlers: Handlers
    prepare: Prepare | None = None

    def handle(self, envelopes: Sequence[Envelope]) -> None:
        """Give a batch its effect; returns when every event is stored and, where its turn has come, handled.

        Raises what the database raises when it is out of reach: then nothing has happened, or only a part of the
        batch, and the whole batch may be given again.
        """
        try:
            self._together(envelopes)
        except UNAVAILABLE:
            if not self.database.answers():
                raise
            self._one_by_one(envelopes)  # a deadlock or a time-out of one statement
        except psycopg.ProgrammingError:
            raise  # the tables are not (yet) as this version of the code expects them
        except Exception as error:  # noqa: BLE001 - a handler's, or at commit: found again, and told, one by one
            log.info("inbox.one_by_one", events=len(envelopes), reason=type(error).__name__)
            self._one_by_one(envelopes)

    def sweep(self, limit: int = 200) -> int:
        """Look again at subjects with parked events whose time has come; returns how many were looked at."""
        with self.database.transaction() as tx:
            rows = tx.execute(
                "select distinct subject from (select subject from inbox where state = 'parked' and next_try_at <= %s"
                " order by next_try_at limit %s) as due",
                (now(), limit),
            ).fetchall()
        for row in rows:
            try:
                self._revisit(row["subject"])
            except UNAVAILABLE:
                if not self.database.answers():
                    raise
                metrics.inbox_failures.labels("retry").inc()
            except Exception:  # one subject does not keep the others from being looked at
                metrics.inbox_failures.labels("bug").inc()
                log.exception("inbox.revisit_failed", subject=str(row["subject"]))
        return len(rows)

    def _together(self, envelopes: Sequence[Envelope]) -> None:
        with self.database.transaction() as tx:
            done = _Pass(self, tx, envelopes, careful=False).run()
        self._count(envelopes, done)

    def _one_by_one(self, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            try:
                with self.database.transaction() as tx:
                    done = _Pass(self, tx, [envelope], careful=True).run()
            except (*UNAVAILABLE, psycopg.ProgrammingError):
                raise
            except Exception as error:
                metrics.inbox_failures.labels("bug").inc()
                log.exception("inbox.commit_failed", event_id=str(envelope.id), type=envelope.type)
                with self.database.transaction() as tx:
                    _Pass(self, tx, [envelope], careful=True).refuse(error)
            else:
                self._count([envelope], done)

    def _revisit(self, subject: UUID) -> None:
        with self.database.transaction() as tx:
            done = _Pass(self, tx, [], careful=True, subjects=[subject]).run()
        self._count([], done)

    def _count(self, batch: Sequence[Envelope], done: list[Envelope]) -> None:
        if batch:
            metrics.inbox_batch.observe(len(batch))
        for producer, events in Counter(envelope.source for envelope in done).items():
            metrics.inbox_handled.labels(producer).inc(events)
        moment = now()
        for envelope in done:
            metrics.inbox_lag.observe(max(0.0, (moment - envelope.time).total_seconds()))


class _Pass:
    """One transaction over some events and everything that waits for the same subjects."""

    def __init__(
        self,
        inbox: Inbox,
        tx: Transaction,
        envelopes: Sequence[Envelope],
        *,
        careful: bool,
        subjects: Iterable[UUID] = (),
    ) -> None:
        self.inbox = inbox
        self.tx = tx
        self.envelopes = envelopes
        self.careful = careful
        self.subjects = sorted({e.subject for e in envelopes} | set(subjects), key=str)
        self.waiting: dict[UUID, dict[tuple[str, int], _Waiting]] = defaultdict(dict)
        self.done: list[Envelope] = []
        self.waited: list[Envelope] = []
        """What is done and was kept in the table until now."""
        self.moment = now()

    def run(self) -> list[Envelope]:
        """Handle what is ready, keep what is not; returns the events that had their effect."""
        self.tx.ask_for(self.subjects)
        self.tx.ask(
            "select subject, producer, sequence, body, state, tries, next_try_at from inbox where subject = any(%s)",
            (self.subjects,),
            self._take_waiting,
        )
        if self.inbox.prepare is not None and not self.careful:
            self.inbox.prepare(self.tx, self.subjects)
        self.tx.settle()
        for envelope in self.envelopes:
            mark = self.tx.streams[envelope.subject].marks.get(envelope.source, 0)
            key = (envelope.source, envelope.sequence)
            if envelope.sequence <= mark or key in self.waiting[envelope.subject]:
                metrics.inbox_repeated.inc()
            else:
                self.waiting[envelope.subject][key] = _Waiting(envelope)
        for subject in self.subjects:
            self._advance(subject)
        self._write()
        return self.done

    def refuse(self, error: Exception) -> None:
        """Put the events into quarantine without trying them: what they did could not be committed."""
        self.tx.lock_all(self.subjects)
        for envelope in self.envelopes:
            if envelope.sequence > self.tx.streams[envelope.subject].marks.get(envelope.source, 0):
                self._store(_Waiting(envelope), state="quarantined", tries=1, error=say(error))

    def _take_waiting(self, rows: list[DictRow]) -> None:
        for row in rows:
            key = (row["producer"], row["sequence"])
            waiting = _Waiting(Envelope.decode(bytes(row["body"])), row["tries"], row["next_try_at"], stored=True)
            if row["state"] == "quarantined":
                waiting.next_try_at = None
                waiting.tries = -1  # never tried again by itself
            self.waiting[row["subject"]][key] = waiting

    def _ready(self, stream: Stream, item: _Waiting) -> bool:
        envelope = item.envelope
        if item.tries < 0 or (item.tries and item.next_try_at is not None and item.next_try_at > self.moment):
            return False
        marks = stream.marks
        if envelope.sequence != marks.get(envelope.source, 0) + 1:
            return False
        for producer, last in envelope.after.items():
            if marks.get(producer, 0) < last and producer in self.inbox.hears and producer != self.inbox.service:
                return False
        return True

    def _advance(self, subject: UUID) -> None:
        stream = self.tx.streams[subject]
        waiting = self.waiting[subject]
        moved = True
        while moved and waiting:
            moved = False
            for key in sorted(waiting, key=lambda k: k[1]):
                item = waiting[key]
                if self._ready(stream, item) and self._effect(item):
                    del waiting[key]
                    stream.marks[key[0]] = key[1]
                    stream.changed = True
                    carried = _carried(item.envelope)
                    if carried is not None and traces.on():
                        stream.trace = carried.text
                    self.done.append(item.envelope)
                    if item.stored:
                        self.waited.append(item.envelope)
                    moved = True

    def _effect(self, item: _Waiting) -> bool:
        envelope = item.envelope
        try:
            self._call(envelope)
        except Exception as error:
            if isinstance(error, UNAVAILABLE) and (not self.careful or self.tx.connection.closed):
                raise
            if not self.careful:
                raise _Failed from error
            kind = _kind(error)
            metrics.inbox_failures.labels(kind).inc()
            self._note(item, kind, error)
            return False
        return True

    def _call(self, envelope: Envelope) -> None:
        handler = self.inbox.handlers.get(newest(envelope.type))
        if handler is None:
            return
        data = load_envelope(envelope)
        event = Received(envelope.id, envelope.subject, envelope.source, envelope.sequence, envelope.time, data)
        self.tx.cause = envelope.id
        about = {"lianban.matter.id": str(envelope.subject)} if traces.on() else {}
        try:
            with traces.span(envelope.type, parent=_carried(envelope), **about):
                if self.careful:
                    with self.tx.savepoint():
                        handler(self.tx, event)
                else:
                    handler(self.tx, event)
        finally:
            self.tx.cause = None

    def _note(self, item: _Waiting, kind: str, error: Exception) -> None:
        envelope = item.envelope
        tries = max(item.tries, 0) + 1
        spent = kind == "poison" or tries >= settings().tries
        wait = min(settings().retry_seconds * 2 ** (tries - 1), 300.0) * random.uniform(0.8, 1.2)
        item.tries, item.next_try_at = (-1, None) if spent else (tries, self.moment + timedelta(seconds=wait))
        log_line = log.bind(event_id=str(envelope.id), type=envelope.type, subject=str(envelope.subject), tries=tries)
        if spent:
            log_line.error("inbox.quarantined", reason=type(error).__name__, exc_info=kind == "bug")
        else:
            log_line.warning("inbox.parked", reason=type(error).__name__, exc_info=kind == "bug")
        self._store(item, state="quarantined" if spent else "parked", tries=tries, error=say(error))

    def _store(self, item: _Waiting, *, state: str, tries: int, error: str | None) -> None:
        e = item.envelope
        self.tx.write(
            """
            insert into inbox (event_id, subject, producer, sequence, type, body, state, tries, next_try_at, error)
            values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
            on conflict (subject, producer, sequence) do update set state = excluded.state, tries = excluded.tries,
                next_try_at = excluded.next_try_at, error = excluded.error
            """,
            (e.id, e.subject, e.source, e.sequence, e.type, e.encode(), state, tries, item.next_try_at, error),
        )
        item.stored = True

    def _write(self) -> None:
        look = self.moment + timedelta(seconds=GAP_LOOK_SECONDS)
        for items in self.waiting.values():
            for item in items.values():
                due = item.next_try_at is not None and item.next_try_at <= self.moment
                if item.tries == 0 and (not item.stored or due):
                    item.next_try_at = look
                    self._store(item, state="parked", tries=0, error=None)
        if self.waited:
            self.tx.write(
                "delete from inbox where (subject, producer, sequence) in"
                " (select * from unnest(%s::uuid[], %s::text[], %s::bigint[]))",
                _places(self.waited),
            )
        if self.done:
            self.tx.write(
                "insert into handled (subjects, producers, sequences) values (%s::uuid[], %s::text[], %s::bigint[])",
                _places(self.done),
            )


def _places(events: Sequence[Envelope]) -> tuple[list[UUID], list[str], list[int]]:
    """Where events stand: their subjects, producers and sequences."""
    return [e.subject for e in events], [e.source for e in events], [e.sequence for e in events]


def _carried(envelope: Envelope) -> traces.Carried | None:
    """The trace in which an event was said."""
    return traces.Carried(envelope.traceparent, envelope.tracestate) if envelope.traceparent else None


def _kind(error: Exception) -> str:
    """What a handler's failure is: ``poison`` never succeeds, ``retry`` may, and so may a ``bug`` once it is mended.

    With the connection still open, what the database refuses concerns this event's statements alone.
    """
    if isinstance(error, Poison | UnknownEvent | InvalidEvent):
        return "poison"
    return "retry" if isinstance(error, (Retry, *UNAVAILABLE)) else "bug"
