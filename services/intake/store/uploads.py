"""Rows of uploaded files; the files themselves lie encrypted in the files folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Question, Transaction

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewUpload:
    """The columns of an upload that waits for its matter."""

    id: UUID
    uploader: str
    name: bytes
    media_type: str
    size: int
    sha256: bytes
    uploaded_at: datetime


def insert(tx: Transaction, new: NewUpload) -> None:
    """Insert an upload."""
    tx.write(
        "insert into upload (id, uploader, name, media_type, bytes, sha256, uploaded_at)"
        " values (%s, %s, %s, %s, %s, %s, %s)",
        (new.id, new.uploader, new.name, new.media_type, new.size, new.sha256, new.uploaded_at),
    )


def attach(
    tx: Transaction, uploads: Sequence[UUID], *, uploader: str, matter: UUID, supplement: UUID | None = None
) -> set[UUID]:
    """Give waiting uploads of an uploader to a matter; answers those that could be given."""
    rows = tx.execute(
        """
        update upload set matter_id = %s, supplement_id = %s, ordinal = wanted.ordinal
        from unnest(%s::uuid[]) with ordinality as wanted (id, ordinal)
        where upload.id = wanted.id and upload.matter_id is null and upload.uploader = %s
        returning upload.id
        """,
        (matter, supplement, list(uploads), uploader),
    )
    return {row["id"] for row in rows}


def waiting(tx: Transaction, uploads: Sequence[UUID], *, uploader: str) -> list[Row]:
    """The waiting uploads of an uploader among some ids, in the order of the ids."""
    return tx.execute(
        """
        select upload.id, name, media_type, bytes from upload
        join unnest(%s::uuid[]) with ordinality as wanted (id, ordinal) on wanted.id = upload.id
        where matter_id is null and uploader = %s order by wanted.ordinal
        """,
        (list(uploads), uploader),
    ).fetchall()


def of_matters(matters: Sequence[UUID]) -> Question:
    """Asks for the files of matters, in the order in which they were given."""
    return (
        """
        select id, matter_id, supplement_id, name, media_type, bytes, sha256 from upload
        where matter_id = any(%s) order by matter_id, supplement_id nulls first, ordinal
        """,
        (list(matters),),
    )


def attached(tx: Transaction, upload: UUID) -> Row | None:
    """A file that belongs to a matter which is not sealed for the discipline body."""
    return tx.execute(
        """
        select u.id, u.matter_id, u.name, u.media_type, u.bytes, u.uploaded_at
        from upload u join matter m on m.id = u.matter_id where u.id = %s and not m.sealed
        """,
        (upload,),
    ).fetchone()


def remove_waiting(tx: Transaction, before: datetime, limit: int) -> list[Row]:
    """Delete uploads that have waited since before an instant; answers them so that their files can go too."""
    return tx.execute(
        """
        delete from upload where id in (
            select id from upload where matter_id is null and uploaded_at < %s
            order by uploaded_at limit %s for update skip locked
        ) returning id, uploaded_at
        """,
        (before, limit),
    ).fetchall()


def known(tx: Transaction, uploads: Sequence[UUID]) -> set[UUID]:
    """Which of some ids have a row."""
    return {row["id"] for row in tx.execute("select id from upload where id = any(%s)", (list(uploads),))}
