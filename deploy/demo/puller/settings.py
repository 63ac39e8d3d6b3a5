"""Settings of the pull client: the environment, and the agencies in a JSON file.

``PULLER_CONFIG`` names the file, a list of ``{"agency", "token", "url"?, "trade"?, "desk"?, "autopilot"?}``; ``url`` is
the address of the exchange (default ``PULLER_URL``). ``desk`` polls the open assignments of an agency that works on the
web desk, instead of the message feed. ``autopilot`` is ``{"mode": "on"|"off", "min_seconds", "max_seconds", "rules",
"since"?}``: what was sent before ``since`` (ISO 8601 with offset) is left to people. A rule is ``{"match": "regular
expression on title and content", "role"?: "lead"|"co_handler", "action": "object"|"stall"|"ignore", "reason"?,
"proposed_agency"?, "text"?, "legal_basis"?}``.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from deploy.demo import phrases

ACTIONS = ("object", "stall", "ignore")
REASONS = ("outside_powers", "outside_territory", "other_lead", "statutory_procedure", "already_handled")


@dataclass(frozen=True)
class Rule:
    """What to do with a matter whose text matches: object to it, never finish it, or never look at it."""

    match: re.Pattern[str]
    role: str | None
    action: str
    reason: str
    proposed_agency: str | None
    text: str
    legal_basis: str


@dataclass(frozen=True)
class Autopilot:
    """Whether and how fast an agency answers by itself; seconds before each statement."""

    on: bool = True
    min_seconds: float = 2.0
    max_seconds: float = 6.0
    rules: tuple[Rule, ...] = ()
    since: datetime | None = None

    def is_for_people(self, sent_at: object) -> bool:
        """Whether an assignment was sent before the autopilot began."""
        if self.since is None or not isinstance(sent_at, str):
            return False
        try:
            return datetime.fromisoformat(sent_at) < self.since
        except (ValueError, TypeError):
            return False

    def rule_for(self, role: str, text: str, *, binding: bool) -> Rule | None:
        """The first rule that fits; a binding assignment is not objected to."""
        for rule in self.rules:
            if rule.role in {None, role} and not (binding and rule.action == "object") and rule.match.search(text):
                return rule
        return None


@dataclass(frozen=True)
class Agency:
    """One department that this client works for."""

    code: str
    url: str
    token: str = field(repr=False)
    trade: str
    desk: bool
    autopilot: Autopilot


@dataclass(frozen=True)
class Settings:
    """What one process needs to know; ``poll`` and ``longest_poll`` are seconds between looks, busy and idle."""

    config: Path
    database: Path
    url: str
    poll: float
    longest_poll: float


def from_environment() -> Settings:
    """The settings of this process; raises ``SystemExit`` with a sentence where something is missing or wrong."""
    path = os.environ.get("PULLER_CONFIG")
    if not path:
        raise SystemExit("PULLER_CONFIG is not set: name the JSON file that lists the agencies.")
    try:
        poll = float(os.environ.get("PULLER_POLL_SECONDS", "1"))
        longest = float(os.environ.get("PULLER_LONGEST_POLL_SECONDS", "5"))
    except ValueError as error:
        raise SystemExit(f"A PULLER_* setting is not a number: {error}") from error
    database = Path(os.environ.get("PULLER_DATABASE") or Path(path).with_suffix(".sqlite3"))
    return Settings(Path(path), database, os.environ.get("PULLER_URL", ""), poll, max(poll, longest))


def version(config: Path) -> str | None:
    """Which list lies there, another word whenever the file is replaced; None where there is none."""
    try:
        found = config.stat()
    except FileNotFoundError:
        return None
    return f"{found.st_mtime_ns}-{found.st_size}"


def taken_up(config: Path) -> Path:
    """The file in which the program says which list it works by, so that who changed it can wait for that."""
    return config.with_suffix(".taken-up")


def load(config: Path, default_url: str) -> tuple[Agency, ...]:
    """The agencies that the file lists; raises ``OSError`` or ``ValueError``."""
    return read(json.loads(config.read_text(encoding="utf-8")), default_url)


def read(entries: object, default_url: str = "") -> tuple[Agency, ...]:
    """The agencies of a configuration; raises ``ValueError`` naming what is wrong."""
    if not isinstance(entries, list):
        raise ValueError("the file must hold a list of agencies")
    agencies = tuple(_agency(entry, default_url) for entry in entries)
    codes = [agency.code for agency in agencies]
    if len(set(codes)) != len(codes):
        raise ValueError("an agency is listed twice")
    return agencies


def _agency(entry: Any, default_url: str) -> Agency:
    if not isinstance(entry, dict):
        raise ValueError("every agency must be an object")
    code, token = entry.get("agency"), entry.get("token")
    if not isinstance(code, str) or not code or not isinstance(token, str) or not token:
        raise ValueError("every agency needs an agency code and a token")
    url = entry.get("url") or default_url
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise ValueError(f"{code}: no address of the exchange: set url or PULLER_URL")
    trade = entry.get("trade", phrases.GENERAL)
    if trade not in phrases.trades():
        raise ValueError(f"{code}: trade must be one of {', '.join(phrases.trades())}")
    return Agency(
        code, url.rstrip("/"), token, trade, bool(entry.get("desk", False)), _autopilot(code, entry.get("autopilot"))
    )


def _autopilot(code: str, source: Any) -> Autopilot:
    if source is None:
        return Autopilot()
    if not isinstance(source, dict) or source.get("mode", "on") not in {"on", "off"}:
        raise ValueError(f"{code}: autopilot needs a mode, on or off")
    low = float(source.get("min_seconds", 2.0))
    high = float(source.get("max_seconds", max(low, 6.0)))
    if not 0 <= low <= high:
        raise ValueError(f"{code}: min_seconds must not be more than max_seconds")
    rules = tuple(_rule(code, rule) for rule in source.get("rules", []))
    return Autopilot(source.get("mode", "on") == "on", low, high, rules, _since(code, source.get("since")))


def _since(code: str, text: object) -> datetime | None:
    if text is None:
        return None
    try:
        since = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ValueError(f"{code}: since must be a time such as 2026-01-31T08:00:00+08:00") from error
    if since.tzinfo is None:
        raise ValueError(f"{code}: since needs an offset, such as +08:00")
    return since


def _rule(code: str, source: Any) -> Rule:
    action, reason = source.get("action"), source.get("reason", REASONS[0])
    if action not in ACTIONS:
        raise ValueError(f"{code}: a rule's action must be one of {', '.join(ACTIONS)}")
    if reason not in REASONS:
        raise ValueError(f"{code}: a rule's reason must be one of {', '.join(REASONS)}")
    try:
        match = re.compile(source["match"])
    except (KeyError, TypeError, re.error) as error:
        raise ValueError(f"{code}: a rule needs a regular expression as match: {error}") from error
    return Rule(
        match,
        source.get("role"),
        action,
        reason,
        source.get("proposed_agency"),
        source.get("text", ""),
        source.get("legal_basis", ""),
    )
