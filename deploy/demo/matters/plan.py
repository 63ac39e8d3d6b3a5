"""What happens to a demo matter, step by step; the told cases from ``stories.yaml``, typed and checked.

Steps are carried out through the real use cases with an injected clock. ``expect_*`` steps are not done by anybody:
whoever carries the plan out waits for them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from enum import StrEnum
from pathlib import Path

from deploy.demo.city.load import City
from deploy.demo.city.reading import BadCity, Entry, open_file
from lianban.contracts.codes import Channel, ClaimResult, ObjectionReason, Purpose, RatingTarget, RatingValue

FOLDER = Path(__file__).parent
PETITIONER = "petitioner"
OFFICER = "officer"
PHONE = re.compile(r"1610000[0-9]{4}")
"""Petitioners' numbers: the mobile block 161 is not issued to subscribers."""
_WRAPPED = re.compile(r"(?<=[\u2010-\u201f\u3000-\u9fff\uff00-\uffef])\s+(?=[\u2010-\u201f\u3000-\u9fff\uff00-\uffef])")
"""Where a line of Chinese was wrapped in the file: what YAML makes of it is no space of the text."""


class Stage(StrEnum):
    """How far a matter has come when the demo city is opened."""

    FRESH = "fresh"
    SUGGESTED = "suggested"
    ROUTED = "routed"
    OBJECTED = "objected"
    DISPUTED = "disputed"
    ACCEPTED = "accepted"
    HANDLING = "handling"
    OVERDUE_NOTICE = "overdue_notice"
    OVERDUE_HANDLE = "overdue_handle"
    OPINION_MISSING = "opinion_missing"
    DECIDED = "decided"
    SERVED = "served"
    CLOSED = "closed"
    REOPENED = "reopened"
    WITHDRAWN = "withdrawn"
    SEALED = "sealed"
    TOLD = "told"


class Action(StrEnum):
    """What is done in a step, or waited for."""

    SUBMIT = "submit"
    ROUTE = "route"
    ACCEPT = "accept"
    OBJECT = "object"
    COORDINATE = "coordinate"
    DESIGNATE = "designate"
    PROGRESS = "progress"
    OPINION = "opinion"
    REPLY = "reply"
    OPEN = "open"
    RATE = "rate"
    WITHDRAW = "withdraw"
    EXPECT_DISPUTED = "expect_disputed"
    EXPECT_DECIDED = "expect_decided"


@dataclass(frozen=True, slots=True)
class Person:
    """An invented petitioner."""

    name: str
    phone: str
    address: str
    email: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimText:
    """What an agency says on one claim; ``claim`` counts from 1."""

    claim: int
    result: ClaimResult
    text: str


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote; ``agency`` where an agency is rated."""

    target: RatingTarget
    value: RatingValue
    agency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: ``day`` after the submission, ``at`` in China time, ``actor`` petitioner, officer or an agency."""

    day: int
    at: time
    actor: str
    action: Action
    text: str = ""
    lead: str | None = None
    co_handlers: tuple[str, ...] = ()
    reason: ObjectionReason | None = None
    proposed_agency: str | None = None
    legal_basis: str = ""
    results: tuple[ClaimText, ...] = ()
    facts: str = ""
    remedy: str = ""
    parties: tuple[str, ...] = ()
    votes: tuple[Vote, ...] = ()
    solved: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoMatter:
    """A matter as it is submitted, and its steps up to its stage; ``duplicate_of`` names the matter that it repeats.

    ``accused`` are agencies' codes, ``accused_others`` firms and persons in words.
    """

    key: str
    stage: Stage
    days_ago: int
    matter_type: str | None
    channel: Channel
    purpose: Purpose
    region_code: str
    title: str
    content: str
    claims: tuple[str, ...]
    petitioner: Person | None
    representatives: tuple[Person, ...] = ()
    group_size: int = 1
    accused: tuple[str, ...] = ()
    accused_others: tuple[str, ...] = ()
    attachments: tuple[str, ...] = ()
    duplicate_of: str | None = None
    steps: tuple[Step, ...] = ()


def stories(city: City, path: Path = FOLDER / "stories.yaml") -> tuple[DemoMatter, ...]:
    """The told cases; raises :class:`~deploy.demo.city.reading.BadCity` with every mistake."""
    problems: list[str] = []
    file = open_file(path, problems)
    found = tuple(_story(entry) for entry in file.entries("stories"))
    file.done()
    for matter in found:
        problems.extend(mistakes(matter, city))
    if problems:
        raise BadCity(problems)
    return found


