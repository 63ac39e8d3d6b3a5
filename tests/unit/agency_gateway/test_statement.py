"""The form of what departments state: every mistake is named by its place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from lianban.contracts.codes import ClaimResult, ExchangeKind, ObjectionReason
from services.agency_gateway.adapters.desk import translation as desk
from services.agency_gateway.domain.refusal import reason_in_words
from services.agency_gateway.domain.statement import ClaimPart, Statement, fingerprint, problems, statement_id

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
CLAIMS = (UUID(int=1), UUID(int=2))


def a_statement(kind: ExchangeKind = ExchangeKind.ACCEPT, **changes: Any) -> Statement:
    return replace(Statement(sender_id="s-1", kind=kind, stated_at=AT), **changes)


def wrong(statement: Statement) -> list[tuple[str, str]]:
    found = problems(statement, claims=CLAIMS, agencies={"city-water"}, received_at=AT)
    return [(problem.pointer, problem.slug) for problem in found]


def parts(*claims: UUID) -> tuple[ClaimPart, ...]:
    return tuple(ClaimPart(claim, ClaimResult.SUPPORTED, "好") for claim in claims)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        (a_statement(), []),
        (a_statement(ExchangeKind.PROGRESS, text="在办"), []),
        (a_statement(ExchangeKind.PROGRESS, text=" "), [("/text", "missing")]),
        (a_statement(ExchangeKind.OPINION, text="无异议"), []),
        (
            a_statement(ExchangeKind.OBJECT),
            [("/reason", "missing"), ("/text", "missing")],
        ),
        (
            a_statement(ExchangeKind.OBJECT, reason=ObjectionReason.OTHER_LEAD, text="x", proposed_agency="city-water"),
            [],
        ),
        (
            a_statement(ExchangeKind.OBJECT, reason=ObjectionReason.OTHER_LEAD, text="x", proposed_agency="moon"),
            [("/proposed_agency", "unknown-agency")],
        ),
        (a_statement(ExchangeKind.REPLY, results=parts(*CLAIMS), legal_basis="x"), []),
        (a_statement(ExchangeKind.REPLY, results=parts(*CLAIMS)), [("/legal_basis", "missing")]),
        (
            a_statement(ExchangeKind.REPLY, text="x", legal_basis="x", results=parts(CLAIMS[0])),
            [("/results", "claims-missing")],
        ),
        (
            a_statement(ExchangeKind.REPLY, text="x", legal_basis="x", results=parts(*CLAIMS, CLAIMS[1])),
            [("/results/2/claim_id", "claim-twice")],
        ),
        (
            a_statement(ExchangeKind.OPINION, text="x", results=parts(UUID(int=9))),
            [("/results/0/claim_id", "unknown-claim")],
        ),
        (a_statement(text="长" * 20_001), [("/text", "too-long")]),
        (a_statement(text="\x00"), [("/text", "bad-character")]),
        (a_statement(sender_id=" "), [("/id", "missing")]),
        (a_statement(version=0), [("/version", "bad-version")]),
        (a_statement(stated_at=AT + timedelta(days=2)), [("/stated_at", "in-the-future")]),
        (a_statement(ExchangeKind.ASSIGNMENT), [("/kind", "unknown-kind")]),
    ],
)
def test_what_is_wrong_with_a_statement(statement: Statement, found: list[tuple[str, str]]) -> None:
    assert wrong(statement) == found


def test_ids_of_different_agencies_never_meet() -> None:
    assert statement_id("city-ecology", "1") != statement_id("city-urban", "1")
    assert statement_id("city-ecology", "1") == statement_id("city-ecology", "1")


def test_a_repeat_is_known_by_content_not_by_the_order_of_members() -> None:
    assignment = uuid4()
    assert fingerprint(assignment, {"a": 1, "b": 2}) == fingerprint(assignment, {"b": 2, "a": 1})
    assert fingerprint(assignment, {"a": 1}) != fingerprint(assignment, {"a": 2})
    assert fingerprint(assignment, {"a": 1}) != fingerprint(uuid4(), {"a": 1})


def test_a_form_of_the_desk_becomes_a_statement() -> None:
    form = {
        desk.result_field(CLAIMS[0]): "supported",
        desk.text_field(CLAIMS[0]): "已处理\r\n完毕",
        desk.result_field(CLAIMS[1]): "made-up",
        "text": "  答复  ",
        "legal_basis": "条例第三十二条",
        "reason": "outside_powers",
    }
    made = desk.statement(form, sender_id="f", kind=ExchangeKind.REPLY, claims=CLAIMS, received_at=AT)
    assert made.results == (ClaimPart(CLAIMS[0], ClaimResult.SUPPORTED, "已处理\n完毕"),)
    assert (made.text, made.reason) == ("答复", None)
    (problem,) = problems(made, claims=CLAIMS, agencies=(), received_at=AT)
    assert desk.field_of(problem, made, CLAIMS) == desk.result_field(CLAIMS[1])


@pytest.mark.parametrize(
    ("slug", "language", "text"),
    [
        ("not-accepted", "zh", "尚未受理，请先受理"),
        ("not-accepted", "en", "Accept first"),
        ("brand-new", "zh", "未采纳（brand-new）"),
    ],
)
def test_refusals_are_told_in_words(slug: str, language: str, text: str) -> None:
    assert reason_in_words(slug, language) == text
