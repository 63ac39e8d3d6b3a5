"""The canonical message to a department, see the exchange API's reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from lianban.contracts.codes import AgencyRole, ExchangeKind, TransferKind


@dataclass(frozen=True, slots=True)
class Due:
    """A date by which the department must act, with the article that says so."""

    rule: str
    day: date
    article: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of the matter; how it is reached is decided when the message leaves."""

    id: UUID
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim with its words."""

    id: UUID
    ordinal: int
    text: str


@dataclass(frozen=True, slots=True)
class Supplement:
    """What the petitioner added later; no words where only files were added."""

    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Matter:
    """What the petitioner told, as far as the agency is entitled to it."""

    title: str
    content: str
    claims: tuple[Claim, ...]
    attachments: tuple[Attachment, ...] = ()
    supplements: tuple[Supplement, ...] = ()
    """The oldest first."""


@dataclass(frozen=True, slots=True)
class Petitioner:
    """How the petitioner is reached; withheld from agencies that only get a copy."""

    name: str
    phone: str | None
    address: str | None


@dataclass(frozen=True, slots=True)
class Opinion:
    """A co-handler's opinion, told to the lead."""

    agency_code: str
    agency_name: str
    text: str
    facts: str
    remedy: str
    results: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message; ``id`` is our idempotency key, ``version`` counts per assignment from 1."""

    id: UUID
    kind: ExchangeKind
    assignment_id: UUID
    version: int
    number: str
    role: AgencyRole
    transfer_kind: TransferKind
    region_code: str
    region_name: str
    binding: bool
    sent_at: datetime
    due: tuple[Due, ...] = ()
    matter: Matter | None = None
    petitioner: Petitioner | None = None
    opinion: Opinion | None = None


def claims_for(role: AgencyRole, claims: Sequence[Claim], assigned: Sequence[UUID]) -> tuple[Claim, ...]:
    """The claims that an agency is told: its own; all of them where none is named."""
    own = [claim for claim in claims if claim.id in assigned]
    return tuple(own) if own and role is not AgencyRole.COPY else tuple(claims)


def may_know_petitioner(role: AgencyRole, kind: ExchangeKind) -> bool:
    """Whether a message carries the petitioner's identity: least data, and never to a copy."""
    return role is not AgencyRole.COPY and kind in {ExchangeKind.ASSIGNMENT, ExchangeKind.ASSIGNMENT_CHANGED}


def tells_matter(kind: ExchangeKind) -> bool:
    """Whether a message of this kind carries the words of the matter."""
    return kind in {ExchangeKind.ASSIGNMENT, ExchangeKind.ASSIGNMENT_CHANGED, ExchangeKind.SUPPLEMENT}


def plain(message: Message, links: Mapping[UUID, str] | None = None) -> dict[str, Any]:
    """The message as JSON values; ``links`` are the addresses of attachments, short-lived, added on the way out."""
    body: dict[str, Any] = {
        "id": str(message.id),
        "kind": message.kind.value,
        "assignment_id": str(message.assignment_id),
        "version": message.version,
        "number": message.number,
        "role": message.role.value,
        "transfer_kind": message.transfer_kind.value,
        "sent_at": instant(message.sent_at),
        "due": [{"rule": due.rule, "date": due.day.isoformat(), "article": due.article} for due in message.due],
        "region": {"code": message.region_code, "name": message.region_name},
        "binding": message.binding,
    }
    if message.matter is not None:
        body["matter"] = {
            "title": message.matter.title,
            "content": message.matter.content,
            "claims": [{"id": str(c.id), "ordinal": c.ordinal, "text": c.text} for c in message.matter.claims],
            "attachments": [
                {"id": str(a.id), "name": a.name, "media_type": a.media_type, "bytes": a.size}
                for a in message.matter.attachments
            ],
            "supplements": [{"text": s.text, "at": instant(s.at)} for s in message.matter.supplements],
        }
    if message.petitioner is not None:
        person = message.petitioner
        body["petitioner"] = {"name": person.name, "phone": person.phone, "address": person.address}
    if message.opinion is not None:
        opinion = message.opinion
        body["opinion"] = {
            "agency": {"code": opinion.agency_code, "name": opinion.agency_name},
            "text": opinion.text,
            "facts": opinion.facts,
            "remedy": opinion.remedy,
            "results": [dict(result) for result in opinion.results],
        }
    return with_links(body, links) if links else body


def with_links(body: dict[str, Any], links: Mapping[UUID, str]) -> dict[str, Any]:
    """A plain message whose attachments say where they are fetched."""
    if not body.get("matter", {}).get("attachments"):
        return body
    attachments = [{**item, "href": links[UUID(item["id"])]} for item in body["matter"]["attachments"]]
    return {**body, "matter": {**body["matter"], "attachments": attachments}}


def instant(value: datetime) -> str:
    """An instant as the exchange writes it: UTC, seconds, ``Z``."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