def mistakes(matter: DemoMatter, city: City) -> list[str]:
    """What in a plan does not fit the city or itself."""
    found = []

    def wrong(what: str) -> None:
        found.append(f"{matter.key}: {what}")

    if matter.region_code not in city.regions:
        wrong(f"unknown region {matter.region_code!r}")
    if matter.matter_type is not None and matter.matter_type not in city.types:
        wrong(f"unknown matter type {matter.matter_type!r}")
    persons = (matter.petitioner, *matter.representatives) if matter.petitioner else ()
    for person in persons:
        if not PHONE.fullmatch(person.phone):
            wrong(f"phone {person.phone!r} should be of the block 1610000xxxx")
    last = (0, time.min)
    for step in matter.steps:
        if (step.day, step.at) < last:
            wrong(f"step {step.action} on day {step.day} comes before the step above it")
        last = (step.day, step.at)
        named = [step.lead, step.proposed_agency, *step.co_handlers, *step.parties, *(v.agency for v in step.votes)]
        if step.actor not in (PETITIONER, OFFICER):
            named.append(step.actor)
        for code in named:
            if code is not None and code not in city.agencies:
                wrong(f"unknown agency {code!r} on day {step.day}")
            if code in matter.accused:
                wrong(f"the accused agency {code!r} takes part on day {step.day}")
        if step.action is Action.REPLY and [r.claim for r in step.results] != list(range(1, len(matter.claims) + 1)):
            wrong("the reply does not answer every claim in order")
    if matter.steps and matter.steps[-1].day > matter.days_ago:
        wrong(f"the last step lies in the future: day {matter.steps[-1].day} of {matter.days_ago}")
    return found


def _story(entry: Entry) -> DemoMatter:
    told = entry.part("matter")
    petitioner = told.part("petitioner")
    matter = DemoMatter(
        key=entry.text("key"),
        stage=Stage.TOLD,
        days_ago=entry.whole("days_ago"),
        matter_type=entry.text("matter_type"),
        channel=told.code("channel", Channel, Channel.WEB),
        purpose=told.code("purpose", Purpose, Purpose.APPEAL),
        region_code=told.text("region_code"),
        title=told.text("title"),
        content=_WRAPPED.sub("", told.text("content")),
        claims=told.texts("claims"),
        petitioner=Person(
            petitioner.text("name"), petitioner.text("phone"), petitioner.text("address"), petitioner.optional("email")
        ),
        group_size=told.whole("group_size", 1),
        attachments=told.texts("attachments"),
        steps=tuple(_step(step) for step in entry.entries("steps")),
    )
    entry.text("title")
    for part in (petitioner, told, entry):
        part.done()
    return matter


def _step(entry: Entry) -> Step:
    given = entry.optional("reason")
    at = entry.text("time")
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", at):
        entry.wrong(f"time {at!r} should be written 09:30")
        at = "00:00"
    step = Step(
        day=entry.whole("day"),
        at=time.fromisoformat(at),
        actor=entry.text("actor"),
        action=entry.code("action", Action, Action.SUBMIT),
        text=_WRAPPED.sub("", entry.text("text", "")),
        lead=entry.optional("lead"),
        co_handlers=entry.texts("co_handlers"),
        reason=None if given is None else entry.code("reason", ObjectionReason, ObjectionReason.OUTSIDE_POWERS),
        proposed_agency=entry.optional("proposed_agency"),
        legal_basis=entry.text("legal_basis", ""),
        results=tuple(_result(item) for item in entry.entries("results")),
        facts=_WRAPPED.sub("", entry.text("facts", "")),
        remedy=entry.text("remedy", ""),
        parties=(*entry.texts("parties"), *entry.texts("participants")),
        votes=tuple(_vote(item) for item in entry.entries("votes")),
        solved=entry.flag("solved", default=None),
    )
    entry.done()
    return step


def _result(entry: Entry) -> ClaimText:
    result = ClaimText(
        entry.whole("claim"), entry.code("result", ClaimResult, ClaimResult.EXPLAINED), entry.text("text")
    )
    entry.done()
    return result


def _vote(entry: Entry) -> Vote:
    vote = Vote(
        entry.code("target", RatingTarget, RatingTarget.AGENCY),
        entry.code("value", RatingValue, RatingValue.SATISFIED),
        entry.optional("agency"),
    )
    entry.done()
    return vote
