"""Playing a told case on a running stack, step by step, through the doors of :mod:`deploy.demo.actors`.

The days between the steps pass at once: everything happens today. Until the last department has answered, the demo
programs leave the matter to the people of the case.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageDraw

from deploy.demo.actors import (
    Answer,
    Department,
    Officer,
    Petitioner,
    Switchboard,
)
from deploy.demo.city.load import City
from deploy.demo.matters.plan import Action, DemoMatter, Person, Step
from deploy.waiting import NotSo, until
from lianban.contracts.codes import AgencyRole, AssignmentState, Channel

HEARD: dict[Action, frozenset[str]] = {
    Action.ACCEPT: frozenset({AssignmentState.ACCEPTED}),
    Action.OBJECT: frozenset({AssignmentState.OBJECTED}),
    Action.PROGRESS: frozenset({AssignmentState.HANDLING}),
    Action.OPINION: frozenset({AssignmentState.OPINION_GIVEN, AssignmentState.DONE}),
    Action.REPLY: frozenset({AssignmentState.REPLIED, AssignmentState.DONE}),
}
"""The state of a department's part when what it said has taken effect."""


@dataclass
class Stage:
    """Who plays: the doors of a stack, made by whoever knows its addresses and keys."""

    city: City
    officer: Officer
    clerk: str
    """A clerk's token, for what is told at the counter or by telephone."""
    petitioner: Callable[[], Petitioner]
    department: Callable[[str], Department]
    switchboard: Switchboard


@dataclass
class Play:
    """One told case on a stage. ``with Play(stage, story) as play: play.do(step)`` for each step of the story."""

    stage: Stage
    story: DemoMatter
    petitioner: Petitioner = field(init=False)
    _coordinated: str = field(init=False, default="")
    _cast: dict[str, Department] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.petitioner = self.stage.petitioner()

    @property
    def agencies(self) -> frozenset[str]:
        """The codes of all agencies that take part."""
        steps = self.story.steps
        named = {code for step in steps for code in (step.lead, *step.co_handlers) if code is not None}
        return frozenset(named)

    @property
    def number(self) -> str:
        """The matter's number."""
        return self.petitioner.number

    def __enter__(self) -> Play:
        self.stage.switchboard.leave_to_people(self.story.title, self.agencies)
        return self

    def __exit__(self, *_: object) -> None:
        self.leave_to_programs()

    def leave_to_programs(self) -> None:
        """From here on the departments' programs answer by themselves: another round, say."""
        self.stage.switchboard.answer_again(self.story.title, self.agencies)

    def department(self, code: str) -> Department:
        """A department that takes part, signed in once."""
        if code not in self._cast:
            self._cast[code] = self.stage.department(code)
        return self._cast[code]

    def case(self) -> dict[str, Any]:
        """The case as the officer sees it."""
        return self.stage.officer.case(self.petitioner.id)

    def state(self, agency: str) -> str | None:
        """How an agency's newest part stands, as the officer sees it."""
        parts = [part for part in self.case()["assignments"] if part["agency"]["code"] == agency]
        return str(parts[-1]["state"]) if parts else None

    def do(self, step: Step) -> None:
        """Do one step, or wait for what it expects; returns when it has taken effect."""
        match step.action:
            case Action.SUBMIT:
                self._submit()
            case Action.ROUTE:
                parts = dict.fromkeys(step.co_handlers, AgencyRole.CO_HANDLER.value)
                if step.lead is not None:
                    parts[step.lead] = AgencyRole.LEAD.value
                self.stage.officer.route(self.petitioner.id, parts, reason=step.text)
            case Action.COORDINATE:
                self._coordinated = step.text
            case Action.DESIGNATE:
                reason = "\n".join(text for text in (self._coordinated, step.text) if text)
                self.stage.officer.designate(self.petitioner.id, step.lead or "", step.actor, reason)
            case Action.EXPECT_DISPUTED:
                dispute = until(lambda: self.case()["dispute"], "the dispute is found")
                parties = [party["code"] for party in dispute["parties"]]
                if parties != list(step.parties):
                    raise NotSo(f"the parties of the dispute are {parties}")
            case Action.EXPECT_DECIDED:
                until(self._decision_served, "the decision is served")
            case Action.OPEN:
                self.petitioner.status()
            case Action.RATE:
                votes = [
                    {"target": vote.target.value, "value": vote.value.value}
                    | ({"agency": vote.agency} if vote.agency else {})
                    for vote in step.votes
                ]
                self.petitioner.rate(votes, solved=step.solved)
            case Action.WITHDRAW:
                self.petitioner.withdraw()
            case _:
                self._state(step)

    def _submit(self) -> None:
        told = self.story
        body: dict[str, Any] = {
            "channel": told.channel.value,
            "purpose": told.purpose.value,
            "region_code": told.region_code,
            "title": told.title,
            "content": told.content,
            "claims": list(told.claims),
            "group_size": told.group_size,
        }
        if told.petitioner is not None:
            body["petitioner"] = _person(told.petitioner)
        clerk = None if told.channel is Channel.WEB else self.stage.clerk
        self.petitioner.submit(body, [(name, a_file(name)) for name in told.attachments], clerk=clerk)
        until(self._suggested, "a suggestion")

    def _suggested(self) -> bool:
        try:
            return self.case()["suggestion"] is not None
        except NotSo:
            return False  # routing has not heard of it yet

    def _state(self, step: Step) -> None:
        actor, number = self.department(step.actor), self.number
        match step.action:
            case Action.ACCEPT:
                actor.accept(number, step.text)
            case Action.OBJECT:
                proposed = step.proposed_agency
                actor.object(
                    number,
                    step.text,
                    reason=step.reason.value if step.reason else "",
                    legal_basis=step.legal_basis,
                    proposed=(proposed, self.stage.city.agencies[proposed].name) if proposed else None,
                )
            case Action.PROGRESS:
                actor.progress(number, step.text)
            case _:
                results = tuple((item.result.value, item.text) for item in step.results)
                answer = Answer(step.text, results, step.facts, step.legal_basis, step.remedy)
                actor.conclude(number, answer, lead=step.action is Action.REPLY)
        wanted = HEARD[step.action]
        until(lambda: self.state(step.actor) in wanted, f"{step.action.value} of {step.actor} takes effect")

    def _decision_served(self) -> bool:
        documents = self.petitioner.status()["documents"]
        return any(document["kind"] == "decision" and document["served_at"] for document in documents)


def _person(person: Person) -> dict[str, str]:
    told = {"name": person.name, "phone": person.phone, "address": person.address}
    return told | ({"email": person.email} if person.email else {})


def a_file(name: str) -> bytes:
    """A drawn stand-in for a file of the case: a picture or a page of the kind that its name says."""
    kind = {"jpg": "JPEG", "png": "PNG", "pdf": "PDF"}[name.rsplit(".", 1)[1].lower()]
    picture = Image.new("RGB", (480, 320), (214, 224, 226))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 190, 480, 320), fill=(38, 34, 46))
    draw.polygon([(150, 190), (330, 190), (300, 120), (180, 120)], fill=(122, 116, 108))
    draw.ellipse((205, 135, 275, 190), fill=(64, 36, 72))
    made = io.BytesIO()
    picture.save(made, kind)
    return made.getvalue()
