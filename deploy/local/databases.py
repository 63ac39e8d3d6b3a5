"""PostgreSQL of a stack: the cluster made by initdb, one role and one database for each owner, closed to the others."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable

import psycopg
from psycopg import sql

from deploy.local.account import Account
from deploy.local.checks import Trouble
from deploy.local.configuration import postgres_programs
from deploy.local.keys import write_private
from deploy.local.layout import Layout


def initialise(layout: Layout, account: Account, password: str) -> bool:
    """Make the cluster if there is none yet; returns whether it was made. Raises :class:`Trouble`."""
    data = layout.postgres / "data"
    account.own(layout.postgres)
    done = layout.postgres / "initialised"
    if done.exists():
        return False
    if data.exists():  # an earlier initdb was interrupted: there is nothing in it yet
        shutil.rmtree(data)
    secret = layout.postgres / "password"
    write_private(secret, password.encode())
    account.give(secret)
    command = [
        str(postgres_programs() / "initdb"), "--pgdata", str(data), "--username", "postgres", "--pwfile", str(secret),
        "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale", "--locale-provider", "builtin",
        "--builtin-locale", "C.UTF-8", "--data-checksums",
    ]  # fmt: skip
    try:
        outcome = subprocess.run(
            account.command(command),
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            check=False,
        )
    finally:
        secret.unlink(missing_ok=True)
    if outcome.returncode:
        raise Trouble(f"initdb failed:\n{outcome.stdout[-500:]}{outcome.stderr[-1500:]}", "make reset starts anew.")
    done.touch()
    return True


def forget_stale_lock(layout: Layout) -> None:
    """Remove ``postmaster.pid`` of a killed server.

    To be called when no server runs on the data any more: after a restart of the machine the number in it may belong
    to somebody else's process, which PostgreSQL would take for a living server.
    """
    (layout.postgres / "data" / "postmaster.pid").unlink(missing_ok=True)


def wait_until_up(url: str, *, seconds: float, alive: Callable[[], bool]) -> None:
    """Wait until PostgreSQL accepts sessions; raises :class:`Trouble`."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with psycopg.connect(url, connect_timeout=3):
                return
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline or not alive():
                raise Trouble(f"PostgreSQL did not come up: {error}", "See postgres.log in the logs folder.") from None
        time.sleep(0.1)


def provide(url: str, roles: Iterable[str], passwords: dict[str, str]) -> list[str]:
    """Make the roles and their databases, closed to everybody else; returns the databases that were new."""
    made = []
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("revoke connect on database postgres, template1 from public")
        known = {row[0] for row in connection.execute("select rolname from pg_roles")}
        there = {row[0] for row in connection.execute("select datname from pg_database")}
        for role in roles:
            name, password = sql.Identifier(role), sql.Literal(passwords[role])
            verb = sql.SQL("alter" if role in known else "create")
            connection.execute(
                sql.SQL("{} role {} login nosuperuser nocreatedb nocreaterole password {}").format(verb, name, password)
            )
            if role not in there:
                connection.execute(sql.SQL("create database {} owner {}").format(name, name))
                made.append(role)
            connection.execute(sql.SQL("revoke all on database {} from public").format(name))
    return made
