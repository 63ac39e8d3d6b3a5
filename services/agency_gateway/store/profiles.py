"""Profiles as they were registered, sealed secrets, and hashes of the tokens that departments call us with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from lianban.chassis.transaction import Transaction
from services.agency_gateway.store.rows import only


@dataclass(frozen=True, slots=True)
class Registered:
    """A profile's document with its revision."""

    agency: str
    document: dict[str, Any]
    revision: int
    registered_at: datetime


def put(tx: Transaction, agency: str, *, adapter: str, level: int, document: dict[str, Any], at: datetime) -> int:
    """Register a profile or its next revision; returns the revision, unchanged where the document is."""
    row = only(
        tx.execute(
            """
        insert into profile (agency_code, adapter, level, document, registered_at) values (%s, %s, %s, %s, %s)
        on conflict (agency_code) do update set adapter = excluded.adapter, level = excluded.level,
            document = excluded.document, registered_at = excluded.registered_at,
            revision = profile.revision + (profile.document is distinct from excluded.document)::int
        returning revision
        """,
            (agency, adapter, level, Jsonb(document), at),
        )
    )
    return int(row["revision"])


def get(tx: Transaction, agency: str) -> Registered | None:
    """The agency's profile; ``None``: it works on the desk."""
    row = tx.execute(
        "select agency_code as agency, document, revision, registered_at from profile where agency_code = %s", (agency,)
    ).fetchone()
    return Registered(**row) if row else None


def revisions(tx: Transaction, agencies: list[str]) -> dict[str, int]:
    """The present revision of each agency that has a profile."""
    rows = tx.execute("select agency_code, revision from profile where agency_code = any(%s)", (agencies,))
    return {row["agency_code"]: row["revision"] for row in rows}


def put_secret(tx: Transaction, agency: str, name: str, sealed: bytes) -> None:
    """Keep a sealed secret in place of the one of that name."""
    tx.write(
        """
        insert into secret (agency_code, name, sealed) values (%s, %s, %s)
        on conflict (agency_code, name) do update set sealed = excluded.sealed
        """,
        (agency, name, sealed),
    )


def secrets(tx: Transaction, agency: str) -> dict[str, bytes]:
    """The agency's sealed secrets by name."""
    rows = tx.execute("select name, sealed from secret where agency_code = %s", (agency,))
    return {row["name"]: bytes(row["sealed"]) for row in rows}


def secrets_of(agencies: list[str]) -> tuple[str, tuple[Any, ...]]:
    """The statement that finds the sealed secrets of several agencies."""
    return "select agency_code, name, sealed from secret where agency_code = any(%s)", (agencies,)


def put_token(tx: Transaction, agency: str, label: str, digest: bytes, at: datetime) -> None:
    """Let a token in, in place of the one of that label."""
    tx.write(
        """
        insert into api_token (hash, agency_code, label, created_at) values (%s, %s, %s, %s)
        on conflict (agency_code, label) do update set hash = excluded.hash, created_at = excluded.created_at,
            revoked_at = null
        """,
        (digest, agency, label, at),
    )


def revoke_token(tx: Transaction, agency: str, label: str, at: datetime) -> bool:
    """Let a token in no more; whether there was one."""
    row = tx.execute(
        """
        update api_token set revoked_at = %s
        where agency_code = %s and label = %s and revoked_at is null returning label
        """,
        (at, agency, label),
    ).fetchone()
    return row is not None


def agencies_of_tokens(tx: Transaction, digests: list[bytes]) -> dict[bytes, str]:
    """The agency of each of these tokens that is let in."""
    rows = tx.execute("select hash, agency_code from api_token where hash = any(%s) and revoked_at is null", (digests,))
    return {bytes(row["hash"]): str(row["agency_code"]) for row in rows}
