"""The mail server as senders and readers meet it."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy.demo.mail.receiving import listener
from deploy.demo.mail.store import Kept, Mailbox
from tests.integration.demo.programs import Program, free_port, running


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder: Path = tmp_path_factory.mktemp("mail")
    port = free_port()
    environment = {
        "MAIL_DATABASE": str(folder / "mail.sqlite3"),
        "MAIL_SMTP_PORT": str(free_port()),
        "MAIL_HTTP_PORT": str(port),
        "MAIL_LARGEST_BYTES": "1000000",
    }
    with running(Program("deploy.demo.mail", f"http://127.0.0.1:{port}", environment, folder / "log")) as one:
        yield one


def a_letter(to: str, **headers: str) -> EmailMessage:
    letter = EmailMessage()
    for name, value in ({"Subject": "受理告知书", "From": "xinfang@qinghe.example", "To": to} | headers).items():
        letter[name] = value
    letter.set_content("您好，您反映的事项已受理。")
    return letter


def send(program: Program, letter: EmailMessage, *to: str) -> None:
    with smtplib.SMTP("127.0.0.1", int(program.environment["MAIL_SMTP_PORT"]), timeout=10) as smtp:
        smtp.send_message(letter, to_addrs=list(to) or None)


def get(program: Program, path: str = "", **query: str) -> requests.Response:
    return requests.get(f"{program.url}/demo/mail/{path}", params=query, timeout=10)


def received(program: Program, to: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = get(program, "api/messages", to=to).json()["items"]
    return items


def test_an_empty_mailbox_says_so(program: Program) -> None:
    page = get(program)
    assert page.ok
    assert "还没有邮件" in page.text


def test_a_letter_with_an_attachment_is_kept_and_shown(program: Program) -> None:
    letter = a_letter("a@example.net", **{"Message-ID": "<1@qinghe.example>"})
    letter.add_attachment(b"%PDF-1.7 x", maintype="application", subtype="pdf", filename="受理告知书.pdf")
    send(program, letter)
    (kept,) = received(program, "a@example.net")
    assert (kept["subject"], kept["message_id"], kept["recipients"]) == (
        "受理告知书",
        "<1@qinghe.example>",
        ["a@example.net"],
    )
    assert kept["text"].strip() == "您好，您反映的事项已受理。"
    (attached,) = kept["attachments"]
    assert (attached["name"], attached["media_type"], attached["bytes"]) == ("受理告知书.pdf", "application/pdf", 10)
    file = requests.get(program.url + attached["href"], timeout=10)
    assert file.content == b"%PDF-1.7 x"
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert "filename*=UTF-8''%E5%8F%97" in file.headers["Content-Disposition"]
    page = get(program, f"messages/{kept['id']}").text
    assert "您反映的事项已受理" in page
    assert "受理告知书.pdf" in page
    assert get(program, f"messages/{kept['id']}/source").content.startswith(b"Subject:")


def test_the_html_of_a_letter_is_shown_in_a_box_that_runs_nothing(program: Program) -> None:
    letter = a_letter("b@example.net")
    letter.add_alternative("<p>您好</p><script>alert(1)</script>", subtype="html")
    send(program, letter)
    (kept,) = received(program, "b@example.net")
    page = get(program, f"messages/{kept['id']}").text
    assert "<script>" not in page
    assert "<iframe sandbox " in page
    box = get(program, f"messages/{kept['id']}/html")
    assert box.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_the_same_letter_sent_twice_is_there_twice(program: Program) -> None:
    letter = a_letter("c@example.net", **{"Message-ID": "<3@qinghe.example>"})
    send(program, letter)
    send(program, letter)
    assert len(received(program, "c@example.net")) == 2


def test_a_letter_is_found_by_any_of_its_recipients_hidden_ones_too(program: Program) -> None:
    send(program, a_letter("d@example.net"), "d@example.net", "Hidden@Example.net")
    assert len(received(program, "hidden@example.net")) == 1
    assert "受理告知书" in get(program, to="hidden@").text
    assert "没有发给" in get(program, to="nobody").text


def test_addresses_may_ask_to_be_refused(program: Program) -> None:
    for address, code in (("e+tempfail@example.net", 451), ("e+permfail@example.net", 550)):
        with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
            send(program, a_letter(address))
        assert refused.value.recipients[address][0] == code
        assert received(program, address) == []


def test_a_chinese_address_is_taken(program: Program) -> None:
    letter = a_letter("张三@example.net")
    with smtplib.SMTP("127.0.0.1", int(program.environment["MAIL_SMTP_PORT"]), timeout=10) as smtp:
        smtp.send_message(letter)
    assert len(received(program, "张三@example.net")) == 1


@pytest.mark.parametrize(
    ("argument", "code"),
    [
        ("<a.b+c@sub.example.net>", 250),
        ("<a@example.net> BODY=8BITMIME", 250),
        ('<"a b"@example.net>', 250),
        ("a@example.net", 250),
        ("<a@example.net>BODY", 501),
        ("<a@example.net> SIZE=many", 501),
        ("<a@example.net> SIZE=2000000", 552),
        ("<a..b@example.net>", 250),
        ("<a@b@example.net>", 553),
    ],
)
def test_a_senders_address_is_taken_in_every_form_that_mail_has(program: Program, argument: str, code: int) -> None:
    with smtplib.SMTP("127.0.0.1", int(program.environment["MAIL_SMTP_PORT"]), timeout=10) as smtp:
        smtp.ehlo()
        assert smtp.docmd("MAIL", f"FROM:{argument}")[0] == code


def test_a_letter_that_is_too_large_is_refused(program: Program) -> None:
    letter = a_letter("f@example.net")
    letter.add_attachment(b"x" * 2_000_000, maintype="application", subtype="pdf", filename="x.pdf")
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        send(program, letter)
    assert refused.value.smtp_code == 552


def test_a_letter_arrives_byte_for_byte_however_its_lines_begin_and_wherever_it_is_cut(program: Program) -> None:
    lines = ["Subject: dots", "", ".", "..", ".x", "", "a" * 900, "."]
    with socket.create_connection(("127.0.0.1", int(program.environment["MAIL_SMTP_PORT"])), timeout=10) as line:
        answers = line.makefile("rb")
        answers.readline()
        for command in ("HELO x", "MAIL FROM:<a@example.net>", "RCPT TO:<h@example.net>", "DATA"):
            line.sendall(f"{command}\r\n".encode())
            answers.readline()
        sent = "".join(f".{one}\r\n" if one.startswith(".") else f"{one}\r\n" for one in lines).encode()
        for place in range(0, len(sent), 7):
            line.sendall(sent[place : place + 7])
        line.sendall(b".\r")
        line.sendall(b"\n")
        assert answers.readline().startswith(b"250 ")
    (kept,) = received(program, "h@example.net")
    source = get(program, f"messages/{kept['id']}/source").content
    assert source == "".join(f"{one}\r\n" for one in lines).encode()


def test_commands_that_come_together_are_answered_one_after_the_other(program: Program) -> None:
    letter = "MAIL FROM:<a@example.net>\r\nRCPT TO:<k@example.net>\r\nDATA\r\nSubject: {}\r\n\r\nx\r\n.\r\n"
    with socket.create_connection(("127.0.0.1", int(program.environment["MAIL_SMTP_PORT"])), timeout=10) as line:
        answers = line.makefile("rb")
        answers.readline()
        line.sendall(b"EHLO x\r\n")
        offered = list[bytes]()
        while not offered or offered[-1].startswith(b"250-"):
            offered.append(answers.readline())
        assert b"250-PIPELINING\r\n" in offered
        line.sendall((letter.format("first") + letter.format("second") + "QUIT\r\n").encode())
        codes = [answers.readline()[:3] for _ in range(9)]
    assert codes == [b"250", b"250", b"354", b"250", b"250", b"250", b"354", b"250", b"221"]
    assert {kept["subject"] for kept in received(program, "k@example.net")} == {"first", "second"}


def test_letters_that_arrive_together_are_all_kept(program: Program) -> None:
    def one(number: int) -> None:
        send(program, a_letter("i@example.net", Subject=f"第{number}封"))

    with ThreadPoolExecutor(12) as senders:
        list(senders.map(one, range(24)))
    kept = received(program, "i@example.net")
    assert {letter["subject"] for letter in kept} == {f"第{number}封" for number in range(24)}
    assert len(kept) == 24


def test_a_message_that_turns_out_too_large_is_refused_and_the_next_is_taken(program: Program) -> None:
    with smtplib.SMTP("127.0.0.1", int(program.environment["MAIL_SMTP_PORT"]), timeout=10) as smtp:
        smtp.helo()
        for content, code in ((b"x" * 1_500_000, 552), (b"Subject: small\r\n\r\nx", 250)):
            smtp.mail("a@example.net")
            smtp.rcpt("j@example.net")
            assert smtp.data(content)[0] == code
    assert [letter["subject"] for letter in received(program, "j@example.net")] == ["small"]


class _Unreliable(Mailbox):
    """A mailbox in memory that fails once in a way that nobody thought of."""

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self.errors = [ValueError("nobody thought of this")]

    def add(self, letters: Sequence[Kept]) -> list[int]:
        if self.errors:
            raise self.errors.pop()
        self.kept += letters
        return [len(self.kept)]


def test_a_message_that_could_not_be_kept_does_not_spoil_the_next_on_its_connection() -> None:
    mailbox, port = _Unreliable(), free_port()
    server = listener(mailbox, "127.0.0.1", port, 1_000_000)
    server.start()
    try:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as smtp:
            smtp.helo()
            for recipient, code in (("k@example.net", 500), ("l@example.net", 250)):
                assert smtp.mail("a@example.net")[0] == 250
                smtp.rcpt(recipient)
                assert smtp.data(b"Subject: x\r\n\r\nx")[0] == code
    finally:
        server.stop()
    assert [letter.recipients for letter in mailbox.kept] == [["l@example.net"]]


def test_what_is_not_there_is_told(program: Program) -> None:
    for path in ("messages/9999999", "messages/99999999999999999999", "messages/1/attachments/7", "nothing"):
        missing = get(program, path)
        assert missing.status_code == 404
        assert "没有这封邮件" in missing.text
    for strange in ("x", "-1", "9" * 30):
        assert get(program, before=strange).ok
        assert get(program, "api/messages", after=strange, limit=strange).ok


def test_mail_survives_a_restart_and_the_list_turns_pages(program: Program) -> None:
    for number in range(35):
        send(program, a_letter("g@example.net", Subject=f"第{number}封"))
    program.end()
    program.start()
    first = get(program, to="g@example.net").text
    assert "第34封" in first
    assert "第4封" not in first
    assert "更早的邮件" in first
    assert len(received(program, "g@example.net")) == 35


def test_no_addresses_stand_in_the_log(program: Program) -> None:
    send(program, a_letter("secret@example.net"))
    assert "secret@example.net" not in program.log.read_text()
