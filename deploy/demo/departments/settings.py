"""Settings of the ticket system, read from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What one process needs to know; secrets are not shown in its representation."""

    database_url: str
    admin_key: str | None
    host: str
    port: int
    webhook_calls: int
    webhook_max_wait: float
    """The longest pause between two attempts of one webhook, in seconds."""

    def __repr__(self) -> str:
        return f"Settings(host={self.host!r}, port={self.port})"


def from_environment() -> Settings:
    """The settings of this process; raises ``SystemExit`` with a sentence where one is missing or wrong."""
    url = os.environ.get("DEPARTMENTS_DATABASE_URL")
    if not url:
        raise SystemExit("DEPARTMENTS_DATABASE_URL is not set: give the PostgreSQL address of the ticket system.")
    try:
        return Settings(
            database_url=url,
            admin_key=os.environ.get("DEPARTMENTS_ADMIN_KEY") or None,
            host=os.environ.get("DEPARTMENTS_HTTP_HOST", "127.0.0.1"),
            port=int(os.environ.get("DEPARTMENTS_HTTP_PORT", "18021")),
            webhook_calls=int(os.environ.get("DEPARTMENTS_WEBHOOK_CALLS", "48")),
            webhook_max_wait=float(os.environ.get("DEPARTMENTS_WEBHOOK_MAX_WAIT", "30")),
        )
    except ValueError as error:
        raise SystemExit(f"A DEPARTMENTS_* setting is not a number: {error}") from error
