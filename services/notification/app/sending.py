"""Handing notices over by e-mail, with a deterministic message id; what the portal shows is there without being sent.

A notice goes out again only when it is not known to have been handed over; its message id stays the same, so
that a repetition is recognisable. What is read, and what is written down, is so for many notices at once. Addresses are
fetched just before sending and not kept.
"""

from __future__ import annotations

import smtplib
import time as clock
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined

from lianban.chassis import site, traces
from lianban.chassis.database import UNAVAILABLE
from lianban.chassis.errors import Poison, Retry
from lianban.chassis.internal import fetch
from lianban.chassis.logs import say
from lianban.chassis.runtime import database
from lianban.chassis.secrets import unseal_bytes
from lianban.chassis.settings import settings
from lianban.chassis.time import CHINA, now
from lianban.chassis.together import together
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import NoticeChannel
from lianban.contracts.notification import NoticeFailed
from services.notification.app import mailing, metrics
from services.notification.app.serving import say_sent, say_served
from services.notification.domain.letter import Letter
from services.notification.domain.wording import sentences
from services.notification.store import documents, matters, notices

log = structlog.get_logger()
BATCH = 60
GROUP = 8
"""So many notices are handed over side by side and then settled in one transaction: if the process is killed, at most
these go out again."""
SETTLE_PAUSE_SECONDS = 2.0
FOR_GOOD: Sequence[int] = range(500, 600)
TOO_LARGE: Sequence[int] = (552,)
"""What a server answers at once to the size of a letter, which is said with the sender's address (RFC 1870 §6.1)."""
_templates = Environment(
    loader=PackageLoader("services.notification", "mail"), autoescape=True, undefined=StrictUndefined, auto_reload=False
)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the letters of a batch are made of, read at once; the persons come from intake."""

    matters: Mapping[UUID, matters.Matter]
    issued: Mapping[UUID, documents.Issued]

    @classmethod
    def read(cls, tx: Transaction, batch: Sequence[notices.Notice]) -> _Known:
        papers = [n.document_id for n in batch if n.document_id]
        return cls(
            matters.read(tx, {n.matter_id for n in batch}), documents.issued(tx, papers, pdf=True) if papers else {}
        )

    def document(self, notice: notices.Notice) -> documents.Document | None:
        issued = self.issued.get(notice.document_id) if notice.document_id else None
        return issued.document if issued else None


class _Fate(Enum):
    """What can become of a notice."""

    SENT = auto()
    WAITS = auto()
    """It is known not to have been handed over, and is tried again."""
    FAILED = auto()
    """It cannot be handed over by this channel."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a notice, and where it did not go, why; ``slug`` is the reason that is said of one that failed."""

    notice: notices.Notice
    fate: _Fate
    why: str = ""
    slug: str = ""


def run_due() -> int:
    """Hand over notices whose turn has come; returns how many were settled."""
    held_until = clock.monotonic() + notices.HOLD.total_seconds()
    with database().transaction() as tx:
        taken = notices.take(tx, at=now(), limit=BATCH)
        if not taken:
            return 0
        known = _Known.read(tx, taken)
    return _mail(taken, known, held_until)


def _mail(batch: Sequence[notices.Notice], known: _Known, held_until: float) -> int:
    """Send a batch, as long as it is held: what has not been begun then is left to whoever takes it next."""
    left, settled = {notice.id: notice for notice in batch}, 0
    begin_until = held_until - mailing.SMTP_SECONDS  # so long an answer may take
    try:
        persons = {notice.id: found for some, found in together(batch, _persons) for notice in some}
        with (
            mailing.connections(min(settings().smtp_connections, len(batch))) as lines,
            ThreadPoolExecutor(len(lines)) as pool,
        ):
            for first in range(0, len(batch), GROUP):
                group = _Group(batch[first : first + GROUP], known, persons, begin_until)
                try:
                    group.hand_over(lines, pool)
                finally:  # what was handed over is written down, whatever became of the others
                    for outcome in group.outcomes:
                        del left[outcome.notice.id]
                    settled += _settle(group.outcomes, known, held_until)
    except (Retry, OSError, smtplib.SMTPException) as error:
        with database().transaction() as tx:
            tx.lock_all(notice.matter_id for notice in left.values())
            _put_back(tx, [_Outcome(notice, _Fate.WAITS, type(error).__name__) for notice in left.values()])
        raise Retry(f"notices wait: {type(error).__name__}") from error
    return settled


