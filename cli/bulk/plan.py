"""Which matters are played as moulds, and how often each is copied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from cli.histories import Due, Story
from deploy.demo.city.load import City
from deploy.demo.matters import generate
from deploy.demo.matters.plan import OFFICER, PETITIONER, Action, DemoMatter, Stage, Step
from lianban.chassis.time import CHINA
from lianban.law.calendar import WorkCalendar

OPEN_SEED = 20260501
"""The seed of the matters that are still open, and of the first ended ones."""
MORE_SEEDS = (11, 12, 13, 14)
"""Seeds from which only ended matters are taken."""
ENDED = (Stage.CLOSED, Stage.WITHDRAWN, Stage.SEALED)
SHARES: Mapping[Stage, float] = {Stage.CLOSED: 0.88, Stage.WITHDRAWN: 0.03, Stage.SEALED: 0.01}
"""Which part of all matters each stage is; the other stages share what is left, as the played city has them."""


@dataclass(frozen=True, slots=True)
class Planned:
    """Every step of the matters that are played, in the order of time."""

    steps: tuple[Due, ...]


def planned(city: City, today: date, calendar: WorkCalendar, *, most: int | None = None) -> Planned:
    """The plan; ``most``: of so many matters, for trying out, but of every stage."""
    holidays = frozenset(day.day for year in calendar.years for day in year.days)
    chosen = _spread(list(_matters(city)), most) if most is not None else list(_matters(city))
    steps: list[Due] = []
    for number, given in enumerate(chosen):
        matter = _in_calm_weeks(given, today, holidays)
        told = replace(matter, content=f"{matter.content}\n（来电工单第{_marker(number)}号）", key=_marker(number))
        story = Story(told, today - timedelta(days=told.days_ago))
        for step in told.steps:
            day = story.submitted_on + timedelta(days=step.day)
            steps.append(Due(datetime.combine(day, step.at, CHINA), len(steps), story, step))
    return Planned(tuple(sorted(steps)))


def _in_calm_weeks(matter: DemoMatter, today: date, holidays: frozenset[date]) -> DemoMatter:
    """An ended matter moved back to weeks without a holiday, so that its copies fit into many weeks."""
    if matter.stage not in ENDED or not matter.steps:
        return matter
    length = matter.steps[-1].day + AFTERWARDS
    for weeks in range(52):
        received = today - timedelta(days=matter.days_ago, weeks=weeks)
        if not any(received + timedelta(days=day) in holidays for day in range(length)):
            return replace(matter, days_ago=matter.days_ago + 7 * weeks)
    return matter


AFTERWARDS = 16
"""For so many days after its last step a matter's clocks may still end."""


def _spread(matters: list[DemoMatter], most: int) -> list[DemoMatter]:
    """Some of the matters: one of each stage, the others as the stages are spread."""
    first: dict[Stage, DemoMatter] = {}
    for matter in matters:
        first.setdefault(matter.stage, matter)
    kept = {id(matter) for matter in first.values()}
    others = sorted((m for m in matters if id(m) not in kept), key=lambda m: m.stage.value)
    wanted = min(max(0, most - len(first)), len(others))
    return [*first.values(), *(others[number * len(others) // wanted] for number in range(wanted))]


def marker(matter: DemoMatter) -> str:
    """The number that stands in a played matter's words, and in no other's: each copy gets one of its own."""
    return matter.key


def _marker(number: int) -> str:
    return str(70000001 + number * 37)


def _matters(city: City) -> Iterator[DemoMatter]:
    yield from (_alone(matter, number) for number, matter in enumerate(generate.generate(city, seed=OPEN_SEED)))
    for seed in MORE_SEEDS:
        made = [matter for matter in generate.generate(city, seed=seed) if matter.stage in ENDED[:2]]
        yield from (_alone(matter, number) for number, matter in enumerate(made))


def _alone(matter: DemoMatter, number: int) -> DemoMatter:
    """Every second matter without a dispute is handled by its lead alone."""
    if number % 2 or matter.stage in (Stage.OBJECTED, Stage.DISPUTED, Stage.OPINION_MISSING):
        return matter
    lead = next((step.lead for step in matter.steps if step.action is Action.ROUTE), None)
    if lead is None:
        return matter
    actors = (PETITIONER, OFFICER, lead)
    return replace(matter, steps=tuple(_without(step, lead) for step in matter.steps if step.actor in actors))


def _without(step: Step, lead: str) -> Step:
    votes = tuple(vote for vote in step.votes if vote.agency in (None, lead))
    return replace(step, co_handlers=(), votes=votes)


def shares(moulds: Sequence[tuple[Stage, bool, int]]) -> list[float]:
    """Which part of all copies each of the moulds (stage, lean, weeks that it may lie in) gets; together they are one.

    A mould that fits into many weeks gets more, so that the copies spread over the years; and of the closed ones the
    lean, handled by one agency, get three times as much as the others: so it is in practice.
    """
    weights = [weeks * (3.0 if stage is Stage.CLOSED and lean else 1.0) for stage, lean, weeks in moulds]
    totals: dict[Stage | None, float] = defaultdict(float)
    for (stage, _, _), weight in zip(moulds, weights, strict=True):
        totals[_kind(stage)] += weight
    of_kind = {kind: SHARES[kind] if kind is not None else 1 - sum(SHARES.values()) for kind in totals}
    whole = sum(of_kind.values())
    return [
        of_kind[_kind(stage)] / whole * weight / totals[_kind(stage)]
        for (stage, _, _), weight in zip(moulds, weights, strict=True)
    ]


def _kind(stage: Stage) -> Stage | None:
    return stage if stage in SHARES else None
