"""What was handed over, and proofs of service: the portal was opened with the query code, or the recipient's server
took the mail (a setting).

Time of issue and time of service are both kept (the house reads 条例 §34 by service).
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from lianban.chassis.database import Transaction
from lianban.chassis.inbox import Received
from lianban.contracts.codes import NoticeChannel
from lianban.contracts.intake import MatterOpened
from lianban.contracts.notification import NoticeSent, NoticeServed
from services.notification.app import metrics
from services.notification.store import documents, notices


def opened(tx: Transaction, event: Received[MatterOpened]) -> None:
    """The petitioner opened the status page: every notice shown there is served."""
    for notice in event.data.notices:
        say_served(tx, notice, means=NoticeChannel.PORTAL, at=event.data.opened_at)


def say_sent(tx: Transaction, notice: notices.Notice, *, at: datetime) -> None:
    """Say that a notice was handed over."""
    tx.emit(
        NoticeSent(
            notice_id=notice.id,
            kind=notice.kind,
            channel=notice.channel,
            message_id=notice.message_id,
            document_id=notice.document_id,
            sent_at=at,
        ),
        subject=notice.matter_id,
        at=at,
    )
    metrics.notices.labels(notice.channel.value, "sent").inc()


def say_served(tx: Transaction, notice_id: UUID, *, means: NoticeChannel, at: datetime) -> None:
    """Note the proof and say it, once; a notice that was not handed over cannot be served."""
    notice = notices.served(tx, notice_id, means=means, at=at)
    if notice is None:
        return
    document = documents.get(tx, notice.document_id) if notice.document_id else None
    tx.emit(
        NoticeServed(
            notice_id=notice.id,
            kind=notice.kind,
            means=means,
            document_id=notice.document_id,
            document_kind=document.kind if document else None,
            names=document.names if document else (),
            round=document.round if document else 1,
            served_at=at,
        ),
        subject=notice.matter_id,
        at=at,
    )
