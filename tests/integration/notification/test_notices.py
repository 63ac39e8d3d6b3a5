"""Notices and documents on a real database, a real press and a real mail server."""

from __future__ import annotations

import io
from uuid import uuid4

import pypdf
import pytest

from lianban.chassis import auth, transaction
from lianban.chassis.errors import Retry
from lianban.chassis.inbox import Received
from lianban.chassis.runtime import database
from lianban.chassis.time import now
from lianban.contracts.codes import (
    AgencyRole,
    ClosingReason,
    DecidedBy,
    DocumentKind,
    NoticeChannel,
    NoticeKind,
    TransferKind,
)
from lianban.contracts.intake import MatterOpened, MatterWithdrawn
from lianban.contracts.notification import DocumentIssued, NoticeFailed, NoticeSent, NoticeServed
from lianban.contracts.refs import AssignmentRef
from lianban.contracts.routing import CaseAccepted, CaseClosed, CaseRouted
from services.notification.app import sending
from services.notification.app.hearing import HANDLERS
from services.notification.store import matters
from services.notification.web import create_app
from tests.integration.notification.conftest import ECOLOGY, NOW, PERSON, TOWN, URBAN, Notification


def pdf_text(pdf: bytes) -> str:
    """The words of a PDF without spaces: where lines break and Chinese meets figures says nothing."""
    return "".join("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())


def test_a_registered_petitioner_is_told_on_the_portal_and_by_mail_with_the_query_code(
    notification: Notification,
) -> None:
    notification.register()
    notification.run()
    assert {(e.kind, e.channel) for e in notification.said(NoticeSent)} == {
        (NoticeKind.REGISTERED, NoticeChannel.PORTAL),
        (NoticeKind.REGISTERED, NoticeChannel.EMAIL),
    }
    (mail,) = notification.mailbox.mails
    assert mail["Subject"] == "【联办】您的信访事项已登记（XF202611230000017）"
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert "查询码：7KQ2MX9RTP" in plain.get_content()
    assert "query_code=" not in str(mail)


def test_the_notice_of_acceptance_is_printed_numbered_and_mailed(notification: Notification) -> None:
    notification.register()
    notification.accept()
    notification.run()
    (issued,) = notification.said(DocumentIssued)
    assert issued.kind is DocumentKind.ACCEPTANCE_NOTICE
    assert issued.number == f"联办受告〔{now().year}〕1号"
    assert issued.names == (ECOLOGY, URBAN)
    mail = next(m for m in notification.mailbox.mails if "已受理" in str(m["Subject"]))
    (attached,) = mail.iter_attachments()
    text = pdf_text(attached.get_payload(decode=True))  # type: ignore[arg-type]
    for wanted in (PERSON, "受理告知书", "清河市城市管理局", "第三十四条", "2027年1月22日", "暂定", issued.number):
        assert wanted in text
    (served,) = [e for e in notification.said(NoticeServed) if e.document_kind is DocumentKind.ACCEPTANCE_NOTICE]
    assert (served.means, served.names) == (NoticeChannel.EMAIL, (ECOLOGY, URBAN))


def test_each_decision_of_an_officer_is_told_once_and_by_what_it_changes(notification: Notification) -> None:
    notification.register(NoticeChannel.EMAIL)
    notification.route(ECOLOGY, TOWN, minute=1)
    notification.route(URBAN, TOWN, minute=2)  # the objection of the lead was agreed with
    notification.route(ECOLOGY, TOWN, minute=3)  # a superior designated the first one
    notification.route(ECOLOGY, TOWN, URBAN, minute=4)  # and the other joins
    notification.route(ECOLOGY, URBAN, TOWN, minute=5)  # claims are divided anew: nothing changes for the petitioner
    notification.run()
    mails = {m["Subject"].partition("】")[2].partition("（")[0]: m for m in notification.mailbox.mails}
    told = [(e.kind, e.channel) for e in notification.said(NoticeSent) if e.channel is NoticeChannel.EMAIL]
    assert sorted(kind.value for kind, _ in told) == ["co_handlers", "registered", "rerouted", "rerouted", "routed"]
    plain = mails["您的信访事项协办单位有变化"].get_body(("plain",))
    assert plain is not None
    assert "仍由清河市生态环境局主办，东坪镇人民政府、清河市城市管理局协办。" in plain.get_content()


def test_a_repeated_decision_tells_nothing_new(notification: Notification) -> None:
    notification.register(NoticeChannel.EMAIL)
    notification.route(ECOLOGY, URBAN, minute=1)
    notification.accept()
    notification.route(ECOLOGY, URBAN, minute=2)
    notification.run()
    assert sorted(e.kind.value for e in notification.said(NoticeSent) if e.channel is NoticeChannel.EMAIL) == [
        "accepted",
        "registered",
        "routed",
    ]


def test_the_decision_carries_each_agencys_part_and_answers_each_claim(notification: Notification) -> None:
    notification.register()
    notification.decide()
    notification.run()
    (issued,) = notification.said(DocumentIssued)
    row = notification.look.execute("select id from document").fetchone()
    assert row is not None
    ticket = auth.issue_ticket(row["id"], owner="notification", holder="person:x", purpose="document", at=now())
    client = create_app().test_client()
    answer = client.get(f"/documents/{row['id']}.pdf?ticket={ticket}")
    assert answer.status_code == 200
    text = pdf_text(answer.data)
    for wanted in (
        "信访处理意见书",
        "查处污染",
        "予以支持",
        "清河市城市管理局的意见",
        "第八十三条",
        "复查",
        issued.number,
    ):
        assert wanted in text
    assert client.get(f"/documents/{row['id']}.pdf").status_code == 404
    assert client.get(f"/documents/{uuid4()}.pdf?ticket={ticket}").status_code == 404


def test_a_decision_without_legal_basis_is_not_issued_and_says_what_is_missing(notification: Notification) -> None:
    notification.register()
    notification.decide(legal_basis=" ")
    notification.run()
    assert notification.said(DocumentIssued) == []
    row = notification.look.execute("select state, error from document").fetchone()
    assert row is not None
    assert (row["state"], "法律法规依据" in row["error"]) == ("drafted", True)


def test_the_same_event_twice_gives_one_document_one_number_and_one_mail(notification: Notification) -> None:
    first, second = uuid4(), uuid4()
    notification.register(event_id=first)
    notification.accept(event_id=second)
    notification.accept(event_id=second)
    notification.run()
    assert len(notification.said(DocumentIssued)) == 1
    ids = [mail["Message-ID"] for mail in notification.mailbox.mails]
    assert len(ids) == len(set(ids)) == 2


def test_a_batch_of_events_drafts_each_document_once(notification: Notification) -> None:
    notification.register()
    notification.route(ECOLOGY, minute=1)
    other = uuid4()
    accepted = CaseAccepted(assignment_id=uuid4(), lead=ECOLOGY, co_handlers=(), round=1, accepted_at=NOW)
    again = CaseRouted(
        round=1,
        decided_by=DecidedBy.OFFICER,
        kind=TransferKind.TRANSFER,
        assignments=(AssignmentRef(uuid4(), URBAN, AgencyRole.LEAD, (notification.claim,)),),
        routed_at=NOW,
    )
    with database().transaction() as tx:
        tx.lock_all([notification.matter, other])
        matters.load(tx, [notification.matter, other])
        tx.settle()
        for event in (again, accepted, accepted):
            HANDLERS[type(event)](tx, Received(uuid4(), notification.matter, "routing", 1, NOW, event))
    kinds = notification.look.execute("select kind from document order by kind").fetchall()
    assert [row["kind"] for row in kinds] == ["acceptance_notice", "transfer_notice"]
    waiting = notification.look.execute("select count(*) as n from notice where state = 'waiting'").fetchone()
    assert waiting == {"n": 4}  # portal and e-mail of each document
    told = [event.kind for event in notification.said(NoticeSent)]
    assert told == [NoticeKind.REGISTERED, NoticeKind.REROUTED, NoticeKind.ACCEPTED]


def test_a_batch_cancels_the_notices_that_it_made_for_a_matter_that_is_withdrawn_in_it(
    notification: Notification,
) -> None:
    notification.register()
    accepted = CaseAccepted(assignment_id=uuid4(), lead=ECOLOGY, co_handlers=(), round=1, accepted_at=NOW)
    with database().transaction() as tx:
        tx.lock(notification.matter)
        matters.load(tx, [notification.matter])
        tx.settle()
        for event in (accepted, MatterWithdrawn(withdrawn_at=NOW), accepted):
            HANDLERS[type(event)](tx, Received(uuid4(), notification.matter, "routing", 1, NOW, event))
    rows = notification.look.execute("select kind, channel, state from notice order by kind, channel").fetchall()
    assert [tuple(row.values()) for row in rows] == [
        ("accepted", "email", "cancelled"),
        ("accepted", "portal", "cancelled"),
        ("registered", "email", "cancelled"),
        ("registered", "portal", "sent"),
    ]


def test_the_notices_of_a_batch_of_many_matters_are_one_statement_behind_their_documents(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification.register()
    first, second = notification.matter, uuid4()
    notification.matter = second
    notification.register()
    accepted = CaseAccepted(assignment_id=uuid4(), lead=ECOLOGY, co_handlers=(), round=1, accepted_at=NOW)
    closed = CaseClosed(reason=ClosingReason.WINDOW_OVER, closed_at=NOW)
    monkeypatch.setattr(transaction, "statistics", transaction.QueryStatistics())
    with database().transaction() as tx:
        tx.lock_all([first, second])
        matters.load(tx, [first, second])
        tx.settle()
        for matter, event in ((first, closed), (first, accepted), (second, accepted), (second, closed)):
            HANDLERS[type(event)](tx, Received(uuid4(), matter, "routing", 1, NOW, event))
    counts = notification.look.execute(
        "select (select count(*) from document) as documents, count(document_id) as waiting, count(*) as all"
        " from notice where kind <> 'registered'"
    ).fetchone()
    assert counts == {"documents": 2, "waiting": 4, "all": 8}
    runs = {sql.split()[2]: row[0] for sql, row in transaction.statistics.runs.items() if "insert into" in sql}
    assert (runs["document"], runs["notice"]) == (1, 1)


def test_a_mail_server_that_asks_to_wait_gets_the_same_message_again(notification: Notification) -> None:
    notification.register(NoticeChannel.EMAIL)
    notification.mailbox.answers = ["451 later"]
    sending.run_due()
    assert notification.mailbox.mails == []
    notification.make_due()
    sending.run_due()
    assert len(notification.mailbox.mails) == 1
    assert len([e for e in notification.said(NoticeSent) if e.channel is NoticeChannel.EMAIL]) == 1


def test_a_refused_mail_fails_and_says_so(notification: Notification) -> None:
    notification.register()
    notification.mailbox.answers = ["550 no such user"]
    notification.run()
    (failed,) = notification.said(NoticeFailed)
    assert (failed.slug, failed.channel) == ("refused", NoticeChannel.EMAIL)


def test_a_worker_that_died_while_sending_leaves_the_notice_to_the_next_with_the_same_message_id(
    notification: Notification,
) -> None:
    notification.register(NoticeChannel.EMAIL)
    sending.run_due()
    notification.look.execute("update notice set state = 'sending' where channel = 'email'")
    notification.make_due()
    sending.run_due()
    first, again = notification.mailbox.mails
    assert first["Message-ID"] == again["Message-ID"]


def test_nothing_is_lost_while_intake_is_away(notification: Notification) -> None:
    notification.register()
    notification.accept()
    notification.neighbours_away = True
    with pytest.raises(Retry):
        notification.run()
    notification.neighbours_away = False
    notification.make_due()
    notification.run()
    assert len(notification.said(DocumentIssued)) == 1
    assert len(notification.mailbox.mails) == 2


def test_opening_the_status_page_serves_the_notices_on_it_once(notification: Notification) -> None:
    notification.register(NoticeChannel.PORTAL)
    notification.run()
    shown = tuple(event.notice_id for event in notification.said(NoticeSent))
    for _ in range(2):
        notification.hear(MatterOpened(opened_at=NOW, notices=(*shown, uuid4())))
    (served,) = notification.said(NoticeServed)
    assert (served.notice_id, served.means) == (shown[0], NoticeChannel.PORTAL)


def test_a_withdrawn_matter_is_told_nothing_more(notification: Notification) -> None:
    notification.register()
    notification.hear(MatterWithdrawn(withdrawn_at=NOW))
    notification.accept()
    notification.run()
    assert notification.mailbox.mails == []


def test_no_row_and_no_event_of_notification_holds_the_petitioners_name_or_words(notification: Notification) -> None:
    notification.register()
    notification.accept()
    notification.decide()
    notification.run()
    for table in ("matter", "document", "notice", "outbox"):
        rows = notification.look.execute(f"select {table}::text as t from {table}".encode()).fetchall()
        assert rows
        for row in rows:
            for secret in (PERSON, "河水发黑", "查处污染", "qin@example.org", "7KQ2MX9RTP"):
                assert secret not in row["t"]
