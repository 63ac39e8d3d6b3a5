"""What the board and its API show, read in one place so that both say the same."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from lianban.chassis import calendar as kept_calendar
from lianban.chassis.errors import Rejected
from lianban.chassis.rules import rulebook
from lianban.chassis.time import china_day
from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import MatterState, YearStatus
from lianban.law import places
from lianban.law.clocks import Step, explain
from lianban.law.projector import Clock, period_of
from lianban.law.rulebook import Lapse, Rule
from services.oversight.app.working_calendar import present
from services.oversight.store import clocks, ledger, matters, tallies

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
    agencies: list[dict[str, Any]]
    """Each agency's work and how its clocks ended or stand, the worst first. ``lapsed`` are windows of objection that
    ran out unused, ``unanswered`` those among them without an answer yet."""
    provisional_years: list[int]


def summary(tx: Transaction, *, territory: str | None, at: datetime) -> Summary:
    """Counts of clocks and matters in a territory.

    What runs is counted now, what has ended was counted when it did (:mod:`services.oversight.store.tallies`).
    """
    prefix, today = prefix_of(territory), china_day(at)
    running = clocks.counts(tx, territory=prefix, today=today, soon=today + timedelta(days=SOON_DAYS))
    ended = tallies.clocks_by_outcome(tx, territory=prefix)
    silent = clocks.unanswered_by_agency(tx, territory=prefix)
    duties = [count for count in running if count.rule not in clocks.PETITIONERS]
    years = kept_calendar.years(tx)
    needed = (today.year, (today + timedelta(days=90)).year)
    known = {count.rule for count in running} | {rule for _, rule in ended}
    return Summary(
        today=today,
        figures={
            "running": sum(count.running for count in duties),
            "overdue": sum(count.overdue for count in duties),
            "soon": sum(count.soon for count in duties),
            "provisional": sum(count.provisional for count in duties),
            "unanswered": sum(silent.values()),
        },
        states=_in_order_of_life(tallies.matters_by_state(tx, territory=prefix)),
        rules=[(rule, _of_rule(rule.id, running, ended)) for rule in rulebook().rules if rule.id in known],
        months=_months(tx, prefix, today),
        agencies=_agencies(tx, prefix, running, ended, silent),
        provisional_years=[y for y in sorted(set(needed)) if years.get(y) is not YearStatus.OFFICIAL],
    )


def _in_order_of_life(counts: dict[MatterState, int]) -> dict[MatterState, int]:
    """The counts from registered to closed, whatever order the database gave them in."""
    return {state: counts[state] for state in MatterState if state in counts}


def _months(tx: Transaction, prefix: str, today: date) -> list[Month]:
    """The last :data:`MONTHS` months, the present one last, those without anything too."""
    numbers = [today.year * 12 + today.month - 1 - back for back in reversed(range(MONTHS))]
    days = [date(number // 12, number % 12 + 1, 1) for number in numbers]
    counted = matters.by_month(tx, territory=prefix, since=days[0])
    return [Month(day, *counted.get(day, (0, 0))) for day in days]


def _of_rule(
    rule: str, running: list[clocks.Running], ended: Mapping[tuple[str, str], Mapping[str, int]]
) -> dict[str, int]:
    mine = [count for count in running if count.rule == rule]
    outcomes = [words for (_, of_rule), words in ended.items() if of_rule == rule]
    overdue = sum(count.overdue for count in mine)
    return {
        "met": sum(words.get("met", 0) for words in outcomes),
        "late": sum(words.get("late", 0) for words in outcomes),
        "running": sum(count.running for count in mine) - overdue,
        "overdue": overdue,
        "lapsed": sum(words.get("lapsed", 0) for words in outcomes),
    }


def _agencies(
    tx: Transaction,
    prefix: str,
    running: list[clocks.Running],
    ended: Mapping[tuple[str, str], Mapping[str, int]],
    silent: Mapping[str, int],
) -> list[dict[str, Any]]:
    work = tallies.assignments_by_agency(tx, territory=prefix)
    in_hand = matters.open_assignments_by_agency(tx, territory=prefix)
    names = {agency.code: agency.name for agency in matters.agencies(tx, territory=prefix)}
    outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for (agency, _), words in ended.items():
        outcomes[agency].update(words)
    for count in running:
        outcomes[count.agency]["overdue"] += count.overdue
    rows = [
        {
            "code": code,
            "name": names.get(code, code),
            "assignments": counted.get("assignments", 0),
            "open": in_hand.get(code, 0),
            "objections": counted.get("objections", 0),
            **{word: outcomes[code][word] for word in ("met", "late", "overdue", "lapsed")},
            "unanswered": silent.get(code, 0),
        }
        for code, counted in work.items()
        if counted.get("assignments")
    ]
    return sorted(rows, key=lambda row: (-row["overdue"], -row["late"], -row["open"], row["code"]))


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
    # The clocks of one matter are read without joining it: its number and place are at hand.
    seen = [
        replace(
            _seen(kept, today, explain(period_of(kept.clock, rules), calendar)),
            number=found.number,
            region_name=found.region_name,
        )
        for kept in clocks.of_matter(tx, found.id)
    ]
    return SeenMatter(
        matter=found,
        assignments=matters.assignments(tx, found.id),
        clocks=seen,
        events=ledger.of_subject(tx, found.id),
    )
