"""What an officer sees: the list of cases that wait, and one case with text, suggestion, statements and history."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from lianban.chassis.secrets import unseal
from lianban.chassis.transaction import Transaction
from lianban.contracts.refs import AgencyRef
from lianban.law import places
from services.routing.app.cases import note_context
from services.routing.app.deciders import deciders_of
from services.routing.app.refusals import rejected
from services.routing.app.statements import statement_context
from services.routing.app.suggestion import MatterText, gram_keys, text_context
from services.routing.domain.case import Case
from services.routing.domain.register import Agency
from services.routing.domain.suggesting import Suggestion
from services.routing.store import cases, desk, registers, suggestions, texts

SHORTEST_SEARCH = 2
"""Fewest characters of a word that search finds."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the list; ``title`` is the petitioner's, ``None`` until the text is fetched."""

    id: UUID
    number: str
    channel: str
    region_code: str
    region_name: str
    received_at: datetime
    state: str
    attention: str | None
    round: int
    version: int
    matter_type: str | None
    title: str | None
    lead: AgencyRef | None
    co_handlers: tuple[AgencyRef, ...]


@dataclass(frozen=True, slots=True)
class Said:
    """What a department said; ``words`` are ``None`` until they are fetched."""

    id: UUID
    assignment_id: UUID
    agency_code: str
    kind: str
    refused: str | None
    stated_at: datetime
    words: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the history; ``note`` are the officer's own words."""

    at: datetime
    kind: str
    actor: str
    data: dict[str, Any]
    note: str | None


@dataclass(frozen=True, slots=True)
class View:
    """One case with everything about it."""

    case: Case
    text: MatterText | None
    suggestion: Suggestion | None
    statements: tuple[Said, ...]
    history: tuple[Line, ...]
    agencies: tuple[Agency, ...]
    deciders: tuple[AgencyRef, ...]


def triage(
    tx: Transaction,
    *,
    territory: str | None,
    region: str | None = None,
    state: str | None = None,
    attention: str | None = None,
    everything: bool = False,
    q: str | None = None,
    after: tuple[Any, ...] | None = None,
    limit: int,
) -> list[Row]:
    """Cases in the officer's territory; without ``state`` and ``everything`` those that wait for an officer.

    ``q`` is a matter's number, or words of at least two characters that must all occur in the text.
    """
    number: str | None = None
    keys: tuple[int, ...] = ()
    if q:
        word = q.strip()
        if len(word) >= 8 and word.replace("-", "").isascii() and any(c.isdigit() for c in word):
            number = word.upper()
        else:
            keys = tuple(gram_keys(word))
            if not keys:
                raise rejected("search-too-short", field="q")
    wanted = desk.Filter(
        waiting=not everything and state is None and not q,
        state=state,
        attention=attention,
        prefixes=tuple(places.prefix(code) for code in (territory, region) if code),
        grams=keys,
        number=number,
    )
    key = (after[0], after[1]) if after else None
    return [_row(row) for row in desk.triage(tx, wanted, after=key, limit=limit)]


def _row(row: dict[str, Any]) -> Row:
    made = row["suggestion"] or {}
    lead = made.get("lead")
    return Row(
        id=row["id"],
        number=row["number"],
        channel=row["channel"],
        region_code=row["region_code"],
        region_name=row["region_name"],
        received_at=row["received_at"],
        state=row["state"],
        attention=row["attention"],
        round=row["round"],
        version=row["version"],
        matter_type=row["matter_type"],
        title=_text(row["id"], row["text"]).title if row["text"] else None,
        lead=AgencyRef(lead["code"], lead["name"]) if lead else None,
        co_handlers=tuple(AgencyRef(c["code"], c["name"]) for c in made.get("co_handlers", [])),
    )


def _text(case_id: UUID, body: bytes) -> MatterText:
    return MatterText.load(unseal(body, context=text_context(case_id)))


def view(tx: Transaction, case_id: UUID, *, territory: str | None) -> View:
    """One case of the officer's territory; raises :class:`Rejected`, slug ``unknown-case``."""
    case = cases.load(tx, case_id)
    if case is None or not places.within(case.region_code, territory):
        raise rejected("unknown-case")
    body = texts.bodies(tx, [case_id]).get(case_id)
    agencies = registers.agencies(tx)
    return View(
        case=case,
        text=_text(case_id, body) if body else None,
        suggestion=suggestions.get(tx, case_id),
        statements=tuple(_said(row) for row in texts.statements(tx, case_id)),
        history=tuple(_line(case_id, row) for row in desk.history(tx, case_id)),
        agencies=tuple(a for a in agencies.values() if a.active and a.code not in case.blocked),
        deciders=deciders_of(tx, case) if _undecided(case) else (),
    )


def _undecided(case: Case) -> bool:
    return case.dispute is not None or any(item.role.value == "lead" for item in case.open_objections)


def _said(row: dict[str, Any]) -> Said:
    body = row["body"]
    return Said(
        id=row["id"],
        assignment_id=row["assignment_id"],
        agency_code=row["agency_code"],
        kind=row["kind"],
        refused=row["refused"],
        stated_at=row["stated_at"],
        words=json.loads(unseal(body, context=statement_context(row["id"]))) if body else None,
    )


def _line(case_id: UUID, row: dict[str, Any]) -> Line:
    note = row["note"]
    return Line(
        at=row["at"],
        kind=row["type"].rpartition(".v")[0] or row["type"],
        actor=row["actor"],
        data=row["data"],
        note=unseal(note, context=note_context(case_id, row["position"])) if note else None,
    )


def suggested_parts(made: Suggestion | None) -> Sequence[tuple[str, str]]:
    """Agency code and role of each part of a suggestion, lead first."""
    if made is None or made.lead is None:
        return ()
    return [(c.agency.code, c.role.value) for c in (made.lead, *made.co_handlers)]
