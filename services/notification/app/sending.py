"""Handing notices over by e-mail, with a deterministic message id; what the portal shows is there without being sent.

A notice goes out again only when it is not known to have been handed over; its message id stays the same, so
that a repetition is recognisable. Addresses are fetched just before sending and not kept.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined

from lianban.chassis import site, traces
from lianban.chassis.errors import Poison, Retry
from lianban.chassis.internal import fetch
from lianban.chassis.runtime import database
from lianban.chassis.secrets import unseal_bytes
from lianban.chassis.settings import settings
from lianban.chassis.time import CHINA, now
from lianban.contracts.codes import NoticeChannel
from lianban.contracts.notification import NoticeFailed
from services.notification.app import metrics
from services.notification.app.serving import say_sent, say_served
from services.notification.domain.wording import sentences
from services.notification.store import documents, matters, notices

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger()
BATCH = 20
SMTP_SECONDS = 20
_templates = Environment(
    loader=PackageLoader("services.notification", "mail"), autoescape=True, undefined=StrictUndefined
)


def run_due() -> int:
    """Hand over notices whose turn has come; returns how many were settled."""
    with database().transaction() as tx:
        taken = notices.take(tx, at=now(), limit=BATCH)
    return _mail(taken) if taken else 0


def _mail(batch: Sequence[notices.Notice]) -> int:
    asked = {"ids": sorted({str(n.matter_id) for n in batch})}
    try:
        items = fetch("intake", "/internal/v1/matters/persons", asked, purpose="notice")["items"]
        persons = {UUID(item["id"]): item for item in items}
        with _connection() as smtp:
            return sum(_send(smtp, notice, persons.get(notice.matter_id)) for notice in batch)
    except (Retry, OSError, smtplib.SMTPException) as error:
        _put_back(batch, type(error).__name__)
        raise Retry(f"notices wait: {type(error).__name__}") from error


def _send(smtp: smtplib.SMTP, notice: notices.Notice, person: dict[str, Any] | None) -> int:
    with traces.span(f"mail {notice.kind.value}", parent=traces.Carried.read(notice.trace)):
        return _hand_over(smtp, notice, person)


def _hand_over(smtp: smtplib.SMTP, notice: notices.Notice, person: dict[str, Any] | None) -> int:
    if person is None or not person.get("email"):
        return _give_up(notice, "no-address", "no e-mail address is known")
    try:
        smtp.send_message(_message(notice, person))
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException) as error:
        code = _code(error)
        if 500 <= code < 600:
            return _give_up(notice, "refused", f"the recipient's server refused the mail: {code}")
        _put_back([notice], f"the recipient's server asks to wait: {code}")
        return 0
    except Poison as error:
        return _give_up(notice, "not-composed", str(error))
    return _settle(notice)


def _code(error: smtplib.SMTPException) -> int:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return max((answer[0] for answer in error.recipients.values()), default=550)
    return int(getattr(error, "smtp_code", 450))


def _settle(notice: notices.Notice) -> int:
    moment = now()
    with database().transaction() as tx:
        tx.lock(notice.matter_id)
        if not notices.sent(tx, notice.id, at=moment):
            return 0
        say_sent(tx, notice, at=moment)
        if site.table("notification").get("email_proves_service", False):
            say_served(tx, notice.id, means=NoticeChannel.EMAIL, at=moment)
    return 1


def _give_up(notice: notices.Notice, slug: str, why: str) -> int:
    moment = now()
    with database().transaction() as tx:
        tx.lock(notice.matter_id)
        if not notices.failed(tx, notice.id, error=why):
            return 0
        tx.emit(
            NoticeFailed(notice_id=notice.id, kind=notice.kind, channel=notice.channel, slug=slug, failed_at=moment),
            subject=notice.matter_id,
            at=moment,
        )
    metrics.notices.labels(notice.channel.value, "failed").inc()
    log.warning("notice.failed", notice=str(notice.id), channel=notice.channel.value, reason=slug)
    return 1


def _put_back(batch: Sequence[notices.Notice], why: str) -> None:
    with database().transaction() as tx:
        for notice in batch:
            wait = timedelta(seconds=min(5 * 2 ** min(notice.tries, 8), 600))
            notices.put_back(tx, notice.id, error=why, until=now() + wait)


def _message(notice: notices.Notice, person: dict[str, Any]) -> EmailMessage:
    with database().transaction() as tx:
        matter = matters.get(tx, notice.matter_id)
        document = documents.get(tx, notice.document_id) if notice.document_id else None
        sealed = documents.pdf(tx, notice.document_id) if notice.document_id else None
    if matter is None:
        raise Poison("the matter is not known here")
    words = sentences(
        notice.kind,
        language=person.get("language") or "zh",
        number=matter.number,
        lead=notice.facts["lead"],
        co_handlers=notice.facts["co_handlers"],
    )
    shown = {
        "words": words,
        "english": (person.get("language") or "zh").startswith("en"),
        "name": person["name"],
        "number": matter.number,
        "query_code": person["query_code"],
        "link": f"{settings().public_url.rstrip('/')}/matters",
        "site": site.table("site").get("name", "信访事项联合办理平台"),
        "document": document.number if document else None,
    }
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr((str(shown["site"]), settings().mail_from))
    message["To"] = person["email"]
    message["Subject"] = f"【联办】{words.subject}（{matter.number}）"
    message["Message-ID"] = notice.message_id
    message["Date"] = format_datetime(notice.happened_at.astimezone(CHINA))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_templates.get_template("notice.txt").render(shown))
    message.add_alternative(_templates.get_template("notice.html").render(shown), subtype="html")
    if document and sealed:
        pdf = unseal_bytes(sealed, context=f"document.pdf:{document.id}")
        message.add_attachment(pdf, maintype="application", subtype="pdf", filename=f"{document.number}.pdf")
    return message


@contextmanager
def _connection() -> Iterator[smtplib.SMTP]:
    url = urlsplit(settings().need("smtp_url"))
    host, port = url.hostname or "localhost", url.port or (465 if url.scheme == "smtps" else 25)
    if url.scheme == "smtps":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=SMTP_SECONDS, context=ssl.create_default_context())
    else:
        smtp = smtplib.SMTP(host, port, timeout=SMTP_SECONDS)
    with smtp:
        if url.username:
            smtp.starttls(context=ssl.create_default_context())
            smtp.login(unquote(url.username), unquote(url.password or ""))
        yield smtp
