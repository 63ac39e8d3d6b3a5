"""The demo city's past: some two hundred matters played step by step through the real use cases, at their own time.

In the past every department worked on the agency desk (:func:`services.agency_gateway.app.delivering.put_on_desks`):
their own systems are connected on the day on which the city is set up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any
from uuid import UUID, uuid4

from cli.world import World
from deploy.demo.city.load import City
from deploy.demo.matters import generate, plan
from deploy.demo.matters.plan import Action, DemoMatter, Person, Step
from lianban.chassis.errors import Rejected
from lianban.chassis.runtime import database
from lianban.chassis.time import CHINA, china_day
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import AgencyRole, Channel, ExchangeKind, StaffRole, TransferKind
from services.agency_gateway.app import stating
from services.agency_gateway.domain.statement import ClaimPart, Statement, Via, content
from services.intake.app import petitioner
from services.intake.app.register import register
from services.intake.domain import petition
from services.intake.domain.caller import PETITIONER, Caller
from services.oversight.app import working_calendar
from services.routing.app import assigning
from services.routing.app.assigning import Chosen, Officer
from services.routing.app.registering import staff_id
from services.routing.domain.case import Case
from services.routing.store import cases

WINDOW = timedelta(minutes=20)
"""Steps that lie this close together are done before anybody reacts to them, unless they are of one matter."""
OPENING = clock_time(8, 20)
"""When a day's first look at the clocks is taken, in China."""
CITY = "990100000000"
STATES = {
    Action.ACCEPT: ExchangeKind.ACCEPT,
    Action.OBJECT: ExchangeKind.OBJECT,
    Action.PROGRESS: ExchangeKind.PROGRESS,
    Action.OPINION: ExchangeKind.OPINION,
    Action.REPLY: ExchangeKind.REPLY,
}


@dataclass(slots=True)
class Story:
    """A planned matter on its way; ``stopped`` tells why its course could not go on."""

    plan: DemoMatter
    submitted_on: date
    id: UUID | None = None
    number: str = ""
    stopped: str = ""
    dispute: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """One step at its time."""

    at: datetime
    place: int
    story: Story = field(compare=False)
    step: Step = field(compare=False)


