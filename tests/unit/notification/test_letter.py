"""Letters as the readers of mail programs meet them."""

from __future__ import annotations

import email
import email.policy
from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianban.chassis.time import CHINA
from services.notification.domain.letter import Letter

PDF = bytes(range(256)) * 20


def a_letter(
    *,
    recipient: str = "qin@example.org",
    subject: str = "【联办】您的信访事项已受理（XF1）",
    text: str = "您好",
    pdf: bool = True,
) -> Letter:
    return Letter(
        message_id="<8d1f@qinghe.example>",
        sender_name="清河市信访事项联合办理平台",
        sender="xinfang@qinghe.example",
        recipient=recipient,
        subject=subject,
        date=datetime(2026, 11, 23, 9, 0, tzinfo=CHINA),
        text=text,
        html=f"<p>{text}</p>",
        pdf=("联办受告〔2026〕1号.pdf", PDF) if pdf else None,
    )


def read(written: bytes) -> EmailMessage:
    message = email.message_from_bytes(written, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def content(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def test_every_part_of_a_letter_is_read_as_it_was_written() -> None:
    message = read(a_letter().written())
    assert [part.defects for part in message.walk()] == [[]] * 5
    assert {name: str(message[name]) for name in ("From", "To", "Subject", "Message-ID", "Date")} == {
        "From": "清河市信访事项联合办理平台 <xinfang@qinghe.example>",
        "To": "qin@example.org",
        "Subject": "【联办】您的信访事项已受理（XF1）",
        "Message-ID": "<8d1f@qinghe.example>",
        "Date": "Mon, 23 Nov 2026 09:00:00 +0800",
    }
    assert (content(message, "plain"), content(message, "html")) == ("您好", "<p>您好</p>")
    (attached,) = message.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == ("application/pdf", "联办受告〔2026〕1号.pdf")
    assert attached.get_payload(decode=True) == PDF


def test_a_letter_without_a_document_has_two_forms_of_its_words_and_no_attachment() -> None:
    message = read(a_letter(pdf=False).written())
    assert message.get_content_type() == "multipart/alternative"
    assert list(message.iter_attachments()) == []
    assert content(message, "plain") == "您好"


def test_an_address_beyond_ascii_stands_in_the_header_as_it_is() -> None:
    assert "\r\nTo: 秦晓月@例子.网址\r\n".encode() in a_letter(recipient="秦晓月@例子.网址").written()


@pytest.mark.parametrize("recipient", ["", "qin", "a@b\r\nBcc: c@d", "a@b, c@d", "<a@b>", "a b@c"])
def test_a_recipient_that_is_no_single_address_is_refused(recipient: str) -> None:
    with pytest.raises(ValueError, match="no single address"):
        a_letter(recipient=recipient).written()


WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=200)


@given(WORDS, WORDS)
def test_no_words_break_a_letters_form(subject: str, text: str) -> None:
    written = a_letter(subject=subject, text=text).written()
    lines = written.split(b"\r\n")
    assert max(map(len, lines)) <= 200  # RFC 5322 allows 998; only the name of the file is longer than 78
    assert b"\n" not in b"".join(lines)
    assert all(len(line) <= 76 for line in lines if b"=?utf-8?" in line)  # RFC 2047 §2
    assert all(len(word) <= 75 for line in lines for word in line.split(b" ") if word.startswith(b"=?"))
    assert not any(line.startswith(b".") for line in lines)
    message = read(written)
    assert str(message["Subject"]) == subject
    assert content(message, "plain") == text


def test_a_letter_of_a_site_without_a_name_comes_from_its_address_alone() -> None:
    message = read(replace(a_letter(), sender_name="").written())
    assert str(message["From"]) == "xinfang@qinghe.example"
    assert not message["From"].defects
