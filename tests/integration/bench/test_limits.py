"""What the benchmark compares with works: PostgreSQL's and the broker's limits, and the plain service."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import psycopg

from deploy.local.stack import Stack
from tests.bench import intake, limits
from tests.databases import url_of
from tests.load.client import Client


def counts(connection: psycopg.Connection[Any], *tables: str) -> list[int]:
    return [connection.execute(f"select count(*) from {table}").fetchone()[0] for table in tables]  # type: ignore[index]


def test_the_scripts_of_the_limits_write_the_rows_that_they_are_named_for(postgres: str) -> None:
    name = f"limits_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"create database {name}")
    url = url_of(postgres, name)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(limits.TABLES)

        assert limits.pg_per_s(url, limits.ONE_ROW, 1) > 0
        assert limits.pg_per_s(url, limits.THREE_ROWS, 1) > 0

        (alone, matters, outbox, history) = counts(connection, "row_alone", "matter", "outbox", "history")
        assert alone > 0
        assert matters == outbox == history > 0
        size = connection.execute("select pg_column_size(row_alone.*) from row_alone limit 1").fetchone()
        assert size is not None
        assert 1950 <= size[0] <= 2048


def test_the_broker_confirms_what_is_counted(infrastructure: Stack) -> None:
    assert limits.broker_per_s(infrastructure, 0.2) > 0


def test_the_plain_service_inserts_the_row_and_its_event_waits_for_the_consumer(infrastructure: Stack) -> None:
    with intake.bare(infrastructure) as url:
        status, _ = Client(url, "").post("/api/v1/matters", b'{"title": "x"}', "key")
        assert status == 201
        admin = infrastructure.admin_url().rpartition("/")[0]
        with psycopg.connect(f"{admin}/{intake.BARE_DATABASE}") as connection:
            assert counts(connection, "matter") == [1]
        assert intake.waiting_events(infrastructure) == 1
    assert intake.waiting_events(infrastructure) is None
