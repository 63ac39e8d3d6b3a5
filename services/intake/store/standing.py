"""Where a matter stands and what was rated of it: what a vote is judged by, and a part of what the page shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.transaction import Question
from lianban.contracts.refs import RatingVote
from services.intake.store import matters, petitioner, progress

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Standing:
    """A matter with its progress, the agencies' parts, and what the petitioner rated, of every round."""

    matter: Row
    parts: list[Row]
    votes: list[Row]
    answers: dict[int, Row]
    """To "was it solved", by round."""

    def rated(self, votes: Sequence[RatingVote], solved: bool | None, at: datetime) -> Standing:
        """The same after votes, and perhaps an answer, in the round that was decided last."""
        round_ = self.matter["decided_round"]
        new = [
            {
                "round": round_,
                "target": vote.target.value,
                "agency_code": vote.agency.code if vote.agency else "",
                "value": vote.value.value,
                "rated_at": at,
            }
            for vote in votes
        ]
        answer = {} if solved is None else {round_: {"round": round_, "solved": solved, "answered_at": at}}
        return Standing(self.matter, self.parts, self.votes + new, self.answers | answer)


def asked(matter: UUID) -> list[Question]:
    """Asks for where a matter stands; :func:`read` takes the answers."""
    return [
        matters.head(matter),
        progress.parts(matter),
        petitioner.ratings(matter),
        petitioner.solved_answers(matter),
    ]


def read(answers: Sequence[Iterable[Row]]) -> Standing | None:
    """What :func:`asked` has found; None where there is no such matter."""
    heads, parts, votes, solved = map(list, answers)
    return Standing(heads[0], parts, votes, {row["round"]: row for row in solved}) if heads else None
