"""The connection to the mail server, kept from one batch of letters to the next: to open one costs as much as to hand
over several letters."""

from __future__ import annotations

import smtplib
import ssl
import time as clock
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from lianban.chassis.settings import settings

SMTP_SECONDS = 20
KEEP_SECONDS = 60.0
"""How long a connection is kept unused; mail servers end one after some minutes."""

_kept: dict[str, tuple[smtplib.SMTP, float]] = {}
"""By address: connections that nobody uses, and since when."""


class _Plain(smtplib.SMTP):
    """A connection in the open, for letters that stand in the form of mail already: CRLF ends each of their lines."""

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Hand over the text of a letter, bytes that begin with a header field and end with CRLF.

        What the library does here looks for the dots to be doubled (RFC 5321 §4.5.2) with a regular expression that
        tries each byte, and costs twice as much as to write the letter.
        """
        answer = self.docmd("data")
        if answer[0] != 354:
            raise smtplib.SMTPDataError(*answer)
        self.send(msg.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        return self.getreply()


class _OverTls(_Plain, smtplib.SMTP_SSL):
    """The same where TLS comes before everything else."""


@contextmanager
def connection() -> Iterator[smtplib.SMTP]:
    """A connection for a batch of letters; one on which anything went wrong is not used again."""
    url = settings().need("smtp_url")
    smtp = _standing(url) or _connect(url)
    try:
        yield smtp
    except BaseException:
        smtp.close()
        raise
    _kept[url] = smtp, clock.monotonic()


def begin_anew(smtp: smtplib.SMTP) -> None:
    """Let the server forget a letter that it did not take: where it refused in the middle it still waits for the rest.

    Where it has hung up, the next command says so.
    """
    with suppress(smtplib.SMTPServerDisconnected):
        smtp.rset()


def _standing(url: str) -> smtplib.SMTP | None:
    """The kept connection, where the mail server still answers on it: asked before a letter depends on the answer."""
    if url not in _kept:
        return None
    smtp, since = _kept.pop(url)
    try:
        if clock.monotonic() - since < KEEP_SECONDS and smtp.rset()[0] == 250:
            return smtp
    except (OSError, smtplib.SMTPException):
        pass
    smtp.close()
    return None


def _connect(url: str) -> smtplib.SMTP:
    parts = urlsplit(url)
    host, port = parts.hostname or "localhost", parts.port or (465 if parts.scheme == "smtps" else 25)
    if parts.scheme == "smtps":
        context = ssl.create_default_context()
        smtp: smtplib.SMTP = _OverTls(host, port, timeout=SMTP_SECONDS, context=context)
    else:
        smtp = _Plain(host, port, timeout=SMTP_SECONDS)
    try:
        if parts.username:
            smtp.starttls(context=ssl.create_default_context())
            smtp.login(unquote(parts.username), unquote(parts.password or ""))
    except BaseException:
        smtp.close()
        raise
    return smtp
