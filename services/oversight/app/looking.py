"""What the board and its API show, read in one place so that both say the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from lianban.chassis import calendar as kept_calendar
from lianban.chassis.database import Transaction
from lianban.chassis.errors import Rejected
from lianban.chassis.time import china_day
from lianban.contracts.codes import MatterState, YearStatus
from lianban.law import places
from lianban.law.clocks import Step, explain
from lianban.law.projector import Clock, period_of
from lianban.law.rulebook import Lapse, Rule
from services.oversight.app.rules import rulebook
from services.oversight.app.working_calendar import present
from services.oversight.store import clocks, ledger, matters

SOON_DAYS = 3
"""A clock whose end is at most this many days away "ends soon"."""
MONTHS = 12
"""So many months the board shows one beside the other."""


def prefix_of(territory: str | None) -> str:
    """The beginning of the region codes that somebody may see; empty: all."""
    return places.prefix(territory) if territory else ""


@dataclass(frozen=True, slots=True)
class Month:
    """What came in and what was finished in one month; ``first`` is its first day."""

    first: date
    registered: int
    closed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The board's figures on one day in China."""

    today: date
    figures: dict[str, int]
    states: dict[MatterState, int]
    rules: list[tuple[Rule, dict[str, int]]]
    months: list[Month]
    provisional_years: list[int]


def summary(tx: Transaction, *, territory: str | None, at: datetime) -> Summary:
    """Counts of clocks and matters in a territory."""
    prefix, today = prefix_of(territory), china_day(at)
    outcomes = clocks.outcomes_by_rule(tx, territory=prefix, today=today)
    years = kept_calendar.years(tx)
    needed = (today.year, (today + timedelta(days=90)).year)
    return Summary(
        today=today,
        figures=clocks.figures(tx, territory=prefix, today=today, soon=today + timedelta(days=SOON_DAYS)),
        states=matters.counts_by_state(tx, territory=prefix),
        rules=[(rule, outcomes[rule.id]) for rule in rulebook().rules if rule.id in outcomes],
        months=_months(tx, prefix, today),
        provisional_years=[y for y in sorted(set(needed)) if years.get(y) is not YearStatus.OFFICIAL],
    )


def _months(tx: Transaction, prefix: str, today: date) -> list[Month]:
    """The last :data:`MONTHS` months, the present one last, those without anything too."""
    numbers = [today.year * 12 + today.month - 1 - back for back in reversed(range(MONTHS))]
    days = [date(number // 12, number % 12 + 1, 1) for number in numbers]
    counted = matters.by_month(tx, territory=prefix, since=days[0])
    return [Month(day, *counted.get(day, (0, 0))) for day in days]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenClock:
    """A clock with its rule and its standing on a day; ``days_left`` is negative when overdue."""

    clock: Clock
    rule: Rule
    matter_id: UUID
    number: str
    region_name: str
    days_left: int | None
    warned: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def standing(self) -> str:
        """``running``, ``overdue``, or how it ended: ``met``, ``late``, ``cancelled``, ``lapsed``."""
        if self.clock.outcome is not None:
            return self.clock.outcome.value
        if self.days_left is None or self.days_left >= 0:
            return "running"
        return "overdue" if self.rule.lapse is Lapse.BREACH else "lapsed"


def _seen(kept: clocks.Kept, today: date, steps: tuple[Step, ...] = ()) -> SeenClock:
    left = (kept.clock.legal_due - today).days if kept.clock.running else None
    return SeenClock(
        clock=kept.clock,
        rule=rulebook().rule(kept.clock.rule),
        matter_id=kept.matter_id,
        number=kept.number,
        region_name=kept.region_name,
        days_left=left,
        warned=kept.warned,
        steps=steps,
    )


def running_clocks(
    tx: Transaction,
    *,
    territory: str | None,
    rule: str | None,
    agency: str | None,
    overdue: bool = False,
    provisional: bool | None = None,
    unanswered: bool = False,
    after: tuple[Any, ...] | None,
    limit: int,
    at: datetime,
) -> list[SeenClock]:
    """Running clocks, the first to end in front; or the windows of objection that passed without an answer."""
    today = china_day(at)
    wanted = clocks.Filter(
        territory=prefix_of(territory),
        rule=rule,
        agency=agency,
        overdue_on=today if overdue else None,
        provisional=provisional,
    )
    key = (after[0], after[1]) if after else None
    ask = clocks.unanswered if unanswered else clocks.running
    return [_seen(kept, today) for kept in ask(tx, wanted, after=key, limit=limit)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMatter:
    """One matter with everything that oversight knows about it."""

    matter: matters.Matter
    assignments: list[matters.Assignment]
    clocks: list[SeenClock]
    events: list[ledger.Link]


def matter(tx: Transaction, number: str, *, territory: str | None, at: datetime) -> SeenMatter:
    """The matter with a number; raises :class:`Rejected` (404) where there is none in the territory."""
    found = matters.by_number(tx, number, territory=prefix_of(territory))
    if found is None:
        raise Rejected(
            "matter-not-found", "没有这个编号的信访事项。", "There is no matter with this number.", status=404
        )
    _, calendar = present(tx)
    rules, today = rulebook(), china_day(at)
    seen = [
        _seen(kept, today, explain(period_of(kept.clock, rules), calendar)) for kept in clocks.of_matter(tx, found.id)
    ]
    return SeenMatter(
        matter=found,
        assignments=matters.assignments(tx, found.id),
        clocks=seen,
        events=ledger.of_subject(tx, found.id),
    )
