"""A stack made ready for load: the demo city, every agency with a system of its own that answers without a pause.

The catalogue is the demo's, with two changes: every second type of matter needs its lead alone, and policy confirms
what comes by hotline. Which agencies a text leads to is found out with the real text model and the real rules, so
that a load knows beforehand how many agencies each of its matters takes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

from rich.progress import Progress

from cli import city as setting_up
from deploy.demo.city.load import Adapter, City, load
from deploy.local.stack import Stack
from lianban.chassis import runtime
from lianban.chassis.runtime import database
from lianban.chassis.settings import read, use
from services.routing.app.policy import policy
from services.routing.app.suggestion import MatterText
from services.routing.app.textmodel import classify
from services.routing.domain import suggesting
from services.routing.store import registers
from tests.load.petitions import Kind, Template

SITE = Path(__file__).with_name("site.toml")
SETTINGS = {
    "LIANBAN_RATE_TOKEN": "6000000 per minute",
    "LIANBAN_RATE_ANONYMOUS": "6000000 per minute",
}
"""Settings of a stack for load: all clients speak from one address, and the petitioners have no token."""

LIMITS = {"concurrency": 16, "per_minute": 6000}
"""What every department's system takes, as its profile says."""
FEWEST_LANES = 20
AT_ONCE = 20
REGIONS_PER_TYPE = 8
_FILLER = (
    "上述情况已经持续了一段时间，我们先后向社区和有关单位反映过，当时也有人到现场看过，但是一直没有得到彻底解决。"
    "现在的情况和之前相比没有明显好转，周围不少住户都受到影响，家里有老人和孩子的更是不方便。"
    "我们理解处理问题需要时间，也愿意配合了解情况，提供照片和线索。"
    "第一次反映是在去年入冬以前，接待的同志做了记录，说一个星期之内会有人联系，后来等了很久没有消息。"
    "今年开春以后我们又到现场拍了照片，几户人家一起写了情况说明，附近的老住户都可以作证。"
    "希望这次能够明确由哪个单位负责、什么时候处理完、处理到什么程度，不要再让我们来回跑。"
    "如果需要进一步核实，请提前打电话约时间，白天和周末家里都有人，可以带路到现场看。"
)


@dataclass(frozen=True, slots=True)
class LoadCity:
    """A city under load: its stack, a channel's token, and texts whose routing is known."""

    stack: Stack
    token: str
    templates: dict[Kind, tuple[Template, ...]]

    @property
    def lanes(self) -> frozenset[str]:
        """The agencies that get matters."""
        return frozenset(code for found in self.templates.values() for item in found for code in item.agencies)


def site_policy(stack: Stack) -> None:
    """Give a stack the policy under which every matter of the load is confirmed; before or after its start."""
    stack.layout.home.mkdir(parents=True, exist_ok=True)
    stack.layout.site.write_text(SITE.read_text("utf-8"), "utf-8")


def start(stack: Stack, progress: Progress | None = None) -> LoadCity:
    """Start a stack (made with ``demo=True`` and :data:`SETTINGS`) and make it a city under load; may be repeated."""
    site_policy(stack)
    stack.start()
    bars = progress or Progress(disable=True)
    city = demo_city()
    with _environment(stack):
        try:
            connections = setting_up.Connections(stack, city, pace=0.0)
            limits = dict.fromkeys(city.agencies, LIMITS)
            connections.profiles = replace(connections.profiles, limits=limits)
            setting_up.register_city(city, bars)
            connections.set_up_departments(bars)
            setting_up.wait_until_heard(city, bars)
            connections.register(bars)
            connections.set_up_puller(bars)
        finally:
            runtime.close()
    stack.wait_until_ready(with_data=True)
    return known(stack)


