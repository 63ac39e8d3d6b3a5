"""How documents are numbered: kind, year in 〔〕 and a running number, as official documents in China are."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from lianban.contracts.codes import DocumentKind, NoticeChannel, NoticeKind

PREFIX: dict[DocumentKind, str] = {
    DocumentKind.TRANSFER_NOTICE: "联办转告",
    DocumentKind.ACCEPTANCE_NOTICE: "联办受告",
    DocumentKind.DECISION: "联办处意",
}


def document_number(kind: DocumentKind, year: int, running: int) -> str:
    """The number of a document, for example ``联办处意〔2026〕17号``."""
    return f"{PREFIX[kind]}〔{year}〕{running}号"


def document_id(matter_id: UUID, kind: DocumentKind, round_: int) -> UUID:
    """The id of the one document of a kind in a round: the same however often it is asked for."""
    return uuid5(NAMESPACE_URL, document_name(matter_id, kind, round_))


def document_name(matter_id: UUID, kind: DocumentKind, round_: int) -> str:
    """What a document's id is made from."""
    return f"urn:lianban:document:{matter_id}:{kind.value}:{round_}"


def notice_id(event_id: UUID, kind: NoticeKind, channel: NoticeChannel) -> UUID:
    """The id of the notice that an event causes on a channel: the same however often the event comes."""
    return uuid5(NAMESPACE_URL, f"urn:lianban:notice:{event_id}:{kind.value}:{channel.value}")


def message_id(notice: UUID, domain: str) -> str:
    """The Message-ID (RFC 5322) of a notice, so that a repetition is known as such."""
    return f"<{notice}@{domain}>"
