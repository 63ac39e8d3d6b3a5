"""What goes otherwise than planned: repeats, latecomers, changes of mind, and departments' systems that misbehave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import time
from typing import Any
from uuid import uuid4

import pytest

from cli.story import stage, told
from deploy.demo.actors import Door, PullDepartment, TicketDepartment
from deploy.demo.city.load import load
from deploy.demo.matters.plan import Action, Step
from deploy.demo.matters.playing import Play, Stage
from deploy.local.stack import Stack
from deploy.waiting import NotSo, until
from tests.e2e.people import Caller

CITY = load()
ECOLOGY, URBAN, TOWN, MARKET = "city-ecology", "city-urban", "dongping-town", "city-market"
NAMES = {code: agency.name for code, agency in CITY.agencies.items()}


@pytest.fixture(scope="module")
def people(stack: Stack) -> Stage:
    return stage(stack, CITY)


@contextmanager
def routed(stack: Stack, people: Stage, title: str, lead: str, *co_handlers: str) -> Iterator[Play]:
    """A matter in the hands of departments whose programs leave it to people."""
    steps = (
        Step(day=0, at=time(9), actor="petitioner", action=Action.SUBMIT),
        Step(day=0, at=time(10), actor="officer", action=Action.ROUTE, lead=lead, co_handlers=co_handlers),
    )
    river = told(CITY, "pollution")
    with Play(people, replace(river, title=title, attachments=(), steps=steps)) as play:
        for step in steps:
            play.do(step)
        yield play


def pulling(play: Play, code: str) -> PullDepartment:
    department = play.department(code)
    assert isinstance(department, PullDepartment)
    return department


def ticketing(play: Play, code: str) -> TicketDepartment:
    department = play.department(code)
    assert isinstance(department, TicketDepartment)
    return department


def stated(department: PullDepartment, assignment: str) -> list[dict[str, Any]]:
    """What a department said on an assignment, each with what became of it; all judged."""

    def judged() -> list[dict[str, Any]] | None:
        said: list[dict[str, Any]] = department.door.get(f"/exchange/v1/assignments/{assignment}")["statements"]
        return None if any(item["status"] == "awaiting_confirmation" for item in said) else said

    return until(judged, "every statement is judged") or []


def test_a_statement_counts_once_and_only_from_the_agency_that_has_the_assignment(stack: Stack, people: Stage) -> None:
    with routed(stack, people, "桥下排水沟发臭（重复报送）", URBAN, TOWN) as play:
        urban = pulling(play, URBAN)
        part = urban.assignment(play.number)["assignment_id"]
        path = f"/exchange/v1/assignments/{part}/statements"
        body = {"id": str(uuid4()), "kind": "accept", "text": "我局受理。"}
        receipts = [urban.door.post(path, body, 202) for _ in range(2)]
        assert receipts[0] == receipts[1]
        until(lambda: play.state(URBAN) == "accepted", "accepted")
        assert [item["status"] for item in stated(urban, part)] == ["applied"]
        with pytest.raises(NotSo, match="HTTP 422"):
            urban.door.post(path, body | {"text": "改口了。"}, 202)

        market = pulling(play, MARKET)
        with pytest.raises(NotSo, match="HTTP 404"):
            market.door.post(path, body | {"id": str(uuid4()), "kind": "progress"}, 202)
        play.petitioner.withdraw()


def test_a_co_handler_objects_another_agency_gets_its_part_and_a_late_acceptance_stays_a_note(
    stack: Stack, people: Stage
) -> None:
    with routed(stack, people, "桥下排水沟发臭（协办异议）", ECOLOGY, URBAN) as play:
        urban = pulling(play, URBAN)
        part = urban.assignment(play.number)["assignment_id"]
        urban.object(
            play.number,
            "该段排水沟由水利部门管理。",
            reason="outside_powers",
            legal_basis="",
            proposed=("city-water", ""),
        )
        until(lambda: play.case()["attention"] == "objection", "the officer is to look at the objection")
        assert play.case()["dispute"] is None
        people.officer.route(play.petitioner.id, {"city-water": "co_handler"}, reason="同意异议，改由水利局协办。")
        assert play.state(URBAN) == "released"

        late = {"id": str(uuid4()), "kind": "accept", "text": "刚才看错了，我局受理。"}
        urban.door.post(f"/exchange/v1/assignments/{part}/statements", late, 202)
        objection, acceptance = sorted(stated(urban, part), key=lambda item: item["received_at"])
        assert (objection["kind"], objection["status"]) == ("object", "applied")
        assert (acceptance["kind"], acceptance["status"]) == ("accept", "refused")
        assert acceptance["refusal"]
        assert play.state(URBAN) == "released"

        def parts() -> dict[str, str]:
            newest = play.petitioner.status()["agencies"]
            return {item["agency"]["code"]: item["state"] for item in newest if item["state"] != "released"}

        until(lambda: set(parts()) == {ECOLOGY, "city-water"}, "the new agency has its part")
        sentences = [entry["text"] for entry in play.petitioner.status()["timeline"]]
        assert f"信访部门同意{NAMES[URBAN]}的异议，将重新确定承办单位。" in sentences
        play.petitioner.withdraw()


def test_what_the_petitioner_adds_reaches_every_department_and_a_withdrawal_ends_it_everywhere(
    stack: Stack, people: Stage
) -> None:
    added = "补充：昨夜又看到罐车往沟里倒污水，车牌号没有看清。"
    with routed(stack, people, "桥下排水沟发臭（补充撤回）", ECOLOGY, URBAN, TOWN) as play:
        ecology, urban = ticketing(play, ECOLOGY), pulling(play, URBAN)
        town: Any = play.department(TOWN)
        ecology.accept(play.number, "已签收。")
        part, on_desk = urban.assignment(play.number)["assignment_id"], town.assignment(play.number)
        ticket = ecology.ticket(play.number, "TAKEN")
        until(lambda: play.state(ECOLOGY) == "accepted", "accepted")

        play.petitioner.supplement(added)
        until(lambda: added in ecology.door.page(ticket), "the supplement is in the lead's own system")
        until(lambda: added in town.door.page(on_desk), "the supplement lies on the desk")

        def delivered() -> set[str]:
            messages = urban.door.get(f"/exchange/v1/assignments/{part}")["messages"]
            return {message["kind"] for message in messages if message["delivered_at"]}

        until(lambda: "supplement" in delivered(), "the pull client has fetched the supplement")

        play.petitioner.withdraw()
        assert play.petitioner.status()["status"] == "withdrawn"
        until(lambda: "已撤单" in ecology.door.page(ticket), "the ticket is cancelled")
        until(lambda: "assignment-withdrawn" in delivered(), "the pull client knows")
        until(lambda: "/desk/assignments/" not in town.door.page("/desk/", number=play.number), "off the desk")
        with pytest.raises(NotSo, match="HTTP 409"):
            play.petitioner.supplement("再补充一句。")

    supervisor = Caller(stack, "supervisor")

    def running() -> list[str]:
        clocks = supervisor.get(f"/api/v1/oversight/matters/{play.number}")["clocks"]
        return [clock["rule"] for clock in clocks if clock["standing"] not in {"met", "cancelled"}]

    until(lambda: not running(), "no clock runs any more")


FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("city-housing", {"mode": "html", "times": 2}),
    ("city-transport", {"mode": "error", "times": 2}),
    ("city-water", {"mode": "reset", "times": 2}),
    ("city-health", {"mode": "drop_after_storing", "times": 1}),
    ("city-education", {"mode": "hang", "seconds": 9, "times": 1}),
]
"""Departments with ticket systems, and how each one's API misbehaves when a ticket is filed."""


