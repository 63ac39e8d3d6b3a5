"""The order of measurements, on a stack that does nothing: what is compared, and what counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from deploy.local.layout import Layout, Ports
from tests.bench import burst, intake, lifecycle, limits, processes
from tests.bench.__main__ import disturbance
from tests.bench.burst import Outcome, Shape
from tests.bench.figures import Figures
from tests.bench.plan import QUICK, Plan
from tests.load import city as load_city
from tests.load.petitions import Kind, Template


@dataclass
class City:
    templates: dict[Kind, tuple[Template, ...]]


@dataclass
class Steps:
    """What the plan did, in order; the rates that it measures come from here."""

    home: Path
    rates: list[float] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    other_cities: bool = False

    def __post_init__(self) -> None:
        self.layout = Layout(self.home, Ports(1, 2))

    def command(self, *arguments: str) -> CompletedProcess[str]:
        self.done.append(" ".join(arguments[:2]))
        return CompletedProcess(arguments, 0, "", "")

    def start(self, _: object) -> City:
        self.done.append("city")
        return City({Kind.SINGLE: ()} if self.other_cities else {})

    def run(self, _city: object, kind: Kind, number: int) -> lifecycle.Run:
        self.done.append(kind.value)
        return lifecycle.Run(number, number / self.rates.pop(0), 1.0, {"intake": 20.0})

    def submissions(self, *_: object, **__: object) -> dict[str, float]:
        self.done.append("petitions")
        return {"per_s": self.rates.pop(0)}


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Steps:
    made = Steps(tmp_path)

    @contextmanager
    def scratch(_: object) -> Iterator[str]:
        yield "postgresql://"

    monkeypatch.setattr(limits, "scratch", scratch)
    monkeypatch.setattr(limits, "pg_per_s", lambda *_: 5000.0)
    monkeypatch.setattr(lifecycle, "run", made.run)
    monkeypatch.setattr(intake, "submissions", made.submissions)
    monkeypatch.setattr(load_city, "start", made.start)
    monkeypatch.setattr(processes, "memory_megabytes", lambda _: {"intake": 110.0, "intake-2": 120.0})
    monkeypatch.setattr(processes, "others", lambda _: 0.0)
    return made


def made_plan(steps: Steps, *only: str) -> Plan:
    stack: Any = steps
    made = Plan(stack, Figures(), QUICK, only, None, lambda _: None)
    city: Any = City({})
    made.city, made.rates = city, {Kind.SINGLE: 10.0}
    return made


def test_a_million_matters_are_compared_with_the_rounds_directly_before_under_the_same_registers(steps: Steps) -> None:
    steps.rates = [10.0, 12.0, 11.0, 5.0, 9.9, 11.0, 12.1]
    made = made_plan(steps, "scale.")

    made.million()

    assert steps.done == [*["single"] * 3, "demo bulk", "city", *["single"] * 4]
    samples = made.figures.samples
    assert samples["scale.single_per_s_before"] == pytest.approx([10.0, 12.0, 11.0])
    assert samples["scale.ratio_1m"] == pytest.approx([0.9, 1.0, 1.1])
    assert samples["scale.pg_three_rows_per_s_before"] == [5000.0] * 3
    assert samples["scale.pg_three_rows_per_s_1m"] == [5000.0] * 3
    assert len(samples["scale.seeding_s"]) == 1


def test_a_million_matters_are_not_measured_with_another_load(steps: Steps) -> None:
    steps.rates, steps.other_cities = [10.0] * 7, True
    with pytest.raises(RuntimeError, match="other agencies"):
        made_plan(steps).million()


def test_the_limit_to_which_life_cycles_are_compared_is_recorded_and_memory_after_each_round(steps: Steps) -> None:
    steps.rates = [10.0, 20.0, 30.0]
    made = made_plan(steps, "lifecycle.single", "memory_mb.")

    made.lifecycles()

    samples = made.figures.samples
    assert samples["lifecycle.pg_three_rows_per_s"] == [5000.0] * 3
    assert samples["lifecycle.single_ratio_to_pg_three_rows"] == pytest.approx([0.002, 0.004, 0.006])
    assert samples["memory_mb.intake"] == [110.0] * 3
    assert samples["memory_mb.intake-2"] == [120.0] * 3


def test_each_round_of_the_bursts_is_a_sample_and_memory_is_read_behind_them(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = Outcome(taken=[600, 610], lost=[0, 1], error_ratio=[0.0, 0.5], drain_s=[33.0, 48.0])
    monkeypatch.setattr(burst, "run", lambda *_: outcome)
    made = made_plan(steps)

    made.bursts(Shape(rounds=2))

    samples = made.figures.samples
    assert samples["burst.taken"] == [600, 610]
    assert samples["burst.lost"] == [0, 1]
    assert samples["burst.error_ratio"] == [0.0, 0.5]
    assert samples["burst.drain_s"] == [33.0, 48.0]
    assert samples["memory_mb.intake-2"] == [120.0]


def test_the_first_round_of_petitions_beside_the_whole_city_does_not_count(steps: Steps) -> None:
    steps.rates = [50.0, 110.0, 120.0, 130.0]
    made = made_plan(steps)

    made.with_all()

    assert made.figures.samples["intake.with_all_per_s"] == [110.0, 120.0, 130.0]


def test_a_run_says_so_where_others_were_busy_in_any_round() -> None:
    assert disturbance([0.01, 0.93, 0.02]) == "something else used up to 0.93 cores: the figures are too low\n"
    assert disturbance([0.01, 0.19]) == ""
    assert disturbance([]) == ""


def test_every_round_notes_what_others_used(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    used = iter([1000.0, 2000.0] * 3)
    monkeypatch.setattr(processes, "others", lambda _: next(used))
    steps.rates = [100.0] * 4
    made = made_plan(steps)

    made.with_all()

    samples = made.figures.samples["others.cores"]
    assert len(samples) == 3
    assert min(samples) > 1
