"""Connections to the mail server, kept from one batch of letters to the next: to open one costs as much as to hand
over several letters. A letter takes four exchanges, each of which waits, and the last one for the server's disk: over a
few connections letters wait side by side."""

from __future__ import annotations

import re
import smtplib
import ssl
import time as clock
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog

from lianban.chassis.settings import settings

SMTP_SECONDS = 20
KEEP_SECONDS = 60.0
"""How long a connection is kept unused; mail servers end one after some minutes."""

log = structlog.get_logger()
_Reply = tuple[int, bytes]
_BREAKS = re.compile(r"[\r\n]")
_kept: defaultdict[str, list[tuple[Connection, float]]] = defaultdict(list)
"""By address: connections that nobody uses, and since when."""


class Connection(smtplib.SMTP):
    """A connection in the open, for letters that stand in the form of mail already: CRLF ends each of their lines."""

    def hand_over(self, sender: str, recipient: str, letter: bytes, options: Sequence[str] = ()) -> None:
        """Hand over a letter to one recipient; raises what :meth:`smtplib.SMTP.sendmail` raises.

        Where the server takes commands together (RFC 2920), sender, recipient and the wish to send go out at once, and
        a letter costs two exchanges instead of four.
        """
        self.ehlo_or_helo_if_needed()
        if not self.has_extn("pipelining") or options:
            self.sendmail(sender, [recipient], letter, options)
            return
        size = f" size={len(letter)}" if self.has_extn("size") else ""
        from_, to = smtplib.quoteaddr(sender), smtplib.quoteaddr(recipient)
        if _BREAKS.search(from_ + to):
            raise ValueError("an address with a line break in it")
        self.send(f"MAIL FROM:{from_}{size}\r\nRCPT TO:{to}\r\nDATA\r\n".encode("ascii"))
        replies = self.getreply(), self.getreply(), self.getreply()
        refusal = _refusal(sender, recipient, *replies)
        if refusal is not None:
            if replies[2][0] == 354:  # it waits for a letter all the same: an empty one goes to nobody
                self.send(b".\r\n")
                self.getreply()
            raise refusal
        answer = self._text(letter)
        if answer[0] != 250:
            raise smtplib.SMTPDataError(*answer)

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Hand over the text of a letter, bytes that begin with a header field and end with CRLF."""
        answer = self.docmd("data")
        if answer[0] != 354:
            raise smtplib.SMTPDataError(*answer)
        return self._text(msg)

    def _text(self, letter: bytes) -> tuple[int, bytes]:
        """The letter itself. What the library does here looks for the dots to be doubled (RFC 5321 §4.5.2) with a
        regular expression that tries each byte, and costs twice as much as to write the letter."""
        self.send(letter.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return self.getreply()


def _refusal(
    sender: str, recipient: str, from_: _Reply, to: _Reply, go: _Reply
) -> smtplib.SMTPSenderRefused | smtplib.SMTPRecipientsRefused | smtplib.SMTPDataError | None:
    """What the first no among a server's replies means."""
    if from_[0] != 250:
        return smtplib.SMTPSenderRefused(*from_, sender)
    if to[0] not in {250, 251}:
        return smtplib.SMTPRecipientsRefused({recipient: to})
    return smtplib.SMTPDataError(*go) if go[0] != 354 else None


class _OverTls(Connection, smtplib.SMTP_SSL):
    """The same where TLS comes before everything else."""


@contextmanager
def connections(most: int) -> Iterator[list[Connection]]:
    """Connections for a batch of letters: at least one, and as many up to ``most`` as the server takes at once.

    Where anything goes wrong none of them is used again. Raises what smtplib raises where there is not even one.
    """
    url = settings().need("smtp_url")
    opened = [_standing(url) or _connect(url)]
    try:
        while len(opened) < most:
            try:
                opened.append(_standing(url) or _connect(url))
            except (OSError, smtplib.SMTPException) as error:
                log.info("mail.fewer_connections", wanted=most, opened=len(opened), reason=type(error).__name__)
                break
        yield opened
    except BaseException:
        for smtp in opened:
            smtp.close()
        raise
    _kept[url] += [(smtp, clock.monotonic()) for smtp in opened]


def begin_anew(smtp: Connection) -> None:
    """Let the server forget a letter that it did not take: where it refused in the middle it still waits for the rest.

    Where it has hung up, the next command says so.
    """
    with suppress(smtplib.SMTPServerDisconnected):
        smtp.rset()


def _standing(url: str) -> Connection | None:
    """A kept connection on which the mail server still answers: asked before a letter depends on the answer."""
    while _kept[url]:
        smtp, since = _kept[url].pop()
        with suppress(OSError, smtplib.SMTPException):
            if clock.monotonic() - since < KEEP_SECONDS and smtp.rset()[0] == 250:
                return smtp
        smtp.close()
    return None


def _connect(url: str) -> Connection:
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or (465 if parts.scheme == "smtps" else 25)
    if parts.scheme == "smtps":
        context = ssl.create_default_context()
        smtp: Connection = _OverTls(host, port, timeout=SMTP_SECONDS, context=context)
    else:
        smtp = Connection(host, port, timeout=SMTP_SECONDS)
    try:
        if parts.username:
            smtp.starttls(context=ssl.create_default_context())
            smtp.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        smtp.close()
        raise
    return smtp
