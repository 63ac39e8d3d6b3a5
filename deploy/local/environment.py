"""The environment of a stack's processes: the ``LIANBAN_*`` variables that ``lianban.chassis.settings`` reads."""

from __future__ import annotations

import os
from pathlib import Path

from deploy.local.keys import JWKS, Passwords
from deploy.local.layout import HOST, ROOT, SERVICES, Layout
from deploy.local.processes import DEPARTMENTS, Process, internal_url

MARK = "LIANBAN_STACK"
"""Every process of a stack carries it, with the state folder as value: so leftovers of a killed run are found."""
STAND_BY_SECONDS = 3.0
"""How long a service's second process leaves its queues to the first one: longer than they start apart."""
MAIL_FROM = "no-reply@lianban.qinghe.example"
"""Whom letters of the demo city come from; they go no further than its mailbox."""


def database_url(layout: Layout, role: str, password: str) -> str:
    """The URL of the role's own database."""
    return f"postgresql://{role}:{password}@{HOST}:{layout.ports.postgres}/{role}"


def admin_url(layout: Layout, passwords: Passwords) -> str:
    """The URL for making roles and databases."""
    return f"postgresql://postgres:{passwords.postgres}@{HOST}:{layout.ports.postgres}/postgres"


def amqp_url(layout: Layout, passwords: Passwords) -> str:
    """The broker's URL."""
    return f"amqp://lianban:{passwords.broker}@{HOST}:{layout.ports.amqp}//"


def service_environment(layout: Layout, passwords: Passwords, service: str) -> dict[str, str]:
    """The settings of a process of the service, ports excepted."""
    ports = layout.ports
    given = {
        "LIANBAN_SERVICE": service,
        "LIANBAN_DATABASE_URL": database_url(layout, service, passwords.roles[service]),
        "LIANBAN_AMQP_URL": amqp_url(layout, passwords),
        "LIANBAN_HTTP_HOST": HOST,
        "LIANBAN_HTTP_PORT": str(ports.http(service)),
        "LIANBAN_OPS_PORT": str(ports.ops(service)),
        "LIANBAN_PUBLIC_URL": layout.public_url,
        "LIANBAN_HOME": str(layout.home),
        "LIANBAN_FILES": str(layout.files / service),
        "LIANBAN_KEYS": str(layout.keys / service),
        "LIANBAN_JWKS": str(layout.keys / JWKS),
        # One secret for all services: they share one origin, so they share its session cookie.
        "LIANBAN_SECRET_KEY": passwords.session,
        "LIANBAN_SUGGEST_URL": internal_url(ports.suggest),
        "LIANBAN_SMTP_URL": f"smtp://{HOST}:{ports.mail}",
        "LIANBAN_MAIL_FROM": MAIL_FROM,
    }
    policy = site_policy(layout)
    if policy is not None:
        given["LIANBAN_SITE"] = str(policy)
    for other in SERVICES:
        given[f"LIANBAN_{other.upper()}_URL"] = internal_url(ports.http(other))
    return given


def site_policy(layout: Layout) -> Path | None:
    """The site's policy that services read: the operator's choice, else the state folder's where there is one."""
    chosen = os.environ.get("LIANBAN_SITE")
    if chosen:
        return Path(chosen)
    return layout.site if layout.site.exists() else None


def demo_environment(layout: Layout, passwords: Passwords) -> dict[str, str]:
    """The settings of the demo city's programs, which know nothing of Lianban's; also for who seeds the city."""
    return {
        "MAIL_DATABASE": str(layout.demo / "mail.sqlite3"),
        "MAIL_HOST": HOST,
        "MAIL_SMTP_PORT": str(layout.ports.mail),
        "MAIL_HTTP_PORT": str(layout.ports.mailbox),
        "PULLER_CONFIG": str(layout.puller),
        "PULLER_DATABASE": str(layout.demo / "puller.sqlite3"),
        "PULLER_URL": layout.public_url,
        "DEPARTMENTS_DATABASE_URL": database_url(layout, DEPARTMENTS, passwords.roles[DEPARTMENTS]),
        "DEPARTMENTS_HTTP_HOST": HOST,
        "DEPARTMENTS_HTTP_PORT": str(layout.ports.departments),
        "DEPARTMENTS_URL": internal_url(layout.ports.departments),
        "DEPARTMENTS_ADMIN_KEY": passwords.departments,
    }


def process_environment(layout: Layout, passwords: Passwords, process: Process) -> dict[str, str]:
    """The settings of one process of the table."""
    ports = layout.ports
    given = {"LIANBAN_HOME": str(layout.home), "LIANBAN_PUBLIC_URL": layout.public_url, "LIANBAN_HTTP_HOST": HOST}
    if process.environment:
        given = service_environment(layout, passwords, process.environment)
    elif process.demo:
        given |= demo_environment(layout, passwords)
    given["LIANBAN_HTTP_PORT"] = str(process.http(ports)) if process.http else ""
    given["LIANBAN_OPS_PORT"] = str(process.ops(ports)) if process.ops else ""
    if process.stands_by:
        given["LIANBAN_STAND_BY_SECONDS"] = str(STAND_BY_SECONDS)
    return given


def passed_on() -> dict[str, str]:
    """What every process gets of the caller's environment: no more than it needs, and settings of the operator."""
    wanted = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE")
    given = {name: os.environ[name] for name in wanted if name in os.environ}
    for name, value in os.environ.items():
        # The operator's own settings reach the services (LIANBAN_QUEUES, LIANBAN_SITE, LIANBAN_LOG_LEVEL, …).
        # So do those of the collector that traces go to, its credentials for example.
        own = name.startswith("LIANBAN_") and name not in ("LIANBAN_PORT", "LIANBAN_PORT_BASE", MARK)
        if own or name.startswith("OTEL_EXPORTER_OTLP_"):
            given[name] = value
    given.setdefault("LANG", "C.UTF-8")
    given["PYTHONPATH"] = str(ROOT)
    given["PYTHONUNBUFFERED"] = "1"
    return given
