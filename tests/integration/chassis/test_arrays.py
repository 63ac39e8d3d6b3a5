"""What goes into PostgreSQL as a list comes out of it as it was."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import DictRow

from lianban.chassis.arrays import ADAPTING


@pytest.mark.parametrize(
    ("kind", "items"),
    [
        ("text", ["NULL", "", None, "a,b", 'say "yes"', "c:\\d\\", "{x}", " 王\u3000", "line\nline", "\u2003"]),
        ("bigint", [1, -2, 2**40, None]),
        ("bool", [True, False, None]),
        ("uuid", [uuid4(), None]),
        ("timestamptz", [datetime(2026, 11, 28, 1, 2, 3, 4, tzinfo=UTC), datetime(1, 1, 1, tzinfo=UTC), None]),
        ("timestamptz", [datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=8)))]),
        ("date", [date(2026, 11, 28), date(9999, 12, 31), date(1, 1, 1), None]),
        ("bytea", [b"", b"\x00\xff\\\"'", None]),
        ("text", []),
        ("text", [["a", "b"], ["c", "d"]]),
    ],
)
def test_every_item_comes_back(service_database: psycopg.Connection[DictRow], kind: str, items: list[Any]) -> None:
    dsn = service_database.info.dsn + f" password={service_database.info.password}"
    with psycopg.connect(dsn, context=ADAPTING, options="-c timezone=UTC") as connection:
        assert connection.execute(f"select %s::{kind}[]", (items,)).fetchone() == (items,)
