"""What the petitioner does after registration: supplements, withdrawal, votes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg

from lianban.chassis.transaction import Transaction
from lianban.contracts.refs import RatingVote

Row = dict[str, Any]


class AlreadyRated(Exception):
    """A target has its vote of this round already; the argument is the constraint."""


def add_supplement(tx: Transaction, supplement: UUID, matter: UUID, words: bytes, at: datetime) -> None:
    """Insert a supplement."""
    tx.write(
        "insert into supplement (id, matter_id, words, supplemented_at) values (%s, %s, %s, %s)",
        (supplement, matter, words, at),
    )


def supplements(tx: Transaction, matters: Sequence[UUID]) -> list[Row]:
    """The supplements of matters, oldest first."""
    return tx.execute(
        "select id, matter_id, words, supplemented_at from supplement where matter_id = any(%s)"
        " order by supplemented_at, id",
        (list(matters),),
    ).fetchall()


def withdraw(tx: Transaction, matter: UUID, at: datetime) -> bool:
    """Record the withdrawal; False where it is recorded already."""
    done = tx.execute(
        "insert into withdrawal (matter_id, withdrawn_at) values (%s, %s) on conflict do nothing", (matter, at)
    )
    return done.rowcount == 1


def rate(tx: Transaction, matter: UUID, round_: int, votes: Sequence[RatingVote], at: datetime) -> None:
    """Insert votes; raises :class:`AlreadyRated` where a target has one in this round."""
    if not votes:
        return
    try:
        tx.execute(
            """
            insert into rating (matter_id, round, target, agency_code, value, rated_at)
            select %s, %s, vote.target, vote.agency_code, vote.value, %s
            from unnest(%s::text[], %s::text[], %s::text[]) as vote (target, agency_code, value)
            """,
            (
                matter, round_, at,
                [vote.target.value for vote in votes],
                [vote.agency.code if vote.agency else "" for vote in votes],
                [vote.value.value for vote in votes],
            ),
        )  # fmt: skip
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != "rating_once_per_target_and_round":
            raise
        raise AlreadyRated(error.diag.constraint_name) from None


def answer_solved(tx: Transaction, matter: UUID, round_: int, solved: bool, at: datetime) -> bool:
    """Record whether it was solved; False where the question was answered in this round."""
    done = tx.execute(
        "insert into solved_answer (matter_id, round, solved, answered_at) values (%s, %s, %s, %s)"
        " on conflict do nothing",
        (matter, round_, solved, at),
    )
    return done.rowcount == 1


def ratings(tx: Transaction, matter: UUID) -> list[Row]:
    """All votes of a matter, oldest first."""
    return tx.execute(
        "select round, target, agency_code, value, rated_at from rating where matter_id = %s"
        " order by rated_at, target desc, agency_code",
        (matter,),
    ).fetchall()


def solved_answers(tx: Transaction, matter: UUID) -> dict[int, Row]:
    """The answers to "was it solved", by round."""
    rows = tx.execute("select round, solved, answered_at from solved_answer where matter_id = %s", (matter,))
    return {row["round"]: row for row in rows}
