"""What a document must contain (信访工作条例 §23, §32), and what is missing."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

from lianban.contracts.codes import AgencyRole, ClaimResult, DocumentKind

TITLE: dict[DocumentKind, str] = {
    DocumentKind.TRANSFER_NOTICE: "转送交办去向告知书",
    DocumentKind.ACCEPTANCE_NOTICE: "受理告知书",
    DocumentKind.DECISION: "信访处理意见书",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One agency's part of a joint document: its findings and, per claim, its result."""

    agency: str
    role: AgencyRole
    text: str
    facts: str
    legal_basis: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim with what was decided on it; ``results`` are (agency, result, reason)."""

    ordinal: int
    text: str
    results: tuple[tuple[str, ClaimResult, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Everything that stands in a document; dates are days in Asia/Shanghai."""

    kind: DocumentKind
    matter_number: str
    addressee: str
    region: str
    received_on: date
    happened_on: date
    lead: str
    co_handlers: tuple[str, ...]
    subject: str
    claims: tuple[Claim, ...]
    parts: tuple[Part, ...] = ()
    handle_until: date | None = None
    provisional: bool = False
    round: int = 1

    def plain(self) -> dict[str, Any]:
        """The content as plain values for the press; dates as Chinese text, code values as their labels."""
        return {
            **_fields(self),
            "kind": self.kind.value,
            "title": TITLE[self.kind],
            "received_on": chinese_date(self.received_on),
            "happened_on": chinese_date(self.happened_on),
            "handle_until": chinese_date(self.handle_until) if self.handle_until else None,
            "claims": [
                {
                    "ordinal": claim.ordinal,
                    "text": claim.text,
                    "results": [{"agency": a, "result": r.zh, "reason": why} for a, r, why in claim.results],
                }
                for claim in self.claims
            ],
            "parts": [{**_fields(part), "role": part.role.zh} for part in self.parts],
        }


def _fields(of: Content | Part) -> dict[str, Any]:
    """The fields by name, their values as they are: ``asdict`` would copy every one."""
    return {item.name: getattr(of, item.name) for item in fields(of)}


def chinese_date(day: date) -> str:
    """A date as official documents write it: ``2026年11月23日``."""
    return f"{day.year}年{day.month}月{day.day}日"


def missing(content: Content) -> list[str]:
    """Which of the required contents are not there; empty when the document may be issued."""
    lacks = []
    if not content.claims or not all(claim.text.strip() for claim in content.claims):
        lacks.append("投诉请求")
    if content.kind is DocumentKind.DECISION:
        if not content.parts:
            lacks.append("处理意见")
        if any(not claim.results for claim in content.claims):
            lacks.append("逐项答复")
        if not any(part.facts.strip() or part.text.strip() for part in content.parts):
            lacks.append("事实和理由")
        if not any(part.legal_basis.strip() for part in content.parts):
            lacks.append("法律法规依据")
    return lacks
