"""Letters handed over in groups: what is written down when something fails in the middle, and the kept connection."""

from __future__ import annotations

import smtplib
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from aiosmtpd.controller import Controller

from lianban.chassis.errors import Retry
from lianban.contracts.codes import NoticeChannel
from lianban.contracts.intake import MatterWithdrawn
from lianban.contracts.notification import NoticeFailed, NoticeSent
from services.notification.app import mailing, sending, serving
from services.notification.domain.letter import Letter
from tests.integration.notification.conftest import ECOLOGY, NOW, URBAN, Mailbox, Notification
from tests.keys import forget_settings


def three_letters(notification: Notification) -> None:
    """Three e-mails without a document wait; a fourth waits for its document."""
    notification.register(NoticeChannel.EMAIL)
    notification.route(ECOLOGY, minute=1)
    notification.route(URBAN, minute=2)
    notification.route(ECOLOGY, minute=3)


def states(notification: Notification) -> dict[str, int]:
    rows = notification.look.execute("select state from notice where channel = 'email'").fetchall()
    return dict(Counter(row["state"] for row in rows))


def one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters go one after the other."""
    monkeypatch.setenv("LIANBAN_SMTP_CONNECTIONS", "1")
    forget_settings()


def test_what_was_handed_over_before_the_mail_server_hung_up_is_written_down_and_the_rest_waits(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_connection(monkeypatch)
    three_letters(notification)
    notification.mailbox.answers = ["250 OK", "421 closing"]
    with pytest.raises(Retry):
        sending.run_due()
    assert states(notification) == {"waiting": 1, "served": 1, "queued": 2}
    notification.make_due()
    sending.run_due()
    assert states(notification) == {"waiting": 1, "served": 3}
    assert len(notification.mailbox.mails) == 2
    told = [event for event in notification.said(NoticeSent) if event.channel is NoticeChannel.EMAIL]
    assert len({event.notice_id for event in told}) == len(told) == 3


def test_letters_are_not_sent_again_because_the_database_was_away_when_they_were_to_be_written_down(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_letters(notification)
    write_down, away = sending._write_down, [True, True]

    def unreliable(*arguments: Any) -> int:
        if away:
            away.pop()
            raise psycopg.OperationalError
        return write_down(*arguments)

    monkeypatch.setattr(sending, "_write_down", unreliable)
    assert sending.run_due() == 3
    assert states(notification) == {"waiting": 1, "served": 3}
    assert len(notification.mailbox.mails) == 3


def test_a_process_that_is_killed_leaves_no_more_than_one_group_unwritten(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_letters(notification)
    monkeypatch.setattr(sending, "GROUP", 2)
    write_down, groups = sending._write_down, []

    def killed(tx: Any, group: Any, known: Any) -> int:
        groups.append(len(group))
        if len(groups) == 2:
            raise SystemExit
        return write_down(tx, group, known)

    monkeypatch.setattr(sending, "_write_down", killed)
    with pytest.raises(SystemExit):
        sending.run_due()
    assert groups == [2, 1]
    assert states(notification) == {"waiting": 1, "served": 2, "sending": 1}
    monkeypatch.setattr(sending, "_write_down", write_down)
    notification.make_due()
    sending.run_due()
    assert states(notification) == {"waiting": 1, "served": 3}
    ids = Counter(str(mail["Message-ID"]) for mail in notification.mailbox.mails)
    assert sorted(ids.values()) == [1, 1, 2]


@pytest.fixture
def another_mail_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Controller]]:
    """Starts a mail server, each time at the same address, and ends the one before."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("LIANBAN_SMTP_URL", f"smtp://127.0.0.1:{port}")
    forget_settings()
    running: list[Controller] = []

    def start() -> Controller:
        while running:
            running.pop().stop()
        running.append(Controller(Mailbox(), hostname="127.0.0.1", port=port, server_hostname="mail.test"))
        running[0].start()
        return running[0]

    yield start
    for controller in running:
        controller.stop()


def test_connections_are_kept_and_new_ones_are_made_where_the_mail_server_was_restarted(
    another_mail_server: Callable[[], Controller],
) -> None:
    another_mail_server()
    with mailing.connections(2) as first:
        assert len(first) == 2
    with mailing.connections(3) as again:
        assert set(first) < set(again)
    another_mail_server()
    with mailing.connections(2) as others:
        assert not set(others) & set(again)
        assert [smtp.noop()[0] for smtp in others] == [250, 250]


