"""The alert rules as Prometheus itself understands them: every alert fires when it should and keeps still otherwise."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[3] / "deploy" / "prometheus"
TESTS = sorted((FOLDER / "tests").glob("*.yml"))


def promtool(*arguments: str) -> None:
    program = shutil.which("promtool")
    assert program is not None, "promtool is not installed: make setup-test installs it with the package `prometheus`"
    outcome = subprocess.run([program, *arguments], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_prometheus_accepts_the_configuration_and_its_rules() -> None:
    promtool("check", "config", "prometheus.yml")


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should_and_keep_still_otherwise(path: Path) -> None:
    promtool("test", "rules", str(path))


def test_prometheus_understands_every_query_of_the_dashboards(tmp_path: Path) -> None:
    queries = [
        target["expr"].replace("$service", "intake").replace("$agency", ".+")
        for path in sorted((FOLDER.parent / "grafana" / "dashboards").glob("*.json"))
        for panel in json.loads(path.read_text("utf-8"))["panels"]
        for target in panel.get("targets", ())
    ]
    assert len(queries) > 60
    rules = [{"record": f"panel:query:{number}", "expr": query} for number, query in enumerate(queries)]
    (tmp_path / "queries.yml").write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    promtool("check", "rules", str(tmp_path / "queries.yml"))


def test_every_alert_is_seen_firing_and_every_file_of_rules_is_seen_keeping_still() -> None:
    """A severity of an alert counts as an alert of its own."""
    seen, untested = set(), []
    for path in TESTS:
        cases = [case for test in yaml.safe_load(path.read_text("utf-8"))["tests"] for case in test["promql_expr_test"]]
        fired = [sample["labels"] for case in cases for sample in case["exp_samples"] if "ALERTS" in sample["labels"]]
        seen |= {(_label(labels, "alertname"), _label(labels, "severity")) for labels in fired}
        if all(case["exp_samples"] for case in cases):
            untested.append(path.name)
    alerts = {
        (rule["alert"], rule["labels"]["severity"])
        for path in (FOLDER / "rules").glob("*.yml")
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert alerts == seen
    assert untested == []


def _label(labels: str, name: str) -> str:
    return labels.split(f'{name}="')[1].split('"', maxsplit=1)[0]
