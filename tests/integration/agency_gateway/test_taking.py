"""Statements that come side by side share a transaction, and each is answered as if it had come alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import DictRow

from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.contracts.agency_gateway import AgencyAccepted
from lianban.contracts.codes import ExchangeKind
from services.agency_gateway.app import journaling, stating, taking
from services.agency_gateway.app.stating import Malformed, Receipt
from services.agency_gateway.app.taking import Stated
from services.agency_gateway.domain.statement import Statement, StatementStatus, Via, statement_id
from services.agency_gateway.store import statements
from tests.integration.agency_gateway.conftest import (
    ECOLOGY,
    URBAN,
    Department,
    Intake,
    Sent,
    a_profile,
    emitted,
    register,
    send,
)

Look = psycopg.Connection[DictRow]


def accepting(sent: Sent, sender_id: str, *, agency: str = ECOLOGY.code, reference: str | None = None) -> Stated:
    statement = Statement(
        sender_id=sender_id, kind=ExchangeKind.ACCEPT, stated_at=datetime(2026, 11, 23, tzinfo=UTC), reference=reference
    )
    return Stated(
        agency=agency, assignment_id=sent.id, statement=statement, raw={"id": sender_id}, via=Via.EXCHANGE,
        at=datetime.now(UTC),
    )  # fmt: skip


@pytest.fixture
def registered(look: Look, department: Department) -> Look:
    """The department is registered; the connection is for looking in."""
    register(a_profile(department.url))
    return look


def transactions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many statements each attempt of a transaction holds, from now on."""
    seen: list[int] = []
    really = taking._in_one_transaction

    def counted(some: Any) -> Any:
        seen.append(len(some))
        return really(some)

    monkeypatch.setattr(taking, "_in_one_transaction", counted)
    return seen


def stumble(monkeypatch: pytest.MonkeyPatch, sender_id: str, error: Exception) -> None:
    """Let the service fail over a statement when it has written it, from now on."""
    really = stating.receive

    def stumbling(tx: Any, **given: Any) -> Receipt:
        receipt = really(tx, **given)
        if given["statement"].sender_id == sender_id:
            raise error
        return receipt

    monkeypatch.setattr(stating, "receive", stumbling)


def test_they_share_a_transaction_a_chain_and_a_message(
    registered: Look, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [send(intake) for _ in range(3)]
    seen = transactions(monkeypatch)
    answers = taking._take_in([accepting(each, f"s-{number}") for number, each in enumerate(sent)])
    assert seen == [3]
    assert all(isinstance(answer, Receipt) for answer in answers)
    kept = registered.execute("select sender_id from statement order by sender_id").fetchall()
    assert [row["sender_id"] for row in kept] == ["s-0", "s-1", "s-2"]
    assert len(emitted(registered, AgencyAccepted)) == 3
    with database().transaction() as tx:
        assert journaling.verify(tx, ECOLOGY.code) is None
    head = registered.execute("select position from journal_head where agency_code = %s", (ECOLOGY.code,)).fetchone()
    (entries,) = registered.execute("select count(*) as n from journal where direction = 'in'").fetchall()
    last = registered.execute("select max(position) as last from journal").fetchone()
    assert entries["n"] == 3
    assert head is not None
    assert last == {"last": head["position"]}


def test_each_is_refused_for_what_is_its_own(registered: Look, intake: Intake) -> None:
    good, wrong, other = send(intake), send(intake), send(intake)
    malformed = accepting(wrong, "wrong")
    malformed = replace(malformed, statement=replace(malformed.statement, reference="x" * 1000))
    answers = taking._take_in([accepting(good, "good"), malformed, accepting(other, "not theirs", agency=URBAN.code)])
    assert isinstance(answers[0], Receipt)
    assert isinstance(answers[1], Malformed)
    assert isinstance(answers[2], Rejected)
    assert answers[2].slug == "unknown-assignment"
    assert [row["sender_id"] for row in registered.execute("select sender_id from statement")] == ["good"]


def test_the_same_statement_twice_in_one_moment_is_one(registered: Look, intake: Intake) -> None:
    sent = send(intake)
    same = accepting(sent, "once")
    first, again, changed = taking._take_in([same, same, replace(same, raw={"id": "once", "more": 1})])
    assert first == again
    assert isinstance(first, Receipt)
    assert isinstance(changed, Rejected)
    assert changed.slug == "statement-id-reused"
    assert len(emitted(registered, AgencyAccepted)) == 1


def test_the_first_number_that_a_department_tells_stays(registered: Look, intake: Intake) -> None:
    sent = send(intake)
    taking._take_in([accepting(sent, "a", reference="GD1"), accepting(sent, "b", reference="GD2")])
    (row,) = registered.execute("select reference from assignment where id = %s", (sent.id,)).fetchall()
    assert row == {"reference": "GD1"}


def test_one_over_which_the_service_stumbles_does_not_take_the_others_with_it(
    registered: Look, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [send(intake) for _ in range(3)]
    seen = transactions(monkeypatch)
    stumble(monkeypatch, "s-1", RuntimeError("a bug"))
    answers = taking._take_in([accepting(each, f"s-{number}") for number, each in enumerate(sent)])
    assert seen == [3, 1, 1, 1]
    assert [type(answer) for answer in answers] == [Receipt, RuntimeError, Receipt]
    kept = registered.execute("select sender_id from statement order by sender_id").fetchall()
    assert [row["sender_id"] for row in kept] == ["s-0", "s-2"]
    with database().transaction() as tx:
        assert journaling.verify(tx, ECOLOGY.code) is None


def test_a_lock_that_one_waits_for_in_vain_is_its_own_trouble(
    registered: Look, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [send(intake) for _ in range(3)]
    seen = transactions(monkeypatch)
    stumble(monkeypatch, "s-1", psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"))
    answers = taking._take_in([accepting(each, f"s-{number}") for number, each in enumerate(sent)])
    assert seen == [3, 1, 1, 1]
    assert [type(answer) for answer in answers] == [Receipt, psycopg.errors.LockNotAvailable, Receipt]


def test_an_acceptance_that_was_refused_stays_so_when_a_later_one_is_taken(registered: Look, intake: Intake) -> None:
    """All in one batch, behind the acceptance of another matter."""
    other, matter = send(intake), send(intake)
    taking._take_in([accepting(other, "other"), accepting(matter, "refused"), accepting(matter, "taken")])
    at = datetime.now(UTC)
    with database().transaction() as tx:
        statements.judge_acceptance(tx, other.id, at=at)
        refused = statement_id(ECOLOGY.code, "refused")
        statements.judge(tx, refused, StatementStatus.REFUSED, refusal="objected-before", at=at)
        statements.judge_acceptance(tx, matter.id, at=at)
    found = registered.execute("select sender_id, status, refusal from statement order by sender_id").fetchall()
    assert [(row["sender_id"], row["status"], row["refusal"]) for row in found] == [
        ("other", "applied", None), ("refused", "refused", "objected-before"), ("taken", "applied", None),
    ]  # fmt: skip
