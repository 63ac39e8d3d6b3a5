"""Reading the one row that a statement must give."""

from __future__ import annotations

from typing import Any, Protocol


class _Cursor(Protocol):
    def fetchone(self) -> dict[str, Any] | None: ...


def only(cursor: _Cursor) -> dict[str, Any]:
    """The row; raises ``LookupError`` where there is none, which is a bug of the caller."""
    row = cursor.fetchone()
    if row is None:
        raise LookupError("a row that must be there is not")
    return row
