"""Settings of the mail server, read from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What one process needs to know; ``largest`` is the size of a message in bytes."""

    host: str
    smtp_port: int
    http_port: int
    database: Path
    largest: int


def from_environment() -> Settings:
    """The settings of this process; raises ``SystemExit`` with a sentence where one is missing or wrong."""
    database = os.environ.get("MAIL_DATABASE")
    if not database:
        raise SystemExit("MAIL_DATABASE is not set: name the file in which the mailbox is kept.")
    try:
        return Settings(
            host=os.environ.get("MAIL_HOST", "127.0.0.1"),
            smtp_port=int(os.environ.get("MAIL_SMTP_PORT", "18025")),
            http_port=int(os.environ.get("MAIL_HTTP_PORT", "18026")),
            database=Path(database),
            largest=int(os.environ.get("MAIL_LARGEST_BYTES", str(30 * 1024 * 1024))),
        )
    except ValueError as error:
        raise SystemExit(f"A MAIL_* setting is not a number: {error}") from error
