"""Staff accounts and their sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import StaffRole
from services.routing.domain.register import Staff


@dataclass(frozen=True, slots=True)
class Account:
    """An account as sign-in sees it."""

    id: UUID
    staff: Staff
    password_hash: str | None
    failures: int
    locked_until: datetime | None


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in browser."""

    id: UUID
    staff_id: UUID
    expires_at: datetime
    refreshed_at: datetime
    ended: bool
    replaced: bool
    provider: str | None
    id_token: bytes | None


def _account(row: dict[str, Any]) -> Account:
    return Account(
        row["id"],
        Staff(
            username=row["username"],
            name=row["name"],
            roles=frozenset(StaffRole(role) for role in row["roles"]),
            agency=row["agency_code"],
            territory=row["territory"],
            active=row["active"],
        ),
        row["password_hash"],
        row["failures"],
        row["locked_until"],
    )


def by_username(tx: Transaction, username: str) -> Account | None:
    """The account of a user name, locked until the transaction ends: two guesses are not judged at once."""
    row = tx.execute("select * from staff where username = %s for update", (username,)).fetchone()
    return _account(row) if row else None


def by_id(tx: Transaction, staff_id: UUID) -> Account | None:
    """The account of an id."""
    row = tx.execute("select * from staff where id = %s", (staff_id,)).fetchone()
    return _account(row) if row else None


def put(tx: Transaction, staff_id: UUID, item: Staff, password_hash: str | None, *, at: datetime) -> None:
    """Add an account or change it; no password hash keeps the old one."""
    tx.write(
        """
        insert into staff (id, username, name, password_hash, roles, agency_code, territory, active, registered_at)
        values (%s, %s, %s, %s, %s, %s, %s, %s, %s)
        on conflict (username) do update set
            name = excluded.name, password_hash = coalesce(excluded.password_hash, staff.password_hash),
            roles = excluded.roles, agency_code = excluded.agency_code, territory = excluded.territory,
            active = excluded.active
        """,
        (
            staff_id,
            item.username,
            item.name,
            password_hash,
            sorted(role.value for role in item.roles),
            item.agency,
            item.territory,
            item.active,
            at,
        ),
    )


def note_failure(tx: Transaction, staff_id: UUID, failures: int, locked_until: datetime | None) -> None:
    """A wrong password."""
    tx.write("update staff set failures = %s, locked_until = %s where id = %s", (failures, locked_until, staff_id))


def note_success(tx: Transaction, staff_id: UUID, *, at: datetime) -> None:
    """A right password."""
    tx.write("update staff set failures = 0, locked_until = null, signed_in_at = %s where id = %s", (at, staff_id))


def set_password(tx: Transaction, staff_id: UUID, password_hash: str) -> None:
    """A new password."""
    tx.write("update staff set password_hash = %s where id = %s", (password_hash, staff_id))


def open_session(
    tx: Transaction,
    session_id: UUID,
    staff_id: UUID,
    token_hash: bytes,
    *,
    at: datetime,
    expires_at: datetime,
    provider: str | None = None,
    id_token: bytes | None = None,
) -> None:
    """A browser signed in; ``provider`` vouched for the person with the sealed ``id_token``, or nobody but we did."""
    tx.write(
        """
        insert into staff_session
            (id, staff_id, token_hash, started_at, refreshed_at, expires_at, provider, id_token)
        values (%s, %s, %s, %s, %s, %s, %s, %s)
        """,
        (session_id, staff_id, token_hash, at, at, expires_at, provider, id_token),
    )


def session_of(tx: Transaction, token_hash: bytes) -> Session | None:
    """The session that a refresh token belongs to, also when the token was replaced; locked."""
    row = tx.execute(
        """
        select *, token_hash <> %(hash)s as replaced from staff_session
        where token_hash = %(hash)s or previous_hash = %(hash)s
        for update
        """,
        {"hash": token_hash},
    ).fetchone()
    if row is None:
        return None
    return Session(
        row["id"],
        row["staff_id"],
        row["expires_at"],
        row["refreshed_at"],
        row["ended_at"] is not None,
        row["replaced"],
        row["provider"],
        row["id_token"],
    )


def replace_token(tx: Transaction, session_id: UUID, token_hash: bytes, *, at: datetime) -> None:
    """The session goes on with a new refresh token."""
    tx.write(
        "update staff_session set previous_hash = token_hash, token_hash = %s, refreshed_at = %s where id = %s",
        (token_hash, at, session_id),
    )


def end_session(tx: Transaction, session_id: UUID, *, at: datetime) -> None:
    """The session is over; what its provider told of the person is forgotten."""
    tx.write(
        "update staff_session set ended_at = %s, id_token = null where id = %s and ended_at is null", (at, session_id)
    )


def end_all_sessions(tx: Transaction, staff_id: UUID, *, at: datetime) -> int:
    """Every session of a person is over; returns how many were."""
    return tx.execute(
        "update staff_session set ended_at = %s, id_token = null where staff_id = %s and ended_at is null",
        (at, staff_id),
    ).rowcount


def open_sessions(tx: Transaction, staff_id: UUID, *, at: datetime) -> int:
    """How many browsers a person is signed in with."""
    row = tx.execute(
        "select count(*) as n from staff_session where staff_id = %s and ended_at is null and expires_at > %s",
        (staff_id, at),
    ).fetchone()
    return int(row["n"]) if row else 0