def test_where_the_mail_server_takes_no_further_connection_letters_go_over_those_that_there_are(
    another_mail_server: Callable[[], Controller], monkeypatch: pytest.MonkeyPatch
) -> None:
    another_mail_server()
    connect, opened = mailing._connect, list[mailing.Connection]()

    def full(url: str) -> mailing.Connection:
        if len(opened) == 2:
            raise smtplib.SMTPConnectError(421, "too many connections")
        opened.append(connect(url))
        return opened[-1]

    monkeypatch.setattr(mailing, "_connect", full)
    with mailing.connections(4) as lines:
        assert lines == opened


def test_no_connection_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("LIANBAN_SMTP_URL", f"smtp://127.0.0.1:{closed.getsockname()[1]}")
        forget_settings()
        with pytest.raises(ConnectionRefusedError), mailing.connections(4):
            raise AssertionError("there is nothing to connect to")


def test_letters_go_side_by_side(notification: Notification, monkeypatch: pytest.MonkeyPatch) -> None:
    three_letters(notification)
    all_three, send = threading.Barrier(3, timeout=30), mailing.Connection.hand_over

    def meet(*arguments: Any) -> Any:
        all_three.wait()
        return send(*arguments)

    monkeypatch.setattr(mailing.Connection, "hand_over", meet)
    assert sending.run_due() == 3
    assert states(notification) == {"waiting": 1, "served": 3}
    assert len({str(mail["Message-ID"]) for mail in notification.mailbox.mails}) == 3


def test_where_one_connection_ends_the_letters_of_the_others_are_written_down_and_no_other_is_begun(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_letters(notification)
    monkeypatch.setenv("LIANBAN_SMTP_CONNECTIONS", "2")
    forget_settings()
    both, send = threading.Barrier(2, timeout=30), mailing.Connection.hand_over
    broken = threading.Event()

    def half_broken(smtp: mailing.Connection, *arguments: Any) -> Any:
        if both.wait() == 0:
            broken.set()
            raise smtplib.SMTPServerDisconnected("gone")
        assert broken.wait(30)
        return send(smtp, *arguments)

    monkeypatch.setattr(mailing.Connection, "hand_over", half_broken)
    with pytest.raises(Retry):
        sending.run_due()
    assert states(notification) == {"waiting": 1, "served": 1, "queued": 2}
    assert len(notification.mailbox.mails) == 1


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "commands together"])
@pytest.mark.parametrize(
    ("refused", "answer", "state"),
    [
        ("to_mail", "451 later", "queued"),
        ("to_mail", "552 message size exceeds the limit", "failed"),
        ("to_rcpt", "450 later", "queued"),
        ("to_rcpt", "550 no such user", "failed"),
        ("to_data", "451 later", "queued"),
        ("to_data", "554 no", "failed"),
        ("answers", "451 later", "queued"),
        ("answers", "554 no", "failed"),
    ],
)
def test_a_refusal_means_the_same_whether_commands_go_together_or_one_by_one(
    notification: Notification, monkeypatch: pytest.MonkeyPatch, together: bool, refused: str, answer: str, state: str
) -> None:
    one_connection(monkeypatch)
    notification.mailbox.together = together
    three_letters(notification)
    getattr(notification.mailbox, refused).append(answer)
    sending.run_due()
    assert states(notification) == {"waiting": 1, state: 1, "served": 2}
    assert len(notification.mailbox.mails) == 2
    notification.make_due()
    sending.run_due()
    assert len(notification.mailbox.mails) == (3 if state == "queued" else 2)


