"""Two hundred believable matters in all stages from ``templates.yaml``: the same seed gives the same city.

``python -m deploy.demo.matters.generate`` prints them as JSON.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import time
from enum import StrEnum
from pathlib import Path

from deploy.demo.city.load import City, MatterType, Part, Region, load
from deploy.demo.city.reading import BadCity, Entry, open_file
from deploy.demo.matters.course import Cast, Phrases, Wording, course
from deploy.demo.matters.plan import FOLDER, Action, DemoMatter, Person, Stage, Step, mistakes
from lianban.contracts.codes import AgencyLevel, Channel, ClaimResult, Purpose

SEED = 20260501
STAGES: Mapping[Stage, tuple[int, int, int]] = {
    Stage.FRESH: (16, 1, 2),
    Stage.SUGGESTED: (22, 1, 18),
    Stage.ROUTED: (16, 2, 8),
    Stage.OBJECTED: (12, 5, 10),
    Stage.DISPUTED: (4, 11, 16),
    Stage.ACCEPTED: (14, 8, 20),
    Stage.HANDLING: (28, 16, 48),
    Stage.OVERDUE_NOTICE: (6, 21, 28),
    Stage.OVERDUE_HANDLE: (10, 80, 112),
    Stage.OPINION_MISSING: (12, 34, 52),
    Stage.DECIDED: (10, 36, 58),
    Stage.SERVED: (12, 26, 36),
    Stage.CLOSED: (18, 52, 95),
    Stage.REOPENED: (6, 66, 100),
    Stage.WITHDRAWN: (6, 12, 40),
    Stage.SEALED: (8, 2, 60),
}
"""How many matters of each stage, and how many days ago they came in, from and to."""
DUPLICATES = 14
"""Matters about the same facts as another one, told by somebody else."""
REPEATS = 5
"""Matters that the same petitioner brings once more."""
_CHANNELS = {
    Channel.WEB: 46, Channel.HOTLINE: 20, Channel.VISIT: 14, Channel.LETTER: 8, Channel.PHONE: 5,
    Channel.VILLAGE_PROXY: 4, Channel.EMAIL: 2, Channel.LEADER_RECEPTION: 1,
}  # fmt: skip
_SLOTS = {"r": "roads", "e": "estates", "f": "firms", "s": "shops"}


class At(StrEnum):
    """Where matters of a template arise."""

    ANYWHERE = "anywhere"
    VILLAGE = "village"
    COMMUNITY = "community"

    def fits(self, place: Region) -> bool:
        """Whether a village (村) or community (社区) is such a place."""
        return self is At.ANYWHERE or place.name.endswith("村") == (self is At.VILLAGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Building blocks for matters of one type; ``at`` says in which kind of place such matters arise.

    ``accuses`` is a function whose agency there the matter complains about.
    """

    matter_type: str | None
    purpose: Purpose
    titles: tuple[str, ...]
    facts: tuple[str, ...]
    claims: tuple[str, ...]
    finding: str
    remedy: str
    at: At
    accuses: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Everything in ``templates.yaml``."""

    words: Mapping[str, tuple[str, ...]]
    openers: tuple[str, ...]
    closers: tuple[str, ...]
    phrases: Phrases
    templates: tuple[Template, ...]
    suggestions: tuple[Template, ...]
    accusations: tuple[Template, ...]


def blocks(path: Path = FOLDER / "templates.yaml") -> Blocks:
    """The building blocks; raises :class:`~deploy.demo.city.reading.BadCity` with every mistake."""
    problems: list[str] = []
    file = open_file(path, problems)
    words, texts = file.part("words"), file.part("texts")
    found = Blocks(
        words={key: words.texts(key) for key in ("surnames", "given", *_SLOTS.values())},
        openers=file.texts("openers"),
        closers=file.texts("closers"),
        phrases=Phrases(
            accept=texts.texts("accept"),
            progress=texts.texts("progress"),
            opinion=texts.texts("opinion"),
            results={kind: texts.texts(kind.value) for kind in ClaimResult},
            route=texts.texts("route"),
            reroute=texts.text("reroute"),
            withdraw=texts.text("withdraw"),
            not_solved=texts.texts("not_solved"),
            rated_good=texts.texts("rated_good"),
        ),
        templates=tuple(_template(entry, Purpose.APPEAL) for entry in file.entries("templates")),
        suggestions=tuple(_template(entry, Purpose.SUGGESTION) for entry in file.entries("suggestions")),
        accusations=tuple(_template(entry, Purpose.ACCUSATION) for entry in file.entries("accusations")),
    )
    for part in (words, texts, file):
        part.done()
    if problems:
        raise BadCity(problems)
    return found


def _template(entry: Entry, purpose: Purpose) -> Template:
    told = purpose is not Purpose.ACCUSATION
    template = Template(
        matter_type=entry.text("type") if told else None,
        purpose=purpose,
        titles=entry.texts("titles"),
        facts=entry.texts("facts"),
        claims=entry.texts("claims"),
        finding=entry.text("finding") if told else "",
        remedy=entry.text("remedy") if told else "",
        at=entry.code("at", At, At.ANYWHERE) if entry.get("at") else At.ANYWHERE,
        accuses=entry.optional("accuses"),
    )
    entry.done()
    return template


def generate(city: City, given: Blocks | None = None, *, seed: int = SEED) -> tuple[DemoMatter, ...]:
    """The matters, oldest first; raises :class:`~deploy.demo.city.reading.BadCity` when blocks and city do not fit."""
    made = _Maker(city, given or blocks(), random.Random(seed)).all()
    problems = [problem for matter in made for problem in mistakes(matter, city)]
    if problems:
        raise BadCity(problems)
    return made


class _Maker:
    """Makes the matters one after the other; every choice comes from one random sequence."""

    def __init__(self, city: City, given: Blocks, dice: random.Random) -> None:
        self.city = city
        self.blocks = given
        self.dice = dice
        self.places = city.regions_of(AgencyLevel.VILLAGE)
        self.persons = 0
        self.turn = 0

    def all(self) -> tuple[DemoMatter, ...]:
        stages = [stage for stage, (count, _, _) in STAGES.items() for _ in range(count)]
        self.dice.shuffle(stages)
        made = [self.matter(f"demo-{number:03d}", stage) for number, stage in enumerate(stages, start=1)]
        self._repeat(made)
        return tuple(sorted(made, key=lambda m: (-m.days_ago, m.key)))

    def matter(self, key: str, stage: Stage) -> DemoMatter:
        template = self._template(stage)
        place = self.dice.choice([place for place in self.places if template.at.fits(place)])
        slots = self._slots(place)
        _, low, high = STAGES[stage]
        accused: tuple[str, ...] = ()
        if template.accuses is not None:
            agency = self.city.resolve(Part(template.accuses), place.code)
            accused = (agency.code,) if agency else ()
        claims = template.claims if len(template.claims) < 3 else template.claims[: self.dice.choice((2, 3))]
        matter = DemoMatter(
            key=key,
            stage=stage,
            days_ago=self.dice.randint(low, high),
            matter_type=template.matter_type,
            channel=self._channel(stage),
            purpose=template.purpose,
            region_code=place.code,
            title=self.dice.choice(template.titles).format_map(slots),
            content=self._content(template, slots),
            claims=tuple(claim.format_map(slots) for claim in claims),
            petitioner=self._person(place, with_email=stage is not Stage.DECIDED),
            accused=accused,
            accused_others=self._accused_others(template, slots),
        )
        matter = self._group(matter, place)
        return replace(matter, steps=self._steps(matter, template, slots))

    def _template(self, stage: Stage) -> Template:
        if stage is Stage.SEALED:
            return self.dice.choice(self.blocks.accusations)
        if self.dice.random() < 0.09:
            return self.dice.choice(self.blocks.suggestions)
        self.turn += 1
        return self.blocks.templates[self.turn * 7 % len(self.blocks.templates)]

    def _slots(self, place: Region) -> dict[str, str]:
        words = {slot: self.dice.choice(self.blocks.words[bank]) for slot, bank in _SLOTS.items()}
        town = self.city.regions[self.city.chain(place.code)[1]]
        numbers = {"n": str(self.dice.randint(3, 9)), "m": str(self.dice.randint(2, 11))}
        return {**words, **numbers, "p": place.name, "t": town.name}

    def _content(self, template: Template, slots: Mapping[str, str]) -> str:
        order = sorted(self.dice.sample(range(len(template.facts)), k=self.dice.choice((3, 4))))
        facts = [template.facts[index] for index in order]
        lines = [self.dice.choice(self.blocks.openers), "".join(facts), self.dice.choice(self.blocks.closers)]
        return "\n".join(line.format_map(slots) for line in lines)

    def _channel(self, stage: Stage) -> Channel:
        if stage is Stage.SEALED:
            return self.dice.choice((Channel.LETTER, Channel.WEB))
        return self.dice.choices(tuple(_CHANNELS), weights=tuple(_CHANNELS.values()))[0]

    def _person(self, place: Region, *, with_email: bool) -> Person:
        self.persons += 1
        name = self.dice.choice(self.blocks.words["surnames"]) + self.dice.choice(self.blocks.words["given"])
        town, county = (self.city.regions[code].name for code in self.city.chain(place.code)[1:3])
        house = f"{self.dice.randint(1, 12)}组{self.dice.randint(1, 80)}号"
        email = f"p{self.persons:04d}@mail.qinghe.example" if with_email and self.dice.random() < 0.7 else None
        return Person(name, f"1610000{2000 + self.persons:04d}", f"清河市{county}{town}{place.name}{house}", email)

    def _accused_others(self, template: Template, slots: Mapping[str, str]) -> tuple[str, ...]:
        if template.matter_type in ("migrant-wages", "wage-arrears") and self.dice.random() < 0.5:
            return (f"清河{slots['f']}有限公司",)
        return ()

    def _group(self, matter: DemoMatter, place: Region) -> DemoMatter:
        if matter.purpose is Purpose.ACCUSATION or self.dice.random() > 0.15:
            return matter
        size = self.dice.choice((3, 5, 6, 8, 12, 23, 41))
        others = tuple(self._person(place, with_email=False) for _ in range(min(size - 1, self.dice.randint(1, 4))))
        return replace(matter, group_size=size, representatives=others)

    def _steps(self, matter: DemoMatter, template: Template, slots: Mapping[str, str]) -> tuple[Step, ...]:
        submitted = Step(day=0, at=time(self.dice.randint(8, 18), self.dice.randint(0, 59)), actor="petitioner",
                         action=Action.SUBMIT)  # fmt: skip
        if matter.matter_type is None or matter.stage in (Stage.FRESH, Stage.SUGGESTED):
            return (submitted,)
        item = self.city.types[matter.matter_type]
        wording = Wording(
            phrases=self.blocks.phrases,
            finding=template.finding.format_map(slots),
            remedy=template.remedy.format_map(slots),
            basis="；".join([*(basis.cited for basis in item.bases), "《信访工作条例》第三十二条"]),
        )
        return (submitted, *course(matter, self._cast(item, matter), wording, self.dice))

    def _cast(self, item: MatterType, matter: DemoMatter) -> Cast:
        lead = self.city.resolve(item.lead, matter.region_code, excluded=matter.accused)
        if lead is None:
            # The accused township is the only one with the function here: its superior government takes it.
            lead = self.city.resolve(Part("government"), matter.region_code, excluded=matter.accused)
        if lead is None:
            raise BadCity([f"{matter.key}: nobody can lead {item.code} in {matter.region_code}"])
        partners: dict[str, None] = {}
        for part in (*item.co, Part("township")):
            agency = self.city.resolve(part, matter.region_code, excluded=(*matter.accused, lead.code))
            if agency is not None:
                partners[agency.code] = None
        if not partners:
            raise BadCity([f"{matter.key}: {item.code} has no co-handler in {matter.region_code}"])
        wanted = self.dice.choices((1, 2, 3), weights=(45, 40, 15))[0]
        return Cast(lead=lead.code, partners=tuple(partners)[:wanted])

    def _repeat(self, made: list[DemoMatter]) -> None:
        """Turn some fresh and waiting matters into repetitions of running ones, in the same words or other ones."""
        late = [i for i, m in enumerate(made) if m.stage in (Stage.FRESH, Stage.SUGGESTED)]
        running = [
            m for m in made if m.stage in (Stage.ACCEPTED, Stage.HANDLING, Stage.OVERDUE_HANDLE) and not m.accused
        ]
        chosen = self.dice.sample(late, DUPLICATES + REPEATS)
        for index, original in zip(chosen, self.dice.sample(running, len(chosen)), strict=True):
            new, again = made[index], index in chosen[:REPEATS]
            place = self.city.regions[original.region_code]
            _, facts, _ = original.content.split("\n")
            opener = (
                "此事我来信反映过，至今没有解决，现再次请求处理。"
                if again
                else "同一件事已经有人来信反映，我也受到影响，一并请求处理。"
            )
            made[index] = replace(
                new,
                matter_type=original.matter_type,
                purpose=original.purpose,
                region_code=original.region_code,
                title=f"再次请求处理：{original.title}" if again else original.title,
                content="\n".join([opener, facts, self.dice.choice(self.blocks.closers)]),
                claims=original.claims,
                petitioner=original.petitioner if again else self._person(place, with_email=True),
                representatives=(),
                group_size=1,
                accused=(),
                accused_others=original.accused_others,
                days_ago=min(new.days_ago, original.days_ago - 1),
                duplicate_of=original.key,
            )


def as_json(matters: Sequence[DemoMatter]) -> str:
    """The matters as JSON, for looking at them."""
    return json.dumps([asdict(matter) for matter in matters], ensure_ascii=False, indent=1, default=str)


if __name__ == "__main__":
    sys.stdout.write(as_json(generate(load())) + "\n")
