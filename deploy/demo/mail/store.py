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
class Kept:
    """A message to be kept, as it came."""

    sender: str
    recipients: Sequence[str]
    subject: str
    message_id: str
    attachments: int
    source: bytes


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
    """The mailbox; safe to use from several threads: one connection writes, every reader has its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        self._writer = self._connect(check_same_thread=False)
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA synchronous = FULL")  # a commit waits until it is on disk
        with self._writer:
            for command in SCHEMA:
                self._writer.execute(command)

    def _connect(self, *, check_same_thread: bool = True) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30, check_same_thread=check_same_thread)
        connection.row_factory = sqlite3.Row
        return connection

    def add(self, letters: Sequence[Kept]) -> list[int]:
        """Keep messages; they are on disk when this returns their numbers. The same message again is kept again."""
        received_at = datetime.now(UTC).isoformat()
        with self._writing, self._writer:
            return [self._insert(letter, received_at) for letter in letters]

    def _insert(self, letter: Kept, received_at: str) -> int:
        number = self._writer.execute(
            "INSERT INTO message (received_at, sender, subject, message_id, attachments, source)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (received_at, letter.sender, letter.subject, letter.message_id, letter.attachments, letter.source),
        ).lastrowid
        if number is None:
            raise sqlite3.DatabaseError("no row number")
        self._writer.executemany(
            "INSERT OR IGNORE INTO recipient VALUES (?, ?)",
            [(number, address.lower()) for address in letter.recipients],
        )
        return number

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
