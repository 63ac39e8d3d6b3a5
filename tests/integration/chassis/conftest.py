"""A private PostgreSQL for the tests of the chassis, and an empty service database in it for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from deploy.local.stack import Stack
from lianban.chassis import runtime
from lianban.chassis.migrations import CHASSIS
from tests.conftest import _finish, _new_stack
from tests.databases import url_of
from tests.keys import forget_settings
from tests.plain_logs import plain_logs

__all__ = ["plain_logs"]


@pytest.fixture
def service_database(
    postgres: str, become: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[psycopg.Connection[DictRow]]:
    """The database of this process's service, with the chassis' tables; the connection is for looking in."""
    name = f"t_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    url = url_of(postgres, name)
    monkeypatch.setenv("LIANBAN_DATABASE_URL", url)
    forget_settings()
    runtime.close()
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        for file in sorted(Path(CHASSIS).glob("*.sql")):
            connection.execute(file.read_text("utf-8"))
        yield connection
    runtime.close()


@pytest.fixture(scope="session")
def bus() -> Iterator[Stack]:
    """A private PostgreSQL and RabbitMQ that tests may kill, with the databases and queues of all services."""
    stack = _new_stack("bus")
    stack.demo = False
    try:
        stack.start(services=False)
        yield stack
    finally:
        _finish(stack)
