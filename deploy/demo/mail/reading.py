"""Reading a message: its header, its text, its HTML and its attachments, however badly it is made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import EmailMessage, MIMEPart


@dataclass(frozen=True)
class Attachment:
    """One attached file; ``number`` is its place in the message."""

    number: int
    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True)
class Letter:
    """A message as a reader sees it."""

    subject: str
    sender: str
    to: str
    date: str
    message_id: str
    text: str | None
    html: str | None
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True)
class Headline:
    """What a line of the list shows of a message."""

    subject: str
    message_id: str
    attachments: int


FOLD = re.compile(r"\r?\n(?=[ \t])")
BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]+)"|([^\s;"]+))', re.IGNORECASE)
END_OF_HEADER = re.compile(rb"\r?\n\r?\n")
DEEPEST = 10


def headline(source: bytes) -> Headline:
    """The summary of a message, without taking it apart: a tenth of what :func:`read` costs, for each that comes."""
    header = _fields(source)
    return Headline(
        subject=_sound(_decoded(header.get("subject", ""))),
        message_id=_sound(header.get("message-id", "")),
        attachments=_count_attachments(source, header, DEEPEST),
    )


def _fields(source: bytes) -> dict[str, str]:
    """The header of a message or of a part: the first of each name, unfolded."""
    if source.startswith((b"\n", b"\r\n")):
        return {}
    end = END_OF_HEADER.search(source)
    header = source[: end.start() if end else len(source)].decode("utf-8", "replace")
    named = (line.partition(":") for line in FOLD.sub("", header).split("\n"))
    return {name.strip().lower(): value.strip() for name, _, value in reversed([*named])}


def _decoded(value: str) -> str:
    try:
        return str(make_header(decode_header(value))) if "=?" in value else value
    except (HeaderParseError, LookupError, ValueError):
        return value


def _count_attachments(source: bytes, header: dict[str, str], deepest: int) -> int:
    kind = header.get("content-type", "").lower()
    if not kind.startswith("multipart/"):
        disposition = header.get("content-disposition", "").lower()
        return int(disposition.startswith("attachment") or "filename" in disposition or "name=" in kind)
    found = BOUNDARY.search(header["content-type"])
    if found is None or deepest == 0:
        return 0
    parts = source.split(b"\n--" + (found[1] or found[2]).encode("utf-8", "replace"))[1:]
    inner = (rest for line, _, rest in (part.partition(b"\n") for part in parts) if not line.strip())
    return sum(_count_attachments(part, _fields(part), deepest - 1) for part in inner)


def read(source: bytes) -> Letter:
    """The message; parts that cannot be read are shown as well as they can be."""
    message = message_from_bytes(source, policy=policy.default.clone(raise_on_defect=False))
    return Letter(
        subject=_header(message, "subject"),
        sender=_header(message, "from"),
        to=_header(message, "to"),
        date=_header(message, "date"),
        message_id=_header(message, "message-id"),
        text=_body(message, "plain"),
        html=_body(message, "html"),
        attachments=tuple(_attachments(message)),
    )


def _header(message: EmailMessage, name: str) -> str:
    try:
        value = message.get(name)
    except (ValueError, IndexError, AttributeError, TypeError):
        # The parser of the standard library fails on some broken headers instead of noting a defect.
        return ""
    return _sound("" if value is None else str(value)).strip()


def _body(message: EmailMessage, kind: str) -> str | None:
    try:
        part = message.get_body((kind,))
    except (ValueError, KeyError, AttributeError):
        return None
    return None if part is None else _text(part)


def _text(part: MIMEPart) -> str:
    try:
        content = part.get_content()
    except (LookupError, ValueError, KeyError):
        # An unknown character set or encoding.
        payload = part.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else str(part.get_payload())
    return _sound(content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content))


def _attachments(message: EmailMessage) -> Iterator[Attachment]:
    number = 0
    for part in message.walk():
        if part.is_multipart() or part.get_content_maintype() == "multipart":
            continue
        name = part.get_filename()
        if name is None and part.get_content_disposition() != "attachment":
            continue
        number += 1
        payload = part.get_payload(decode=True)
        content = payload if isinstance(payload, bytes) else b""
        yield Attachment(number, _sound(name or f"附件{number}"), part.get_content_type(), content)


def _sound(text: str) -> str:
    """The text without lone surrogates, which cannot be written out."""
    return text.encode("utf-8", "replace").decode("utf-8")