def test_where_the_server_takes_commands_together_a_letter_costs_two_exchanges(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    notification.mailbox.together = True
    notification.register(NoticeChannel.EMAIL)
    send, sent = smtplib.SMTP.send, list[bytes]()

    def noted(smtp: smtplib.SMTP, what: bytes | str) -> None:
        sent.append(what if isinstance(what, bytes) else what.encode())
        send(smtp, what)

    monkeypatch.setattr(smtplib.SMTP, "send", noted)
    assert sending.run_due() == 1
    (asked, letter) = [what for what in sent if not what.startswith((b"ehlo", b"rset"))]
    assert [line.split(b":")[0] for line in asked.split(b"\r\n")] == [b"MAIL FROM", b"RCPT TO", b"DATA", b""]
    assert letter.endswith(b"\r\n.\r\n")


def test_an_address_with_a_line_break_gives_no_commands(notification: Notification) -> None:
    notification.mailbox.together = True
    with mailing.connections(1) as (smtp,), pytest.raises(ValueError, match="line break"):
        smtp.hand_over("a@example.org", "b@example.org>\r\nRCPT TO:<c@example.org", b"Subject: x\r\n\r\n")
    assert notification.mailbox.mails == []


def test_lines_that_begin_with_a_dot_arrive_as_they_were(notification: Notification) -> None:
    with mailing.connections(1) as (smtp,):
        smtp.hand_over("a@example.org", "b@example.org", b"Subject: x\r\n\r\n.\r\n..two\r\nthree.\r\n")
    (mail,) = notification.mailbox.mails
    assert mail.get_payload() == ".\r\n..two\r\nthree.\r\n"


def test_a_letter_that_cannot_be_written_is_not_taken_to_be_sent_where_the_error_has_no_text(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwritable(_: Letter) -> bytes:
        raise ValueError

    monkeypatch.setattr(Letter, "written", unwritable)
    notification.register(NoticeChannel.EMAIL)
    sending.run_due()
    assert states(notification) == {"failed": 1}
    assert [event.slug for event in notification.said(NoticeFailed)] == ["not-composed"]


@pytest.mark.parametrize(("answer", "first"), [("451 later", "queued"), ("554 no", "failed")])
def test_a_letter_that_the_server_refuses_before_it_reads_it_takes_no_other_with_it(
    notification: Notification, answer: str, first: str
) -> None:
    three_letters(notification)
    notification.mailbox.to_data = [answer]
    assert sending.run_due() == (3 if first == "failed" else 2)
    assert states(notification) == {"waiting": 1, first: 1, "served": 2}
    assert len(notification.mailbox.mails) == 2


@pytest.mark.parametrize("answer", ["503 nested MAIL command", "550 who are you", "421 closing"])
def test_letters_wait_where_the_server_refuses_the_sender(notification: Notification, answer: str) -> None:
    notification.register(NoticeChannel.EMAIL)
    notification.mailbox.to_mail = [answer]
    assert sending.run_due() == 0
    assert states(notification) == {"queued": 1}
    notification.make_due()
    assert sending.run_due() == 1
    assert states(notification) == {"served": 1}


def test_a_letter_that_the_server_finds_too_large_fails(notification: Notification) -> None:
    notification.register(NoticeChannel.EMAIL)
    notification.mailbox.to_mail = ["552 message size exceeds the limit"]
    assert sending.run_due() == 1
    assert states(notification) == {"failed": 1}


def test_a_letter_that_cannot_be_composed_holds_up_no_other(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_letters(notification)
    letter, composed = sending._letter, []

    def faulty(*arguments: Any) -> Letter:
        composed.append(1)
        if len(composed) == 1:
            raise TypeError("nobody thought of this")
        return letter(*arguments)

    monkeypatch.setattr(sending, "_letter", faulty)
    assert sending.run_due() == 3
    assert states(notification) == {"waiting": 1, "failed": 1, "served": 2}


def test_an_address_that_cannot_be_said_to_the_mail_server_holds_up_no_other(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_letters(notification)
    rcpt, said = smtplib.SMTP.rcpt, []

    def faulty(smtp: smtplib.SMTP, address: str, options: Any = ()) -> Any:
        said.append(address)
        if len(said) == 1:
            raise UnicodeEncodeError("ascii", address, 0, 1, "not so")
        return rcpt(smtp, address, options)

    monkeypatch.setattr(smtplib.SMTP, "rcpt", faulty)
    assert sending.run_due() == 3
    assert states(notification) == {"waiting": 1, "failed": 1, "served": 2}


def test_letters_about_a_matter_of_which_intake_says_nothing_wait_and_the_others_go(
    notification: Notification,
) -> None:
    three_letters(notification)
    told, notification.matter = notification.matter, uuid4()
    notification.register(NoticeChannel.EMAIL)
    notification.unspeakable, notification.matter = {notification.matter}, told
    assert sending.run_due() == 3
    assert states(notification) == {"waiting": 1, "served": 3, "queued": 1}


def test_an_outcome_that_cannot_be_written_down_takes_no_other_with_it(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_letters(notification)
    say_sent, sayings = serving.say_sent, []

    def faulty(tx: Any, notice: Any, **more: Any) -> None:
        sayings.append(notice.id)
        if notice.id == sayings[0]:
            raise ValueError("this cannot be said")
        say_sent(tx, notice, **more)

    monkeypatch.setattr(sending, "say_sent", faulty)
    assert sending.run_due() == 2
    assert states(notification) == {"waiting": 1, "served": 2, "sending": 1}
    assert len(notification.mailbox.mails) == 3


def test_no_letter_is_begun_when_the_time_for_which_it_is_held_is_over(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        """A clock on which each letter takes a minute."""

        @staticmethod
        def monotonic() -> float:
            return 60.0 * len(notification.mailbox.mails)

    one_connection(monkeypatch)
    three_letters(notification)
    monkeypatch.setattr(sending, "clock", Slow)
    assert sending.run_due() == 2
    assert len(notification.mailbox.mails) == 2
    assert states(notification) == {"waiting": 1, "served": 2, "sending": 1}


@pytest.mark.parametrize("answer", ["250 OK", "550 no such user", "451 later"])
def test_what_a_late_worker_says_of_a_letter_that_another_has_taken_since_is_left_out(
    notification: Notification, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    send = sending._send

    def late(*arguments: Any) -> Any:
        outcome = send(*arguments)
        notification.look.execute("update notice set tries = tries + 1 where state = 'sending'")
        return outcome

    monkeypatch.setattr(sending, "_send", late)
    notification.register(NoticeChannel.EMAIL)
    notification.mailbox.answers = [answer]
    assert sending.run_due() == 0
    assert states(notification) == {"sending": 1}
    email = [e for kind in (NoticeSent, NoticeFailed) for e in notification.said(kind)]
    assert [event for event in email if event.channel is NoticeChannel.EMAIL] == []


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [("451 later", "cancelled", []), ("550 no such user", "cancelled", []), ("250 OK", "served", [NoticeSent])],
)
def test_a_letter_whose_matter_is_withdrawn_while_it_is_being_sent_is_not_tried_again(
    notification: Notification, monkeypatch: pytest.MonkeyPatch, answer: str, state: str, said: list[type[Any]]
) -> None:
    send = sending._send

    def meanwhile(*arguments: Any) -> Any:
        outcome = send(*arguments)
        notification.hear(MatterWithdrawn(withdrawn_at=NOW))
        return outcome

    monkeypatch.setattr(sending, "_send", meanwhile)
    notification.register(NoticeChannel.EMAIL)
    notification.mailbox.answers = [answer]
    assert sending.run_due() == len(said)
    assert states(notification) == {state: 1}
    notification.make_due()
    assert sending.run_due() == 0
    email = [e for kind in (NoticeSent, NoticeFailed) for e in notification.said(kind)]
    assert [type(event) for event in email if event.channel is NoticeChannel.EMAIL] == said


def test_a_letter_that_a_killed_process_left_is_not_sent_where_its_matter_was_withdrawn(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> Any:
        raise SystemExit

    notification.register(NoticeChannel.EMAIL)
    with monkeypatch.context() as patched:
        patched.setattr(sending, "_send", killed)
        with pytest.raises(SystemExit):
            sending.run_due()
    assert states(notification) == {"sending": 1}
    notification.hear(MatterWithdrawn(withdrawn_at=NOW))
    notification.make_due()
    assert sending.run_due() == 0
    assert notification.mailbox.mails == []


def test_letters_wait_where_the_mail_server_hangs_up_except_those_whose_matter_was_withdrawn(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hung_up(*_: Any) -> Any:
        notification.hear(MatterWithdrawn(withdrawn_at=NOW))
        raise smtplib.SMTPServerDisconnected

    notification.register(NoticeChannel.EMAIL)
    monkeypatch.setattr(sending, "_send", hung_up)
    with pytest.raises(Retry):
        sending.run_due()
    assert states(notification) == {"cancelled": 1}
