"""What `lianban status` says needs a person."""

from __future__ import annotations

import io
import re
from copy import deepcopy
from email.message import Message
from http.client import IncompleteRead
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import yaml

from cli import survey
from cli.survey import _depths, _parts, _queues, _text, _unread, age, attention
from deploy.local.stack import Stack, unready

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
RULES = ROOT / "deploy" / "prometheus" / "rules"

A_PROCESS = {
    "name": "routing", "state": "running", "ready": True, "why": None, "outbox": 0, "outbox_oldest": None, "parked": 0,
    "parked_oldest": None, "quarantined": 0, "poison": 0,
}  # fmt: skip
A_LANE = {
    "agency": "city-ecology", "name": "清河市生态环境局", "circuit": "closed", "backlog": 0, "unknown": 0, "person": 0,
    "oldest_seconds": None, "unknown_seconds": None, "trouble": None, "trouble_zh": None, "trouble_en": None,
}  # fmt: skip
WELL: dict[str, Any] = {
    "processes": [A_PROCESS],
    "lanes": {"worst": []},
    "clocks": {"watched_seconds_ago": 4.0},
    "calendar": [{"year": 2026, "status": "official"}, {"year": 2027, "status": "official"}],
    "disk": {"free_bytes": 80e9, "size_bytes": 100e9},
    "unread": [],
}


def surveyed(**changes: Any) -> dict[str, Any]:
    return deepcopy(WELL) | changes


def with_process(**changes: Any) -> dict[str, Any]:
    return surveyed(processes=[A_PROCESS | changes])


def with_lane(**changes: Any) -> dict[str, Any]:
    return surveyed(lanes={"worst": [A_LANE | changes]})


def test_a_healthy_stack_needs_nobody() -> None:
    assert list(attention(WELL)) == []
    assert list(attention(with_process(queued=200, outbox=3, outbox_oldest=4.0, parked=2, parked_oldest=60.0))) == []
    assert list(attention(with_lane(unknown=3, oldest_seconds=3000.0, unknown_seconds=40.0))) == []
    assert list(attention(surveyed(disk={"free_bytes": 6e9, "size_bytes": 100e9}))) == []
    just_begun = {
        "processes": [A_PROCESS | {"name": "oversight", "seconds": 20}],
        "clocks": {"watched_seconds_ago": None},
    }
    assert list(attention(surveyed(**just_begun))) == []


@pytest.mark.parametrize(
    ("found", "alert", "words"),
    [
        (with_process(ready=False, state="fatal"), "LianbanServiceDown", "routing"),
        (with_process(ready=False, why="does not answer yet"), "LianbanServiceDown", "does not answer"),
        (with_process(ready=False, why="relay: the broker is out of reach"), "LianbanServiceNotReady", "relay"),
        (with_process(ready=False, name="rabbitmq", state="exited"), "LianbanBrokerDown", "rabbitmq"),
        (with_process(outbox=9, outbox_oldest=61.0), "LianbanOutboxStuck", "1m"),
        (with_process(quarantined=2), "LianbanQuarantineNotEmpty", "2"),
        (with_process(poison=1), "LianbanPoisonNotEmpty", "1"),
        (with_process(queued=201), "LianbanQueueGrows", "201"),
        (with_process(parked=1, parked_oldest=901.0), "LianbanEventsParked", "15m"),
        (with_process(parked=100_000, parked_oldest=9.0, quarantined=None), "LianbanEventsParked", "100000"),
        (with_lane(circuit="open", trouble_en="Cannot connect"), "LianbanLaneOpen", "Cannot connect"),
        (with_lane(circuit="half_open", trouble_en="Cannot connect"), "LianbanLaneOpen", "清河市生态环境局"),
        (with_lane(person=4), "LianbanDeliveriesNeedPerson", "4"),
        (with_lane(unknown=1, oldest_seconds=2000.0, unknown_seconds=901.0), "LianbanDeliveriesUnknown", "1"),
        (with_lane(oldest_seconds=3601.0), "LianbanLaneBehind", "1:00h"),
        (
            surveyed(
                processes=[A_PROCESS | {"name": "oversight", "seconds": 61}], clocks={"watched_seconds_ago": None}
            ),
            "LianbanClocksLate",
            "nobody watches",
        ),
        (surveyed(unread=["通道 lanes"]), "LianbanServiceNotReady", "lanes"),
        (surveyed(unread=["队列 queues"]), "LianbanBrokerDown", "queues"),
        (surveyed(clocks={"watched_seconds_ago": 61.0}), "LianbanClocksLate", "1m"),
        (
            surveyed(calendar=[{"year": 2026, "status": "provisional"}, {"year": 2027, "status": "provisional"}]),
            "LianbanCalendarProvisional",
            "2026",
        ),
        (surveyed(disk={"free_bytes": 4.9e9, "size_bytes": 100e9}), "LianbanDiskFull", "4.9 GB"),
        (surveyed(disk={"free_bytes": 9e8, "size_bytes": 10e9}), "LianbanDiskFull", "0.9 GB"),
    ],
)
def test_what_needs_a_person_is_told_with_its_runbook(found: dict[str, Any], alert: str, words: str) -> None:
    ((told, text),) = attention(found)
    assert told == alert
    assert words in text
    assert (RUNBOOKS / f"{alert}.md").exists()


