"""The course of a generated matter up to its stage: who does and says what, and on which day."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import time

from deploy.demo.matters.plan import OFFICER, PETITIONER, Action, ClaimText, DemoMatter, Stage, Step, Vote
from lianban.contracts.codes import ClaimResult, ObjectionReason, RatingTarget, RatingValue

REPLIED = frozenset({Stage.OPINION_MISSING, Stage.DECIDED, Stage.SERVED, Stage.CLOSED, Stage.REOPENED})
"""Stages in which the lead has replied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrases:
    """Sentences that agencies and petitioners use."""

    accept: tuple[str, ...]
    progress: tuple[str, ...]
    opinion: tuple[str, ...]
    results: Mapping[ClaimResult, tuple[str, ...]]
    route: tuple[str, ...]
    reroute: str
    withdraw: str
    not_solved: tuple[str, ...]
    rated_good: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part; a partner of the lead is a co-handler, or the one that the lead passes the matter to."""

    lead: str
    partners: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What is found and ordered in this matter, and on which legal basis."""

    phrases: Phrases
    finding: str
    remedy: str
    basis: str


def course(matter: DemoMatter, cast: Cast, wording: Wording, dice: random.Random) -> tuple[Step, ...]:
    """The steps after the submission; none lies later than today."""
    return tuple(_Course(matter, cast, wording, dice).steps())


class _Course:
    """Writes one course; office hours keep the times of a day in their order."""

    def __init__(self, matter: DemoMatter, cast: Cast, wording: Wording, dice: random.Random) -> None:
        self.matter = matter
        self.cast = cast
        self.wording = wording
        self.dice = dice
        self.done: list[Step] = []
        self.day = 0
        self.minute = 19 * 60

    def steps(self) -> Sequence[Step]:
        stage = self.matter.stage
        self.after(1)
        self.say(OFFICER, Action.ROUTE, self.pick(self.wording.phrases.route), lead=self.cast.lead,
                 co_handlers=self.cast.partners)  # fmt: skip
        match stage:
            case Stage.ROUTED | Stage.OVERDUE_NOTICE:
                pass
            case Stage.OBJECTED:
                self.object(self.cast.lead, self.cast.partners[:1])
            case Stage.DISPUTED:
                self.dispute()
            case Stage.WITHDRAWN:
                self.accept()
                self.after(2)
                self.say(PETITIONER, Action.WITHDRAW, self.wording.phrases.withdraw)
            case _:
                self.accept()
                if stage is not Stage.ACCEPTED:
                    self.handle()
        return self.done

    def after(self, days: int) -> None:
        """Go on by some days, at most to the day before today."""
        later = min(self.day + days, self.matter.days_ago - 1)
        if later > self.day:
            self.day, self.minute = later, 8 * 60 + 30

    def say(self, actor: str, action: Action, text: str, **more: object) -> None:
        """Add a step some minutes later than the one before."""
        self.minute = min(self.minute + self.dice.randint(6, 35), 23 * 60 + 59)
        at = time(self.minute // 60, self.minute % 60)
        self.done.append(Step(day=self.day, at=at, actor=actor, action=action, text=text, **more))  # type: ignore[arg-type]

    def pick(self, texts: Sequence[str]) -> str:
        return self.dice.choice(texts)

    def object(self, agency: str, proposed: Sequence[str]) -> None:
        """The lead says that another body should lead, within the five working days."""
        self.after(self.dice.randint(1, 3))
        self.say(
            agency,
            Action.OBJECT,
            "经核实，信访人反映的主要问题不在我单位法定职权范围内，我单位可以配合调查，但不能作出处理决定，建议改由所列单位主办。",
            reason=ObjectionReason.OTHER_LEAD if proposed else ObjectionReason.OUTSIDE_POWERS,
            proposed_agency=proposed[0] if proposed else None,
            legal_basis="《信访工作条例》第二十三条第三款",
        )

    def dispute(self) -> None:
        """Two agencies pass the matter to each other, so that somebody above them must decide."""
        first, second = self.cast.lead, self.cast.partners[0]
        self.object(first, [second])
        self.after(1)
        self.say(OFFICER, Action.ROUTE, self.wording.phrases.reroute, lead=second,
                 co_handlers=(first, *self.cast.partners[1:]))  # fmt: skip
        self.object(second, [first])
        self.say(OFFICER, Action.EXPECT_DISPUTED, "", parties=(first, second))

    def accept(self) -> None:
        """Everybody accepts, within the fifteen days of the notice."""
        self.after(self.dice.randint(1, 4))
        for agency in (self.cast.lead, *self.cast.partners):
            self.say(agency, Action.ACCEPT, self.pick(self.wording.phrases.accept))

    def handle(self) -> None:
        if self.matter.petitioner is not None and self.matter.petitioner.email is None:
            # Nobody wrote to them, so they look at the portal: that proves service of the notice (条例 §23③).
            self.after(self.dice.randint(1, 3))
            self.say(PETITIONER, Action.OPEN, "")
        stage = self.matter.stage
        self.after(self.dice.randint(2, 6))
        self.say(self.cast.lead, Action.PROGRESS, self.pick(self.wording.phrases.progress))
        if stage not in REPLIED:
            return
        given = self.cast.partners[1:] if stage is Stage.OPINION_MISSING else self.cast.partners
        self.after(self.dice.randint(2, 5))
        for agency in given:
            self.say(agency, Action.OPINION, self.pick(self.wording.phrases.opinion),
                     results=self.results(ClaimResult.SUPPORTED, ClaimResult.EXPLAINED))  # fmt: skip
        self.after(self.dice.randint(2, 6))
        self.say(
            self.cast.lead,
            Action.REPLY,
            f"{self.wording.finding}{self.wording.remedy}",
            results=self.results(*ClaimResult),
            facts=self.wording.finding,
            legal_basis=self.wording.basis,
            remedy=self.wording.remedy,
        )
        if stage is Stage.OPINION_MISSING:
            return
        self.say(OFFICER, Action.EXPECT_DECIDED, "")
        if stage is Stage.DECIDED:
            return
        self.after(self.dice.randint(1, 2))
        self.say(PETITIONER, Action.OPEN, "")
        if stage is not Stage.SERVED:
            self.rate(solved=stage is Stage.CLOSED)

    def rate(self, *, solved: bool) -> None:
        self.after(self.dice.randint(1, 6))
        good = (RatingValue.SATISFIED, RatingValue.SATISFIED, RatingValue.BASICALLY_SATISFIED)
        votes = [Vote(RatingTarget.PETITION_OFFICE, self.dice.choice(good))]
        for agency in (self.cast.lead, *self.cast.partners):
            lead_failed = not solved and agency == self.cast.lead
            value = RatingValue.DISSATISFIED if lead_failed else self.dice.choice(good)
            votes.append(Vote(RatingTarget.AGENCY, value, agency))
        phrases = self.wording.phrases
        self.say(PETITIONER, Action.RATE, self.pick(phrases.rated_good if solved else phrases.not_solved),
                 votes=tuple(votes), solved=solved)  # fmt: skip

    def results(self, *possible: ClaimResult) -> tuple[ClaimText, ...]:
        """A result for every claim; the first one is usually supported."""
        found = []
        for claim in range(1, len(self.matter.claims) + 1):
            kind = ClaimResult.SUPPORTED if claim == 1 else self.dice.choice((possible[0], possible[0], *possible))
            found.append(ClaimText(claim, kind, self.pick(self.wording.phrases.results[kind])))
        return tuple(found)
