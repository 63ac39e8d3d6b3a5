"""A letter as bytes (RFC 5322 with MIME).

Its few header fields are all known, so they are written as they must stand there: the library's general way parses and
folds each of them anew, which cost more than everything else about a letter. What is not ASCII travels in encoded words
(RFC 2047) or an extended parameter (RFC 2231), the bodies in base64.
"""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from urllib.parse import quote

LINES = re.compile(rb".{1,76}")
"""The lines that base64 is cut into (RFC 2045 §6.8)."""
WORD_BYTES = 39
"""Of a text in one encoded word: 52 characters of base64 and the frame leave room for the field's name on a line."""
ADDRESS = re.compile(r"[^@\s<>()\[\],;:\\\"\x00-\x1f\x7f]+@[^@\s<>()\[\],;:\\\"\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a letter says; ``pdf`` is a file's name and content."""

    message_id: str
    sender_name: str
    sender: str
    recipient: str
    subject: str
    date: datetime
    text: str
    html: str
    pdf: tuple[str, bytes] | None = None

    def written(self) -> bytes:
        """The letter ready to be sent; raises ``ValueError`` where the recipient is no single address."""
        if not ADDRESS.fullmatch(self.recipient):
            raise ValueError("the recipient is no single address")
        # Neither base64 nor a header line begins with "--=_": the boundaries cannot occur inside.
        within, around = f"=_words_{id_part(self.message_id)}", f"=_letter_{id_part(self.message_id)}"
        words = _multipart(
            "alternative",
            within,
            [
                _part('text/plain; charset="utf-8"', self.text.encode()),
                _part('text/html; charset="utf-8"', self.html.encode()),
            ],
        )
        content = words
        if self.pdf is not None:
            name, file = self.pdf
            disposition = f"Content-Disposition: attachment;\r\n filename*=utf-8''{quote(name)}\r\n"
            content = _multipart("mixed", around, [words, _part("application/pdf", file, disposition)])
        name = f"{encoded_words(self.sender_name)}\r\n " if self.sender_name else ""  # the address on a line of its own
        header = (
            f"From: {name}<{self.sender}>\r\n"
            f"To: {self.recipient}\r\n"
            f"Subject: {encoded_words(self.subject)}\r\n"
            f"Message-ID: {self.message_id}\r\n"
            f"Date: {format_datetime(self.date)}\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
        )
        return header.encode() + content


def id_part(message_id: str) -> str:
    """The letters and digits of a message id before the at sign."""
    return "".join(letter for letter in message_id.partition("@")[0] if letter.isalnum() and letter.isascii())[:40]


@lru_cache(maxsize=64)
def encoded_words(text: str) -> str:
    """A text as encoded words, one on each line; no character is divided between two of them."""
    words, word = [], b""
    for letter in text:
        more = letter.encode()
        if len(word) + len(more) > WORD_BYTES:
            words.append(word)
            word = b""
        word += more
    return "\r\n ".join(f"=?utf-8?b?{b64encode(part).decode()}?=" for part in (*words, word))


def _part(kind: str, content: bytes, more: str = "") -> bytes:
    body = b"\r\n".join(LINES.findall(b64encode(content)))
    return f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n{more}\r\n".encode() + body + b"\r\n"


def _multipart(kind: str, boundary: str, parts: list[bytes]) -> bytes:
    line = f"--{boundary}".encode()
    head = f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n\r\n'.encode()
    return head + b"".join(line + b"\r\n" + part + b"\r\n" for part in parts) + line + b"--\r\n"
