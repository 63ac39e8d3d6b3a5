"""The unit of work on one connection: statements, streams, events to say and what follows, all or nothing.

What a transaction costs is mostly its exchanges with the server. So its begin goes out with the first statement, its
commit with the last, and what is only written (:meth:`Transaction.write`) with the next statement that is asked for.
"""

from __future__ import annotations

import re
import time as clock
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

import orjson
import psycopg
from psycopg.rows import DictRow

from lianban.chassis import traces
from lianban.chassis.ids import time_ordered
from lianban.chassis.wakeup import wake
from lianban.contracts.envelope import Envelope
from lianban.contracts.events import dump

T = TypeVar("T")
Take = Callable[[list[DictRow]], None]
"""Takes the rows that answer a question."""
Question = tuple[str, Sequence[Any]]
"""A statement with its parameters, for :meth:`Transaction.execute_all`."""


@dataclass(slots=True)
class Stream:
    """The row of a subject as this transaction knows it; see migration 0001."""

    sequence: int
    marks: dict[str, int]
    trace: str | None = None
    changed: bool = False
    new: bool = False


@dataclass(slots=True)
class _Emitted:
    type: str
    data: dict[str, Any]
    subject: UUID
    at: datetime
    cause: UUID | None
    trace: traces.Carried | None


@dataclass(slots=True)
class Written:
    """A statement that goes out with the next exchange; until it is ``sent`` its parameters may still be changed."""

    sql: str
    params: Sequence[Any] | dict[str, Any]
    take: Take | None = None
    sent: bool = False


@dataclass(slots=True)
class QueryStatistics:
    """How often each statement ran in this process and how long it took in all."""

    runs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0, 0.0]))

    def note(self, sql: str, seconds: float) -> None:
        """Add one run of a statement."""
        row = self.runs[sql]
        row[0] += 1
        row[1] += seconds

    def top(self, most: int = 30) -> list[tuple[str, int, float]]:
        """The statements with the largest total time: text, runs, seconds."""
        rows = [(" ".join(sql.split()), int(runs), seconds) for sql, (runs, seconds) in self.runs.items()]
        return sorted(rows, key=lambda row: -row[2])[:most]


statistics = QueryStatistics()
"""Query timings of this process; shown by the operations listener."""


_BEGIN_STREAMS = """
insert into stream (subject) select new.subject from unnest(%s::uuid[]) as new (subject)
where not exists (select from stream where stream.subject = new.subject)
on conflict do nothing
"""
_TAKE_STREAMS = """
select subject, sequence, marks, trace from stream where subject = any(%s) order by subject for update
"""

_UNNESTED = re.compile(r"select \* from unnest\(([^()]*)\)")


@cache
def _of_one_row(sql: str) -> str | None:
    """A statement that takes all of ``unnest``, with the values of one row instead; None where it is not like that."""
    changed, found = _UNNESTED.subn(lambda found: f"values ({found[1].replace('[]', '')})", sql)
    return changed if found else None


def _together(sql: str, rows: list[Sequence[Any]]) -> tuple[str, Sequence[Any]]:
    """A statement that takes arrays, and its arrays; with a single row its values, which costs less on both sides."""
    if len(rows) == 1 and (single := _of_one_row(sql)) is not None:
        return single, rows[0]
    return sql, [list(column) for column in zip(*rows, strict=True)]


