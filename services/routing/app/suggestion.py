"""Worker loop: fetch a matter's text from intake, keep it sealed and searchable, suggest who leads and who joins."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import structlog

from lianban.chassis import traces
from lianban.chassis.database import UNAVAILABLE
from lianban.chassis.errors import Retry
from lianban.chassis.internal import fetch
from lianban.chassis.runtime import database
from lianban.chassis.secrets import blinds, seal
from lianban.chassis.time import now
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import Channel, DecidedBy, MatterState, Purpose, TransferKind
from lianban.contracts.routing import CaseSuggested
from services.routing.app import metrics
from services.routing.app.cases import POLICY, keep, locked
from services.routing.app.policy import policy
from services.routing.app.textmodel import classify
from services.routing.domain import grams, suggesting
from services.routing.domain.case import Case
from services.routing.domain.parts import NotApplicable, Wanted
from services.routing.domain.register import Agency, MatterType
from services.routing.domain.suggesting import Suggestion
from services.routing.store import cases, registers, suggestions, texts

log = structlog.get_logger()

AT_ONCE = 20
"""Matters that one round takes."""
LENT = timedelta(seconds=60)
"""How long a matter is lent to a round; after a crash it comes again then."""
AGAIN = timedelta(seconds=2)
"""How soon a matter comes again when intake or the text model was out of reach."""


@dataclass(frozen=True, slots=True)
class MatterText:
    """A matter in the petitioner's words; never logged, never stored unsealed."""

    title: str
    content: str
    claims: tuple[tuple[str, int, str], ...]
    attachments: int
    supplements: tuple[tuple[datetime, str], ...] = ()

    @property
    def all(self) -> str:
        """Everything that search and the text model read."""
        claims, added = (text for _, _, text in self.claims), (text for _, text in self.supplements)
        return "\n".join([self.title, self.content, *claims, *added])

    def dump(self) -> str:
        """As JSON text, to be sealed."""
        return json.dumps(
            {
                "title": self.title,
                "content": self.content,
                "claims": self.claims,
                "attachments": self.attachments,
                "supplements": [(at.isoformat(), text) for at, text in self.supplements],
            },
            ensure_ascii=False,
        )

    @classmethod
    def load(cls, text: str) -> MatterText:
        """From JSON text."""
        raw = json.loads(text)
        return cls(
            raw["title"],
            raw["content"],
            tuple((c[0], c[1], c[2]) for c in raw["claims"]),
            raw["attachments"],
            tuple((datetime.fromisoformat(at), text) for at, text in raw.get("supplements", [])),
        )

    @classmethod
    def of_intake(cls, item: dict[str, Any]) -> MatterText:
        """From intake's answer."""
        return cls(
            item["title"],
            item["content"],
            tuple((str(c["id"]), int(c["ordinal"]), str(c["text"])) for c in item["claims"]),
            len(item.get("attachments", [])),
            tuple((datetime.fromisoformat(s["supplemented_at"]), s["text"]) for s in item.get("supplements", [])),
        )


def text_context(case_id: UUID) -> str:
    """Where a matter's text is kept."""
    return f"case_text.body:{case_id}"


def gram_keys(text: str) -> list[int]:
    """The keyed grams of a text, as the search index holds them: eight bytes of a blind index each."""
    keys = blinds(grams.grams(text), field="case_text.grams")
    return sorted(int.from_bytes(key[:8], "big", signed=True) for key in keys)


