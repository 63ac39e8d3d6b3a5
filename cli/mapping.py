"""Mapping files: what stands in which column of a foreign table, and what a row becomes. Nothing is guessed.

A mapping is YAML; ``docs/how-to/import.md`` explains it. Every column of the file is either used or named under
``unused``, every code comes from a table of values or is written out, and whatever does not fit makes the row a bad
one that is reported with its reasons.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

from services.intake.domain import petition

PERSON = ("name", "phone", "address", "email", "id_type", "id_number")
CONSTANT = ("channel", "purpose", "region_code", "language")
NEEDED = ("source_id", "title", "content", "claims", "channel", "purpose", "region_code")
FIELDS = (*NEEDED, "original_received_on", "accused", "language", *(f"petitioner.{name}" for name in PERSON))
TOP = ("source", "encoding", "delimiter", "anonymous", "fields", "unused")
csv.field_size_limit(10_000_000)


class BadMapping(ValueError):
    """A mapping that cannot be used; ``problems`` names every place."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class BadFile(ValueError):
    """A file that the mapping does not fit as a whole: another encoding, other columns."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one field comes from: a ``value``, or a ``column`` with its table of values or its forms of dates.

    ``default`` stands where the column is empty or holds a text that the table does not have.
    """

    value: str | None = None
    column: str | None = None
    values: Mapping[str, str] | None = None
    default: str | None = None
    formats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole mapping: how the file is read and how a row becomes a petition."""

    source: str
    encoding: str
    delimiter: str
    anonymous: bool
    fields: Mapping[str, tuple[Rule, ...]]
    unused: frozenset[str]

    @property
    def columns(self) -> frozenset[str]:
        """The columns that rows need."""
        return frozenset(rule.column for rules in self.fields.values() for rule in rules if rule.column is not None)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the file (``line`` counts from 1 with the header) as a petition, or what is wrong with it."""

    line: int
    source_id: str
    body: dict[str, Any]
    problems: tuple[str, ...]


def read(path: Path) -> Plan:
    """The mapping in a file; raises :class:`BadMapping` with every mistake."""
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadMapping([f"{path.name}: {error}"]) from error
    return parse(raw)


def parse(raw: Any) -> Plan:
    """The mapping in a document; raises :class:`BadMapping` with every mistake."""
    if not isinstance(raw, dict):
        raise BadMapping(["the mapping should be a table of keys"])
    problems = [f"does not know {key!r}; known are {', '.join(TOP)}" for key in raw if key not in TOP]
    source, encoding = raw.get("source"), raw.get("encoding")
    if not isinstance(source, str) or not 0 < len(source) <= petition.NAME:
        problems.append(f"source: name the system that the rows come from, at most {petition.NAME} characters")
    if not isinstance(encoding, str) or not _is_encoding(encoding):
        problems.append("encoding: name it, such as utf-8, utf-8-sig (with byte order mark) or gb18030")
    delimiter = raw.get("delimiter")
    if not isinstance(delimiter, str) or len(delimiter) != 1:
        problems.append('delimiter: name the character between columns, such as "," or "\\t"')
    if not isinstance(raw.get("anonymous"), bool):
        problems.append("anonymous: say true (no petitioner is kept) or false")
    unused = raw.get("unused", [])
    if not isinstance(unused, list) or not all(isinstance(name, str) for name in unused):
        problems.append("unused: should be a list of columns")
        unused = []
    fields = _fields(raw.get("fields"), problems)
    _complete(fields, raw.get("anonymous"), frozenset(unused), problems)
    if problems:
        raise BadMapping(problems)
    return Plan(str(source), str(encoding), str(delimiter), bool(raw["anonymous"]), fields, frozenset(unused))


def _is_encoding(name: str) -> bool:
    try:
        "".encode(name)
    except (LookupError, UnicodeError):
        return False
    return True


def _fields(raw: Any, problems: list[str]) -> dict[str, tuple[Rule, ...]]:
    if not isinstance(raw, dict):
        problems.append("fields: should say for each field where it comes from")
        return {}
    found: dict[str, tuple[Rule, ...]] = {}
    for name, told in raw.items():
        if name not in FIELDS:
            problems.append(f"fields: does not know {name!r}; known are {', '.join(FIELDS)}")
            continue
        several = told if isinstance(told, list) else [told]
        if len(several) != 1 and name not in ("claims", "accused"):
            problems.append(f"fields.{name}: takes one value or column")
        found[name] = tuple(_rule(f"fields.{name}", name, one, problems) for one in several)
    return found