class Transaction:
    """A unit of work: statements, events to emit and loops to wake, all or nothing.

    ``memory`` holds what was read for a whole batch, by kind and id. Who changes such a row changes it there as well.
    """

    def __init__(self, connection: psycopg.Connection[DictRow], service: str, *, begin: bool = True) -> None:
        """``begin=False``: every statement commits by itself."""
        self.connection = connection
        self.service = service
        self.memory: dict[tuple[str, Any], Any] = {}
        self._to_begin = self._whole = begin
        self._writes: list[Written] = []
        self._rows: dict[str, list[Sequence[Any]]] = {}
        self._amended: dict[str, dict[Any, Sequence[Any]]] = {}
        self.streams: dict[UUID, Stream] = {}
        self.cause: UUID | None = None
        self._emitted: list[_Emitted] = []
        self._at_end: dict[Callable[[Transaction, list[Any]], None], dict[Any, None]] = {}
        self._after_commit: dict[str, Callable[[], None]] = {}

    def execute(self, sql: str, params: Sequence[Any] | dict[str, Any] = ()) -> psycopg.Cursor[DictRow]:
        """Run one statement; rows are dictionaries."""
        started = clock.perf_counter()
        try:
            if not self._waiting():
                return self.connection.execute(sql, params or None, binary=True)
            with self._exchange():
                return self.connection.execute(sql, params or None, binary=True)
        finally:
            statistics.note(sql, clock.perf_counter() - started)

    def ask(self, sql: str, params: Sequence[Any] | dict[str, Any], take: Take) -> None:
        """A question that goes out with the next statement, in the same exchange; ``take`` gets its rows then."""
        self._writes.append(Written(sql, params, take))

    def execute_all(
        self, asked: Iterable[tuple[str, Sequence[Any] | dict[str, Any]]], *, lock: Iterable[UUID] = ()
    ) -> list[psycopg.Cursor[DictRow]]:
        """Run statements in one exchange, in this order, none of which needs another's answer.

        The streams of the subjects to ``lock`` are taken first, in the same exchange.
        """
        self.ask_for(lock)
        with self._exchange():
            return [self._timed(sql, params) for sql, params in asked]

    def _timed(self, sql: str, params: Sequence[Any] | dict[str, Any]) -> psycopg.Cursor[DictRow]:
        started = clock.perf_counter()
        answer = self.connection.execute(sql, params or None, binary=True)
        statistics.note(sql, clock.perf_counter() - started)
        return answer

    def write(self, sql: str, params: Sequence[Any] | dict[str, Any]) -> Written:
        """Run a statement whose outcome nobody asks for: it goes out with the next that is asked, or at commit.

        What the database refuses is raised then, and the transaction fails.
        """
        written = Written(sql, params)
        self._writes.append(written)
        return written

    def append(self, sql: str, row: Sequence[Any], *, behind: str | None = None) -> None:
        """A row among those that one statement takes together: ``sql`` selects from ``unnest`` of an array per column.

        Rows go out in their order, behind what was written until then; nothing written after them may stand on them.
        ``behind``: the statement that appends the rows to which these refer; it goes out before this one.
        """
        if behind is not None:
            self._rows.setdefault(behind, [])
        self._rows.setdefault(sql, []).append(row)

    def amend(self, sql: str, key: Any, *values: Any) -> None:
        """What changes in the row with this key, among changes that one statement takes together.

        ``sql`` selects from ``unnest`` of an array per column, the key first. Of several amendments with one key only
        the last goes out, in the place of the first. All go out behind the appended rows, so that a row may be amended
        in the exchange that inserts it, and behind what is written: what changes the same columns is amended by the
        same statement.
        """
        self._amended.setdefault(sql, {})[key] = (key, *values)

    def _unsent(self) -> bool:
        return bool(self._writes or self._rows or self._amended)

    def _waiting(self) -> bool:
        return self._to_begin or self._unsent()

    @contextmanager
    def _exchange(self) -> Iterator[None]:
        """One exchange with the server: begin, what waits, and what is run inside; then the questions' answers."""
        with self.connection.pipeline():
            asked = self._send()
            yield
        for take, cursor in asked:
            take(cursor.fetchall())

    def _send(self) -> list[tuple[Take, psycopg.Cursor[DictRow]]]:
        if self._to_begin:
            self.connection.execute("begin", prepare=False)
            self._to_begin = False
        writes, self._writes = self._writes, []
        rows, self._rows = self._rows, {}
        writes += [Written(*_together(sql, items)) for sql, items in rows.items() if items]
        amended, self._amended = self._amended, {}
        writes += [Written(*_together(sql, list(items.values()))) for sql, items in amended.items()]
        if not writes:
            return []
        asked = []
        unheard = self.connection.cursor()
        started = clock.perf_counter()
        for item in writes:
            item.sent = True
            if item.take is None:
                unheard.execute(item.sql, item.params)
            else:
                asked.append((item.take, self.connection.execute(item.sql, item.params, binary=True)))
            ended = clock.perf_counter()
            statistics.note(item.sql, ended - started)
            started = ended
        return asked

    def settle(self) -> None:
        """Wait until the database has taken everything that was written so far, and has answered every question."""
        if self._waiting():
            with self._exchange():
                pass

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What happens inside is undone when an exception leaves the block: rows, events emitted, streams taken; what
        the memory holds is forgotten."""
        emitted, taken = len(self._emitted), set(self.streams)
        later = {action: dict(items) for action, items in self._at_end.items()}
        self.settle()
        try:
            with self.connection.transaction():
                before, self._at_end = self._at_end, {}
                yield
                self._do_what_follows()  # here, so that a failure is its cause's
                self._at_end = before
                self.settle()
        except BaseException:
            del self._emitted[emitted:]
            self._at_end = later
            self._writes.clear()
            self._rows.clear()
            self._amended.clear()
            self.memory.clear()  # it may hold what is undone
            for subject in self.streams.keys() - taken:  # their locks are gone, new rows too
                del self.streams[subject]
            raise

    def lock(self, subject: UUID) -> None:
        """Take the subject's stream: until commit nobody else changes the subject in this service.

        Every use case that changes a matter takes its stream first, so that rows of one matter are always
        locked in the same order and its events are numbered without gap.
        """
        self.lock_all([subject])

    def lock_all(self, subjects: Iterable[UUID]) -> None:
        """Take several streams, in one order for all transactions."""
        if self.ask_for(subjects):
            self.settle()

    def ask_for(self, subjects: Iterable[UUID]) -> bool:
        """:meth:`lock_all` with the next statement; false where all streams are held already."""
        wanted = sorted({s for s in subjects if s not in self.streams}, key=str)
        if wanted:
            self.write(_BEGIN_STREAMS, (wanted,))
            self.ask(_TAKE_STREAMS, (wanted,), self._take_streams)
        return bool(wanted)

    def _take_streams(self, rows: list[DictRow]) -> None:
        for row in rows:
            self.streams[row["subject"]] = Stream(row["sequence"], row["marks"], row["trace"])

    def begin_stream(self, subject: UUID) -> None:
        """The stream of a subject that this transaction makes: nobody else knows its id, so nothing is asked."""
        self.streams[subject] = Stream(0, {}, new=True)

    def emit(self, event: Any, *, subject: UUID, at: datetime) -> None:
        """Say an event when this transaction commits; ``at`` is when the fact happened.

        An event that cannot be written as JSON is refused here, where the mistake is, not at commit.
        """
        if at.tzinfo is None:
            raise ValueError("at must have an offset")
        self._must_commit()
        self._emitted.append(_Emitted(event.TYPE, dump(event), subject, at, self.cause, traces.current()))
        self.wake("relay")

    def wake(self, loop: str) -> None:
        """After commit, wake a worker loop of this process."""
        self.after_commit(loop, lambda: wake(loop))

    def after_commit(self, name: str, action: Callable[[], None]) -> None:
        """After commit, do this once, however often it was asked for under this name."""
        self._must_commit()
        self._after_commit[name] = action

    def trace_of(self, subject: UUID) -> traces.Carried | None:
        """The trace in which a subject was last worked on here; nothing is asked while no traces are collected."""
        if not traces.on():
            return None
        if subject in self.streams:
            return traces.Carried.read(self.streams[subject].trace)
        row = self.execute("select trace from stream where subject = %s", (subject,)).fetchone()
        return traces.Carried.read(row["trace"]) if row else None

    def at_end(self, action: Callable[[Transaction, list[T]], None], item: T) -> None:
        """Before commit, once and for all its items together, each taken once, in their order.

        For what follows from everything that was done to some subjects, and for what is cheaper together.
        """
        self._must_commit()
        self._at_end.setdefault(action, {})[item] = None

    def _must_commit(self) -> None:
        if not self._whole:
            raise RuntimeError("a transaction that is not whole has no commit at which this could happen")

    def flush(self) -> None:
        """Do what follows, number the emitted events and write them and the streams; called before commit."""
        self._do_what_follows()
        if self._emitted:
            latest = {item.subject: item.trace.text for item in self._emitted if item.trace}
            self._take_for(Counter(item.subject for item in self._emitted), latest)
            for item in self._emitted:
                stream = self.streams[item.subject]
                stream.sequence += 1
                carried = item.trace or traces.Carried.read(stream.trace)
                envelope = Envelope(
                    id=time_ordered(),
                    source=self.service,
                    type=item.type,
                    subject=item.subject,
                    time=item.at,
                    sequence=stream.sequence,
                    after=stream.marks,
                    data=item.data,
                    traceparent=carried.traceparent if carried else None,
                    tracestate=carried.tracestate if carried else None,
                    causationid=item.cause,
                )
                self.append(
                    """
                    with said as (
                        insert into outbox (event_id, subject, sequence, type, bus_key, body)
                        select * from unnest(%s::uuid[], %s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::bytea[])
                        returning position
                    )
                    insert into unpublished (position) select position from said
                    """,
                    (
                        envelope.id,
                        item.subject,
                        stream.sequence,
                        envelope.type,
                        envelope.routing_key,
                        envelope.encode(),
                    ),
                )
            self._emitted.clear()
        self._write_streams()

    def _do_what_follows(self) -> None:
        while self._at_end:
            action, items = self._at_end.popitem()
            action(self, list(items))

    def _write_streams(self) -> None:
        began = [(subject, stream) for subject, stream in self.streams.items() if stream.new]
        changed = [(subject, stream) for subject, stream in self.streams.items() if stream.changed and not stream.new]
        for subject, stream in began:
            self.append(
                "insert into stream (subject, sequence, trace)"
                " select * from unnest(%s::uuid[], %s::bigint[], %s::text[])",
                (subject, stream.sequence, stream.trace),
            )
        if changed:
            self.write(
                """
                update stream set sequence = new.sequence, marks = new.marks, trace = new.trace
                from unnest(%s::uuid[], %s::bigint[], %s::jsonb[], %s::text[]) as new (subject, sequence, marks, trace)
                where stream.subject = new.subject
                """,
                (
                    [subject for subject, _ in changed],
                    [stream.sequence for _, stream in changed],
                    [orjson.dumps(stream.marks).decode() for _, stream in changed],
                    [stream.trace for _, stream in changed],
                ),
            )
        for _, stream in (*began, *changed):
            stream.new = stream.changed = False

    def _take_for(self, events: Counter[UUID], latest: dict[UUID, str]) -> None:
        """Take the streams that are not held yet, counted on by their events at once: one statement for new matters.

        ``latest``: the traces in which the events were said.
        """
        fresh = sorted((subject for subject in events if subject not in self.streams), key=str)
        for subject in events.keys() - set(fresh):
            stream = self.streams[subject]
            stream.changed, stream.trace = True, latest.get(subject, stream.trace)
        if not fresh:
            return
        rows = self.execute(
            """
            insert into stream (subject, sequence, trace) select * from unnest(%s::uuid[], %s::bigint[], %s::text[])
            on conflict (subject) do update set sequence = stream.sequence + excluded.sequence,
                trace = coalesce(excluded.trace, stream.trace)
            returning subject, sequence, marks, trace
            """,
            (fresh, [events[subject] for subject in fresh], [latest.get(subject) for subject in fresh]),
        )
        for row in rows:
            self.streams[row["subject"]] = Stream(row["sequence"] - events[row["subject"]], row["marks"], row["trace"])

    def commit(self) -> None:
        """Say the events and commit; wakes what waits for this transaction."""
        self.flush()
        if self._unsent():
            with self._exchange():
                self.connection.execute("commit", prepare=False)
        elif not self._to_begin:
            self.connection.execute("commit", prepare=False)
        for action in self._after_commit.values():
            action()
