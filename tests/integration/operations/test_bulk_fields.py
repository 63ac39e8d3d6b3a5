"""Fields that ``lianban demo bulk`` writes are byte for byte those that PostgreSQL itself writes."""

from __future__ import annotations

import psycopg
import pytest

from cli.bulk import binary

ID = "f76336b7-fd13-528c-89b8-5da17573b993"
VALUES = [
    ("text", ""),
    ("text", "来电工单第80000001号\t\\x"),
    ("jsonb", '{"a": [1, null]}'),
    ("bool", "t"),
    ("bool", "f"),
    ("int2", "-3"),
    ("int4", "70000"),
    ("int8", "-9115875861947182582"),
    ("uuid", ID),
    ("bytea", "\\x00ff10"),
    ("date", "1999-12-31"),
    ("date", "2026-05-01"),
    ("timestamptz", "2026-05-01 09:30:00+00"),
    ("timestamptz", "1999-12-31 23:59:59.25+00"),
    ("timestamptz", "2026-05-01 09:30:00.123456+00"),
    ("_text", "{}"),
    ("_text", '{50%,"last 3 work days","a \\"b\\" \\\\"}'),
]


@pytest.mark.parametrize(("kind", "text"), VALUES)
def test_a_value_has_the_bytes_that_postgresql_writes(postgres: str, kind: str, text: str) -> None:
    row = binary.columns_in_row(1) + binary.field(binary.encoded(kind, text))
    assert binary.HEAD + row + binary.END == written(postgres, f"$x${text}$x$::{kind}")


@pytest.mark.parametrize(
    ("kind", "fields", "told"),
    [
        ("_bytea", [], "'{}'::bytea[]"),
        ("_bytea", [binary.field(b"\x01\x02")], "array['\\x0102'::bytea]"),
        ("_int8", [binary.field(binary.encoded("int8", n)) for n in ("1", "-2")], "array[1, -2]::int8[]"),
        ("_uuid", [binary.field(binary.encoded("uuid", ID))], f"array['{ID}'::uuid]"),
    ],
)
def test_an_array_has_the_bytes_that_postgresql_writes(
    postgres: str, kind: str, fields: list[bytes], told: str
) -> None:
    row = binary.columns_in_row(1) + binary.field(binary.array(kind, fields))
    assert binary.HEAD + row + binary.END == written(postgres, told)


def test_nothing_is_written_as_postgresql_writes_null(postgres: str) -> None:
    assert binary.HEAD + binary.columns_in_row(1) + binary.NULL + binary.END == written(postgres, "null::text")


def test_a_type_without_known_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="interval"):
        binary.encoded("interval", "1 day")


def written(postgres: str, value: str) -> bytes:
    """What PostgreSQL's COPY writes of a row with this value."""
    with (
        psycopg.connect(postgres) as connection,
        connection.cursor().copy(f"copy (select {value}) to stdout (format binary)".encode()) as parts,
    ):
        return b"".join(bytes(part) for part in parts)
