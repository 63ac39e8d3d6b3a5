"""``lianban reference``: the reference pages, written from the code that they describe.

A test compares the committed pages with what this module writes, so that a setting, event, code, clock, metric or
command without its page fails the build.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

Page = Callable[[], str]

MADE = "<!-- Made by `make docs`; changes here are lost. -->"
EXPOSED: dict[str, tuple[str, ...]] = {
    "every service": ("lianban.chassis.service", "lianban.chassis.web"),
    "intake": ("services.intake.service",),
    "routing": ("services.routing.service",),
    "suggest": ("services.routing.suggest.server",),
    "gateway": ("services.agency_gateway.service",),
    "oversight": ("services.oversight.service",),
    "notification": ("services.notification.service", "services.notification.worker"),
}
"""Who exposes metrics, with the modules that define them. A metric's name begins with ``lianban_<who>_``, or it is the
chassis' and every service has it."""


@click.command()
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path), default=Path("docs/reference"),
    show_default=True, help="目标文件夹 folder for the pages.",
)  # fmt: skip
def reference(folder: Path) -> None:
    """生成参考手册 Write the reference pages: settings, commands, events, codes, clocks, metrics."""
    import lianban.chassis.patch  # noqa: F401  (before the services are imported)

    folder.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        path = folder / name
        path.write_text(page(), encoding="utf-8")
        click.echo(str(path))


def access_page() -> str:
    """Every route with who may use it."""
    from cli.access import page

    return page()


def settings_page() -> str:
    """Every ``LIANBAN_*`` variable."""
    from dataclasses import fields

    from lianban.chassis.settings import Settings

    rows = [
        (f"`LIANBAN_{item.name.upper()}`", item.type, f"`{item.default}`" if item.default != "" else "", meaning(item))
        for item in fields(Settings)
    ]
    return _page(
        "设置 Settings",
        "Read once from the environment when a process starts. A variable that is empty counts as not set. "
        "`lianban up` sets those of the embedded stack.",
        _table(("Variable", "Type", "Default", "Meaning"), rows),
    )


def meaning(item: Any) -> str:
    """A setting's documentation."""
    return str(item.metadata["doc"])


def commands_page() -> str:
    """Every command with its options."""
    from cli.main import command

    return _page(
        "命令 Commands",
        "`lianban COMMAND --help` tells the same. From a clone: `.venv/bin/python -m cli COMMAND`.",
        *_commands(click.Context(command, info_name="lianban"), command, 2),
    )


def _commands(context: click.Context, group: click.Group, depth: int) -> Iterator[str]:
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if found is None:
            continue
        inner = click.Context(found, parent=context, info_name=name)
        usage = " ".join([inner.command_path, *found.collect_usage_pieces(inner)])
        yield f"{'#' * depth} `{inner.command_path}`\n\n{inspect.cleandoc(found.help or '')}\n\n```\n{usage}\n```"
        records = [parameter.get_help_record(inner) for parameter in found.params]
        rows = [(f"`{record[0]}`", record[1]) for record in records if record is not None and record[1]]
        if rows:
            yield _table(("Option", "Meaning"), rows)
        if isinstance(found, click.Group):
            yield from _commands(inner, found, depth + 1)


def events_page() -> str:
    """Every event with its fields, who says it and who hears it."""
    from lianban.chassis.topology import HEARS
    from lianban.contracts import asyncapi
    from lianban.contracts.catalogue import known_events
    from lianban.contracts.envelope import PARTITIONS, PRODUCERS

    parts = []
    for producer in PRODUCERS:
        heard = ", ".join(service for service, producers in HEARS.items() if producer in producers)
        parts.append(f"## {producer}\n\nHeard by {heard}.")
        for event_type, cls in sorted(known_events().items()):
            if event_type.split(".")[1] != producer:
                continue
            schema = asyncapi.object_schema(cls)
            rows = [
                (f"`{name}`", _type(field), "yes" if name in schema["required"] else "")
                for name, field in schema["properties"].items()
            ]
            parts.append(f"### `{event_type}`\n\n{schema['description']}")
            parts.append(_table(("Field", "Type", "Required"), rows))
    return _page(
        "事件 Events",
        "CloudEvents 1.0 in structured JSON on the topic exchange `lianban.events`; the routing key is "
        "`<producer>.<noun>-<past participle>.v<version>.p<partition>`, the partition "
        f"`crc32(subject) mod {PARTITIONS}`. The subject is the matter's id, or the id of what a reference event is "
        "about. Events for the same queues may travel in one message, a CloudEvents batch with one event a line, under "
        "the first one's routing key: bind by producer and partition, not by type. The same as AsyncAPI 3: "
        "`/asyncapi.json`. Consumers ignore fields that they do not know. No event holds personal data or words of "
        "people.",
        *parts,
    )


def _type(schema: dict[str, Any]) -> str:
    if "oneOf" in schema:
        return f"{_type(schema['oneOf'][0])} or null"
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "object":
        return "{" + ", ".join(f"`{name}`: {_type(field)}" for name, field in schema["properties"].items()) + "}"
    return str(schema.get("format", schema["type"]))


