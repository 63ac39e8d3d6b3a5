"""What a department states, judged only for form: whether it can be applied is routing's to say."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from lianban.contracts.codes import ClaimResult, CodeList, ExchangeKind, ObjectionReason
from services.agency_gateway.domain.journal import canonical

LONGEST_TEXT = 20_000
"""Characters that a free text of a statement may have."""
LONGEST_BASIS = 2_000
"""Characters that a legal basis or a department's own reference may have."""
LONGEST_ID = 200
"""Characters that the sender's id may have."""

KINDS = frozenset(
    {ExchangeKind.ACCEPT, ExchangeKind.OBJECT, ExchangeKind.PROGRESS, ExchangeKind.OPINION, ExchangeKind.REPLY}
)
"""The kinds of statements that this version takes."""


class StatementStatus(CodeList):
    """What became of a statement; ``applied`` and ``refused`` are final, ``noted`` says that it asks for nothing."""

    AWAITING = "awaiting_confirmation", "等待确认", "Awaiting confirmation"
    APPLIED = "applied", "已生效", "Applied"
    REFUSED = "refused", "未采纳", "Not applied"
    NOTED = "noted", "已记录", "Noted"


class Via(CodeList):
    """The door by which a statement came in."""

    EXCHANGE = "exchange", "数据交换接口", "Exchange API"
    CALLBACK = "callback", "对方系统回调", "Call-back of the department's system"
    DESK = "desk", "承办工作台", "Agency desk"


@dataclass(frozen=True, slots=True)
class ClaimPart:
    """What is said on one claim."""

    claim_id: UUID
    result: ClaimResult
    text: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """A department's statement in our words; ``sender_id`` is its idempotency key, unique per agency."""

    sender_id: str
    kind: ExchangeKind
    stated_at: datetime
    text: str = ""
    reference: str | None = None
    version: int | None = None
    reason: ObjectionReason | None = None
    legal_basis: str | None = None
    proposed_agency: str | None = None
    results: tuple[ClaimPart, ...] = field(default_factory=tuple)
    facts: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a statement: a JSON pointer, a slug and both languages."""

    pointer: str
    slug: str
    zh: str
    en: str


def statement_id(agency: str, sender_id: str) -> UUID:
    """Our id of a statement: the same for every repeat, different for every agency."""
    return uuid5(NAMESPACE_URL, statement_name(agency, sender_id))


def statement_name(agency: str, sender_id: str) -> str:
    """What a statement's id is made from."""
    return f"urn:lianban:statement:{agency}:{sender_id}"


def content(statement: Statement) -> dict[str, Any]:
    """The statement as JSON values, for the journal and for comparing a repeat with the first."""
    return {
        "id": statement.sender_id,
        "kind": statement.kind.value,
        "stated_at": statement.stated_at.isoformat(),
        "text": statement.text,
        "reference": statement.reference,
        "version": statement.version,
        "reason": statement.reason.value if statement.reason else None,
        "legal_basis": statement.legal_basis,
        "proposed_agency": statement.proposed_agency,
        "results": [
            {"claim_id": str(part.claim_id), "result": part.result.value, "text": part.text}
            for part in statement.results
        ],
        "facts": statement.facts,
        "remedy": statement.remedy,
    }


def fingerprint(assignment_id: UUID, body: Any) -> bytes:
    """SHA-256 of what the sender sent, to tell a repeat from another body under the same id."""
    return hashlib.sha256(str(assignment_id).encode() + b"\n" + canonical(body)).digest()


def problems(
    statement: Statement, *, claims: Collection[UUID], agencies: Collection[str], received_at: datetime
) -> Iterator[Problem]:
    """Everything that is wrong with the form of a statement on an assignment with these ``claims``.

    ``agencies`` are the codes that may be proposed; where none is known yet any is taken.
    """
    if statement.kind not in KINDS:
        yield Problem("/kind", "unknown-kind", "不认识的消息种类", "Unknown kind of statement")
    for pointer, text, longest in (
        ("/id", statement.sender_id, LONGEST_ID),
        ("/text", statement.text, LONGEST_TEXT),
        ("/facts", statement.facts, LONGEST_TEXT),
        ("/remedy", statement.remedy, LONGEST_TEXT),
        ("/legal_basis", statement.legal_basis, LONGEST_BASIS),
        ("/reference", statement.reference, LONGEST_ID),
        *((f"/results/{n}/text", part.text, LONGEST_TEXT) for n, part in enumerate(statement.results)),
    ):
        if text is not None and len(text) > longest:
            yield Problem(pointer, "too-long", f"超过 {longest} 个字符", f"Longer than {longest} characters")
        if text is not None and "\x00" in text:
            yield Problem(pointer, "bad-character", "含有不允许的字符", "Holds a character that is not allowed")
    if not statement.sender_id.strip():
        yield Problem("/id", "missing", "必须填写", "Required")
    if statement.version is not None and not 1 <= statement.version <= 2**31 - 1:
        yield Problem("/version", "bad-version", "版本号应为正整数", "The version is a positive number")
    if (statement.stated_at - received_at).total_seconds() > 86_400:
        yield Problem("/stated_at", "in-the-future", "时间不能晚于现在一天以上", "More than a day in the future")
    yield from _needed(statement)
    yield from _parts(statement, claims)
    if statement.proposed_agency is not None and agencies and statement.proposed_agency not in agencies:
        yield Problem("/proposed_agency", "unknown-agency", "名册中没有这个机关", "No such agency in the register")


def _needed(statement: Statement) -> Iterator[Problem]:
    match statement.kind:
        case ExchangeKind.OBJECT:
            if statement.reason is None:
                yield Problem("/reason", "missing", "异议必须选择理由", "An objection needs a reason")
            if not statement.text.strip():
                yield Problem(
                    "/text",
                    "missing",
                    "异议应当详细说明理由（条例第二十三条）",
                    "An objection must be explained in detail (§23)",
                )
        case ExchangeKind.PROGRESS | ExchangeKind.OPINION:
            if not statement.text.strip():
                yield Problem("/text", "missing", "必须填写内容", "A text is required")
        case ExchangeKind.REPLY:
            if not statement.text.strip() and not any(part.text.strip() for part in statement.results):
                yield Problem("/text", "missing", "答复必须有内容", "A reply needs a text")
            if not (statement.legal_basis or "").strip():
                yield Problem(
                    "/legal_basis",
                    "missing",
                    "答复应当写明法律法规依据（条例第三十二条）",
                    "A reply names the legal basis (§32)",
                )
        case _:
            return


def _parts(statement: Statement, claims: Collection[UUID]) -> Iterator[Problem]:
    told: set[UUID] = set()
    for n, part in enumerate(statement.results):
        if part.claim_id not in claims:
            at = f"/results/{n}/claim_id"
            yield Problem(at, "unknown-claim", "本件没有这项诉求", "No such claim in this assignment")
        elif part.claim_id in told:
            at = f"/results/{n}/claim_id"
            yield Problem(at, "claim-twice", "同一诉求重复答复", "The claim is answered twice")
        told.add(part.claim_id)
    if statement.kind is ExchangeKind.REPLY and not told >= set(claims):
        yield Problem(
            "/results", "claims-missing", "每项诉求都应答复（条例第三十二条）", "Every claim must be answered (§32)"
        )
