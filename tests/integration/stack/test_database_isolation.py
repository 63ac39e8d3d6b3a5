"""Each service has a database and a role of its own, and cannot reach the others'."""

from __future__ import annotations

from itertools import permutations

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deploy.local.layout import SERVICES
from deploy.local.processes import DEPARTMENTS
from deploy.local.stack import Stack

OWNERS = (*SERVICES, DEPARTMENTS)


@pytest.mark.parametrize(("role", "database"), list(permutations(OWNERS, 2)))
def test_a_role_cannot_connect_to_the_database_of_another(infrastructure: Stack, role: str, database: str) -> None:
    own = infrastructure.database_url(role)
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg.connect(make_conninfo(own, dbname=database))


@pytest.mark.parametrize("role", OWNERS)
def test_a_role_lacks_the_privilege_even_where_host_rules_would_let_it_in(infrastructure: Stack, role: str) -> None:
    with psycopg.connect(infrastructure.admin_url()) as connection:
        rows = connection.execute(
            "select datname from pg_database where datallowconn and has_database_privilege(%s, oid, 'connect')"
            " order by datname",
            (role,),
        ).fetchall()
    assert [row[0] for row in rows] == [role]


@pytest.mark.parametrize("role", OWNERS)
def test_a_role_is_no_administrator(infrastructure: Stack, role: str) -> None:
    with psycopg.connect(infrastructure.database_url(role), autocommit=True) as connection:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("create database stolen")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("create role stolen superuser")


def test_a_wrong_password_is_refused(infrastructure: Stack) -> None:
    own = infrastructure.database_url("intake")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(make_conninfo(own, password="guessed"))


def test_durability_is_on(infrastructure: Stack) -> None:
    with psycopg.connect(infrastructure.database_url("intake")) as connection:
        shown = {
            name: connection.execute(f"show {name}").fetchone()
            for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")
        }
    assert shown == {
        "fsync": ("on",),
        "synchronous_commit": ("on",),
        "full_page_writes": ("on",),
        "data_checksums": ("on",),
    }
