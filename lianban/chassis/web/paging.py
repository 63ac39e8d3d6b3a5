"""Long lists, a page at a time: a cursor names the last row seen, so that pages stay right while rows are added.

The cursor is opaque to callers: base64url of a JSON array of the sort keys. It is checked for form and types only,
since it decides no more than where a list that the caller may see anyway goes on.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from marshmallow import Schema, fields, validate

from lianban.chassis.errors import Rejected

T = TypeVar("T")
LARGEST = 200


class PageQuery(Schema):
    """Query parameters of every list: ``limit`` (1 to 200) and ``after`` (the ``next`` of the page before)."""

    limit = fields.Integer(validate=validate.Range(1, LARGEST), metadata={"description": "每页条数 / rows per page"})
    after = fields.String(
        validate=validate.Length(1, 500), metadata={"description": "上一页给出的 next / next of the page before"}
    )


def encode_cursor(values: Sequence[Any]) -> str:
    """An opaque cursor for the sort keys of a row."""
    text = json.dumps([_plain(value) for value in values], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else str(value) if isinstance(value, UUID) else value


def decode_cursor(cursor: str, types: Sequence[type]) -> tuple[Any, ...]:
    """The sort keys in a cursor; raises :class:`Rejected` when it was not made for such keys."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != len(types):
            raise ValueError("another number of keys")
        return tuple(_typed(value, wanted) for value, wanted in zip(values, types, strict=True))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        raise Rejected(
            "invalid-cursor",
            "分页标记无效，请从第一页重新开始。",
            "This cursor is not valid; start at the first page.",
            field="after",
        ) from None


def _typed(value: Any, wanted: type) -> Any:
    if wanted is datetime:
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise ValueError("instant without zone")
        return instant
    if wanted is date:
        return date.fromisoformat(value)
    if wanted is UUID:
        return UUID(value)
    if type(value) is not wanted or (isinstance(value, int) and abs(value) >= 2**63):
        raise ValueError("key of another type")
    if isinstance(value, str) and ("\x00" in value or any("\ud800" <= character <= "\udfff" for character in value)):
        raise ValueError("text that no database stores")
    return value


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows of one page; ``next`` is the cursor of the page after, None on the last one."""

    items: list[T]
    next: str | None

    def json(self, item: Callable[[T], Any] = lambda row: row) -> dict[str, Any]:
        """The body of the API's answer."""
        return {"items": [item(row) for row in self.items], "next": self.next}


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page is asked for; a query reads ``limit + 1`` rows after the keys ``after`` (None: from the start)."""

    limit: int
    after: tuple[Any, ...] | None

    @classmethod
    def read(cls, query: Mapping[str, Any], *types: type, default: int = 50) -> PageRequest:
        """From validated arguments or from ``request.args``; ``types`` are the types of the sort keys."""
        try:
            limit = min(max(int(query.get("limit") or default), 1), LARGEST)
        except ValueError:
            limit = default
        after = query.get("after")
        return cls(limit, decode_cursor(after, types) if after else None)

    @property
    def fetch(self) -> int:
        """How many rows to read: one more than shown, which tells whether there is a next page."""
        return self.limit + 1

    def page(self, rows: Sequence[T], key: Callable[[T], Sequence[Any]]) -> Page[T]:
        """The page made of the rows read; ``key`` gives a row's sort keys."""
        shown = list(rows[: self.limit])
        more = len(rows) > self.limit
        return Page(shown, encode_cursor(key(shown[-1])) if more and shown else None)
