"""The order in which figures are measured: what is compared with one another is measured in turn, round after round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.stack import Stack
from tests.bench import burst, events, intake, lag, lifecycle, limits, processes
from tests.bench.figures import Figures
from tests.bench.profile import profiled
from tests.load import city as load_city
from tests.load.city import LoadCity
from tests.load.petitions import Kind

Say = Callable[[str], None]
MATTERS = 1_000_000
LEAST = 60
"""Life-cycles of a run at least."""
OTHERS = "others.cores"
"""How many cores what is neither the benchmark nor its stack used during a round."""
WARM_UP = {Kind.SINGLE: 40, Kind.JOINT3: 20}


@dataclass(frozen=True, slots=True)
class Pace:
    """How long everything takes."""

    rounds: int
    limit_s: int
    intake_s: float
    lifecycle_s: float
    lag_s: float
    shape: burst.Shape | None
    million: bool


FULL = Pace(rounds=3, limit_s=5, intake_s=10, lifecycle_s=90, lag_s=30, shape=burst.Shape(), million=True)
QUICK = Pace(rounds=3, limit_s=1, intake_s=3, lifecycle_s=8, lag_s=6, shape=None, million=False)


class Plan:
    """A run of the benchmark on one stack."""

    def __init__(
        self, stack: Stack, figures: Figures, pace: Pace, only: Collection[str], profile: Path | None, say: Say
    ) -> None:
        """``only``: beginnings of the names of the figures that are wanted; empty: all."""
        self.stack = stack
        self.figures = figures
        self.pace = pace
        self.only = tuple(only)
        self.profile = profile
        self.say = say
        self.rates: dict[Kind, float] = {}

    def run(self) -> None:
        """Measure what is wanted."""
        self._start()
        if self.wants("lifecycle.", "cpu_ms_per_lifecycle.", "lag.", "burst.", "scale.", "memory_mb."):
            self.say("预热 warming up")
            self.warm_up()
        if self.wants("lifecycle.", "cpu_ms_per_lifecycle.", "memory_mb."):
            self.lifecycles()
        if self.wants("lag."):
            self.lags()
        if self.wants("burst.") and self.pace.shape is not None:
            self.bursts(self.pace.shape)
        alone = self.wants("limits.", "reference.", "intake.", "events.") and self._beyond("intake.with_all_per_s")
        if self.wants("scale.") and self.pace.million:
            self.million()
            if alone or self.wants("intake.with_all_per_s"):
                self.stack.reset()
                self._start()
        if self.wants("intake.with_all_per_s"):
            self.with_all()
        if alone:
            self.alone()

    def wants(self, *prefixes: str) -> bool:
        """Whether a figure that begins with one of these is wanted."""
        return not self.only or any(p.startswith(o) or o.startswith(p) for p in prefixes for o in self.only)

    def _beyond(self, name: str) -> bool:
        return not self.only or any(item != name for item in self.only)

    def _kinds(self) -> list[Kind]:
        return [kind for kind in Kind if self.wants(f"lifecycle.{kind.value}_per_s")] or [Kind.SINGLE]

    def _start(self) -> None:
        if not self.stack.running():
            load_city.site_policy(self.stack)
            self.stack.start(services=False)
            lag.note_commits(self.stack)
            self.stack.restart("postgres")
        else:
            self.stack.supervisor.end_together([process.name for process in self.stack.table])
        self.city: LoadCity = load_city.start(self.stack)
        self.say(f"{len(self.city.lanes)} lanes")

    # --- the whole city

    def warm_up(self) -> None:
        """Run some life-cycles that do not count; what they took tells how many make a run."""
        for kind in sorted({*self._kinds(), Kind.SINGLE}):
            found = lifecycle.run(self.city, kind, WARM_UP[kind])
            self.rates[kind] = found.per_s
            self.say(f"  {kind.value}: {found.per_s:.2f}/s")

    def number(self, kind: Kind) -> int:
        """How many life-cycles make a run of about the wanted length."""
        return max(LEAST, round(self.rates[kind] * self.pace.lifecycle_s))

    def lifecycles(self) -> None:
        """Life-cycles with one and with three agencies, and PostgreSQL's limit, in turn."""
        with limits.scratch(self.stack) as url, self._profile():
            for _ in self._rounds("生命周期 life-cycles"):
                most = limits.pg_per_s(url, limits.THREE_ROWS, self.pace.limit_s)
                self.figures.add("lifecycle.pg_three_rows_per_s", most)
                for kind in self._kinds():
                    found = lifecycle.run(self.city, kind, self.number(kind))
                    self.rates[kind] = found.per_s
                    self.figures.add(f"lifecycle.{kind.value}_per_s", found.per_s)
                    self.figures.add(f"lifecycle.{kind.value}_steady_per_s", found.steady_per_s)
                    self.figures.add(f"lifecycle.{kind.value}_ratio_to_pg_three_rows", found.per_s / most)
                    if kind is Kind.SINGLE:
                        self.figures.add_all(found.cpu_ms, "cpu_ms_per_lifecycle.")
                    self.say(f"  {kind.value}: {found.number} in {found.seconds:.1f} s, {found.per_s:.2f}/s")
                self.memory()

    def _profile(self) -> AbstractContextManager[None]:
        return profiled(self.stack, self.profile) if self.profile else nullcontext()

    def steady(self) -> float:
        """The median of the rates with one agency; where none was measured, that of the warm-up."""
        measured = self.figures.samples.get("lifecycle.single_per_s")
        return statistics.median(measured) if measured else self.rates[Kind.SINGLE]

    def lags(self) -> None:
        """Lags at half of the rate with one agency."""
        for _ in self._rounds("延迟 lags"):
            found = lag.run(self.city, Kind.SINGLE, rate=self.steady() / 2, seconds=self.pace.lag_s)
            self.figures.add_all(found, "lag.")

    def memory(self) -> None:
        """What the processes hold after the load so far."""
        if self.wants("memory_mb."):
            self.figures.add_all(processes.memory_megabytes(self.stack), "memory_mb.")

    def bursts(self, shape: burst.Shape) -> None:
        """Spikes; one run, whose rounds are the samples."""
        self.say(f"峰谷 bursts: {shape.rounds} rounds of {shape.spike_s:.0f} s and {shape.valley_s:.0f} s")
        with self._watched():
            found = burst.run(self.city, Kind.SINGLE, self.steady(), shape)
        for name, samples in asdict(found).items():
            for sample in samples:
                self.figures.add(f"burst.{name}", sample)
        self.memory()

    def million(self) -> None:
        """The rate with a million matters in the databases, to that directly before they were made."""
        before = statistics.median(self._at_scale("before"))
        self.say(f"{MATTERS:,} 件 matters are being made")
        began = time.monotonic()
        done = self.stack.command("demo", "bulk", "--matters", str(MATTERS))
        if done.returncode:
            raise RuntimeError(f"lianban demo bulk failed: {done.stdout[-500:]}{done.stderr[-1500:]}")
        self.figures.add("scale.seeding_s", time.monotonic() - began)
        self._same_city()
        self.warm_up()
        for rate in self._at_scale("1m"):
            self.figures.add("scale.ratio_1m", rate / before)

    def _at_scale(self, when: str) -> list[float]:
        rates = []
        with limits.scratch(self.stack) as url:
            for _ in self._rounds(f"百万件 life-cycles, a million matters: {when}"):
                most = limits.pg_per_s(url, limits.THREE_ROWS, self.pace.limit_s)
                self.figures.add(f"scale.pg_three_rows_per_s_{when}", most)
                rates.append(lifecycle.run(self.city, Kind.SINGLE, self.number(Kind.SINGLE)).per_s)
                self.figures.add(f"scale.single_per_s_{when}", rates[-1])
                self.say(f"  {rates[-1]:.2f}/s, three rows {most:.0f}/s")
        return rates

    def _same_city(self) -> None:
        """Undo what the million has changed in the registers, so that the load is the one before.

        It registers the demo city as it is, whose types of matter have co-handlers that the city under load has not.
        """
        templates = self.city.templates
        self.city = load_city.start(self.stack)
        if self.city.templates != templates:
            raise RuntimeError("with a million matters the texts lead to other agencies than before")

    def with_all(self) -> None:
        """Petitions taken in while the whole city works on them, after a round that does not count."""
        intake.submissions(self.city, self.pace.intake_s, through=None)
        for _ in self._rounds("登记 intake with all running"):
            self.figures.add(
                "intake.with_all_per_s", intake.submissions(self.city, self.pace.intake_s, through=None)["per_s"]
            )

    # --- one service alone

    def alone(self) -> None:
        """Limits, the plain way, and intake with the others stopped, in turn; then events."""
        processes.only(self.stack, ["intake"])
        with limits.scratch(self.stack) as url, intake.bare(self.stack) as plain:
            for path in (plain, None):
                intake.submissions(self.city, self.pace.limit_s, through=path)
            for _ in self._rounds("登记 intake, limits, the plain way"):
                self._in_turn(url, plain)
        if self.wants("events.published_per_s"):
            for _ in self._rounds("发布 publishing"):
                self.figures.add("events.published_per_s", events.published_per_s(self.stack, events.PUBLISHED))

    def _in_turn(self, url: str, plain: str) -> None:
        add, seconds = self.figures.add, self.pace.limit_s
        most = limits.pg_per_s(url, limits.THREE_ROWS, seconds)
        add("limits.pg_three_rows_per_s", most)
        add("limits.pg_insert_per_s", limits.pg_per_s(url, limits.ONE_ROW, seconds))
        add("limits.broker_confirmed_per_s", limits.broker_per_s(self.stack, seconds))
        reference = intake.submissions(self.city, self.pace.intake_s, through=plain)
        add("reference.bare_nameko_per_s", reference["per_s"])
        add("reference.bare_nameko_p95_ms", reference["p95_ms"])
        ours = intake.submissions(self.city, self.pace.intake_s, through=None)
        self.figures.add_all(ours, "intake.")
        add("intake.ratio_to_pg_three_rows", ours["per_s"] / most)
        add("intake.ratio_to_bare_nameko", ours["per_s"] / reference["per_s"])
        add("intake.p95_ratio_to_bare_nameko", ours["p95_ms"] / reference["p95_ms"])
        self.say(f"  {ours['per_s']:.0f}/s, the plain way {reference['per_s']:.0f}/s, three rows {most:.0f}/s")
        if self.wants("events.consumed_per_s"):
            add("events.consumed_per_s", events.consumed_per_s(self.stack))

    def _rounds(self, what: str) -> Iterator[int]:
        for number in range(1, self.pace.rounds + 1):
            self.say(f"{what} {number}/{self.pace.rounds}")
            with self._watched():
                yield number

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Note how many cores everything else on the machine uses meanwhile."""
        before, began = processes.others(self.stack.layout), time.monotonic()
        yield
        used = processes.others(self.stack.layout) - before
        self.figures.add(OTHERS, max(0.0, used) / (time.monotonic() - began))
