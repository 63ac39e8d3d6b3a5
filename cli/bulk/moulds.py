"""Moulds: every row that a matter has in the five databases, taken out as PostgreSQL's COPY writes it.

The matters are played step by step through the real use cases, as the city's past is, but in databases made for it and
dropped afterwards; so a mould is consistent across the services because the product itself made it.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
from psycopg import sql
from rich.progress import Progress

from cli import city as setting_up
from cli.bulk.plan import Planned, marker
from cli.histories import Due, Histories
from cli.world import World
from deploy.demo.matters.plan import FOLDER, Stage
from deploy.local.layout import SERVICES
from deploy.local.stack import Stack
from lianban.chassis import runtime
from lianban.chassis.migrations import migrate
from lianban.chassis.secrets import unseal_bytes
from lianban.chassis.settings import use
from lianban.chassis.time import china_day, now
from lianban.law.calendar import WorkCalendar
from lianban.law.clocks import due
from lianban.law.rulebook import standard

NULL = "\\N"
HEX = "\\\\x"
"""How COPY writes the beginning of a bytea: the backslash is escaped."""
FOR_EVER = "9999-12-31"
"""The day of a row that no policy lets go."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table with rows of matters. ``matter``: SQL of the matter's id; ``day``: SQL of the day that the policy counts
    from, where old rows are let go; ``sealed``: the sealed columns with the contexts they are bound to.
    """

    name: str
    matter: str
    order: str
    sealed: dict[str, str] = field(default_factory=dict)
    day: str | None = None


def _bus() -> tuple[Table, ...]:
    return Table("stream", "subject", "subject"), Table("outbox", "subject", "position", day="created_at::date")


TABLES: dict[str, tuple[Table, ...]] = {
    "intake": (
        *_bus(),
        Table("matter", "id", "id", {"words": "matter.words:{id}", "persons": "matter.persons:{id}"}),
        Table("progress", "matter_id", "matter_id"),
        Table("part", "matter_id", "since, assignment_id"),
        Table("clock", "matter_id", "started_on, clock_id"),
        Table("document", "matter_id", "issued_at, document_id"),
        Table("notice", "matter_id", "notice_id"),
        Table("timeline_entry", "matter_id", "position"),
        Table("withdrawal", "matter_id", "matter_id"),
        Table("rating", "matter_id", "round, target, agency_code"),
        Table("solved_answer", "matter_id", "round"),
    ),
    "routing": (
        *_bus(),
        Table("petition_case", "id", "id"),
        Table("case_text", "case_id", "case_id", {"body": "case_text.body:{case_id}"}),
        Table("suggestion", "case_id", "case_id"),
        Table("assignment", "case_id", "position"),
        Table("statement", "case_id", "stated_at, id", {"body": "statement.body:{id}"}),
        Table("history", "case_id", "position", {"note": "history.note:{case_id}:{position}"}),
        Table("rating", "case_id", "round, target, agency_code"),
    ),
    "agency_gateway": (
        *_bus(),
        Table("assignment", "matter_id", "sent_at, id"),
        Table("accused", "matter_id", "agency_code"),
        Table("delivery", "matter_id", "created_at, id"),
        Table("statement", "matter_id", "received_at, id", {"sealed": "statement.sealed:{id}"}),
        Table(
            "desk_item", "(select a.matter_id from assignment a where a.id = assignment_id)", "delivery_id",
            {"sealed": "desk_item.sealed:{delivery_id}"},
            day="(select case when a.state in ('done', 'released', 'withdrawn') then a.changed_at::date"
            f" else '{FOR_EVER}' end from assignment a where a.id = assignment_id)",
        ),
        Table("journal", "matter_id", "agency_code, position",
              {"sealed": "journal.body:{agency_code}:{position}",
               "sealed_answer": "journal.answer:{agency_code}:{position}"}, day="received_at::date"),
    ),
    "oversight": (
        *_bus(),
        Table("matter", "id", "id"),
        Table("assignment", "matter_id", "sent_at, id"),
        Table("clock", "matter_id", "started_on, id"),
        Table("ledger", "subject", "position"),
    ),
    "notification": (
        *_bus(),
        Table("matter", "id", "id"),
        Table("document", "matter_id", "happened_at, id",
              {"content": "document.content:{id}", "pdf": "document.pdf:{id}"}),
        Table("notice", "matter_id", "happened_at, id"),
    ),
}  # fmt: skip
"""Every table with rows of matters, and how its sealed columns are bound; a test compares it with the schema."""

LEFT_OUT = {
    "idempotency", "access_log", "inbox", "handled", "unpublished", "upload", "supplement", "feed_item",
}  # fmt: skip
"""Tables of which the played matters have no rows, or only those of the play itself: who fetched texts in it, which of
its events were handled when."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its columns as COPY writes them, sealed ones opened; ``day`` is :data:`FOR_EVER` where it is kept."""

    values: dict[str, str]
    opened: dict[str, bytes]
    day: str


@dataclass(slots=True)
class Mould:
    """A played matter. ``shifts``: by how many weeks it may be moved back without another holiday changing a clock."""

    id: str
    number: str
    marker: str
    stage: Stage
    received_on: date
    rows: dict[str, dict[str, list[Row]]]
    shifts: tuple[int, ...] = (0,)

    @property
    def lean(self) -> bool:
        """Whether one agency handles the matter."""
        return len(self.rows["routing"]["assignment"]) == 1


