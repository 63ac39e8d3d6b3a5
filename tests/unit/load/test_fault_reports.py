"""What the fault suite writes down: a failed or an old scenario is never taken for a passed one."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos import report
from tests.chaos.report import Report
from tests.chaos.watch import Watch

WELL: dict[str, Any] = dict.fromkeys(
    ("accepted", "reached", "lost", "duplicated", "out_of_order", "ledger_holes", "requests_repeated", "mails_again",
     "events"), 0,
) | {"seconds_to_recover": 1.0, "seconds_to_drain": 2.0}  # fmt: skip


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(report, "FILE", tmp_path / "chaos.json")
    return tmp_path / "chaos.json"


def kept(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text()))


def test_a_scenario_stands_with_whether_it_passed_and_what_was_left_stuck(file: Path) -> None:
    report.keep(Report("broker_killed", **WELL, stuck=3), passed=False)
    entry = kept(file)["scenarios"]["broker_killed"]
    assert (entry["passed"], entry["stuck"]) == (False, 3)
    assert not Report("broker_killed", **WELL, stuck=3).sound
    with pytest.raises(ValueError, match="not passed: broker_killed"):
        report.document(kept(file))


def test_a_scenario_that_begins_takes_its_earlier_report_out(file: Path) -> None:
    for name in ("broker_killed", "database_killed"):
        report.keep(Report(name, **WELL), passed=True)
    report.forget("broker_killed")
    assert list(kept(file)["scenarios"]) == ["database_killed"]


def test_scenarios_of_several_versions_make_no_table(file: Path) -> None:
    report.keep(Report("broker_killed", **WELL), passed=True)
    report.keep(Report("database_killed", **WELL), passed=True)
    known = kept(file)
    for entry in known["scenarios"].values():
        entry |= {"commit": "0703c86", "at": "2026-11-28T12:53:32+00:00"}
    made = report.document(known)
    assert [line.split(" | ")[0] for line in made[2:-2]] == ["| broker_killed", "| database_killed"]
    assert made[-2:] == ["", "Version 0703c86, 2026-11-28."]
    known["scenarios"]["broker_killed"]["commit"] = "0000000"
    with pytest.raises(ValueError, match="several versions: 0000000"):
        report.document(known)


class Shaken:
    """A stack whose services are unready as they are told."""

    def __init__(self) -> None:
        self.unready: dict[str, str] | Exception = {}

    def unready_services(self) -> dict[str, str]:
        if isinstance(self.unready, Exception):
            raise self.unready
        return self.unready


def test_the_longest_recovery_of_several_faults_counts() -> None:
    stack: Any = Shaken()
    with Watch(stack) as watch:
        watch.fault_over()
        stack.unready = {"routing": "starting"}
        time.sleep(0.7)
        stack.unready = {}
        time.sleep(0.3)
        watch.fault_over()
        time.sleep(0.3)
    assert 0.3 < watch.seconds_to_recover < 1.0


def test_a_watch_that_ends_early_is_no_sign_of_readiness() -> None:
    stack: Any = Shaken()
    with pytest.raises(AssertionError, match="nobody watched to the end"), Watch(stack) as watch:  # noqa: PT012
        watch.fault_over()
        stack.unready = RuntimeError("something else")
        time.sleep(0.5)
