"""The SMTP side: what is taken, and what is refused on purpose.

An address with ``+tempfail`` before the at sign is refused for now (451), one with ``+permfail`` for good (550).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.demo.mail import reading
from deploy.demo.mail.store import Mailbox

log = logging.getLogger("mail")


class Inbox:
    """Answers the commands of a sending program."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_RCPT(  # noqa: N802 - aiosmtpd looks it up by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or refuse it as its address asks for."""
        local = address.rpartition("@")[0].lower()
        if "+tempfail" in local:
            return "451 4.3.0 Mailbox is out of order for now, please try again"
        if "+permfail" in local:
            return "550 5.1.1 There is no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd looks it up by this name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep the message; 250 is said when it is on disk."""
        content: Any = envelope.original_content or envelope.content or b""
        source = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else bytes(content)
        try:
            number = await asyncio.to_thread(self._keep, envelope, source)
        except (sqlite3.Error, OSError) as error:
            log.error("a message could not be kept (%s)", type(error).__name__)
            return "451 4.3.0 Storage failed, please try again"
        return f"250 2.0.0 Kept as {number}"

    def _keep(self, envelope: Envelope, source: bytes) -> int:
        letter = reading.read(source)
        number = self._mailbox.add(
            sender=_sound(envelope.mail_from or ""),
            recipients=[_sound(address) for address in envelope.rcpt_tos],
            subject=letter.subject,
            message_id=letter.message_id,
            attachments=len(letter.attachments),
            source=source,
        )
        log.info("message %d kept, %d recipients, %d bytes", number, len(envelope.rcpt_tos), len(source))
        return number


def listener(mailbox: Mailbox, host: str, port: int, largest: int) -> Controller:
    """The SMTP server, not yet started."""
    return Controller(
        Inbox(mailbox),
        hostname=host,
        port=port,
        data_size_limit=largest,
        enable_SMTPUTF8=True,
        ident="Qinghe demo mail",
    )


def _sound(address: str) -> str:
    return address.encode("utf-8", "replace").decode("utf-8")
