"""`lianban status` on the running stack: one screen for a person, the same for programs."""

from __future__ import annotations

import json
import re
import urllib.request
from typing import Any

from cli.survey import _depths, _queues
from deploy.local.layout import HOST, SERVICES
from deploy.local.processes import all_of
from deploy.local.stack import Stack
from deploy.waiting import until
from tests.docs.test_monitoring import of_the_broker


def surveyed(stack: Stack) -> tuple[int, dict[str, Any]]:
    outcome = stack.command("status", "--json")
    return outcome.returncode, json.loads(outcome.stdout)


def test_programs_read_processes_events_lanes_clocks_calendar_and_disk(stack: Stack) -> None:
    code, found = surveyed(stack)
    assert (code, found["running"], found["ready"]) == (0, True, True)
    rows = {row["name"]: row for row in found["processes"]}
    for service in SERVICES:
        assert rows[service]["parts"] | {"database": "ok", "relay": "ok", "queue 0": "ok"} == rows[service]["parts"]
        assert rows[service]["version"]
        assert rows[service].keys() >= {
            "queued", "poison", "outbox", "outbox_oldest", "parked", "parked_oldest", "quarantined"
        }  # fmt: skip
    assert rows["intake-2"]["parts"] | {"database": "ok", "relay": "ok", "queue 0": "ok"} == rows["intake-2"]["parts"]
    assert (rows["intake-2"]["service"], rows["intake"]["service"]) == ("intake", "intake")
    assert "outbox" not in rows["intake-2"]
    assert rows["suggest"]["parts"] == {"model": "ok"}
    assert rows["suggest"]["version"] == rows["documents"]["version"] == rows["intake"]["version"]
    assert found["unread"] == []
    assert found["lanes"]["lanes"] > 0
    assert found["clocks"].keys() >= {"running", "due_today", "overdue", "provisional"}
    assert until(lambda: surveyed(stack)[1]["clocks"]["watched_seconds_ago"] is not None, "a look at the clocks")
    assert [sorted(year) for year in found["calendar"]] == [["status", "year"], ["status", "year"]]
    assert 0 < found["disk"]["free_bytes"] < found["disk"]["size_bytes"]


def test_one_screen_for_a_person(stack: Stack) -> None:
    outcome = stack.command("status")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    lines = outcome.stdout.splitlines()
    assert len(lines) <= 45
    assert max(len(line) for line in lines) <= 130
    assert lines[0].startswith(f"联办 Lianban {stack.url}")
    for word in (*all_of(*SERVICES), "lanes", "clocks", "calendar", "disk"):
        assert any(word in line for line in lines), word


def test_what_is_down_stands_on_top_with_its_runbook(stack: Stack) -> None:
    stack.supervisor.end("documents")
    try:
        outcome = stack.command("status")
        code, found = surveyed(stack)
    finally:
        stack.supervisor.begin("documents")
    assert outcome.returncode == code == 1
    top = "\n".join(outcome.stdout.splitlines()[1:10])
    assert re.search(r"✗ documents .*docs/runbooks/LianbanServiceDown\.md", top)
    assert {"alert": "LianbanServiceDown", "text": "documents 未就绪 not ready: does not answer yet"} in found[
        "attention"
    ]
    stack.wait_until_ready(with_data=True)


def test_the_broker_tells_the_depth_of_every_queue_also_of_empty_ones(infrastructure: Stack) -> None:
    def told() -> bool:
        depths = _depths(infrastructure)
        return all(None not in _queues(service, depths).values() for service in SERVICES)

    assert until(told, "the depth of every service's queues")


def test_the_broker_tells_every_metric_that_rules_rest_on(infrastructure: Stack) -> None:
    url = f"http://{HOST}:{infrastructure.layout.ports.broker_metrics}/metrics/per-object"
    with urllib.request.urlopen(url, timeout=10) as answer:
        told = set(re.findall(r"^(rabbitmq_\w+)", answer.read().decode(), re.MULTILINE))
    assert of_the_broker() - told == set()