def run_due() -> int:
    """Suggest for the matters that wait, oldest first; returns how many were finished."""
    at = now()
    with database().transaction() as tx:
        due = texts.take_due_cases(tx, at=at, until=at + LENT, limit=AT_ONCE)
    if not due:
        return 0
    try:
        answer = fetch("intake", "/internal/v1/matters/texts", {"ids": [str(i) for i in due]}, purpose="routing")
        found = {UUID(item["id"]): MatterText.of_intake(item) for item in answer["items"]}
        with database().transaction() as tx:
            for case_id, text in found.items():
                texts.put_text(
                    tx, case_id, seal(text.dump(), context=text_context(case_id)), gram_keys(text.all), at=at
                )
        scores = classify([(i, t.title, t.all) for i, t in found.items()]) if found else {}
    except Retry:
        _again(due)
        raise
    for case_id in due:
        if case_id not in found:
            log.warning("suggestion.no_text", case_id=str(case_id))
    waiting = [_Waiting(case_id, found.get(case_id), scores.get(case_id, {})) for case_id in due]
    try:
        _suggest_for(waiting, lent_until=at + LENT)
    except UNAVAILABLE:
        _again(due)
        raise
    except Exception as error:  # noqa: BLE001 - found again, and told, with the matter that it concerns
        log.info("suggestion.one_by_one", cases=len(waiting), reason=type(error).__name__)
        _one_by_one(waiting, lent_until=at + LENT)
    return len(due)


def _again(due: list[UUID]) -> None:
    """Somebody was out of reach: take these matters again soon."""
    with database().transaction() as tx:
        tx.lock_all(due)
        for case_id in due:
            texts.want_suggestion(tx, case_id, at=now() + AGAIN)


@dataclass(frozen=True, slots=True)
class _Waiting:
    case_id: UUID
    text: MatterText | None
    scores: Any


def _one_by_one(waiting: list[_Waiting], *, lent_until: datetime) -> None:
    """Suggest for each matter by itself: the one for which it fails comes again, and the others are done."""
    for item in waiting:
        try:
            _suggest_for([item], lent_until=lent_until)
        except UNAVAILABLE:
            raise
        except Exception:
            log.exception("suggestion.failed", case_id=str(item.case_id))


def _suggest_for(waiting: list[_Waiting], *, lent_until: datetime) -> None:
    """Suggest for some matters in one transaction."""
    at = now()
    with database().transaction() as tx:
        ids = [item.case_id for item in waiting]
        tx.ask_for(ids)
        cases.prepare(tx, ids)
        tx.settle()
        types, agencies = registers.for_suggesting(tx)
        texts.suggestions_made(tx, ids, lent_until=lent_until)
        for item in waiting:
            if item.text is not None:
                with traces.span("suggest", parent=tx.trace_of(item.case_id)):
                    _suggest(tx, item.case_id, item.text, item.scores, types, agencies, at=at)


def _suggest(
    tx: Transaction,
    case_id: UUID,
    text: MatterText,
    scores: Any,
    types: list[MatterType],
    agencies: dict[str, Agency],
    *,
    at: datetime,
) -> None:
    case = locked(tx, case_id)
    if case.state is not MatterState.REGISTERED:
        return
    made = suggesting.suggest(
        text=text.all,
        place=case.region_code,
        place_name=case.region_name,
        scores=scores,
        types=types,
        agencies=agencies,
        blocked=case.blocked,
        policy=policy(),
    )
    suggestions.put(tx, case_id, made, at=at)
    metrics.suggestions.labels("found" if made.lead else "none").inc()
    case.matter_type = made.matter_type
    case.said.append(
        CaseSuggested(
            lead=made.lead.agency if made.lead else None,
            co_handlers=tuple(c.agency for c in made.co_handlers),
            grounds=made.grounds,
            matter_type=made.matter_type,
            suggested_at=at,
        )
    )
    _confirm_by_policy(case, made, at=at)
    keep(tx, case, actor=POLICY, at=at)


def _confirm_by_policy(case: Case, made: Suggestion, *, at: datetime) -> None:
    site = policy()
    sensitive = bool(case.accused) or case.purpose == Purpose.ACCUSATION.value
    if not suggesting.may_route_automatically(
        made, policy=site, channel=Channel(case.channel), imported=case.imported, accused=sensitive
    ):
        return
    wanted = [Wanted(c.agency, c.role) for c in (made.lead, *made.co_handlers) if c is not None]
    try:
        case.route(
            wanted,
            kind=TransferKind.TRANSFER,
            decided_by=DecidedBy.POLICY,
            at=at,
            new_id=uuid4,
            hop_limit=site.hop_limit,
        )
    except NotApplicable as refused:
        log.info("suggestion.not_confirmed", case_id=str(case.id), slug=refused.slug)
