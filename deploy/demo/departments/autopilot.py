"""How a department answers by itself: rules as data, and the next move for a ticket.

Configuration: ``{"mode": "off"|"on", "min_seconds": 2, "max_seconds": 6, "rules": [{"match": "regular expression on
subject and body", "kind": "MAIN"|"ASSIST", "action": …}]}``. The first matching rule holds. Actions: ``return`` (with
``code``, ``suggest``, ``remark``), ``result`` (with ``result`` for every item), ``pace`` (with its own ``min_seconds``,
``max_seconds``), ``stall`` (takes the ticket and never ends it), ``ignore`` (never looks at it).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from deploy.demo import phrases
from deploy.demo.departments import reading
from deploy.demo.departments.errors import Refused
from deploy.demo.departments.records import Item, ItemResult, Tenant, Ticket
from deploy.demo.departments.vocabulary import Kind, Result, ReturnCode, Status


class Mode(StrEnum):
    """Whether a department answers by itself."""

    OFF = "off"
    ON = "on"


class Action(StrEnum):
    """What a rule makes the autopilot do."""

    RETURN = "return"
    RESULT = "result"
    PACE = "pace"
    STALL = "stall"
    IGNORE = "ignore"


@dataclass(frozen=True)
class Rule:
    """One rule; fields that its action does not use are empty."""

    match: re.Pattern[str]
    kind: Kind | None
    action: Action
    code: ReturnCode
    suggest: str
    remark: str
    result: Result
    min_seconds: float
    max_seconds: float


@dataclass(frozen=True)
class Autopilot:
    """A department's way of answering."""

    mode: Mode
    min_seconds: float
    max_seconds: float
    rules: tuple[Rule, ...]

    def rule_for(self, ticket: Ticket) -> Rule | None:
        """The first rule that fits a ticket; a ticket that must not be returned skips the rules that return."""
        text = f"{ticket.subject}\n{ticket.body}"
        for rule in self.rules:
            if rule.action is Action.RETURN and ticket.no_return:
                continue
            if rule.kind in {None, ticket.kind} and rule.match.search(text):
                return rule
        return None

    def seconds_before(self, ticket: Ticket) -> float | None:
        """How long the department takes to its next move; None when it makes none by itself."""
        if self.mode is Mode.OFF or ticket.status.ended:
            return None
        low, high = self.min_seconds, self.max_seconds
        rule = self.rule_for(ticket)
        if rule is not None:
            if rule.action is Action.IGNORE:
                return None
            if rule.action is Action.STALL and ticket.status is Status.WORKING:
                return None
            if rule.action is Action.PACE:
                low, high = rule.min_seconds, rule.max_seconds
        return low + (high - low) * phrases.fraction(f"{ticket.no}:{ticket.status}")


def read(source: object) -> Autopilot:
    """An autopilot from its configuration; raises ``Refused`` naming the wrong field."""
    config = reading.mapping(source, "autopilot")
    low = reading.number(config, "min_seconds", 2.0, 0.0, 86_400.0)
    high = reading.number(config, "max_seconds", max(low, 6.0), low, 86_400.0)
    rules = tuple(_rule(entry, low, high) for entry in reading.listing(config, "rules", 100))
    return Autopilot(reading.code(config, "mode", Mode, Mode.OFF), low, high, rules)


def of(tenant: Tenant) -> Autopilot:
    """A tenant's autopilot, whose configuration was checked when it was kept."""
    return _of_text(json.dumps(tenant.autopilot))


@lru_cache(maxsize=256)
def _of_text(config: str) -> Autopilot:
    return read(json.loads(config))


def _rule(entry: object, low: float, high: float) -> Rule:
    source = reading.mapping(entry, "rules")
    match = reading.text(source, "match", limit=500)
    try:
        pattern = re.compile(match)
    except re.error:
        raise Refused(400, "BAD_FIELD", "字段 rules.match：不是有效的正则表达式") from None
    min_seconds = reading.number(source, "min_seconds", low, 0.0, 86_400.0)
    return Rule(
        match=pattern,
        kind=reading.code(source, "kind", Kind) if source.get("kind") else None,
        action=reading.code(source, "action", Action),
        code=reading.code(source, "code", ReturnCode, ReturnCode.R01),
        suggest=reading.text(source, "suggest", required=False),
        remark=reading.text(source, "remark", limit=2000, required=False),
        result=reading.code(source, "result", Result, Result.AGREE),
        min_seconds=min_seconds,
        max_seconds=reading.number(source, "max_seconds", max(high, min_seconds), min_seconds, 86_400.0),
    )


def next_move(tenant: Tenant, autopilot: Autopilot, ticket: Ticket) -> Ticket:
    """The ticket after the department's next move: returned, taken, worked on, or ended."""
    rule = autopilot.rule_for(ticket)
    say = _Voice(tenant.trade, ticket.no, f"{ticket.subject}\n{ticket.body}")
    if ticket.status is Status.NEW and rule is not None and rule.action is Action.RETURN:
        remark = rule.remark or phrases.return_reason(rule.code, ticket.no)
        return replace(
            ticket,
            status=Status.RETURNED,
            remark=remark,
            return_code=rule.code,
            suggest_dept=rule.suggest or None,
        )
    if ticket.status is Status.NEW:
        return replace(ticket, status=Status.TAKEN, remark=phrases.sentence(tenant.trade, "taken", ticket.no))
    if ticket.status is Status.TAKEN:
        return replace(ticket, status=Status.WORKING, remark=say("working"))
    forced = rule.result if rule is not None and rule.action is Action.RESULT else None
    results = tuple(_result(tenant.trade, ticket.no, item, forced) for item in ticket.items)
    basis = phrases.sentence(tenant.trade, "basis", ticket.no)
    return replace(ticket, status=ticket.kind.end, remark=_conclusion(say, ticket.kind), results=results, basis=basis)


@dataclass(frozen=True)
class _Voice:
    trade: str
    seed: str
    about: str

    def __call__(self, kind: str) -> str:
        return phrases.sentence(self.trade, kind, self.seed, self.about)


def _conclusion(say: _Voice, kind: Kind) -> str:
    if kind is Kind.ASSIST:
        return say("advice")
    return f"{say('facts')}{say('remedy')}"


def _result(trade: str, no: str, item: Item, forced: Result | None) -> ItemResult:
    share = phrases.fraction(f"{no}:{item.key}:result")
    result = forced or (Result.AGREE if share < 0.65 else Result.EXPLAIN if share < 0.92 else Result.DECLINE)
    return ItemResult(item.key, result, phrases.sentence(trade, result.value.lower(), f"{no}:{item.key}", item.text))


def to_json(autopilot: dict[str, Any]) -> dict[str, Any]:
    """A configuration with its defaults filled in, as it is kept."""
    checked = read(autopilot)
    return {
        "mode": checked.mode.value,
        "min_seconds": checked.min_seconds,
        "max_seconds": checked.max_seconds,
        "rules": autopilot.get("rules") or [],
    }
