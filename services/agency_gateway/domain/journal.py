"""The hash chain of an agency's journal: a changed, missing, added or reordered entry breaks it.

The chain runs over the hashes of the canonical bytes, not over the bytes: these are kept encrypted and can be
destroyed when the law asks for it, without breaking the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

GENESIS = bytes(32)
"""The hash before the first entry."""


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces, as UTF-8: the bytes that are hashed and kept."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str).encode()


@dataclass(frozen=True, slots=True)
class Entry:
    """One message in or out; the four time stamps say when it was received and passed on, and its answer likewise."""

    agency: str
    position: int
    direction: str
    kind: str
    message_id: str
    assignment_id: UUID | None
    body_hash: bytes
    answer_hash: bytes | None
    received_at: datetime
    passed_on_at: datetime | None
    answered_at: datetime | None
    answer_passed_on_at: datetime | None

    def header(self) -> Mapping[str, Any]:
        """What the hash of the entry covers, besides the hash before it."""

        def instant(value: datetime | None) -> str | None:
            return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")

        return {
            "agency": self.agency,
            "position": self.position,
            "direction": self.direction,
            "kind": self.kind,
            "message_id": self.message_id,
            "assignment_id": None if self.assignment_id is None else str(self.assignment_id),
            "body_hash": self.body_hash.hex(),
            "answer_hash": None if self.answer_hash is None else self.answer_hash.hex(),
            "received_at": instant(self.received_at),
            "passed_on_at": instant(self.passed_on_at),
            "answered_at": instant(self.answered_at),
            "answer_passed_on_at": instant(self.answer_passed_on_at),
        }


def link(previous: bytes, entry: Entry) -> bytes:
    """The hash of an entry that follows the entry with hash ``previous``."""
    return hashlib.sha256(previous + canonical(entry.header())).digest()


def first_break(chain: Iterable[tuple[Entry, bytes, bytes]], *, end: tuple[int, bytes]) -> str | None:
    """What is wrong with a chain of (entry, previous hash, hash) in order; ``None``: nothing.

    ``end`` is where the chain was known to end before it was read: it must reach that position with that hash.
    """
    previous, reached = GENESIS, end == (0, GENESIS)
    position = 0
    for position, (entry, told_previous, told) in enumerate(chain, start=1):
        if entry.position != position:
            return f"entry {position} is missing, {entry.position} stands in its place"
        if told_previous != previous:
            return f"entry {position} does not follow the entry before it"
        if link(previous, entry) != told:
            return f"entry {position} was changed"
        previous = told
        reached = reached or (position, told) == end
    return None if reached else f"the entries after {position} are missing: {end[0]} were written"
