"""How a department of the demo answers by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.demo.departments import autopilot, faults
from deploy.demo.departments.errors import Refused
from deploy.demo.departments.records import Item, Tenant, Ticket
from deploy.demo.departments.vocabulary import Kind, Result, ReturnCode, Status

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
TENANT = Tenant("city-ecology", "清河市生态环境局", "ecology", None, None, {}, None)
ON = {"mode": "on", "min_seconds": 1, "max_seconds": 3}


def a_ticket(**changes: Any) -> Ticket:
    ticket = Ticket(
        id=1,
        tenant="city-ecology",
        no="GD20261123000001",
        external_ref="A-1",
        source_no="QH-1",
        subject="工厂后面的河水发黑",
        body="污水直接排进河里。",
        kind=Kind.MAIN,
        items=(Item("c1", "停止排污"), Item("c2", "公布监测结果")),
        reporter={},
        deadline="2026-12-31",
        no_return=False,
        status=Status.NEW,
        remark="",
        basis="",
        return_code=None,
        suggest_dept=None,
        results=(),
        created_at=NOON,
        updated_at=NOON,
    )
    return replace(ticket, **changes)


def course(ticket: Ticket, config: dict[str, Any]) -> list[Status]:
    """The statuses that the autopilot gives a ticket until it makes no further move."""
    pilot, passed = autopilot.read(config), []
    while pilot.seconds_before(ticket) is not None:
        ticket = autopilot.next_move(TENANT, pilot, ticket)
        passed.append(ticket.status)
    return passed


def test_a_main_ticket_is_taken_worked_on_and_finished() -> None:
    assert course(a_ticket(), ON) == [Status.TAKEN, Status.WORKING, Status.FINISHED]


def test_a_ticket_of_assistance_ends_with_advice() -> None:
    assert course(a_ticket(kind=Kind.ASSIST), ON) == [Status.TAKEN, Status.WORKING, Status.ADVISED]


def test_an_autopilot_that_is_off_makes_no_move() -> None:
    assert course(a_ticket(), ON | {"mode": "off"}) == []


def test_every_item_gets_a_result_with_words() -> None:
    ended = autopilot.next_move(TENANT, autopilot.read(ON), a_ticket(status=Status.WORKING))
    assert [result.key for result in ended.results] == ["c1", "c2"]
    assert all(result.note for result in ended.results)
    assert ended.basis.startswith("《")


def test_the_wait_lies_between_the_configured_seconds() -> None:
    pilot = autopilot.read(ON)
    waits = [pilot.seconds_before(a_ticket(no=f"GD{number}")) for number in range(200)]
    assert all(wait is not None and 1 <= wait <= 3 for wait in waits)
    assert len(set(waits)) > 100


RETURN = {"match": "河水", "action": "return", "code": "R03", "suggest": "清河市城市管理局"}


def test_a_rule_returns_matching_tickets_with_code_and_suggestion() -> None:
    returned = autopilot.next_move(TENANT, autopilot.read(ON | {"rules": [RETURN]}), a_ticket())
    assert (returned.status, returned.return_code, returned.suggest_dept) == (
        Status.RETURNED,
        ReturnCode.R03,
        "清河市城市管理局",
    )
    assert "牵头" in returned.remark


@pytest.mark.parametrize(
    ("changes", "rule", "expected"),
    [
        ({}, RETURN, [Status.RETURNED]),
        ({"no_return": True}, RETURN, [Status.TAKEN, Status.WORKING, Status.FINISHED]),
        ({"subject": "路灯不亮", "body": ""}, RETURN, [Status.TAKEN, Status.WORKING, Status.FINISHED]),
        ({}, RETURN | {"kind": "ASSIST"}, [Status.TAKEN, Status.WORKING, Status.FINISHED]),
        ({}, {"match": "河水", "action": "ignore"}, []),
        ({}, {"match": "河水", "action": "stall"}, [Status.TAKEN, Status.WORKING]),
    ],
    ids=["match", "must not be returned", "no match", "other kind", "ignored", "stalled"],
)
def test_rules_decide_the_course(changes: dict[str, Any], rule: dict[str, Any], expected: list[Status]) -> None:
    assert course(a_ticket(**changes), ON | {"rules": [rule]}) == expected


def test_a_rule_can_fix_the_result() -> None:
    config = ON | {"rules": [{"match": "河水", "action": "result", "result": "DECLINE"}]}
    ended = autopilot.next_move(TENANT, autopilot.read(config), a_ticket(status=Status.WORKING))
    assert {result.result for result in ended.results} == {Result.DECLINE}


def test_a_rule_can_have_its_own_pace() -> None:
    config = ON | {"rules": [{"match": "河水", "action": "pace", "min_seconds": 100, "max_seconds": 100}]}
    assert autopilot.read(config).seconds_before(a_ticket()) == 100


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"mode": "perhaps"}, "mode"),
        ({"min_seconds": -1}, "min_seconds"),
        ({"min_seconds": 5, "max_seconds": 4}, "max_seconds"),
        ({"max_seconds": "soon"}, "max_seconds"),
        ({"rules": "all"}, "rules"),
        ({"rules": ["x"]}, "rules"),
        ({"rules": [{"match": "(", "action": "return"}]}, "rules.match"),
        ({"rules": [{"match": "x", "action": "explode"}]}, "action"),
        ({"rules": [{"match": "x", "action": "return", "code": "R99"}]}, "code"),
    ],
)
def test_a_wrong_configuration_is_refused_by_field(config: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        autopilot.read(config)
    assert f"字段 {field}：" in refused.value.message


@pytest.mark.parametrize(
    "config", [{}, {"mode": "melt"}, {"mode": "hang", "seconds": "long"}, {"mode": "html", "times": -1}, "html"]
)
def test_a_wrong_misbehaviour_is_refused(config: Any) -> None:
    with pytest.raises(Refused):
        faults.read(config)


def test_a_misbehaviour_is_kept_as_it_was_given() -> None:
    config = {"mode": "hang", "seconds": 2.0, "methods": ["POST"], "times": 3}
    assert faults.to_json(faults.read(config)) == config
