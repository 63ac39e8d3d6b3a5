"""Making canonical messages just before they leave: the words come from intake and are kept nowhere on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import structlog

from lianban.chassis.calendar import recent
from lianban.chassis.errors import Poison, Retry
from lianban.chassis.internal import NeighbourFailed, fetch
from lianban.chassis.rules import rulebook
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import ExchangeKind
from lianban.law.calendar import WorkCalendar
from lianban.law.rulebook import Rulebook
from services.agency_gateway.app import profiles
from services.agency_gateway.app.dates import due_of
from services.agency_gateway.app.stating import words_of
from services.agency_gateway.domain.delivery import Outcome, Postponed, Stuck
from services.agency_gateway.domain.message import (
    Attachment,
    Claim,
    Matter,
    Message,
    Opinion,
    Petitioner,
    Supplement,
    claims_for,
    may_know_petitioner,
    tells_matter,
)
from services.agency_gateway.domain.profile import Profile
from services.agency_gateway.domain.trouble import Trouble
from services.agency_gateway.store import assignments, statements
from services.agency_gateway.store import profiles as store_of_profiles
from services.agency_gateway.store.assignments import Assignment
from services.agency_gateway.store.deliveries import Claimed
from services.agency_gateway.store.statements import Stored

log = structlog.get_logger()

T = TypeVar("T")

Composed = Message | Outcome
"""A message that can be sent, or why there is none."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is here for composing: assignments with leave to see their matters, opinions, and lanes' secrets."""

    calendar: WorkCalendar
    rulebook: Rulebook
    assignments: Mapping[UUID, tuple[Assignment, bool]]
    opinions: Mapping[UUID, Stored]
    secrets: Mapping[str, Mapping[str, str]]

    def reference(self, item: Claimed) -> str | None:
        """The department's own number for the assignment that a delivery is about."""
        found = self.assignments.get(item.assignment_id)
        return found[0].reference if found is not None else None


def gather(tx: Transaction, claimed: Sequence[Claimed], known: Mapping[str, Profile]) -> Told:
    """Read what several deliveries need of this service, all in one exchange; ``known`` are the agencies' profiles."""
    pushed = {i.agency_code for i in claimed if i.agency_code in known and known[i.agency_code].secrets}
    rows, opinions, sealed = tx.execute_all(
        [
            assignments.with_leave([item.assignment_id for item in claimed]),
            statements.of_ids([item.statement_id for item in claimed if item.statement_id is not None]),
            store_of_profiles.secrets_of(sorted(pushed)),
        ]
    )
    return Told(
        recent(tx),
        rulebook(),
        assignments.read_leave(rows),
        {stored.id: stored for stored in statements.read(opinions)},
        profiles.secrets_of(sealed),
    )


def compose(claimed: Sequence[Claimed], told: Told) -> dict[UUID, Composed]:
    """The messages of several deliveries, with one request to intake for all texts and one for all persons.

    What goes wrong with one of them is that one's alone.
    """
    composed: dict[UUID, Composed] = {}
    parts = {item.id: _alone(item, partial(_known, item, told)) for item in claimed}
    ready = {key: part for key, part in parts.items() if isinstance(part, tuple)}
    composed.update({key: part for key, part in parts.items() if not isinstance(part, tuple)})
    needed = [item for item in claimed if item.id in ready]
    texts = _from_intake("texts", {item.matter_id for item in needed if tells_matter(item.kind)})
    persons = _from_intake(
        "persons",
        {item.matter_id for item in needed if may_know_petitioner(ready[item.id][0].role, item.kind)},
    )
    for item in needed:
        assignment, opinion = ready[item.id]
        composed[item.id] = _alone(
            item, partial(_message, item, assignment, opinion, told.calendar, told.rulebook, texts, persons)
        )
    return composed


def _alone(item: Claimed, make: Callable[[], T]) -> T | Stuck:
    try:
        return make()
    except Exception:
        log.exception("delivery.not_composed", delivery_id=str(item.id), agency=item.agency_code)
        return Stuck(Trouble.BUG)


def _known(item: Claimed, told: Told) -> tuple[Assignment, Opinion | None] | Outcome:
    if item.assignment_id not in told.assignments:
        return Stuck(Trouble.SOURCE_MISSING)
    assignment, free = told.assignments[item.assignment_id]
    if not free:
        return Stuck(Trouble.BLOCKED)
    return assignment, _opinion(told.opinions[item.statement_id]) if item.statement_id is not None else None


