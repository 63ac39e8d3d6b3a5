"""The fault suite's witness at the departments sees a message again that the departments themselves pass over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from deploy.demo.departments import store, tickets
from deploy.demo.departments.records import NewTicket, Tenant
from deploy.demo.departments.vocabulary import Kind, MessageType
from tests.chaos import witness
from tests.databases import url_of

NOW = datetime(2026, 11, 28, tzinfo=UTC)
TENANT = Tenant("city-urban", "市城管局", "城管", None, None, {"mode": "off"}, None)
TICKET = NewTicket("part", "990101-1", "路灯不亮", "很久了。", Kind.MAIN, (), {}, "2026-12-28", no_return=False)
NO_CHANGE = tickets.Change(None, None, None, None)


@pytest.fixture
def departments(postgres: str) -> Iterator[psycopg.Connection[DictRow]]:
    """The departments' own database, with the witness."""
    name = f"departments_{uuid4().hex[:8]}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"create database {name}")
    with psycopg.connect(url_of(postgres, name), autocommit=True, row_factory=dict_row) as connection:
        store.install(connection)
        store.put_tenant(connection, TENANT, "key")
        connection.execute(witness.ARRIVALS)
        yield connection


def test_every_arrival_is_seen(departments: psycopg.Connection[DictRow]) -> None:
    def say(ref: str) -> bool:
        return tickets.hear(
            departments, ticket, TENANT, ref, MessageType.CLOSED, "市信访局", "已办结。", NO_CHANGE, NOW
        )[1]

    ticket, first = tickets.file(departments, TENANT, "a", TICKET, NOW)
    assert (first, tickets.file(departments, TENANT, "a", TICKET, NOW)[1]) == (True, False)
    assert [say("b"), say("c"), say("c"), say("c")] == [True, True, False, False]
    assert witness.arrivals(departments, ["a", "b", "c", "d"]) == {"a": 2, "b": 1, "c": 3}
    assert witness.arrivals(departments, ["b"]) == {"b": 1}
