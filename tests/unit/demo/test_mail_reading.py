"""Reading mail, however badly it is made."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo.mail import reading


def a_letter() -> EmailMessage:
    letter = EmailMessage()
    letter["Subject"] = "受理告知书"
    letter["From"] = "清河市信访局 <xinfang@qinghe.example>"
    letter["To"] = "zhang@example.net"
    letter["Message-ID"] = "<1@qinghe.example>"
    letter.set_content("您好，您反映的事项已受理。")
    letter.add_alternative("<p>您好</p>", subtype="html")
    letter.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="受理告知书.pdf")
    return letter


def test_text_html_and_attachments_are_told_apart() -> None:
    read = reading.read(a_letter().as_bytes())
    assert (read.subject, read.to, read.message_id) == ("受理告知书", "zhang@example.net", "<1@qinghe.example>")
    assert read.text is not None
    assert read.text.strip() == "您好，您反映的事项已受理。"
    assert read.html is not None
    assert "<p>您好</p>" in read.html
    assert [(a.number, a.name, a.media_type, a.content) for a in read.attachments] == [
        (1, "受理告知书.pdf", "application/pdf", b"%PDF-1.7")
    ]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"", ""),
        (b"no header at all", "no header at all"),
        (b"Content-Type: text/plain; charset=nonsense\r\n\r\n\xe4\xbd\xa0\xe5\xa5\xbd", "你好"),
        (b"Content-Type: text/plain; charset=utf-8\r\n\r\n\xff\xfe", "\ufffd\ufffd"),
        (b"Content-Type: text/plain; charset=gb18030\r\n\r\n\xc4\xe3\xba\xc3", "你好"),
        (b"Content-Transfer-Encoding: base64\r\n\r\n!!!!", ""),
    ],
    ids=["empty", "no header", "unknown charset", "wrong bytes", "gb18030", "broken base64"],
)
def test_broken_mail_is_shown_as_well_as_it_can_be(source: bytes, text: str) -> None:
    assert (reading.read(source).text or "").strip() == text


def test_the_headline_of_a_letter_is_what_reading_it_gives() -> None:
    plain = EmailMessage()
    plain["Subject"] = "答复" * 40  # folded over several lines
    plain["Message-ID"] = "<2@qinghe.example>"
    plain.set_content("您好")
    forwarded = a_letter()
    forwarded.add_attachment(plain)
    bare = b"Subject: plain\r\nContent-Type: text/plain; name=a.txt\r\n\r\nx"
    for source in (a_letter().as_bytes(), plain.as_bytes(), forwarded.as_bytes(), bare):
        read, headline = reading.read(source), reading.headline(source)
        assert (headline.subject, headline.message_id) == (read.subject, read.message_id)
    assert [reading.headline(s.as_bytes()).attachments for s in (a_letter(), plain, forwarded)] == [1, 0, 2]
    assert reading.headline(bare).attachments == 1


def test_a_broken_message_id_does_not_hide_the_letter() -> None:
    read = reading.read(b"Message-ID: <[\r\nSubject: =?utf-8?q?=E4?=\r\nFrom: <@@>\r\n\r\nbody")
    assert read.text == "body"


@given(st.binary(max_size=400))
def test_no_bytes_make_reading_fail(source: bytes) -> None:
    read = reading.read(source)
    read.subject.encode()
    reading.headline(source).subject.encode()


PIECES = [b"Subject: ", b"From: ", b"Message-ID: <", b"\xff", b"[", b"=?utf-8?b?", b"?=", b"\r\n", b"@", b'"', b"text"]
PARTS = [b"Content-Type: multipart/mixed; boundary=x", b"\r\n--x\r\n"]


@given(st.lists(st.sampled_from(PIECES + PARTS), max_size=20))
def test_no_pieces_of_mail_make_reading_fail(pieces: list[bytes]) -> None:
    reading.read(b"".join(pieces)).subject.encode()
    reading.headline(b"".join(pieces)).subject.encode()