def play(here: Stack, planned: Planned, progress: Progress, calendar: WorkCalendar) -> list[Mould]:
    """Play the planned matters aside and take their rows out; the services' own databases are not touched."""
    with _aside(here) as urls:
        world = World(here, site=str(FOLDER / "site.toml"), databases=urls)
        with world.open():
            with use(world.settings["routing"]):
                setting_up.fill_registers(setting_up.load(), progress)
            world.settle(now())
            _play(world, planned.steps, progress)
        stories = {id(due.story): due.story for due in planned.steps}.values()
        stages = {str(story.id): (story.number, marker(story.plan), story.plan.stage) for story in stories}
        rows = {}
        for service in SERVICES:
            with use(world.settings[service]), psycopg.connect(urls[service]) as connection:
                connection.execute("set timezone = 'UTC'")
                rows[service] = {table.name: _taken(connection, table, list(stages)) for table in TABLES[service]}
        return [_mould(key, *told, rows, calendar) for key, told in stages.items()]


def _play(world: World, steps: Sequence[Due], progress: Progress) -> None:
    task = progress.add_task("样本 playing the moulds", total=len(steps))
    stopped = Histories(world).play(list(steps), lambda done: progress.advance(task, done))
    if stopped:
        raise RuntimeError(f"{stopped[0].plan.key} stopped at: {stopped[0].stopped}")
    world.a_day_passes(now())


@contextmanager
def _aside(here: Stack) -> Iterator[dict[str, str]]:
    """Five empty databases besides the services' own, for the time of the block."""
    names = {service: f"mould_{service}" for service in SERVICES}
    urls = {}
    with psycopg.connect(here.admin_url(), autocommit=True) as admin:
        try:
            for service, name in names.items():
                drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
                admin.execute(drop)
                admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
                urls[service] = urlsplit(here.admin_url())._replace(path=f"/{name}").geturl()
                migrate(urls[service], service)
            yield urls
        finally:
            runtime.close()
            for name in names.values():
                admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def columns(connection: psycopg.Connection[tuple[str, ...]], table: str) -> dict[str, str]:
    """The columns of a table that a copy brings along, with their types: all but those that number themselves."""
    rows = connection.execute(
        "select column_name, udt_name from information_schema.columns where table_schema = 'public' and table_name = %s"
        " and is_identity = 'NO' order by ordinal_position",
        (table,),
    )
    return {str(name): str(kind) for name, kind in rows}


def _taken(connection: psycopg.Connection[tuple[str, ...]], table: Table, ids: list[str]) -> dict[str, list[Row]]:
    names = columns(connection, table.name)
    found: dict[str, list[Row]] = defaultdict(list)
    query = sql.SQL("copy (select {}, {}, {} from {} where {} = any({}) order by {}) to stdout").format(
        sql.SQL(table.matter), sql.SQL(table.day or f"'{FOR_EVER}'"), sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.Identifier(table.name), sql.SQL(table.matter), sql.Literal([UUID(i) for i in ids]), sql.SQL(table.order),
    )  # fmt: skip
    with connection.cursor().copy(query) as lines:
        text = b"".join(bytes(line) for line in lines).decode()
    for line in text.splitlines():
        matter, day, *given = line.split("\t")
        values = dict(zip(names, given, strict=True))
        opened = {
            column: unseal_bytes(bytes.fromhex(values[column][len(HEX) :]), context=context.format_map(values))
            for column, context in table.sealed.items()
            if values[column] != NULL
        }
        found[matter].append(Row(values, opened, day))
    return found


_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def unescaped(text: str) -> str:
    """A column's text without COPY's escapes."""
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), text)


def _mould(
    key: str,
    number: str,
    marker: str,
    stage: Stage,
    rows: dict[str, dict[str, dict[str, list[Row]]]],
    calendar: WorkCalendar,
) -> Mould:
    mine = {service: {name: found.get(key, []) for name, found in tables.items()} for service, tables in rows.items()}
    _at_their_times(mine)
    received = mine["intake"]["matter"][0].values["received_at"]
    made = Mould(key, number, marker, stage, china_day(datetime.fromisoformat(received)), mine)
    if stage in (Stage.CLOSED, Stage.WITHDRAWN, Stage.SEALED):
        made.shifts = tuple(_shifts(mine["oversight"]["clock"], calendar))
    return made


def _at_their_times(rows: dict[str, dict[str, list[Row]]]) -> None:
    """Rows that carry the time of the play get the time of their events."""
    for service, tables in rows.items():
        for number, row in enumerate(tables["outbox"]):
            told = json.loads(bytes.fromhex(row.values["body"][len(HEX) :]))
            time = told["time"].replace("T", " ").replace("Z", "+00")
            tables["outbox"][number] = Row(row.values | {"created_at": time}, row.opened, time[:10])
        if service == "oversight":
            tables["ledger"] = [
                Row(row.values | {"recorded_at": row.values["happened_at"]}, row.opened, row.day)
                for row in tables["ledger"]
            ]


OLDEST_WEEKS = 152
"""Three years, less what a matter takes."""


def _shifts(clocks: list[Row], calendar: WorkCalendar) -> Iterator[int]:
    for weeks in range(OLDEST_WEEKS):
        back = timedelta(weeks=weeks)
        for row in clocks:
            value = row.values
            started, raw, legal = (date.fromisoformat(value[name]) for name in ("started_on", "raw_due", "legal_due"))
            end = due(standard().period(value["rule"], started - back, extension=int(value["extension"])), calendar)
            if (end.raw_due, end.legal_due, end.provisional) != (raw - back, legal - back, value["provisional"] == "t"):
                break
        else:
            yield weeks
