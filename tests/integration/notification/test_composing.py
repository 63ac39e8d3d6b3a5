"""Documents composed together: one that cannot be composed waits for its next turn, its neighbours go on."""

from __future__ import annotations

from uuid import uuid4

from services.notification.app import composing
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
