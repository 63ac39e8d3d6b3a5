"""Settings of a process, read once from ``LIANBAN_*`` environment variables.

Each setting stands here with its meaning; ``docs/reference/settings.md`` is generated from this class.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any


class MissingSetting(RuntimeError):
    """A setting without which the process cannot work is not given."""


def _s(default: str | int | float | None, doc: str) -> Any:
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a service process needs to know about its surroundings."""

    service: str = _s("", "Name of the service that this process is")
    database_url: str = _s("", "PostgreSQL URL of the service's own database")
    amqp_url: str = _s("", "AMQP URL of the broker; several alternatives separated by ';'")
    http_host: str = _s("127.0.0.1", "Address that HTTP listeners bind to")
    http_port: int = _s(0, "Port of the service's HTTP listener")
    ops_port: int = _s(0, "Port of the listener for /healthz, /readyz and /metrics")
    public_url: str = _s("http://127.0.0.1:8080", "Address of the edge as people see it")
    home: str = _s(".lianban", "State folder of the stack")
    files: str = _s(".lianban/files", "Folder for attachments and documents, encrypted at rest")
    keys: str = _s("", "Folder of this service's keys: signing.pem and fields.json")
    jwks: str = _s("", "File with the public keys of all services (JWKS)")
    secret_key: str = _s("", "Secret of form tokens and page sessions")
    intake_url: str = _s("", "Internal address of intake")
    routing_url: str = _s("", "Internal address of routing")
    agency_gateway_url: str = _s("", "Internal address of the agency gateway")
    oversight_url: str = _s("", "Internal address of oversight")
    notification_url: str = _s("", "Internal address of notification")
    suggest_url: str = _s("", "Internal address of the text model's process")
    smtp_url: str = _s("", "Mail server: smtp://[user:password@]host:port")
    smtp_connections: int = _s(4, "Largest number of connections to the mail server; letters go over them side by side")
    mail_from: str = _s("lianban@localhost", "Sender of messages to petitioners")
    site: str = _s("", "File with the site's policy (TOML)")
    queues: int = _s(4, "Queues per service; the 64 partitions are spread over them")
    database_pool: int = _s(12, "Largest number of database connections of a process")
    stand_by_seconds: float = _s(
        0.0,
        "Seconds that a process waits before it asks the broker for its queues: others of its service that asked before"
        " have them all, and it stands by",
    )
    batch: int = _s(200, "Largest number of events that are handled in one transaction")
    max_delivery: int = _s(1000, "Redeliveries by the broker after which a message goes to <service>.poison")
    retry_seconds: float = _s(
        1.0, "First waiting time after an event's handler asked for a retry; doubles up to 5 minutes"
    )
    tries: int = _s(20, "Tries after which an event goes to quarantine")
    statement_timeout: float = _s(15.0, "Seconds after which a database statement is given up")
    keep_idempotency_days: int = _s(30, "Days for which the answer to an Idempotency-Key is kept; 0: for ever")
    keep_events_days: int = _s(
        30, "Days for which published events stay in the outbox, and the trail of handled ones; 0: for ever"
    )
    keep_exchange_days: int = _s(
        180,
        "Days after its end for which the messages of an assignment are kept in the feed and on the desk; 0: for ever",
    )
    traces_endpoint: str = _s("", "OTLP/HTTP endpoint for traces; empty: no traces")
    log_level: str = _s("INFO", "Lowest level that is logged")
    rate_anonymous: str = _s("120 per minute", "Requests that one address may make without signing in")
    rate_token: str = _s("6000 per minute", "Requests that one token may make to each process of a service")
    environment: str = _s("demo", "Name of the installation, shown in traces and status")

    def url_of(self, service: str) -> str:
        """The internal address of a service."""
        return str(getattr(self, f"{service}_url"))

    def need(self, name: str) -> str:
        """A setting that must be there; raises :class:`MissingSetting` with its variable's name."""
        value = str(getattr(self, name))
        if not value:
            raise MissingSetting(f"set LIANBAN_{name.upper()}: {documentation()[name]}")
        return value

    @property
    def home_path(self) -> Path:
        """The state folder."""
        return Path(self.home)

    @property
    def files_path(self) -> Path:
        """The folder for attachments and documents."""
        return Path(self.files)


def documentation() -> dict[str, str]:
    """Every setting's name with its meaning."""
    return {item.name: str(item.metadata["doc"]) for item in fields(Settings)}


def read(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment; raises :class:`MissingSetting` when a value has the wrong form."""
    given: dict[str, Any] = {}
    for item in fields(Settings):
        text = environment.get(f"LIANBAN_{item.name.upper()}")
        if text is None or text == "":
            continue
        kind = {"int": int, "float": float}.get(str(item.type), str)
        try:
            given[item.name] = kind(text)
        except ValueError:
            raise MissingSetting(f"LIANBAN_{item.name.upper()} must be a number, not {text!r}") from None
    return Settings(**given)


@cache
def settings_of_process() -> Settings:
    """The settings in the environment of this process, read once."""
    return read(os.environ)


_chosen: ContextVar[Settings | None] = ContextVar("lianban_settings", default=None)


def settings() -> Settings:
    """The settings of this process, or those that :func:`use` has chosen."""
    return _chosen.get() or settings_of_process()


@contextmanager
def use(chosen: Settings) -> Iterator[None]:
    """Within the block this thread works with other settings: the operator's command for one service after another.

    Database, keys and site policy follow, because they are looked up by the settings at hand.
    """
    token = _chosen.set(chosen)
    try:
        yield
    finally:
        _chosen.reset(token)
