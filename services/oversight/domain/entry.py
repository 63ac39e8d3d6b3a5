"""Entries of the ledger: what is hashed, so that any change, gap, addition or reordering is found."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson


def canonical(data: Mapping[str, Any]) -> str:
    """An event's data as text that is the same whenever the data are the same."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event as the ledger keeps it; ``data`` is :func:`canonical` text."""

    event_id: UUID
    subject: UUID
    producer: str
    sequence: int
    type: str
    happened_at: datetime
    data: str

    def digest(self) -> bytes:
        """SHA-256 over every field, each on a line of its own."""
        lines = (
            str(self.event_id),
            str(self.subject),
            self.producer,
            str(self.sequence),
            self.type,
            self.happened_at.astimezone(UTC).isoformat(),
            self.data,
        )
        return hashlib.sha256("\n".join(lines).encode()).digest()


def first_hash(partition: int) -> bytes:
    """What the chain of a partition starts from."""
    return hashlib.sha256(f"lianban ledger {partition}".encode()).digest()


def chained(previous: bytes, digest: bytes) -> bytes:
    """The hash of an entry in its chain."""
    return hashlib.sha256(previous + digest).digest()