def _rule(where: str, name: str, told: Any, problems: list[str]) -> Rule:
    if not isinstance(told, dict) or ("value" in told) == ("column" in told):
        problems.append(f"{where}: should be {{value: …}} or {{column: …}}")
        return Rule()
    known = {"value"} if "value" in told else {"column", "values", "default", "formats"}
    for key in told:
        if key not in known:
            problems.append(f"{where}: does not know {key!r} here; known are {', '.join(sorted(known))}")
    for key in ("value", "column", "default"):
        if key in told and not isinstance(told[key], str):
            problems.append(f'{where}.{key}: should be a text; write numbers in quotes "…"')
    values = told.get("values")
    if values is not None and not (
        isinstance(values, dict) and all(isinstance(part, str) for pair in values.items() for part in pair)
    ):
        problems.append(f'{where}.values: should be a table of texts; write numbers in quotes "…"')
        values = None
    formats = told.get("formats", [])
    if not isinstance(formats, list) or not all(isinstance(one, str) for one in formats):
        problems.append(f'{where}.formats: should be a list such as ["%Y-%m-%d %H:%M:%S"]')
        formats = []
    if name == "original_received_on" and "column" in told and not formats:
        problems.append(f'{where}.formats: say how dates are written, such as ["%Y-%m-%d %H:%M:%S"]')
    if name != "original_received_on" and formats:
        problems.append(f"{where}: formats are for original_received_on")
    if name in ("source_id", "title", "content") and "column" not in told:
        problems.append(f"{where}: comes from a column")
    return Rule(told.get("value"), told.get("column"), values, told.get("default"), tuple(formats))


def _complete(
    fields: Mapping[str, tuple[Rule, ...]], anonymous: Any, unused: frozenset[str], problems: list[str]
) -> None:
    for name in NEEDED:
        if not fields.get(name):
            problems.append(f"fields.{name}: is missing")
    persons = [name for name in fields if name.startswith("petitioner.")]
    if anonymous is True and persons:
        problems.append(f"anonymous: true, but {', '.join(persons)} are mapped")
    if anonymous is False and "petitioner.name" not in fields:
        problems.append("fields.petitioner.name: is missing; or say anonymous: true")
    used = {rule.column for rules in fields.values() for rule in rules}
    for column in sorted(unused):
        if column in used:
            problems.append(f"unused: {column!r} is used")


def rows(path: Path, mapping: Plan, *, today: date) -> Iterator[Row]:
    """The rows of a file, one by one; raises :class:`BadFile` where the file as a whole does not fit."""
    try:
        with path.open(encoding=mapping.encoding, newline="") as file:
            reader = csv.DictReader(file, delimiter=mapping.delimiter, strict=True)
            _check_header(reader.fieldnames or [], mapping)
            for told in reader:
                yield row(told, reader.line_num, mapping, today=today)
    except UnicodeDecodeError as error:
        raise BadFile(f"not all of it is {mapping.encoding}: byte {error.start}") from error
    except csv.Error as error:
        raise BadFile(f"is no CSV with {mapping.delimiter!r} between columns: {error}") from error


def _check_header(header: Sequence[str], mapping: Plan) -> None:
    missing = sorted(mapping.columns - set(header))
    if missing:
        raise BadFile(f"has no column {', '.join(missing)}; it has {', '.join(header) or 'none'}")
    unknown = [name for name in header if name not in mapping.columns | mapping.unused]
    if unknown:
        raise BadFile(f"the mapping does not say what becomes of the columns {', '.join(unknown)}; see unused")


def row(told: Mapping[str | None, Any], line: int, mapping: Plan, *, today: date) -> Row:
    """One row as a petition; whatever is wrong with it is told with its field."""
    if None in told:
        return Row(line, "", {}, ("has more columns than the header",))
    short = [name for name, value in told.items() if value is None]
    if short:
        return Row(line, "", {}, (f"has no column {', '.join(str(name) for name in short)}",))
    problems: list[str] = []
    body: dict[str, Any] = {"source": mapping.source}
    person: dict[str, str] = {}
    for name, rules in mapping.fields.items():
        found = [text for rule in rules if (text := _text(name, rule, told, problems))]
        if name in ("claims", "accused"):
            body[name] = found
        elif found and name.startswith("petitioner."):
            person[name.removeprefix("petitioner.")] = found[0]
        elif found:
            body[name] = found[0]
    if mapping.anonymous:
        body["anonymous"] = True
    else:
        body["petitioner"] = person
    wrong = {problem.partition(":")[0] for problem in problems}
    try:
        petition.parse(body, today=today)
    except petition.Faulty as faulty:
        problems += [
            f"{fault.pointer[1:].replace('/', '.')}: {fault.zh}"
            for fault in faulty.faults
            if fault.pointer[1:].replace("/", ".") not in wrong
        ]
    if not body.get("source_id"):
        problems.append("source_id: is empty")
    return Row(line, body.get("source_id", ""), body, tuple(dict.fromkeys(problems)))


def _text(name: str, rule: Rule, told: Mapping[str | None, Any], problems: list[str]) -> str:
    if rule.column is None:
        return rule.value or ""
    text = str(told[rule.column]).strip()
    if rule.values is not None and text in rule.values:
        return rule.values[text]
    if rule.values is not None or not text:
        if rule.default is not None:
            return rule.default
        if text:
            problems.append(f"{name}: the mapping has no value for {text[:40]!r} in column {rule.column}")
        return ""
    return _day(name, text, rule, problems) if rule.formats else text


def _day(name: str, text: str, rule: Rule, problems: list[str]) -> str:
    for form in rule.formats:
        try:
            return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a day as it was written
        except ValueError:
            continue
    problems.append(f"{name}: {text[:40]!r} is not written as {' or '.join(rule.formats)}")
    return ""
