"""What the petitioner does after registration: supplements, withdrawal, votes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Question, Transaction
from lianban.contracts.refs import RatingVote

Row = dict[str, Any]


def add_supplement(tx: Transaction, supplement: UUID, matter: UUID, words: bytes, at: datetime) -> None:
    """Insert a supplement."""
    tx.write(
        "insert into supplement (id, matter_id, words, supplemented_at) values (%s, %s, %s, %s)",
        (supplement, matter, words, at),
    )


def supplements(matters: Sequence[UUID]) -> Question:
    """Asks for the supplements of matters, oldest first."""
    return (
        (
            "select id, matter_id, words, supplemented_at from supplement where matter_id = any(%s)"
            " order by supplemented_at, id"
        ),
        (list(matters),),
    )


def withdraw(tx: Transaction, matter: UUID, at: datetime) -> bool:
    """Record the withdrawal; False where it is recorded already."""
    done = tx.execute(
        "insert into withdrawal (matter_id, withdrawn_at) values (%s, %s) on conflict do nothing", (matter, at)
    )
    return done.rowcount == 1


def rate(tx: Transaction, matter: UUID, round_: int, votes: Sequence[RatingVote], at: datetime) -> None:
    """Insert votes on targets that have none in this round."""
    tx.write(
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


def answer_solved(tx: Transaction, matter: UUID, round_: int, solved: bool, at: datetime) -> None:
    """Record whether it was solved, where this was not answered in this round."""
    tx.write(
        "insert into solved_answer (matter_id, round, solved, answered_at) values (%s, %s, %s, %s)",
        (matter, round_, solved, at),
    )


def ratings(matter: UUID) -> Question:
    """Asks for all votes of a matter, oldest first."""
    return (
        (
            "select round, target, agency_code, value, rated_at from rating where matter_id = %s"
            " order by rated_at, target desc, agency_code"
        ),
        (matter,),
    )


def solved_answers(matter: UUID) -> Question:
    """Asks for the answers to "was it solved", one per round."""
    return "select round, solved, answered_at from solved_answer where matter_id = %s", (matter,)
