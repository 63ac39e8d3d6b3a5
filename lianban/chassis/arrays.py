"""Lists as PostgreSQL takes them quickest: one array literal, whose type the statement says.

psycopg looks through a list twice to find its type and asks a dumper for each item, which was a tenth of what a batch
of events cost a service. Every statement here names the type (``%s::uuid[]``, ``column = any(%s)``), so the literal
goes out without one; a list of nothing but None needs no other statement either.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from types import NoneType
from typing import Any
from uuid import UUID

import psycopg
from psycopg.adapt import AdaptersMap, PyFormat, RecursiveDumper


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


class ArrayDumper(RecursiveDumper):
    """A list as a text literal of no stated type; lists of lists are arrays of more dimensions."""

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


class _Adapting:
    """What connections are made with: psycopg's own adaptation, except for lists."""

    def __init__(self) -> None:
        self.adapters = AdaptersMap(psycopg.adapters)
        self.adapters.register_dumper(list, ArrayDumper)
        self.connection = None


ADAPTING = _Adapting()
"""The ``context`` of connections whose lists go out this way."""
