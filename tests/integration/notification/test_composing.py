"""Documents composed together: one that cannot be composed waits for its next turn, its neighbours go on."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest

from lianban.chassis.secrets import unseal
from lianban.contracts.routing import CaseAccepted
from services.notification.app import composing
from tests import unrolled
from tests.integration.notification.conftest import ECOLOGY, Notification


def drafts(notification: Notification) -> dict[str, tuple[str, int]]:
    """State and tries of the document of each kind."""
    rows = notification.look.execute("select kind, state, tries from document").fetchall()
    return {row["kind"]: (row["state"], row["tries"]) for row in rows}


def test_a_statement_in_a_form_that_nobody_expects_fails_its_document_only(notification: Notification) -> None:
    notification.register()
    notification.route(ECOLOGY, minute=1)
    notification.decide()
    for statement in notification.statements.values():
        statement["results"] = [{"claim_id": str(notification.claim), "result": "unheard-of"}]
    assert composing.run_due() == 1
    assert drafts(notification) == {"transfer_notice": ("composed", 0), "decision": ("drafted", 1)}


def test_words_that_their_owner_refuses_fail_the_document_that_needs_them_only(notification: Notification) -> None:
    notification.register()
    notification.route(ECOLOGY, minute=1)
    notification.decide()
    notification.unspeakable = set(notification.statements)
    assert composing.run_due() == 1
    assert drafts(notification) == {"transfer_notice": ("composed", 0), "decision": ("drafted", 1)}


def test_a_matter_that_intake_refuses_holds_up_no_other_matters_document(notification: Notification) -> None:
    notification.register()
    notification.route(ECOLOGY, minute=1)
    known, notification.matter = notification.matter, uuid4()
    notification.register()
    notification.accept()
    notification.unspeakable, notification.matter = {notification.matter}, known
    assert composing.run_due() == 1
    assert drafts(notification) == {"transfer_notice": ("composed", 0), "acceptance_notice": ("drafted", 1)}


def test_the_letter_says_the_date_of_oversights_clock_where_the_site_sets_it(
    notification: Notification, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unrolled.live_there(tmp_path, monkeypatch)
    unrolled.know_the_calendar()
    notification.register()
    accepted = CaseAccepted(assignment_id=uuid4(), lead=ECOLOGY, co_handlers=(), round=1, accepted_at=unrolled.ACCEPTED)
    notification.hear(accepted, at=unrolled.ACCEPTED)
    assert composing.run_due() == 1
    row = notification.look.execute("select id, content from document").fetchone()
    assert row is not None
    content = json.loads(unseal(row["content"], context=f"document.content:{row['id']}"))
    assert (content["handle_until"], content["provisional"]) == ("2026年11月21日", False)
    assert date(2026, 11, 21) == unrolled.HANDLE
