"""Fields as PostgreSQL's COPY reads them in its binary format: the length, then the bytes of the column's type.

Nothing is escaped, written in hex or parsed again: it halves what loading costs PostgreSQL.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from struct import Struct
from uuid import UUID

from lianban.chassis.arrays import EPOCH

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""What stands before all rows."""
END = b"\xff\xff"
"""What stands behind all rows."""
NULL = b"\xff\xff\xff\xff"
"""The field of a value that is not there."""
OIDS = {"_bytea": 17, "_int8": 20, "_text": 25, "_uuid": 2950}
"""PostgreSQL's numbers of the types of arrays' items."""
SIZES = {"int2": 2, "int4": 4, "int8": 8}
FIRST_DAY = EPOCH.date()
"""From here PostgreSQL counts days."""

columns_in_row = Struct(">h").pack
"""How a row begins: with the number of its columns."""
length = Struct(">i").pack
"""How a field begins: with the number of its bytes."""


def field(data: bytes) -> bytes:
    """A field with its length."""
    return length(len(data)) + data


def array(kind: str, fields: Sequence[bytes]) -> bytes:
    """An array of one dimension, its items given as fields with their lengths."""
    return array_head(kind, len(fields)) + b"".join(fields)


def array_head(kind: str, items: int) -> bytes:
    """How an array begins: dimensions, no nulls, type, then size and lower bound of its dimension."""
    numbers = (1, 0, OIDS[kind], items, 1) if items else (0, 0, OIDS[kind])
    return b"".join(map(length, numbers))


@lru_cache(100_000)
def encoded(kind: str, text: str) -> bytes:
    """The bytes of a value of this type that PostgreSQL writes as this text."""
    match kind:
        case "text":
            return text.encode()
        case "jsonb":
            return b"\x01" + text.encode()
        case "bool":
            return b"\x01" if text == "t" else b"\x00"
        case "int2" | "int4" | "int8":
            return int(text).to_bytes(SIZES[kind], "big", signed=True)
        case "uuid":
            return UUID(text).bytes
        case "bytea":
            return bytes.fromhex(text.removeprefix("\\x"))
        case "date":
            return (date.fromisoformat(text) - FIRST_DAY).days.to_bytes(4, "big", signed=True)
        case "timestamptz":
            since = (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)
            return since.to_bytes(8, "big", signed=True)
        case "_text":
            items = next(csv.reader([text[1:-1]], escapechar="\\", doublequote=False), [])
            return array(kind, [field(item.encode()) for item in items])
    raise ValueError(f"no bytes are known for columns of type {kind}")
