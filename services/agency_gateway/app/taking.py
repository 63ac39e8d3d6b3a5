"""Taking in what departments' systems state side by side: together, so that they share one transaction.

By itself a statement costs three exchanges with the database and a dozen of SQL's statements, of which most are the
same for all that come in the same moment. Each is still judged by itself, in its own request's context, and answered as
if it had come alone; where they cannot be taken in together each is taken in alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.database import OF_ONE_STATEMENT
from lianban.chassis.errors import Rejected
from lianban.chassis.gathering import Gathering
from lianban.chassis.runtime import database
from lianban.chassis.together import together
from lianban.chassis.transaction import Transaction
from services.agency_gateway.app import stating
from services.agency_gateway.app.stating import Malformed, Receipt
from services.agency_gateway.domain.statement import Statement, Via
from services.agency_gateway.store import assignments, statements

TOGETHER = 50
WAIT_SECONDS = 0.15
"""How long a statement may wait for others while many come: its sender waits for a receipt, not for an effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """A statement as it came, with the request's context, in which it is taken in."""

    agency: str
    assignment_id: UUID
    statement: Statement
    raw: Any
    via: Via
    at: datetime
    context: Context = field(default_factory=copy_context)

    def take_in(self, tx: Transaction) -> Receipt | Exception:
        """The receipt, or why there is none: that is found before anything is written, and concerns this one alone."""
        try:
            return self.context.run(
                stating.receive, tx, agency=self.agency, assignment_id=self.assignment_id, statement=self.statement,
                raw=self.raw, via=self.via, at=self.at,
            )  # fmt: skip
        except (Malformed, Rejected) as error:
            return error


def receive(stated: Stated) -> Receipt:
    """Take in a statement, perhaps with others; raises what :func:`stating.receive` does."""
    return _gathering.ask(stated)


def _take_in(some: Sequence[Stated]) -> list[Receipt | Exception]:
    found: list[Receipt | Exception] = []
    try:
        parts = together(some, _in_one_transaction)
    except OF_ONE_STATEMENT as error:  # a lock that is held too long, a deadlock: about one of them, nobody knows which
        return [error] if len(some) == 1 else [answer for one in some for answer in _take_in([one])]
    for part, answers in parts:
        found += answers if isinstance(answers, list) else [answers] * len(part)
    return found


def _in_one_transaction(some: Sequence[Stated]) -> list[Receipt | Exception]:
    with database().transaction() as tx:
        assignments.see_together(tx, [(one.assignment_id, one.agency) for one in some])
        seen = [(assignments.of_agency(tx, one.assignment_id, one.agency), one.statement.sender_id) for one in some]
        statements.meet_together(tx, [(assignment, sender) for assignment, sender in seen if assignment is not None])
        return [one.take_in(tx) for one in some]


_gathering: Gathering[Stated, Receipt] = Gathering(_take_in, most=TOGETHER, longest_wait=WAIT_SECONDS)
