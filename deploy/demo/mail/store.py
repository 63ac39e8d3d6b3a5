"""The mailbox on disk: every message as it came, once per time it came."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

SCHEMA = (
    """CREATE TABLE IF NOT EXISTS message (
        id INTEGER PRIMARY KEY AUTOINCREMENT, received_at TEXT NOT NULL, sender TEXT NOT NULL, subject TEXT NOT NULL,
        message_id TEXT NOT NULL, attachments INTEGER NOT NULL, source BLOB NOT NULL
    ) STRICT""",
    """CREATE TABLE IF NOT EXISTS recipient (
        message INTEGER NOT NULL REFERENCES message, address TEXT NOT NULL, PRIMARY KEY (message, address)
    ) STRICT""",
    "CREATE INDEX IF NOT EXISTS recipient_by_address ON recipient (address, message DESC)",
)


@dataclass(frozen=True)
class Summary:
    """One line of the list."""

    id: int
    received_at: datetime
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    attachments: int


class Mailbox:
    """The mailbox; safe to use from several threads, each with a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with closing(self._connect()) as connection, connection:
            connection.execute("PRAGMA journal_mode = WAL")
            for command in SCHEMA:
                connection.execute(command)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30)
        connection.row_factory = sqlite3.Row
        return connection

    def add(
        self, *, sender: str, recipients: Sequence[str], subject: str, message_id: str, attachments: int, source: bytes
    ) -> int:
        """Keep a message; it is on disk when this returns. The same message again is kept again."""
        with self._writing, closing(self._connect()) as connection, connection:
            added = connection.execute(
                "INSERT INTO message (received_at, sender, subject, message_id, attachments, source)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (datetime.now(UTC).isoformat(), sender, subject, message_id, attachments, source),
            ).lastrowid
            if added is None:
                raise sqlite3.DatabaseError("no row number")
            connection.executemany(
                "INSERT OR IGNORE INTO recipient VALUES (?, ?)", [(added, address.lower()) for address in recipients]
            )
        return added

    def search(self, to: str, before: int | None, limit: int) -> list[Summary]:
        """Messages whose recipient contains ``to``, newest first; ``before`` goes on behind a message."""
        needle = to.strip().lower()
        with closing(self._connect()) as connection:
            rows = connection.execute(
                """
                SELECT id, received_at, sender, subject, message_id, attachments FROM message
                WHERE (? IS NULL OR id < ?)
                  AND (? = '' OR EXISTS (
                      SELECT 1 FROM recipient WHERE message = message.id AND instr(address, ?) > 0))
                ORDER BY id DESC LIMIT ?
                """,
                (before, before, needle, needle, limit),
            ).fetchall()
            return [_summary(connection, row) for row in rows]

    def to_address(self, address: str, after: int, limit: int) -> list[Summary]:
        """Messages to exactly this address (any, when empty), oldest first, behind a message."""
        exact = address.strip().lower()
        with closing(self._connect()) as connection:
            rows = connection.execute(
                """
                SELECT id, received_at, sender, subject, message_id, attachments FROM message
                WHERE id > ? AND (? = '' OR id IN (SELECT message FROM recipient WHERE address = ?))
                ORDER BY id LIMIT ?
                """,
                (after, exact, exact, limit),
            ).fetchall()
            return [_summary(connection, row) for row in rows]

    def get(self, number: int) -> tuple[Summary, bytes] | None:
        """One message and its bytes as they came."""
        with closing(self._connect()) as connection:
            row = connection.execute("SELECT * FROM message WHERE id = ?", (number,)).fetchone()
            return None if row is None else (_summary(connection, row), row["source"])

    def count(self) -> int:
        """How many messages there are."""
        with closing(self._connect()) as connection:
            return int(connection.execute("SELECT count(*) FROM message").fetchone()[0])


def _summary(connection: sqlite3.Connection, row: sqlite3.Row) -> Summary:
    recipients = connection.execute(
        "SELECT address FROM recipient WHERE message = ? ORDER BY address", (row["id"],)
    ).fetchall()
    return Summary(
        row["id"],
        datetime.fromisoformat(row["received_at"]),
        row["sender"],
        tuple(found["address"] for found in recipients),
        row["subject"],
        row["message_id"],
        row["attachments"],
    )