Persons = dict[UUID, dict[str, Any]]
"""By matter: who is told, where, and in which language."""


def _persons(batch: Sequence[notices.Notice]) -> Persons:
    asked = {"ids": sorted({str(n.matter_id) for n in batch})}
    items = fetch("intake", "/internal/v1/matters/persons", asked, purpose="notice")["items"]
    return {UUID(item["id"]): item for item in items}


class _Group:
    """Some notices of a batch that are handed over side by side, each connection taking the next one that waits."""

    def __init__(
        self,
        some: Sequence[notices.Notice],
        known: _Known,
        persons: Mapping[UUID, Persons | Exception],
        begin_until: float,
    ) -> None:
        self.outcomes: list[_Outcome] = []
        self._waiting = deque(some)
        self._known = known
        self._persons = persons
        self._begin_until = begin_until

    def hand_over(self, lines: Sequence[mailing.Connection], pool: ThreadPoolExecutor) -> None:
        """Return when none hands over any more. Raises how one failed; the others took no further notice since."""
        handing = [pool.submit(self._over, smtp) for smtp in lines[: len(self._waiting)]]
        try:
            for one in handing:
                one.result()
        finally:
            wait(handing)

    def _over(self, smtp: mailing.Connection) -> None:
        while self._waiting and clock.monotonic() < self._begin_until:
            notice = self._waiting.popleft()
            try:
                self.outcomes.append(_send(smtp, notice, self._known, self._persons[notice.id]))
            except BaseException:
                self._waiting.clear()
                raise


def _send(smtp: mailing.Connection, notice: notices.Notice, known: _Known, persons: Persons | Exception) -> _Outcome:
    with traces.span(f"mail {notice.kind.value}", parent=traces.Carried.read(notice.trace)):
        return _hand_over(smtp, notice, known, persons)


def _hand_over(
    smtp: mailing.Connection, notice: notices.Notice, known: _Known, persons: Persons | Exception
) -> _Outcome:
    if isinstance(persons, Exception):
        log.error("notice.person_not_told", notice=str(notice.id), exc_info=persons)
        return _Outcome(notice, _Fate.WAITS, say(persons))
    person = persons.get(notice.matter_id)
    if person is None or not person.get("email"):
        return _Outcome(notice, _Fate.FAILED, "no e-mail address is known", "no-address")
    recipient = str(person["email"])
    options = () if recipient.isascii() else ("SMTPUTF8", "BODY=8BITMIME")
    try:
        letter = _letter(notice, known, person).written()
    except Exception as error:  # noqa: BLE001 - whatever it is, its neighbours go on
        return _not_composed(notice, error)
    try:
        smtp.hand_over(settings().mail_from, recipient, letter, options)
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPResponseException, smtplib.SMTPNotSupportedError) as error:
        mailing.begin_anew(smtp)
        return _refused(notice, error)
    except OSError:  # the connection's end, which smtplib tells as one too
        raise
    except Exception as error:  # noqa: BLE001 - as above
        mailing.begin_anew(smtp)
        return _not_composed(notice, error)
    return _Outcome(notice, _Fate.SENT)


def _not_composed(notice: notices.Notice, error: Exception) -> _Outcome:
    log.error("notice.not_composed", notice=str(notice.id), exc_info=error)
    return _Outcome(notice, _Fate.FAILED, say(error), "not-composed")


def _refused(notice: notices.Notice, error: smtplib.SMTPException) -> _Outcome:
    """What the mail server's no means for a notice: only where it speaks of the recipient or of the letter is it final.

    What it says to our greeting and to our sender's address is about us.
    """
    match error:
        case smtplib.SMTPNotSupportedError():
            return _Outcome(notice, _Fate.FAILED, "the mail server takes no addresses beyond ASCII", "refused")
        case smtplib.SMTPRecipientsRefused():
            code, final = max((answer[0] for answer in error.recipients.values()), default=550), FOR_GOOD
        case smtplib.SMTPDataError():
            code, final = error.smtp_code, FOR_GOOD
        case _:
            code, final = int(getattr(error, "smtp_code", 450)), TOO_LARGE
    if code in final:
        return _Outcome(notice, _Fate.FAILED, f"the recipient's server refused the mail: {code}", "refused")
    return _Outcome(notice, _Fate.WAITS, f"the mail server asks to wait: {code}")