@pytest.mark.slow
def test_a_department_whose_system_misbehaves_gets_the_matter_exactly_once(stack: Stack, people: Stage) -> None:
    admin: Door = people.switchboard.departments
    with ExitStack() as later:
        for code, fault in FAULTS:
            admin.ask("PUT", f"/admin/tenants/{code}/fault", json=fault | {"methods": ["POST"]})
            later.callback(admin.ask, "DELETE", f"/admin/tenants/{code}/fault")
        lead, *others = [code for code, _ in FAULTS]
        with routed(stack, people, "桥下排水沟发臭（系统故障）", lead, *others) as play:
            arrived = [f"材料已送到{NAMES[code]}。" for code, _ in FAULTS]

            def sentences() -> list[str]:
                return [entry["text"] for entry in play.petitioner.status()["timeline"]]

            until(lambda: set(arrived) <= set(sentences()), "delivered to all", seconds=60)
            for code, fault in FAULTS:
                page = play.petitioner.door.page(f"/demo/departments/{code}/", q=play.number)
                tickets = set(re.findall(r"tickets/(GD\d+)", page))
                assert len(tickets) == 1, (code, fault, tickets)
                assert sentences().count(f"材料已送到{NAMES[code]}。") == 1
                ticketing(play, code).accept(play.number, "已签收。")
            for code, _ in FAULTS:
                until(lambda code=code: play.state(code) == "accepted", f"{code} has accepted")  # type: ignore[misc]
            play.petitioner.withdraw()
