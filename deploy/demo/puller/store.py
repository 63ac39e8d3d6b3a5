"""What the pull client keeps on disk: its place in each feed, every message, and every statement still to be sent.

A message and the place behind it are written in one transaction, so that neither is lost nor taken twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS place (agency TEXT PRIMARY KEY, cursor TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS message (
    agency TEXT NOT NULL, id TEXT NOT NULL, assignment_id TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    reference TEXT NOT NULL, received_at REAL NOT NULL, receipted INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, next_try_at REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (agency, id)
) STRICT;
CREATE INDEX IF NOT EXISTS message_without_receipt ON message (agency, next_try_at) WHERE receipted = 0;
CREATE TABLE IF NOT EXISTS assignment (
    agency TEXT NOT NULL, id TEXT NOT NULL, reference TEXT NOT NULL, role TEXT NOT NULL, version INTEGER NOT NULL,
    binding INTEGER NOT NULL, round TEXT NOT NULL, matter TEXT NOT NULL, state TEXT NOT NULL,
    stated INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (agency, id)
) STRICT;
-- outcome: '' still to be sent, 'sent', 'refused' by the exchange, 'dropped' because it is no longer wanted
CREATE TABLE IF NOT EXISTS statement (
    number INTEGER PRIMARY KEY, agency TEXT NOT NULL, id TEXT NOT NULL UNIQUE, assignment_id TEXT NOT NULL,
    kind TEXT NOT NULL, body TEXT NOT NULL, wait REAL NOT NULL, due_at REAL NOT NULL, attempts INTEGER NOT NULL
    DEFAULT 0, outcome TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX IF NOT EXISTS statement_to_send ON statement (agency, assignment_id, number) WHERE outcome = '';
"""


@dataclass(frozen=True)
class Assignment:
    """One assignment as this client knows it.

    ``state`` is its own: open, withdrawn or closed; ``round`` tells one handling from a later one of the same matter.
    """

    id: str
    reference: str
    role: str
    version: int
    binding: bool
    round: str
    matter: dict[str, Any]
    state: str


@dataclass(frozen=True)
class Statement:
    """One statement to be sent; ``id`` stays the same however often it is sent."""

    number: int
    id: str
    assignment_id: str
    kind: str
    body: dict[str, Any]
    attempts: int