def _settle(group: Sequence[_Outcome], known: _Known, held_until: float) -> int:
    """Write down what became of a group; one that cannot be written down is left to its hold."""
    settled = 0
    for some, count in together(group, partial(_settle_held, known=known, held_until=held_until)):
        if isinstance(count, Exception):
            log.error("notice.not_written_down", notice=str(some[0].notice.id), exc_info=count)
        else:
            settled += count
    return settled


def _settle_held(group: Sequence[_Outcome], known: _Known, held_until: float) -> int:
    """Where the database is away, wait for it as long as the notices are held rather than hand the same letters over
    again."""
    pause = 0.2
    while True:
        try:
            with database().transaction() as tx:
                return _write_down(tx, group, known)
        except UNAVAILABLE:
            if clock.monotonic() >= held_until:
                raise
            clock.sleep(pause)
            pause = min(2 * pause, SETTLE_PAUSE_SECONDS)


def _write_down(tx: Transaction, group: Sequence[_Outcome], known: _Known) -> int:
    moment = now()
    tx.lock_all(outcome.notice.matter_id for outcome in group)
    proved = bool(site.table("notification").get("email_proves_service", False))
    means = NoticeChannel.EMAIL if proved else None
    sent = notices.sent(tx, [o.notice for o in group if o.fate is _Fate.SENT], at=moment, means=means)
    failed = notices.failed(tx, [(o.notice, o.why) for o in group if o.fate is _Fate.FAILED])
    _put_back(tx, [o for o in group if o.fate is _Fate.WAITS])
    for outcome in group:
        notice = outcome.notice
        with traces.span(f"settle {notice.kind.value}", parent=traces.Carried.read(notice.trace)):
            if notice.id in sent:
                say_sent(tx, notice, at=moment)
                if means is not None:
                    say_served(tx, notice, known.document(notice), means=means, at=moment)
            elif notice.id in failed:
                _say_failed(tx, notice, outcome.slug)
    return len(sent) + len(failed)


def _say_failed(tx: Transaction, notice: notices.Notice, slug: str) -> None:
    moment = now()
    tx.emit(
        NoticeFailed(notice_id=notice.id, kind=notice.kind, channel=notice.channel, slug=slug, failed_at=moment),
        subject=notice.matter_id,
        at=moment,
    )
    metrics.notices.labels(notice.channel.value, "failed").inc()
    log.warning("notice.failed", notice=str(notice.id), channel=notice.channel.value, reason=slug)


def _put_back(tx: Transaction, waiting: Sequence[_Outcome]) -> None:
    moment = now()
    for outcome in waiting:
        wait = timedelta(seconds=min(5 * 2 ** min(outcome.notice.tries, 8), 600))
        notices.put_back(tx, outcome.notice, error=outcome.why, until=moment + wait)


def _letter(notice: notices.Notice, known: _Known, person: dict[str, Any]) -> Letter:
    matter = known.matters.get(notice.matter_id)
    issued = known.issued.get(notice.document_id) if notice.document_id else None
    if matter is None:
        raise Poison("the matter is not known here")
    language = person.get("language") or "zh"
    words = sentences(
        notice.kind,
        language=language,
        number=matter.number,
        lead=notice.facts["lead"],
        co_handlers=notice.facts["co_handlers"],
    )
    shown = {
        "words": words,
        "english": language.startswith("en"),
        "name": person["name"],
        "number": matter.number,
        "query_code": person["query_code"],
        "link": f"{settings().public_url.rstrip('/')}/matters",
        "site": site.table("site").get("name", "信访事项联合办理平台"),
        "document": issued.document.number if issued else None,
    }
    return Letter(
        message_id=notice.message_id,
        sender_name=str(shown["site"]),
        sender=settings().mail_from,
        recipient=str(person["email"]),
        subject=f"【联办】{words.subject}（{matter.number}）",
        date=notice.happened_at.astimezone(CHINA),
        text=_templates.get_template("notice.txt").render(shown),
        html=_templates.get_template("notice.html").render(shown),
        pdf=_pdf(issued) if issued else None,
    )


def _pdf(issued: documents.Issued) -> tuple[str, bytes]:
    document = issued.document
    return f"{document.number}.pdf", unseal_bytes(issued.pdf, context=f"document.pdf:{document.id}")
