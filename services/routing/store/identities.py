"""Identities that providers vouch for, and browsers on their way to a provider and back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from lianban.chassis.transaction import Transaction


@dataclass(frozen=True, slots=True)
class Identity:
    """An account that a provider's subject is linked to."""

    staff_id: UUID
    managed: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """A browser that was sent to a provider."""

    sealed: bytes
    started_at: datetime


def identity(tx: Transaction, issuer: str, subject: str) -> Identity | None:
    """The account of a provider's subject."""
    row = tx.execute(
        "select staff_id, managed from staff_identity where issuer = %s and subject = %s", (issuer, subject)
    ).fetchone()
    return Identity(row["staff_id"], row["managed"]) if row else None


def link(tx: Transaction, issuer: str, subject: str, staff_id: UUID, *, managed: bool, at: datetime) -> bool:
    """Link a subject to an account; ``False`` when the account is somebody else's at this provider already."""
    return (
        tx.execute(
            """
            insert into staff_identity (issuer, subject, staff_id, managed, linked_at) values (%s, %s, %s, %s, %s)
            on conflict do nothing
            """,
            (issuer, subject, staff_id, managed, at),
        ).rowcount
        == 1
    )


def put_attempt(
    tx: Transaction, state_hash: bytes, *, browser_hash: bytes, provider: str, sealed: bytes, at: datetime
) -> None:
    """A browser goes to a provider."""
    tx.write(
        """
        insert into sign_in_attempt (state_hash, browser_hash, provider, sealed, started_at)
        values (%s, %s, %s, %s, %s)
        """,
        (state_hash, browser_hash, provider, sealed, at),
    )


def take_attempt(tx: Transaction, state_hash: bytes, *, browser_hash: bytes, provider: str) -> Attempt | None:
    """Take out the attempt that this browser began with this provider: it counts once."""
    row = tx.execute(
        """
        delete from sign_in_attempt where state_hash = %s and browser_hash = %s and provider = %s
        returning sealed, started_at
        """,
        (state_hash, browser_hash, provider),
    ).fetchone()
    return Attempt(row["sealed"], row["started_at"]) if row else None


def forget_attempts(tx: Transaction, *, before: datetime) -> None:
    """Browsers that never came back."""
    tx.write("delete from sign_in_attempt where started_at < %s", (before,))


def forget_tokens(tx: Transaction, *, at: datetime) -> None:
    """What providers told of persons whose session ran out."""
    tx.write("update staff_session set id_token = null where id_token is not null and expires_at <= %s", (at,))
