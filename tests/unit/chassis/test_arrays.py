"""Lists go out as arrays that PostgreSQL reads back as what they were."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.adapt import PyFormat
from psycopg.pq import Format
from psycopg.types.json import Jsonb

from lianban.chassis.arrays import ArrayDumper
from lianban.chassis.transaction import _together


def literal(items: list[Any]) -> str:
    return ArrayDumper(list).dump(items).decode()


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([], "{}"),
        ([None], "{NULL}"),
        (["NULL", "", "a,b", 'say "yes"'], '{"NULL","","a,b","say \\"yes\\""}'),
        (["c:\\d", "{x}", " 王 "], '{"c:\\\\d","{x}"," 王 "}'),
        ([1, -2, 2**40], "{1,-2,1099511627776}"),
        ([True, False, None], "{t,f,NULL}"),
        ([UUID("0000000a-0000-4000-8000-00000000000b")], "{0000000a00004000800000000000000b}"),
        ([datetime(2026, 11, 28, 1, 2, 3, 4, tzinfo=UTC)], '{"2026-11-28T01:02:03.000004+00:00"}'),
        ([date(2026, 11, 28)], "{2026-11-28}"),
        ([b"\x00\xff"], '{"\\\\x00ff"}'),
        ([["a"], ["b"]], '{{"a"},{"b"}}'),
        ([Jsonb({"a": '"'})], '{"{\\"a\\":\\"\\\\\\"\\"}"}'),
        ([1.5], '{"1.5"}'),
    ],
)  # fmt: skip
def test_each_kind_of_item_is_written(items: list[Any], expected: str) -> None:
    assert literal(items) == expected


@pytest.mark.parametrize(
    ("items", "binary"),
    [
        ([], False),
        ([None], False),
        (["a"], False),
        ([1], False),
        ([UUID(int=1), None], True),
        ([b"\x00", b""], True),
        ([datetime(2026, 11, 28, tzinfo=UTC)], True),
        ([date(2026, 11, 28)], True),
        ([UUID(int=1), "a"], False),
        ([[UUID(int=1)]], False),
    ],
)
def test_only_lists_whose_type_is_certain_are_binary(items: list[Any], binary: bool) -> None:
    dumper = ArrayDumper(list).upgrade(items, PyFormat.AUTO)
    assert (dumper.format is Format.BINARY) is binary
    assert (ArrayDumper(list).get_key(items, PyFormat.AUTO) is list) is not binary


def test_a_time_without_offset_is_refused() -> None:
    times = [datetime(2026, 11, 28, tzinfo=UTC).replace(tzinfo=None)]
    with pytest.raises(psycopg.DataError, match="datetime"):
        ArrayDumper(list).upgrade(times, PyFormat.AUTO).dump(times)


def test_text_that_no_column_can_hold_is_refused() -> None:
    with pytest.raises(psycopg.DataError, match="NUL"):
        literal(["a\x00b"])


def test_one_row_goes_out_as_values_and_several_as_arrays() -> None:
    sql = "insert into t (a, b) select * from unnest(%s::uuid[], %s::text[]) on conflict do nothing"
    assert _together(sql, [(1, "x")]) == (
        "insert into t (a, b) values (%s::uuid, %s::text) on conflict do nothing",
        (1, "x"),
    )
    assert _together(sql, [(1, "x"), (2, "y")]) == (sql, [[1, 2], ["x", "y"]])


def test_one_row_to_be_changed_goes_out_as_values_too() -> None:
    sql = "update t set b = new.b from (select * from unnest(%s::uuid[], %s::text[])) as new (a, b) where t.a = new.a"
    assert _together(sql, [(1, None)]) == (
        "update t set b = new.b from (values (%s::uuid, %s::text)) as new (a, b) where t.a = new.a",
        (1, None),
    )


def test_a_statement_that_does_more_with_its_rows_keeps_its_arrays() -> None:
    sql = "insert into t (a) select min(a) from unnest(%s::int[]) as new (a)"
    assert _together(sql, [(1,)]) == (sql, [[1]])
