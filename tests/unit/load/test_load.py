"""The load's own parts: petitions, clients that keep to their orders, a checklist that misses nothing."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import nullcontext
from datetime import date
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from deploy.local.layout import SERVICES
from lianban.contracts.catalogue import known_events
from lianban.contracts.codes import Channel
from services.intake.domain.petition import parse
from tests.load import checklist
from tests.load.checklist import handled_by, said
from tests.load.city import demo_city
from tests.load.client import Submission
from tests.load.drive import Drive
from tests.load.petitions import Kind, Template, petition

TEMPLATE = Template(
    kind="single",
    title="路灯不亮",
    content="小区门口的路灯坏了很久。",
    claims=("请修好路灯。",),
    region_code="990101001001",
    agencies=("city-urban",),
)


def test_intake_takes_the_petitions_of_the_load() -> None:
    found = parse(petition(TEMPLATE, "1234567890123"), today=date(2026, 11, 23))

    assert found.channel is Channel.HOTLINE
    assert found.petitioner is not None
    assert found.petitioner.email == "load1234567890123@mail.qinghe.example"
    assert [way.value for way in found.reachable(imported=False)] == ["portal", "email", "sms", "letter"]


def test_a_submission_ends_after_its_number() -> None:
    submission = Submission([TEMPLATE], "x", 100, number=2)
    assert [submission.next() for _ in range(3)] == [0, 1, None]


def test_a_submission_that_is_stopped_gives_nothing_more() -> None:
    submission = Submission([TEMPLATE], "x", 100)
    assert submission.next() == 0
    submission.stopped = True
    assert submission.next() is None


def test_a_bounded_submission_waits_for_permits() -> None:
    submission = Submission([TEMPLATE], "x", 100, number=9, in_flight=2)
    assert [submission.next(), submission.next()] == [0, 1]
    assert submission.permits is not None
    assert not submission.permits.acquire(blocking=False)
    submission.permits.release(1)
    assert submission.next() == 2


def test_every_agency_of_the_city_under_load_has_a_system_of_its_own() -> None:
    city = demo_city()
    assert {agency.adapter.value for agency in city.agencies.values()} == {"rest_push"}
    assert sum(1 for item in city.types.values() if not item.co) >= len(city.types) // 2
    assert sum(1 for item in city.types.values() if len(item.co) >= 2) >= 20


def test_a_load_has_ended_when_the_last_look_was_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise rates would be too good by the time that the look takes."""
    looked: list[float] = []

    def missing(*_: object) -> dict[UUID, list[str]]:
        began = time.time()
        while time.time() <= began:
            pass
        looked.append(time.time())
        return {}

    city: Any = SimpleNamespace(stack=None)
    monkeypatch.setattr(checklist, "looking", lambda _: nullcontext({}))
    monkeypatch.setattr(checklist, "missing", missing)
    assert Drive(city, url="http://127.0.0.1:1").complete(1) >= looked[-1]


@pytest.mark.parametrize("kind", Kind)
def test_the_checklist_knows_no_event_that_does_not_exist(kind: Kind) -> None:
    known = {name.removeprefix("lianban.").rpartition(".")[0] for name in known_events()}
    assert set(said(kind)) <= known


def test_events_are_handled_by_all_who_hear_their_producer() -> None:
    assert handled_by("intake.matter-registered") == ("routing", "agency_gateway", "oversight", "notification")
    assert handled_by("notification.notice-sent") == ("intake", "routing", "oversight")


def complete(matter: UUID, kind: Kind) -> dict[str, Any]:
    """What the five databases say about a matter whose life-cycle is complete."""
    found = {service: checklist._Rows() for service in SERVICES}
    n = kind.agencies
    for event_type, times in said(kind).items():
        producer = event_type.partition(".")[0]
        found[producer].said.setdefault(matter, Counter())[event_type] += times
        for service in handled_by(event_type):
            key = (matter, producer)
            found[service].done[key] = found[service].done.get(key, 0) + times
    ends: dict[str, dict[str, dict[str, Any]]] = {
        "intake": {
            "progress": {"state": "closed", "decided_round": 1},
            "rating": {"votes": n + 1},
            "clock": {"running": 0},
            "document": {"documents": 3},
        },
        "routing": {
            "case": {"state": "closed", "attention": None},
            "assignment": {"all": n, "done": n},
            "statement": {"unfetched": 0},
        },
        "agency_gateway": {
            "delivery": {"all": 3 * n - 1, "delivered": 3 * n - 1},
            "statement": {"all": 3 * n, "applied": 3 * n},
            "assignment": {"all": n, "done": n},
        },
        "oversight": {
            "matter": {"state": "closed"},
            "clock": {"all": 4 + 2 * n, "running": 0},
            "ledger": {"entries": 40},
        },
        "notification": {"notice": {"all": 10, "handed_over": 10}, "document": {"all": 3, "issued": 3}},
    }
    for service, tables in ends.items():
        found[service].ends = {table: {matter: row | {"matter": matter}} for table, row in tables.items()}
    return found


@pytest.mark.parametrize("kind", Kind)
def test_nothing_is_missing_from_a_complete_life_cycle(kind: Kind) -> None:
    matter = uuid4()
    assert list(checklist._compare({matter: kind}, complete(matter, kind))) == []


def test_an_event_that_was_not_said_is_missing() -> None:
    matter = uuid4()
    found = complete(matter, Kind.JOINT3)
    found["routing"].said[matter]["routing.assignment-done"] = 2

    missing = [what for _, what in checklist._compare({matter: Kind.JOINT3}, found)]

    assert missing[0] == "routing.assignment-done was said 2 times, not 3"


def test_an_event_that_a_service_has_not_handled_is_missing() -> None:
    matter = uuid4()
    found = complete(matter, Kind.SINGLE)
    found["oversight"].done[(matter, "agency_gateway")] = 4
    found["oversight"].waiting[(matter, "agency_gateway")] = Counter(parked=1)

    missing = [what for _, what in checklist._compare({matter: Kind.SINGLE}, found)]

    assert missing == [
        "oversight has handled 4 of 5 events of agency_gateway",
        "1 events of agency_gateway are parked in oversight",
    ]


@pytest.mark.parametrize("service", ["routing", "agency_gateway"])
@pytest.mark.parametrize("more", [-1, 1])
def test_a_life_cycle_with_other_agencies_than_its_kind_has_is_not_complete(service: str, more: int) -> None:
    matter = uuid4()
    found = complete(matter, Kind.JOINT3)
    found[service].ends["assignment"][matter] |= {"all": 3 + more, "done": 3 + more}

    (missing,) = [what for _, what in checklist._compare({matter: Kind.JOINT3}, found)]

    assert missing.startswith(f"{service}: 3 ")
    assert str(3 + more) in missing


def test_a_message_that_did_not_reach_its_department_is_missing() -> None:
    matter = uuid4()
    found = complete(matter, Kind.SINGLE)
    found["agency_gateway"].ends["delivery"][matter]["delivered"] = 1

    missing = [what for _, what in checklist._compare({matter: Kind.SINGLE}, found)]

    assert missing == ["agency_gateway: every message reached its department ({'all': 2, 'delivered': 1})"]
