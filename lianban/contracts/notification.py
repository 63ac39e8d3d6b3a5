"""What notification says: documents issued, messages sent, service proved."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lianban.contracts.codes import DocumentKind, NoticeChannel, NoticeKind
from lianban.contracts.events import event
from lianban.contracts.refs import AgencyRef


@event("notification.document-issued.v1")
class DocumentIssued:
    """A numbered document was issued; ``names`` are the agencies on whose behalf it speaks."""

    document_id: UUID
    kind: DocumentKind
    number: str
    issuer: AgencyRef
    names: tuple[AgencyRef, ...]
    round: int
    issued_at: datetime


@event("notification.notice-sent.v1")
class NoticeSent:
    """A message was handed over to a channel under a deterministic message id."""

    notice_id: UUID
    kind: NoticeKind
    channel: NoticeChannel
    message_id: str
    document_id: UUID | None
    sent_at: datetime


@event("notification.notice-served.v1")
class NoticeServed:
    """Service is proved: the portal was opened, or the recipient's server took the mail (a setting)."""

    notice_id: UUID
    kind: NoticeKind
    means: NoticeChannel
    document_id: UUID | None
    document_kind: DocumentKind | None
    names: tuple[AgencyRef, ...]
    round: int
    served_at: datetime


@event("notification.notice-failed.v1")
class NoticeFailed:
    """A message cannot be handed over by this channel; ``slug`` says why."""

    notice_id: UUID
    kind: NoticeKind
    channel: NoticeChannel
    slug: str
    failed_at: datetime
