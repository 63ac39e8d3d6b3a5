"""Lists as PostgreSQL takes them quickest, and as it costs least to write them; the statement says their type.

psycopg looks through a list twice to find its type and asks a dumper for each item, which was a tenth of what a batch
of events cost a service. Every statement here names the type (``%s::uuid[]``, ``column = any(%s)``), so a list goes out
without one; a list of nothing but None needs no other statement either.

Lists of what has one type in the database go out in PostgreSQL's binary form: the server copies it, where it would read
a literal character by character. Texts and numbers may stand for several types (``text``, ``jsonb``, ``int``,
``bigint``), which the binary form would have to tell apart: their lists go out as a literal.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from struct import pack
from types import NoneType
from typing import Any
from uuid import UUID

import psycopg
from psycopg.adapt import AdaptersMap, PyFormat, RecursiveDumper
from psycopg.pq import Format

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""From where PostgreSQL counts microseconds and days."""
_MICROSECOND = timedelta(microseconds=1)
_NULL = b"\xff\xff\xff\xff"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_LITERALS: dict[type, Callable[[Any], str]] = {
    NoneType: lambda _: "NULL",
    UUID: lambda value: f"{value.int:032x}",
    str: _quoted,
    int: str,
    bool: lambda value: "t" if value else "f",
    datetime: lambda value: f'"{value.isoformat()}"',
    date: date.isoformat,
    bytes: lambda value: f'"\\\\x{value.hex()}"',
}
"""The item of an array literal for each type that lists mostly hold."""

_BINARY: dict[type, tuple[int, Callable[[Any], bytes]]] = {
    UUID: (2950, lambda value: b"\x00\x00\x00\x10" + value.bytes),
    bytes: (17, lambda value: len(value).to_bytes(4, "big") + value),
    datetime: (1184, lambda value: pack(">iq", 8, (value - EPOCH) // _MICROSECOND)),
    date: (1082, lambda value: pack(">ii", 4, value.toordinal() - EPOCH.toordinal())),
}
"""The type's number in PostgreSQL (``pg_type.oid``), and an item with its length before it."""


class ArrayDumper(RecursiveDumper):
    """A list as a text literal of no stated type; lists of lists are arrays of more dimensions."""

    def get_key(self, obj: list[Any], _: PyFormat) -> Any:
        """Lists whose items are of one of the binary types, or None, have a dumper for that type."""
        kinds = set(map(type, obj))
        kinds.discard(NoneType)
        return (list, kinds.pop()) if len(kinds) == 1 and not kinds.isdisjoint(_BINARY) else list

    def upgrade(self, obj: list[Any], wanted: PyFormat) -> ArrayDumper | BinaryArrayDumper:
        """The dumper for this list."""
        key = self.get_key(obj, wanted)
        return self if key is list else BinaryArrayDumper(key[1], self._tx)

    def dump(self, obj: list[Any]) -> bytes:
        """The literal; raises :class:`psycopg.DataError` for text with NUL, which no column can hold."""
        literal = self._array(obj)
        if "\x00" in literal:
            raise psycopg.DataError("text with NUL (0x00) cannot be stored")
        return literal.encode()

    def _array(self, items: list[Any]) -> str:
        return "{" + ",".join([(_LITERALS.get(type(item)) or self._other)(item) for item in items]) + "}"

    def _other(self, item: Any) -> str:
        if isinstance(item, list):
            return self._array(item)
        dumped = self._tx.get_dumper(item, PyFormat.TEXT).dump(item)
        return "NULL" if dumped is None else _quoted(bytes(dumped).decode())


class BinaryArrayDumper(RecursiveDumper):
    """A list of items of one type, or None, in PostgreSQL's binary form."""

    format = Format.BINARY

    def dump(self, obj: list[Any]) -> bytes:
        """The array; raises :class:`psycopg.DataError` for a time without offset, which is no moment."""
        oid, item = _BINARY[self.cls]
        try:
            items = [_NULL if value is None else item(value) for value in obj]
        except TypeError as error:
            raise psycopg.DataError(f"no {self.cls.__name__} of this kind can be stored: {error}") from None
        return pack(">iiiii", 1, _NULL in items, oid, len(obj), 1) + b"".join(items)


class _Adapting:
    """What connections are made with: psycopg's own adaptation, except for lists."""

    def __init__(self) -> None:
        self.adapters = AdaptersMap(psycopg.adapters)
        self.adapters.register_dumper(list, ArrayDumper)
        self.connection = None


ADAPTING = _Adapting()
"""The ``context`` of connections whose lists go out this way."""