def test_what_could_not_be_read_is_told_and_no_reason_to_fall_over() -> None:
    nginx = {"name": "nginx", "state": "running", "ready": True}
    away = A_PROCESS | {"queued": None, "poison": None, "outbox": None}
    found = surveyed(lanes=None, clocks=None, calendar=None, processes=[nginx, away])
    found["unread"] = _unread(found)
    ((alert, text),) = attention(found)
    assert (alert, text) == (
        "LianbanServiceNotReady",
        "读不到 could not be read: routing 事件 events, 通道 lanes, 时限 clocks, 日历 calendar, 队列 queues",
    )
    assert _unread(WELL) == []
    assert _unread(with_process(queued=0, poison=None)) == ["队列 queues"]


def test_queues_of_which_the_broker_says_nothing_are_unknown_and_not_empty(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stack = Stack(tmp_path, 8080, 18000)
    monkeypatch.setattr(survey, "_text", lambda _: "")
    assert _queues("routing", _depths(stack)) == {"queued": None, "poison": None}
    said = "".join(
        f'rabbitmq_queue_messages{{vhost="/",queue="{queue}"}} {depth}\n'
        for queue, depth in [("routing.in.0", 3), ("routing.in.1", 4), ("intake.in.0", 9), ("intake.poison", 0)]
    )
    monkeypatch.setattr(survey, "_text", lambda _: said)
    assert _queues("routing", _depths(stack)) == {"queued": 7, "poison": None}
    assert _queues("intake", _depths(stack)) == {"queued": 9, "poison": 0}


def test_limits_are_those_of_the_alerts() -> None:
    rules = {
        rule["alert"]: rule
        for path in RULES.glob("*.yml")
        for group in yaml.safe_load(path.read_text("utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }

    def limit(alert: str) -> float:
        return float(re.findall(r"> (\d+)", rules[alert]["expr"])[0])

    assert limit("LianbanLaneBehind") == survey.BEHIND_SECONDS
    assert limit("LianbanEventsParked") == survey.PARKED_SECONDS
    assert limit("LianbanOutboxStuck") == 60
    assert limit("LianbanQueueGrows") == survey.QUEUED
    assert rules["LianbanDeliveriesUnknown"]["for"] == f"{survey.UNKNOWN_SECONDS // 60}m"
    disk = rules["LianbanDiskFull"]["expr"]
    assert re.findall(r"< ([\d.e]+)", disk) == ["0.05", "1e9"]
    assert " or " in disk


@pytest.mark.parametrize("error", [OSError(), IncompleteRead(b"half")])
def test_a_process_killed_in_the_middle_of_its_answer_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def killed(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr("urllib.request.urlopen", killed)
    assert unready("http://127.0.0.1:1/readyz") == "does not answer yet"
    assert (_text("http://127.0.0.1:1"), _parts("http://127.0.0.1:1")) == ("", {})


class Half(io.BytesIO):
    """The body of an answer whose sender is killed."""

    def read(self, _: int | None = -1) -> bytes:
        raise IncompleteRead(b"half")


def test_one_that_is_killed_while_it_says_why_it_is_not_ready_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_ready(*_: Any, **__: Any) -> Any:
        raise HTTPError("http://127.0.0.1:1/readyz", 503, "Service Unavailable", Message(), Half())

    monkeypatch.setattr("urllib.request.urlopen", not_ready)
    assert unready("http://127.0.0.1:1/readyz") == "does not answer yet"
    assert _parts("http://127.0.0.1:1") == {}


def test_causes_stand_before_consequences() -> None:
    found = with_process(ready=False, why="relay: away", outbox_oldest=900.0) | {
        "disk": {"free_bytes": 1e9, "size_bytes": 100e9}
    }
    assert [alert for alert, _ in attention(found)] == [
        "LianbanDiskFull",
        "LianbanServiceNotReady",
        "LianbanOutboxStuck",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, ""), (0.4, "0s"), (59.9, "59s"), (60, "1m"), (3599, "59m"), (11220, "3:07h"), (4 * 86400, "4d")],
)
def test_ages_are_short(seconds: float | None, shown: str) -> None:
    assert age(seconds) == shown