class Store:
    """One agency's view of the file; each agency's thread has its own."""

    def __init__(self, path: Path, agency: str) -> None:
        self._agency = agency
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        with self.transaction():
            for command in SCHEMA.split(";\n"):
                self._connection.execute(command)

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens or nothing does."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def cursor(self) -> str:
        """The place in the feed behind the last message kept; empty at the beginning."""
        row = self._connection.execute("SELECT cursor FROM place WHERE agency = ?", (self._agency,)).fetchone()
        return row["cursor"] if row else ""

    def move_cursor(self, cursor: str) -> None:
        """Remember the place in the feed."""
        self._connection.execute(
            "INSERT INTO place VALUES (?, ?) ON CONFLICT (agency) DO UPDATE SET cursor = excluded.cursor",
            (self._agency, cursor),
        )

    def add_message(self, message: dict[str, Any], reference: str, at: float) -> bool:
        """Keep a message; False when it is known."""
        added = self._connection.execute(
            "INSERT INTO message (agency, id, assignment_id, kind, body, reference, received_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (
                self._agency,
                message["id"],
                message["assignment_id"],
                message["kind"],
                json.dumps(message, ensure_ascii=False),
                reference,
                at,
            ),
        )
        return added.rowcount == 1

    def receipts_due(self, at: float, limit: int) -> list[tuple[str, str, int]]:
        """Messages without a receipt, oldest first: id, our reference, attempts so far."""
        rows = self._connection.execute(
            "SELECT id, reference, attempts FROM message WHERE agency = ? AND receipted = 0 AND next_try_at <= ?"
            " ORDER BY received_at LIMIT ?",
            (self._agency, at, limit),
        )
        return [(row["id"], row["reference"], row["attempts"]) for row in rows]

    def receipt_given(self, message_id: str) -> None:
        """The exchange knows that we have it (or does not want to know)."""
        self._connection.execute(
            "UPDATE message SET receipted = 1 WHERE agency = ? AND id = ?", (self._agency, message_id)
        )

    def receipt_failed(self, message_id: str, next_try_at: float) -> None:
        """Give the receipt later."""
        self._connection.execute(
            "UPDATE message SET attempts = attempts + 1, next_try_at = ? WHERE agency = ? AND id = ?",
            (next_try_at, self._agency, message_id),
        )

    def assignment(self, assignment_id: str) -> Assignment | None:
        """One assignment."""
        row = self._connection.execute(
            "SELECT * FROM assignment WHERE agency = ? AND id = ?", (self._agency, assignment_id)
        ).fetchone()
        return None if row is None else _assignment(row)

    def open_assignments(self) -> list[Assignment]:
        """The assignments that are neither withdrawn nor closed."""
        rows = self._connection.execute("SELECT * FROM assignment WHERE agency = ? AND state = 'open'", (self._agency,))
        return [_assignment(row) for row in rows]

    def put_assignment(self, assignment: Assignment) -> None:
        """Keep an assignment as it stands now."""
        self._connection.execute(
            """
            INSERT INTO assignment (agency, id, reference, role, version, binding, round, matter, state)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (agency, id) DO UPDATE SET (role, version, binding, round, matter, state)
                = (excluded.role, excluded.version, excluded.binding, excluded.round, excluded.matter, excluded.state)
            """,
            (
                self._agency,
                assignment.id,
                assignment.reference,
                assignment.role,
                assignment.version,
                int(assignment.binding),
                assignment.round,
                json.dumps(assignment.matter, ensure_ascii=False),
                assignment.state,
            ),
        )

    def next_version(self, assignment_id: str) -> int:
        """The number of our next statement about an assignment, counted from 1."""
        row = self._connection.execute(
            "UPDATE assignment SET stated = stated + 1 WHERE agency = ? AND id = ? RETURNING stated",
            (self._agency, assignment_id),
        ).fetchone()
        return int(row["stated"])

    def add_statement(self, assignment_id: str, body: dict[str, Any], wait: float, due_at: float) -> None:
        """Queue a statement; it goes out ``wait`` seconds after the one before it, and not before ``due_at``."""
        self._connection.execute(
            "INSERT INTO statement (agency, id, assignment_id, kind, body, wait, due_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                self._agency,
                body["id"],
                assignment_id,
                body["kind"],
                json.dumps(body, ensure_ascii=False),
                wait,
                due_at,
            ),
        )

    def last_planned(self, assignment_id: str) -> str | None:
        """The kind of the last statement that was planned about an assignment, whatever became of it."""
        row = self._connection.execute(
            "SELECT kind FROM statement WHERE agency = ? AND assignment_id = ? ORDER BY number DESC LIMIT 1",
            (self._agency, assignment_id),
        ).fetchone()
        return row["kind"] if row else None

    def drop_statements(self, assignment_id: str) -> int:
        """Give up what is still to be said about an assignment; returns how many statements that were."""
        dropped = self._connection.execute(
            "UPDATE statement SET outcome = 'dropped' WHERE agency = ? AND assignment_id = ? AND outcome = ''",
            (self._agency, assignment_id),
        )
        return dropped.rowcount

    def statements_due(self, at: float, limit: int) -> list[Statement]:
        """Statements to be sent now: of each assignment only the first one waiting."""
        rows = self._connection.execute(
            """
            SELECT * FROM statement AS candidate
            WHERE agency = ? AND outcome = '' AND due_at <= ? AND NOT EXISTS (
                SELECT 1 FROM statement AS earlier
                WHERE earlier.agency = candidate.agency AND earlier.assignment_id = candidate.assignment_id
                  AND earlier.outcome = '' AND earlier.number < candidate.number
            )
            ORDER BY due_at, number LIMIT ?
            """,
            (self._agency, at, limit),
        )
        return [_statement(row) for row in rows]

    def put_body(self, statement: Statement, body: dict[str, Any]) -> None:
        """Keep exactly what is being sent."""
        self._connection.execute(
            "UPDATE statement SET body = ? WHERE number = ?",
            (json.dumps(body, ensure_ascii=False), statement.number),
        )

    def statement_sent(self, statement: Statement, at: float) -> None:
        """The exchange has it; the next one of the assignment follows after its wait."""
        self._connection.execute(
            "UPDATE statement SET outcome = 'sent', attempts = attempts + 1 WHERE number = ?", (statement.number,)
        )
        self._connection.execute(
            """
            UPDATE statement SET due_at = max(due_at, ? + wait) WHERE number = (
                SELECT min(number) FROM statement WHERE agency = ? AND assignment_id = ? AND outcome = ''
            )
            """,
            (at, self._agency, statement.assignment_id),
        )

    def statement_failed(self, statement: Statement, next_try_at: float) -> None:
        """Send the same statement again later."""
        self._connection.execute(
            "UPDATE statement SET attempts = attempts + 1, due_at = ? WHERE number = ?",
            (next_try_at, statement.number),
        )

    def statement_refused(self, statement: Statement) -> None:
        """The exchange will never take it; what would have followed is not said either."""
        self._connection.execute("UPDATE statement SET outcome = 'refused' WHERE number = ?", (statement.number,))
        self.drop_statements(statement.assignment_id)

    def outcomes(self) -> Sequence[tuple[str, str, str]]:
        """Assignment, kind and outcome of every statement, in the order in which they were planned."""
        rows = self._connection.execute(
            "SELECT assignment_id, kind, outcome FROM statement WHERE agency = ? ORDER BY number", (self._agency,)
        )
        return [(row["assignment_id"], row["kind"], row["outcome"]) for row in rows]


def _assignment(row: sqlite3.Row) -> Assignment:
    return Assignment(
        row["id"],
        row["reference"],
        row["role"],
        row["version"],
        bool(row["binding"]),
        row["round"],
        json.loads(row["matter"]),
        row["state"],
    )


def _statement(row: sqlite3.Row) -> Statement:
    return Statement(
        row["number"], row["id"], row["assignment_id"], row["kind"], json.loads(row["body"]), row["attempts"]
    )
