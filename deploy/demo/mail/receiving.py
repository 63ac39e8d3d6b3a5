"""The SMTP side: what is taken, and what is refused on purpose.

An address with ``+tempfail`` before the at sign is refused for now (451), one with ``+permfail`` for good (550).
"""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.demo.mail import reading
from deploy.demo.mail.store import Kept, Mailbox

log = logging.getLogger("mail")

CHUNK = 2**18
END_OF_MESSAGE = b"\r\n.\r\n"
_WORDS = r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*"
PLAIN = re.compile(rf"\s*<({_WORDS}@{_WORDS})>(|\s.*)")
"""What follows MAIL FROM: and RCPT TO: nearly always."""


class Inbox:
    """Takes recipients, and keeps messages; those that arrive together are kept in one commit."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._waiting: list[tuple[Kept, asyncio.Future[int]]] = []

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

    async def handle_EHLO(  # noqa: N802 - aiosmtpd looks it up by this name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Take commands together (RFC 2920), besides what the library can do."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def keep(self, envelope: Envelope, source: bytes) -> str:
        """Keep the message; 250 is said when it is on disk."""
        headline = reading.headline(source)
        letter = Kept(
            sender=_sound(envelope.mail_from or ""),
            recipients=[_sound(address) for address in envelope.rcpt_tos],
            subject=headline.subject,
            message_id=headline.message_id,
            attachments=headline.attachments,
            source=source,
        )
        loop = asyncio.get_running_loop()
        kept: asyncio.Future[int] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._commit)  # after everything else whose last byte is here already
        self._waiting.append((letter, kept))
        try:
            number = await kept
        except (sqlite3.Error, OSError) as error:
            log.error("a message could not be kept (%s)", type(error).__name__)
            return "451 4.3.0 Storage failed, please try again"
        return f"250 2.0.0 Kept as {number}"

    def _commit(self) -> None:
        """Keep all that waits. Nobody else is served meanwhile: what arrives until then shares the next commit."""
        together, self._waiting = self._waiting, []
        try:
            numbers = self._mailbox.add([letter for letter, _ in together])
        except Exception as error:  # noqa: BLE001 - each sender is told
            for _, kept in together:
                if not kept.done():  # its connection may have gone meanwhile
                    kept.set_exception(error)
            return
        size = sum(len(letter.source) for letter, _ in together)
        log.info("messages kept: %s; %d bytes", ", ".join(map(str, numbers)), size)
        for (_, kept), number in zip(together, numbers, strict=True):
            if not kept.done():
                kept.set_result(number)


class Receiver(SMTP):
    """One connection. A message is read in large pieces: line by line it would cost as much as all the rest."""

    line_length_limit = CHUNK
    event_handler: Inbox

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """The address in a command's argument, and the rest of it.

        A plain one is told at a glance: the library takes it apart as a header field, a seventh of what a message cost.
        """
        plain = PLAIN.fullmatch(arg)
        return (plain[1], plain[2]) if plain else super()._getaddr(arg)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd looks it up by this name
        """Take one message."""
        if await self.check_helo_needed():
            return
        if self.envelope is None or not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Need RCPT first")
            return
        if arg:
            await self.push("501 5.5.4 DATA takes no argument")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        try:
            source = await self._message()
            if source is None:
                answer = "552 5.3.4 Too much mail data"
            else:
                answer = await self.event_handler.keep(self.envelope, source)
        finally:
            self.envelope = Envelope()  # the next message begins anew, whatever became of this one
        await self.push(answer)

    async def _message(self) -> bytes | None:
        """The message up to its lone dot, without the dots that were doubled (RFC 5321 §4.5.2); None where it is
        larger than may be."""
        received, looked, too_large = bytearray(b"\r\n"), 0, False
        while (end := received.find(END_OF_MESSAGE, looked)) < 0:
            looked = max(len(received) - len(END_OF_MESSAGE) + 1, 0)
            if self.data_size_limit and len(received) > self.data_size_limit:
                too_large = True
                del received[:looked]
                looked = 0
            piece = await self._reader.read(CHUNK)
            if not piece:
                raise ConnectionResetError
            received += piece
        if len(received) > end + len(END_OF_MESSAGE):
            # Commands that were sent ahead (RFC 2920) are read after the answer.
            reader: Any = self._reader
            reader._buffer[:0] = received[end + len(END_OF_MESSAGE) :]  # noqa: SLF001 - a reader takes no bytes back
        too_large = too_large or bool(self.data_size_limit and end > self.data_size_limit)
        return None if too_large else bytes(received[: end + 2].replace(b"\r\n.", b"\r\n")[2:])


class Listener(Controller):
    """The SMTP server in a thread of its own."""

    def factory(self) -> SMTP:
        """What answers one connection."""
        return Receiver(self.handler, **self.SMTP_kwargs)


def listener(mailbox: Mailbox, host: str, port: int, largest: int) -> Controller:
    """The SMTP server, not yet started."""
    return Listener(
        Inbox(mailbox),
        hostname=host,
        port=port,
        data_size_limit=largest,
        enable_SMTPUTF8=True,
        ident="Qinghe demo mail",
    )


def _sound(address: str) -> str:
    return address.encode("utf-8", "replace").decode("utf-8")