def known(stack: Stack) -> LoadCity:
    """A city that :func:`start` made, as it runs."""
    city = LoadCity(stack, channel_token(stack), templates(stack))
    if len(city.lanes) < FEWEST_LANES or not all(city.templates.values()):
        found = {kind.value: len(items) for kind, items in city.templates.items()}
        raise AssertionError(f"too few texts with known routing: {found}, {len(city.lanes)} lanes")
    return city


def demo_city() -> City:
    """The demo city with a system of its own in every agency, and every second type of matter for its lead alone."""
    city = load()
    agencies = {code: replace(agency, adapter=Adapter.REST_PUSH) for code, agency in city.agencies.items()}
    types = {
        code: replace(item, co=() if number % 2 else item.co)
        for number, (code, item) in enumerate(sorted(city.types.items()))
    }
    return replace(city, agencies=agencies, types=types)


def channel_token(stack: Stack, minutes: int = 24 * 60) -> str:
    """The token of a channel that submits for others, made by the operator's command."""
    made = stack.command("token", "--role", "channel", "--minutes", str(minutes))
    if made.returncode:
        raise AssertionError(made.stdout + made.stderr)
    return made.stdout.strip()


def templates(stack: Stack) -> dict[Kind, tuple[Template, ...]]:
    """Texts by the number of agencies that they lead to, by the text model of the running stack and the real rules."""
    found: dict[Kind, list[Template]] = {kind: [] for kind in Kind}
    with use(read(stack.env("routing"))):
        try:
            with database().transaction() as tx:
                types, agencies = registers.matter_types(tx), registers.agencies(tx)
            drafts = _drafts(demo_city())
            texts = {uuid4(): draft for draft in drafts}
            scores = _scores(texts)
            for key, draft in texts.items():
                made = suggesting.suggest(
                    text=_text(draft).all,
                    place=draft.region_code,
                    place_name="",
                    scores=scores[key],
                    types=types,
                    agencies=agencies,
                    blocked=(),
                    policy=policy(),
                )
                if made.lead is None or made.procedure is not None:
                    continue
                parts = tuple(c.agency.code for c in (made.lead, *made.co_handlers))
                for kind in Kind:
                    if len(parts) == kind.agencies:
                        found[kind].append(replace(draft, kind=kind.value, agencies=parts))
        finally:
            runtime.close()
    return {kind: tuple(items) for kind, items in found.items()}


def _drafts(city: City) -> list[Template]:
    """A text of each type in several places, spread so that as many agencies as possible get something."""
    regions = sorted(city.regions)
    drafts = []
    for number, item in enumerate(city.types.values()):
        content = "".join(item.examples) + _FILLER
        for step in range(REGIONS_PER_TYPE):
            place = regions[(number * 7 + step * (len(regions) // REGIONS_PER_TYPE)) % len(regions)]
            drafts.append(
                Template(
                    kind="",
                    title=item.examples[step % len(item.examples)][:60],
                    content=content,
                    claims=(f"请{item.zh}的主管单位到现场查清情况。", "请把处理结果书面告诉我们。"),
                    region_code=place,
                    agencies=(),
                )
            )
    return drafts


def _text(draft: Template) -> MatterText:
    claims = tuple(("", ordinal, text) for ordinal, text in enumerate(draft.claims, 1))
    return MatterText(draft.title, draft.content, claims, 0)


def _scores(texts: dict[UUID, Template]) -> dict[UUID, dict[str, float]]:
    keys = list(texts)
    found: dict[UUID, dict[str, float]] = {}
    for first in range(0, len(keys), AT_ONCE):
        batch = [(key, texts[key].title, _text(texts[key]).all) for key in keys[first : first + AT_ONCE]]
        found |= {key: dict(scores) for key, scores in classify(batch).items()}
    return found


@contextmanager
def _environment(stack: Stack) -> Iterator[None]:
    """Let the operator's commands mean this stack."""
    ports = stack.layout.ports
    given = {
        "LIANBAN_HOME": str(stack.layout.home),
        "LIANBAN_PORT": str(ports.edge),
        "LIANBAN_PORT_BASE": str(ports.base),
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
