"""What was handed over, and proofs of service: the portal was opened with the query code, or the recipient's server
took the mail (a setting).

Time of issue and time of service are both kept (the house reads 条例 §34 by service).
"""

from __future__ import annotations

from datetime import datetime

from lianban.chassis.inbox import Received
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import NoticeChannel
from lianban.contracts.intake import MatterOpened
from lianban.contracts.notification import NoticeSent, NoticeServed
from services.notification.app import metrics
from services.notification.store import documents, notices


def opened(tx: Transaction, event: Received[MatterOpened]) -> None:
    """The petitioner opened the status page: every notice shown there is served, once; one that was not handed over
    cannot be."""
    served = notices.served(tx, event.data.notices, means=NoticeChannel.PORTAL, at=event.data.opened_at)
    papers = [notice.document_id for notice in served if notice.document_id]
    known = documents.issued(tx, papers) if papers else {}
    for notice in served:
        issued = known.get(notice.document_id) if notice.document_id else None
        document = issued.document if issued else None
        say_served(tx, notice, document, means=NoticeChannel.PORTAL, at=event.data.opened_at)


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


def say_served(
    tx: Transaction,
    notice: notices.Notice,
    document: documents.Document | None,
    *,
    means: NoticeChannel,
    at: datetime,
) -> None:
    """Say that service of a notice is proved, after it was noted."""
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