def codes_page() -> str:
    """Every code list with both labels."""
    from lianban.contracts import codes
    from lianban.contracts.codes import CodeList

    lists = [item for item in vars(codes).values() if isinstance(item, type) and issubclass(item, CodeList)]
    parts = [
        f"## {item.__name__}\n\n{inspect.getdoc(item)}\n\n"
        + _table(("Code", "中文", "English"), [(f"`{code.value}`", code.zh, code.en) for code in item])
        for item in lists
        if item is not CodeList
    ]
    return _page(
        "代码表 Codes",
        "Values are stable: one may be added, none is renamed or used again. Interfaces carry the code, pages show the "
        "label.",
        *parts,
    )


def clocks_page() -> str:
    """Every clock of the rulebook."""
    from lianban.law.rulebook import Bound, standard

    book = standard()
    parts = []
    for rule in book.rules:
        moves = rule.roll and (rule.bound is Bound.PETITIONER or book.roll_agency_deadlines)
        rows = [
            ("Length", f"{rule.length} {rule.unit.en} ({rule.length}{rule.unit.zh})"
             + (", a setting of the site" if rule.adjustable else "")),
            ("Bound", f"{rule.bound.zh} {rule.bound.en}"),
            ("One for each", f"{rule.per.zh} {rule.per.en}"),
            ("A last day that is a rest day", "moves to the next work day" if moves else "stays"),
            ("When time is up", f"{rule.lapse.zh} {rule.lapse.en}"
             + (f": {rule.unused_zh} {rule.unused_en}" if rule.unused_zh else "")),
            ("Warnings", ", ".join(step.name for step in rule.warn) or "none"),
            ("Extension", f"{rule.extension.days}, at most {rule.extension.times} time(s) "
             f"({rule.extension.article_en})" if rule.extension else "none"),
            ("Starts with", _triggers(rule.start)),
            ("Stops with", _triggers(rule.stop)),
            ("Cancelled by", _triggers(rule.cancel)),
            ("Source", f"{rule.article_zh}; {rule.article_en}"),
            ("How well known", f"{rule.confidence.zh} {rule.confidence.en}"),
        ]  # fmt: skip
        quoted = f"\n\n> {rule.text}" if rule.text else ""
        parts.append(f"## {rule.zh} {rule.en}\n\n`{rule.id}`, {rule.ref}{quoted}\n\n{_table(('', ''), rows)}")
    return _page(
        "期限 Clocks",
        f"Edition {book.edition} of the rulebook, `lianban/law/rulebook.toml`, which can be read and changed by "
        "someone who does not program. The first day is not counted; days are days in Asia/Shanghai; a period runs "
        "until 24:00 of its last day.",
        *parts,
    )


def _triggers(triggers: Iterable[Any]) -> str:
    return "<br>".join(_trigger(trigger) for trigger in triggers) or "–"


def _trigger(trigger: Any) -> str:
    said = f"`{trigger.event}` at `{trigger.at}`"
    conditions = [f"`{name}` is " + " or ".join(f"`{value}`" for value in values) for name, values in trigger.when]
    conditions += [f"of the same {word}" for word in trigger.same]
    if trigger.contact is not None:
        conditions.append(f"the petitioner can{'' if trigger.contact else 'not'} be reached")
    return said + (f" where {', '.join(conditions)}" if conditions else "")


def metrics_page() -> str:
    """Every metric by the process that exposes it."""
    from prometheus_client import REGISTRY

    for module in (module for modules in EXPOSED.values() for module in modules):
        importlib.import_module(module)
    found: dict[str, list[tuple[str, str, str, str]]] = {who: [] for who in EXPOSED}
    for collector in REGISTRY._collector_to_names:  # noqa: SLF001  (the library has no public list)
        name = getattr(collector, "_name", "")
        if name.startswith("lianban_"):
            who = name.split("_")[1]
            found[who if who in found else "every service"].append(_metric(collector))
    return _page(
        "指标 Metrics",
        "Prometheus text format at `/metrics` of each process's listener for operations, listed by `lianban status`; "
        "besides these the usual ones of the Python process. Histograms have `_bucket`, `_sum` and `_count`.",
        *(
            f"## {who}\n\n{_table(('Metric', 'Kind', 'Labels', 'Meaning'), sorted(rows))}"
            for who, rows in found.items()
        ),
    )


def _metric(collector: Any) -> tuple[str, str, str, str]:
    (family,) = collector.describe()
    name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
    names = collector._value if family.type == "info" else collector._labelnames  # noqa: SLF001  (nor names for these)
    labels = ", ".join(f"`{label}`" for label in names)
    return f"`{name}`", family.type, labels, family.documentation + _buckets(collector)


def _buckets(collector: Any) -> str:
    """The bounds of a histogram as the label ``le`` writes them; the last one holds everything."""
    from prometheus_client.utils import floatToGoString

    bounds = getattr(collector, "_upper_bounds", ())[:-1]
    told = [floatToGoString(bound) for bound in bounds]  # type: ignore[no-untyped-call]  # the library's own way
    return f"; `le`: {', '.join(told)}" if told else ""


PAGES: dict[str, Page] = {
    "access.md": access_page,
    "settings.md": settings_page,
    "commands.md": commands_page,
    "events.md": events_page,
    "codes.md": codes_page,
    "clocks.md": clocks_page,
    "metrics.md": metrics_page,
}
"""The pages in the folder, with what writes each."""


def _page(title: str, introduction: str, *parts: str) -> str:
    return "\n\n".join((f"# {title}", MADE, introduction, *parts)) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
