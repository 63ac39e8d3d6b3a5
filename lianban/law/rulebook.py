"""The rulebook: every clock of the law as data, read from TOML and checked field by field.

:func:`standard` gives the one that comes with the product; its comments explain each field.
"""

from __future__ import annotations

import re
import tomllib
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Literal

from lianban.contracts.catalogue import known_events
from lianban.contracts.codes import CodeList
from lianban.contracts.refs import AgencyRef
from lianban.law.calendar import WorkCalendar
from lianban.law.clocks import Due, Pause, Period, Rung, Unit, count_zh, due, explain
from lianban.law.clocks import Step as ExplanationStep


class RulebookError(ValueError):
    """The rulebook cannot be used; ``problems`` names every wrong field."""

    def __init__(self, problems: Collection[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class Bound(CodeList):
    """Who must act before a clock ends."""

    PETITION_OFFICE = "petition_office", "信访部门", "Petition office"
    AGENCY = "agency", "承办单位", "Agency"
    PETITIONER = "petitioner", "信访人", "Petitioner"


class Lapse(CodeList):
    """What it means that a clock's time is up: a duty is overdue, or a right has run out."""

    BREACH = "breach", "超期", "Overdue"
    ENDS = "ends", "期满", "Runs out"


class Confidence(CodeList):
    """How well a rule's source is known."""

    VERIFIED = "verified", "已核对条文", "Read in the full text"
    EXCERPT = "excerpt", "见于摘录", "Read in an excerpt"
    LOCAL = "local", "地方规定", "Local rule"
    SETTING = "setting", "本地设定", "Setting of this site"


class Per(CodeList):
    """What a clock exists once for."""

    MATTER = "matter", "每件", "Matter"
    ASSIGNMENT = "assignment", "每派件", "Assignment"
    ROUND = "round", "每轮办理", "Round of handling"


Same = Literal["assignment", "round", "agency"]


@dataclass(frozen=True, slots=True)
class Trigger:
    """An event that starts or ends a clock: its type without prefix and version, and the field with the moment."""

    event: str
    at: str
    binds: str | None = None
    when: tuple[tuple[str, tuple[str | bool, ...]], ...] = ()
    same: tuple[Same, ...] = ()
    contact: bool | None = None


@dataclass(frozen=True, slots=True)
class Extension:
    """How far a period may be extended, in its own unit, and how often."""

    days: int
    times: int
    article_zh: str
    article_en: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One clock of the law; the fields are explained at the top of ``rulebook.toml``."""

    id: str
    ref: str
    zh: str
    en: str
    length: int
    unit: Unit
    bound: Bound
    roll: bool
    lapse: Lapse
    warn: tuple[Rung, ...]
    article_zh: str
    article_en: str
    text: str
    confidence: Confidence
    per: Per
    start: tuple[Trigger, ...]
    stop: tuple[Trigger, ...]
    cancel: tuple[Trigger, ...]
    unused_zh: str = ""
    unused_en: str = ""
    extension: Extension | None = None
    adjustable: bool = False

    def label(self, language: str) -> str:
        """The rule's name in a language: Chinese unless it starts with ``en``."""
        return self.en if language.startswith("en") else self.zh

    def article(self, language: str) -> str:
        """The article that the rule stands in."""
        return self.article_en if language.startswith("en") else self.article_zh

    def unused(self, language: str) -> str:
        """What to call it when the right ran out unused; empty for a duty."""
        return self.unused_en if language.startswith("en") else self.unused_zh

    def period(self, language: str) -> str:
        """How long it is: 5个工作日 or 5 work days."""
        if language.startswith("en"):
            return f"{self.length} {self.unit.label('en')}"
        return count_zh(self.length, self.unit)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All rules of one edition and the settings that they depend on."""

    edition: str
    roll_agency_deadlines: bool
    rules: tuple[Rule, ...]

    def rule(self, rule_id: str) -> Rule:
        """The rule with an id; raises ``KeyError``."""
        for rule in self.rules:
            if rule.id == rule_id:
                return rule
        raise KeyError(rule_id)

    def period(self, rule_id: str, start: date, *, extension: int = 0, pauses: tuple[Pause, ...] = ()) -> Period:
        """A rule's period from a start day; a petitioner's end always rolls, an agency's by the setting."""
        rule = self.rule(rule_id)
        roll = rule.roll and (rule.bound is Bound.PETITIONER or self.roll_agency_deadlines)
        return Period(start, rule.length, rule.unit, roll, extension, pauses)

    def due(self, rule_id: str, start: date, calendar: WorkCalendar) -> Due:
        """When a rule's period from a start day ends: what documents and messages say without asking oversight."""
        return due(self.period(rule_id, start), calendar)

    def explain(self, rule_id: str, start: date, calendar: WorkCalendar) -> tuple[ExplanationStep, ...]:
        """The arithmetic of :meth:`due`, line by line."""
        return explain(self.period(rule_id, start), calendar)

    def adjusted(
        self, *, roll_agency_deadlines: bool | None = None, lengths: Mapping[str, int] | None = None
    ) -> Rulebook:
        """This rulebook with a site's settings; raises :class:`RulebookError` where the law fixes a length."""
        wanted = dict(lengths or {})
        problems = [f"{rule_id}: no such rule" for rule_id in wanted if rule_id not in {rule.id for rule in self.rules}]
        rules = []
        for rule in self.rules:
            length = wanted.get(rule.id, rule.length)
            if length != rule.length and not rule.adjustable:
                problems.append(f"{rule.id}: the length is fixed by {rule.article_en}")
            if length < 0:
                problems.append(f"{rule.id}: length must not be negative")
            rules.append(replace(rule, length=length))
        if problems:
            raise RulebookError(problems)
        roll = self.roll_agency_deadlines if roll_agency_deadlines is None else roll_agency_deadlines
        return replace(self, roll_agency_deadlines=roll, rules=tuple(rules))


@cache
def standard() -> Rulebook:
    """The rulebook that comes with the product."""
    return parse(Path(__file__).with_name("rulebook.toml").read_text(encoding="utf-8"))


def parse(text: str) -> Rulebook:
    """A rulebook from TOML; raises :class:`RulebookError` with every problem found."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RulebookError([f"not TOML: {error}"]) from error
    reader = _Reader(raw, "rulebook", [])
    edition = reader.take("edition", str)
    settings = _Reader(reader.take("settings", dict, {}), "settings", reader.problems)
    roll = settings.take("roll_agency_deadlines", bool)
    settings.done()
    rules = [
        _rule(_Reader(item, f"rule {number}", reader.problems)) for number, item in enumerate(reader.rows("rules"), 1)
    ]
    reader.done()
    ids = [rule.id for rule in rules]
    reader.problems.extend(
        f"rule {rule_id!r} is given twice" for rule_id in sorted({i for i in ids if ids.count(i) > 1})
    )
    if not rules:
        reader.problems.append("rulebook: no rules")
    if reader.problems:
        raise RulebookError(reader.problems)
    return Rulebook(edition, roll, tuple(rules))


_EMPTY: Mapping[type, Any] = {str: "", int: 0, bool: False, dict: {}, list: []}
_REQUIRED = object()


class _Reader:
    """Takes typed fields out of a table, noting what is missing, wrong or unknown."""

    def __init__(self, table: Mapping[str, Any], where: str, problems: list[str]) -> None:
        self.left = dict(table)
        self.where = where
        self.problems = problems

    def problem(self, text: str) -> None:
        self.problems.append(f"{self.where}: {text}")

    def take(self, name: str, kind: type, default: Any = _REQUIRED) -> Any:
        value = self.left.pop(name, default)
        if value is _REQUIRED:
            self.problem(f"{name} is missing")
            return _EMPTY[kind]
        if value is not default and type(value) is not kind:
            self.problem(f"{name} must be {_KINDS[kind]}, not {value!r}")
            return _EMPTY[kind]
        return value

    def text(self, name: str) -> str:
        before = len(self.problems)
        value: str = self.take(name, str)
        if len(self.problems) == before and not value.strip():
            self.problem(f"{name} is empty")
        return value

    def number(self, name: str, least: int, most: int) -> int:
        before = len(self.problems)
        value: int = self.take(name, int)
        if len(self.problems) == before and not least <= value <= most:
            self.problem(f"{name} must lie between {least} and {most}, not {value}")
        return value

    def code(self, name: str, kind: type[CodeList]) -> Any:
        before = len(self.problems)
        value = self.take(name, str)
        known = {str(member): member for member in kind}
        if len(self.problems) == before and value not in known:
            self.problem(f"{name} must be one of {', '.join(known)}, not {value!r}")
        return known.get(value, next(iter(known.values())))

    def rows(self, name: str) -> list[dict[str, Any]]:
        value = self.take(name, list)
        good = [item for item in value if isinstance(item, dict)]
        if len(good) != len(value):
            self.problem(f"{name} must be a list of tables")
        return good

    def done(self) -> None:
        for name in self.left:
            self.problem(f"{name} is no known field")


_KINDS = {str: "text", int: "a whole number", bool: "true or false", dict: "a table", list: "a list"}


def _rule(reader: _Reader) -> Rule:
    rule_id = reader.text("id")
    if rule_id:
        reader.where = f"rule {rule_id!r}"
    bound = reader.code("bound", Bound)
    rule = Rule(
        id=rule_id,
        ref=reader.text("ref"),
        zh=reader.text("zh"),
        en=reader.text("en"),
        length=reader.number("length", 0, 3650),
        unit=reader.code("unit", Unit),
        bound=bound,
        roll=reader.take("roll", bool),
        lapse=reader.code("lapse", Lapse),
        warn=tuple(_rung(text, reader) for text in reader.take("warn", list)),
        article_zh=reader.text("article_zh"),
        article_en=reader.text("article_en"),
        text=reader.take("text", str),
        confidence=reader.code("confidence", Confidence),
        per=reader.code("per", Per),
        start=_triggers("start", reader),
        stop=_triggers("stop", reader),
        cancel=_triggers("cancel", reader),
        unused_zh=reader.take("unused_zh", str, ""),
        unused_en=reader.take("unused_en", str, ""),
        extension=_extension(reader),
        adjustable=reader.take("adjustable", bool, False),
    )
    reader.done()
    if rule.warn and rule.bound is Bound.PETITIONER:
        reader.problem("warn must be empty where the petitioner is bound")
    if (rule.lapse is Lapse.ENDS) != bool(rule.unused_zh and rule.unused_en):
        reader.problem("unused_zh and unused_en belong to lapse = 'ends' and to nothing else")
    if not rule.text and rule.confidence is not Confidence.SETTING:
        reader.problem("text must quote the article unless confidence is 'setting'")
    if rule.adjustable and rule.confidence is not Confidence.SETTING:
        reader.problem("adjustable is only for rules whose confidence is 'setting'")
    _check_fit(rule, reader)
    return rule


_RUNG = re.compile(r"(?P<percent>[1-9]\d?)%|last (?P<days>[1-9]) work days?", re.ASCII)


def _rung(text: Any, reader: _Reader) -> Rung:
    match = _RUNG.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        reader.problem(f"warn must hold texts like '50%' or 'last 3 work days', not {text!r}")
        return Rung(str(text))
    if match["percent"] is not None:
        return Rung(match[0], percent=int(match["percent"]))
    return Rung(match[0], last_work_days=int(match["days"]))


def _extension(reader: _Reader) -> Extension | None:
    table = reader.take("extension", dict, None)
    if table is None:
        return None
    inner = _Reader(table, f"{reader.where}, extension", reader.problems)
    extension = Extension(
        days=inner.number("days", 1, 3650),
        times=inner.number("times", 1, 9),
        article_zh=inner.text("article_zh"),
        article_en=inner.text("article_en"),
    )
    inner.done()
    return extension


def _triggers(name: str, reader: _Reader) -> tuple[Trigger, ...]:
    return tuple(
        _trigger(_Reader(table, f"{reader.where}, {name} {number}", reader.problems))
        for number, table in enumerate(reader.rows(name), start=1)
    )


def _trigger(reader: _Reader) -> Trigger:
    event = reader.text("event")
    hints = _fields_by_name().get(event, {})
    if event and not hints:
        reader.problem(f"event {event!r} is not in the catalogue of events")
    at = reader.text("at")
    if hints and at and hints.get(at) is not datetime:
        reader.problem(f"at: {event} has no moment {at!r}")
    binds = reader.take("binds", str, None)
    if hints and binds is not None and hints.get(binds) is not AgencyRef:
        reader.problem(f"binds: {event} has no agency {binds!r}")
    when = [(field, _values(field, values, hints, reader)) for field, values in reader.take("when", dict, {}).items()]
    same = reader.take("same", list, [])
    for word in same:
        if word not in typing.get_args(Same):
            reader.problem(f"same must hold {', '.join(typing.get_args(Same))}, not {word!r}")
        elif hints and _SAME_FIELD[word] not in hints:
            reader.problem(f"same: {event} has no field {_SAME_FIELD[word]!r}")
    contact = reader.take("contact", bool, None)
    reader.done()
    return Trigger(event, at, binds, tuple(when), tuple(same), contact)


_SAME_FIELD = {"assignment": "assignment_id", "round": "round", "agency": "names"}


def _values(field: str, values: Any, hints: Mapping[str, Any], reader: _Reader) -> tuple[str | bool, ...]:
    if not isinstance(values, list) or not values:
        reader.problem(f"when: {field} must list at least one value")
        return ()
    if not hints:
        return tuple(values)
    annotation = hints.get(field)
    if typing.get_origin(annotation) is types.UnionType:
        (annotation,) = [part for part in typing.get_args(annotation) if part is not types.NoneType]
    allowed: tuple[Any, ...]
    if annotation is bool:
        allowed = (True, False)
    elif isinstance(annotation, type) and issubclass(annotation, Enum):
        allowed = tuple(str(member) for member in annotation)
    else:
        reader.problem(f"when: {field!r} is no field with fixed values")
        return ()
    for value in values:
        if type(value) not in {str, bool} or value not in allowed:
            reader.problem(f"when: {field} cannot be {value!r}")
    return tuple(values)


def _check_fit(rule: Rule, reader: _Reader) -> None:
    """A clock can only be told by what its start names: its assignment, its round, its agency."""
    needed = {Per.MATTER: (), Per.ASSIGNMENT: ("assignment",), Per.ROUND: ("round",)}[rule.per]
    words = set(needed) | {word for trigger in rule.stop + rule.cancel for word in trigger.same}
    for trigger in rule.start:
        hints = _fields_by_name().get(trigger.event)
        if hints is None:
            continue
        for word in sorted(words & _SAME_FIELD.keys()):
            if word == "agency":
                if trigger.binds is None:
                    reader.problem("same 'agency' needs a start that binds one")
            elif _SAME_FIELD[word] not in hints:
                reader.problem(f"{trigger.event} does not say which {word} it starts a clock for")
        if rule.bound is Bound.AGENCY and trigger.binds is None:
            reader.problem(f"{trigger.event} must name the bound agency with binds")
        if trigger.same:
            reader.problem("same is only for stop and cancel")
    if any(trigger.binds is not None for trigger in rule.stop + rule.cancel):
        reader.problem("binds is only for start")


def event_name(event_type: str) -> str:
    """``routing.case-routed`` of ``lianban.routing.case-routed.v1``: how the rulebook names events."""
    return event_type.removeprefix("lianban.").rpartition(".")[0]


@cache
def _fields_by_name() -> Mapping[str, Mapping[str, Any]]:
    """The fields of every event's newest version, by the event's name."""
    newest = sorted(known_events().values(), key=lambda cls: int(cls.TYPE.rpartition(".v")[2]))
    return {event_name(cls.TYPE): typing.get_type_hints(cls) for cls in newest}
