"""Composing documents: the loop fetches the words that belong in them, seals them, and leaves them to the press."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import structlog

from lianban.chassis import calendar as work_calendar
from lianban.chassis.errors import Poison, Retry
from lianban.chassis.internal import fetch
from lianban.chassis.logs import say
from lianban.chassis.rules import rulebook
from lianban.chassis.runtime import database
from lianban.chassis.secrets import seal
from lianban.chassis.time import china_day, now
from lianban.chassis.together import together
from lianban.contracts.codes import AgencyRole, ClaimResult, DocumentKind
from lianban.law.calendar import WorkCalendar
from lianban.law.rulebook import Rulebook
from services.notification.domain.documents import Claim, Content, Part, missing
from services.notification.store import documents, matters

log = structlog.get_logger()
BATCH = 60


def run_due() -> int:
    """Compose drafted documents; returns how many were composed. Raises Retry when a text's owner is away."""
    moment, rules = now(), rulebook()
    with database().transaction() as tx:
        due = documents.due(tx, "drafted", at=moment, limit=BATCH)
        if not due:
            return 0
        documents.hold(tx, [d.id for d in due], moment + documents.HOLD)
        calendar = work_calendar.recent(tx)
        known = matters.read(tx, {d.matter_id for d in due})
    try:
        gathered = together(due, _Words.gather)
    except Retry:
        with database().transaction() as tx:
            documents.fail(tx, {d.id: "the owner of the texts is out of reach" for d in due}, at=now())
        raise
    composed: dict[UUID, bytes] = {}
    failed: dict[UUID, str] = {}
    for document, words in ((document, words) for some, words in gathered for document in some):
        try:
            if isinstance(words, Exception):
                raise words
            composed[document.id] = _compose(document, known.get(document.matter_id), words, calendar, rules)
        except Exception as error:
            log.exception("document.not_composed", document=str(document.id), kind=document.kind.value)
            failed[document.id] = say(error)
    with database().transaction() as tx:
        documents.compose(tx, composed, at=now())
        documents.fail(tx, failed, at=now())
    return len(composed)


class _Words:
    """The texts of a batch of documents, fetched in one request per owner."""

    def __init__(self, texts: dict[UUID, Any], persons: dict[UUID, Any], statements: dict[UUID, Any]) -> None:
        self.texts = texts
        self.persons = persons
        self.statements = statements

    @classmethod
    def gather(cls, due: Sequence[documents.Document]) -> _Words:
        matter_ids = sorted({str(d.matter_id) for d in due})
        wanted = sorted({part["statement_id"] for d in due for part in d.facts.get("parts", [])})
        asked = {"ids": matter_ids}
        texts = fetch("intake", "/internal/v1/matters/texts", asked, purpose="document")["items"]
        persons = fetch("intake", "/internal/v1/matters/persons", asked, purpose="document")["items"]
        statements: list[Any] = []
        if wanted:
            statements = fetch("agency_gateway", "/internal/v1/statements", {"ids": wanted}, purpose="document")[
                "items"
            ]
        return cls(*({UUID(item["id"]): item for item in items} for items in (texts, persons, statements)))


def _compose(
    document: documents.Document, matter: matters.Matter | None, words: _Words, calendar: WorkCalendar, rules: Rulebook
) -> bytes:
    """The sealed content; raises Poison where something is missing."""
    if matter is None:
        raise Poison("the matter is not known here")
    content = _content(document, matter, words, calendar, rules)
    lacks = missing(content)
    if lacks:
        raise Poison(f"the document lacks: {'、'.join(lacks)}")
    return seal(json.dumps(content.plain(), ensure_ascii=False), context=f"document.content:{document.id}")


def _content(
    document: documents.Document, matter: matters.Matter, words: _Words, calendar: WorkCalendar, rules: Rulebook
) -> Content:
    text, person = words.texts[document.matter_id], words.persons[document.matter_id]
    parts = [(part, words.statements[UUID(part["statement_id"])]) for part in document.facts.get("parts", [])]
    until, provisional = _handle_until(document, calendar, rules)
    others = [n.name for n in document.names if n != document.issuer]
    return Content(
        kind=document.kind,
        matter_number=matter.number,
        addressee=person["name"] or "信访人",
        region=matter.region_name,
        received_on=china_day(matter.received_at),
        happened_on=china_day(document.happened_at),
        lead=document.issuer.name,
        co_handlers=tuple(others),
        subject=text["title"],
        claims=tuple(_claim(claim, parts) for claim in text["claims"]),
        parts=tuple(_part(part, statement) for part, statement in parts),
        handle_until=until,
        provisional=provisional,
        round=document.round,
    )


def _claim(claim: dict[str, Any], parts: list[tuple[dict[str, Any], dict[str, Any]]]) -> Claim:
    results = tuple(
        (part["agency"], ClaimResult(result["result"]), result.get("text") or "")
        for part, statement in parts
        for result in statement["results"]
        if result["claim_id"] == claim["id"]
    )
    return Claim(ordinal=claim["ordinal"], text=claim["text"], results=results)


def _part(part: dict[str, Any], statement: dict[str, Any]) -> Part:
    return Part(
        agency=part["agency"],
        role=AgencyRole(part["role"]),
        text=statement.get("text") or "",
        facts=statement.get("facts") or "",
        legal_basis=statement.get("legal_basis") or "",
        remedy=statement.get("remedy") or "",
    )


def _handle_until(document: documents.Document, calendar: WorkCalendar, rules: Rulebook) -> tuple[date | None, bool]:
    """The day until which the matter is to be handled (条例 §34), for the notice of acceptance."""
    if document.kind is not DocumentKind.ACCEPTANCE_NOTICE:
        return None, False
    due = rules.due("handle", china_day(document.happened_at), calendar)
    return due.legal_due, due.provisional