def _opinion(stored: Stored) -> Opinion:
    words = words_of(stored)
    return Opinion(
        agency_code=stored.agency_code,
        agency_name=stored.agency_name,
        text=words["text"],
        facts=words["facts"] or "",
        remedy=words["remedy"] or "",
        results=tuple(words["results"]),
    )


Fetched = Mapping[UUID, Mapping[str, Any] | Outcome]


def _from_intake(what: str, ids: Iterable[UUID]) -> Fetched:
    wanted = sorted(ids, key=str)
    if not wanted:
        return {}
    try:
        return _fetch(what, wanted)
    except (Poison, NeighbourFailed):
        return _one_by_one(what, wanted)
    except Retry as error:
        return dict.fromkeys(wanted, _away(error))


def _fetch(what: str, wanted: Sequence[UUID]) -> dict[UUID, Mapping[str, Any] | Outcome]:
    body = {"ids": [str(item) for item in wanted]}
    answer = fetch("intake", f"/internal/v1/matters/{what}", body, purpose="delivery")
    return {UUID(item["id"]): item for item in answer["items"]}


def _one_by_one(what: str, wanted: Sequence[UUID]) -> Fetched:
    """One of them is the culprit; the others must not wait for it."""
    found: dict[UUID, Mapping[str, Any] | Outcome] = {}
    for place, matter in enumerate(wanted):
        try:
            found |= _fetch(what, [matter])
        except Poison as error:
            found[matter] = Stuck(Trouble.SOURCE_MISSING, str(error)[:200])
        except NeighbourFailed as error:
            found[matter] = _away(error)
        except Retry as error:  # gone meanwhile: nobody waits for each of the others
            return found | dict.fromkeys(wanted[place:], _away(error))
    return found


def _away(error: Retry) -> Outcome:
    return Postponed(Trouble.SOURCE_AWAY, str(error)[:200])


def _message(
    item: Claimed,
    assignment: Assignment,
    opinion: Opinion | None,
    calendar: WorkCalendar,
    rules: Rulebook,
    texts: Fetched,
    persons: Fetched,
) -> Composed:
    matter: Matter | None = None
    petitioner: Petitioner | None = None
    if tells_matter(item.kind):
        text = texts.get(item.matter_id, Stuck(Trouble.SOURCE_MISSING))
        if not isinstance(text, Mapping):
            return text
        matter = _matter(text, assignment)
    if may_know_petitioner(assignment.role, item.kind):
        person = persons.get(item.matter_id, Stuck(Trouble.SOURCE_MISSING))
        if not isinstance(person, Mapping):
            return person
        petitioner = Petitioner(person.get("name") or "", person.get("phone"), person.get("address"))
    return Message(
        id=item.id,
        kind=item.kind,
        assignment_id=assignment.id,
        version=item.version,
        number=assignment.number,
        role=assignment.role,
        transfer_kind=assignment.transfer_kind,
        region_code=assignment.region_code,
        region_name=assignment.region_name,
        binding=assignment.binding,
        sent_at=item.created_at,
        due=due_of(assignment, calendar, rules) if item.kind in _WITH_DATES else (),
        matter=matter,
        petitioner=petitioner,
        opinion=opinion,
    )


_WITH_DATES = frozenset({ExchangeKind.ASSIGNMENT, ExchangeKind.ASSIGNMENT_CHANGED})


def _matter(text: Mapping[str, Any], assignment: Assignment) -> Matter:
    claims = [Claim(UUID(c["id"]), c["ordinal"], c["text"]) for c in text["claims"]]
    return Matter(
        title=text["title"],
        content=text["content"],
        claims=claims_for(assignment.role, claims, assignment.claims),
        attachments=tuple(
            Attachment(UUID(a["id"]), a["name"], a["media_type"], a["bytes"]) for a in text["attachments"]
        ),
        supplements=tuple(
            Supplement(s["text"] or "", datetime.fromisoformat(s["supplemented_at"])) for s in text["supplements"]
        ),
    )


def parse(sealed_text: str) -> dict[str, Any]:
    """A plain message from the text that was sealed in the feed or on the desk."""
    message: dict[str, Any] = json.loads(sealed_text)
    return message