def planned(city: City, today: date, *, most: int | None = None) -> list[Due]:
    """Every step of the told cases and the generated matters, in the order of time; ``most``: of so many matters."""
    told, made = plan.stories(city), generate.generate(city)
    wanted = len(made) if most is None else max(0, most - len(told))
    # Spread over the whole list, so that a few matters are still of many stages.
    matters = [*told, *(made[number * len(made) // wanted] for number in range(min(wanted, len(made))))]
    found: list[Due] = []
    for matter in matters:
        story = Story(matter, today - timedelta(days=matter.days_ago))
        for step in matter.steps:
            day = story.submitted_on + timedelta(days=step.day)
            found.append(Due(datetime.combine(day, step.at, CHINA), len(found), story, step))
    return sorted(found)


class Histories:
    """Plays the past of the city; :meth:`play` returns the matters that could not go on as planned."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.officer = Officer("沈远航", CITY)

    def play(self, steps: list[Due], done: Callable[[int], None]) -> list[Story]:
        """Do all steps, with the days between them; ``done`` is told how many were done."""
        if not steps:
            return []
        first = steps[0].at
        with self.world.as_("oversight", first - timedelta(days=1)):
            working_calendar.seed()
        self.world.settle(first - timedelta(days=1))
        day = china_day(first)
        for window in _windows(steps):
            while day < china_day(window[0].at):
                day += timedelta(days=1)
                self.world.a_day_passes(datetime.combine(day, OPENING, CHINA))
            for due in window:
                self._do(due)
            self.world.settle(window[-1].at + timedelta(minutes=2))
            done(len(window))
        return _stopped(steps)

    def _do(self, due: Due) -> None:
        story = due.story
        if story.stopped:
            return
        try:
            self._act(due)
        except (Rejected, petition.Faulty, stating.Malformed, LookupError) as error:
            what = error.slug if isinstance(error, Rejected) else str(error)
            story.stopped = f"{due.step.action.value} on day {due.step.day}: {what}"

    def _act(self, due: Due) -> None:
        story, step = due.story, due.step
        match step.action:
            case Action.SUBMIT:
                self._submit(story, due.at)
            case Action.ROUTE:
                self._route(story, step, due.at)
            case Action.DESIGNATE:
                self._designate(story, step, due.at)
            case Action.OPEN:
                with self.world.as_("intake", due.at):
                    petitioner.note_opening(_id(story), due.at)
            case Action.RATE:
                with self.world.as_("intake", due.at):
                    petitioner.rate(_id(story), _rating(step), at=due.at)
            case Action.WITHDRAW:
                with self.world.as_("intake", due.at):
                    petitioner.withdraw(_id(story), at=due.at)
            case Action.COORDINATE:
                # The coordination itself is kept as the reason of the designation that follows.
                story.dispute = step.text
            case Action.EXPECT_DECIDED | Action.EXPECT_DISPUTED:
                self._expect(story, step, due.at)
            case _:
                self._state(story, step, due.at)

    # -- intake

    def _submit(self, story: Story, at: datetime) -> None:
        with self.world.as_("intake", at):
            told = petition.parse(_body(story.plan), today=china_day(at))
            made = register(told, by=_caller(story.plan.channel), at=at)
        story.id, story.number = made.id, made.number

    # -- routing

    def _route(self, story: Story, step: Step, at: datetime) -> None:
        with self.world.as_("routing", at):
            case = self._case(_id(story))
            have = {item.agency.code: item for item in case.current}
            wanted = dict.fromkeys(step.co_handlers, AgencyRole.CO_HANDLER)
            if step.lead is not None:
                wanted[step.lead] = AgencyRole.LEAD
            changed = {code: role for code, role in wanted.items() if code not in have or have[code].role is not role}
            kept = {item.id for item in case.open_objections}
            withdraw = [have[code].id for code in changed if code in have and have[code].id not in kept]
            assigning.assign(
                case.id,
                [Chosen(code, role) for code, role in changed.items()],
                kind=TransferKind.TRANSFER,
                officer=self.officer,
                expected_version=None,
                withdraw=withdraw,
                reason=step.text or None,
            )

    def _designate(self, story: Story, step: Step, at: datetime) -> None:
        if step.lead is None:
            raise LookupError("a designation without a lead")
        with self.world.as_("routing", at):
            assigning.designate(
                _id(story),
                step.lead,
                decided_by=step.actor,
                kind=TransferKind.ASSIGN,
                officer=self.officer,
                expected_version=None,
                reason="\n".join(text for text in (story.dispute, step.text) if text) or None,
            )

    def _expect(self, story: Story, step: Step, at: datetime) -> None:
        with self.world.as_("routing", at):
            case = self._case(_id(story))
        if (step.action is Action.EXPECT_DISPUTED) != (case.dispute is not None) or (
            step.action is Action.EXPECT_DECIDED and case.decided_at is None
        ):
            raise LookupError(f"the case is {case.state.value}")

    def _case(self, case_id: UUID) -> Case:
        with database().transaction() as tx:
            return _loaded(tx, case_id)

    # -- departments

    def _state(self, story: Story, step: Step, at: datetime) -> None:
        with self.world.as_("routing", at):
            current = self._case(_id(story)).current
        assignment = next((item for item in current if item.agency.code == step.actor), None)
        if assignment is None:
            raise LookupError(f"{step.actor} has no part")
        results = tuple(
            ClaimPart(petition.claim_id(_id(story), item.claim), item.result, item.text) for item in step.results
        )
        statement = Statement(
            sender_id=str(uuid4()),
            kind=STATES[step.action],
            stated_at=at,
            text=step.text,
            reason=step.reason,
            legal_basis=step.legal_basis or None,
            proposed_agency=step.proposed_agency,
            results=results,
            facts=step.facts or None,
            remedy=step.remedy or None,
        )
        with self.world.as_("agency_gateway", at), database().transaction() as tx:
            stating.receive(
                tx,
                agency=step.actor,
                assignment_id=assignment.id,
                statement=statement,
                raw=content(statement),
                via=Via.DESK,
                at=at,
            )


def _windows(steps: list[Due]) -> list[list[Due]]:
    """Steps that can be done together: close in time, and no two of one matter."""
    found: list[list[Due]] = []
    for due in steps:
        last = found[-1] if found else []
        if last and due.at - last[0].at <= WINDOW and all(other.story is not due.story for other in last):
            last.append(due)
        else:
            found.append([due])
    return found


def _stopped(steps: list[Due]) -> list[Story]:
    stories = {id(due.story): due.story for due in steps}
    return [story for story in stories.values() if story.stopped]


def _id(story: Story) -> UUID:
    if story.id is None:
        raise LookupError("the matter was not registered")
    return story.id


def _loaded(tx: Transaction, case_id: UUID) -> Case:
    case = cases.load(tx, case_id)
    if case is None:
        raise LookupError("routing has no such case")
    return case


def _body(matter: DemoMatter) -> dict[str, Any]:
    told: dict[str, Any] = {
        "channel": matter.channel.value,
        "purpose": matter.purpose.value,
        "region_code": matter.region_code,
        "title": matter.title,
        "content": matter.content,
        "claims": list(matter.claims),
        "representatives": [_person(person) for person in matter.representatives],
        "group_size": matter.group_size,
        "accused": [*matter.accused, *({"name": name} for name in matter.accused_others)],
    }
    return told | ({"petitioner": _person(matter.petitioner)} if matter.petitioner else {"anonymous": True})


def _person(person: Person) -> dict[str, str]:
    told = {"name": person.name, "phone": person.phone, "address": person.address}
    return told | ({"email": person.email} if person.email else {})


def _rating(step: Step) -> dict[str, Any]:
    votes = [
        {"target": vote.target.value, "value": vote.value.value} | ({"agency": vote.agency} if vote.agency else {})
        for vote in step.votes
    ]
    return {"votes": votes} | ({} if step.solved is None else {"solved": step.solved})


def _caller(channel: Channel) -> Caller:
    """Who registers what comes by a channel: petitioners themselves, the hotline's system, or the clerk."""
    if channel is Channel.WEB:
        return PETITIONER
    hotline = channel in (Channel.HOTLINE, Channel.PHONE)
    kind, username = ("channel", "hotline-12345") if hotline else ("staff", "clerk")
    role = StaffRole.CHANNEL if hotline else StaffRole.CLERK
    key = f"{kind}:{staff_id(username)}"
    return Caller(key=key, name=key, roles=frozenset({role}))
