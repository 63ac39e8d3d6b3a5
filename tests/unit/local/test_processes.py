"""A service with two processes: what they share, what each has of its own, and which name stands for both."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.local import configuration
from deploy.local.account import Account
from deploy.local.configuration import INFRASTRUCTURE, programs
from deploy.local.layout import SERVICES
from deploy.local.processes import TABLE, all_of, processes, service_of
from deploy.local.stack import Stack

MYSELF = Account("nobody", 65534, 65534, "", drop=False)
OWN = {"LIANBAN_HTTP_PORT", "LIANBAN_OPS_PORT"}
STAND_BY = "LIANBAN_STAND_BY_SECONDS"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    made = Stack(tmp_path, 8080, 18000)
    made.layout.keys.mkdir()
    return made


def test_every_service_has_a_process_of_its_name_and_intake_has_two() -> None:
    assert {process.serves for process in TABLE if process.serves} == set(SERVICES)
    assert all_of(*SERVICES) == ["intake", "intake-2", "routing", "agency_gateway", "oversight", "notification"]


def test_a_service_stands_for_its_processes_and_everything_else_for_itself() -> None:
    assert all_of("intake") == ["intake", "intake-2"]
    assert all_of("intake-2") == ["intake-2"]
    assert all_of("rabbitmq", "documents", "intake", "intake-2") == ["rabbitmq", "documents", "intake", "intake-2"]
    assert [service_of(name) for name in ("intake", "intake-2", "documents", "nginx")] == [
        "intake", "intake", "documents", "nginx",
    ]  # fmt: skip


def test_a_second_process_differs_from_the_first_in_its_ports_and_stands_by(stack: Stack) -> None:
    first, second = stack.env("intake"), stack.env("intake-2")
    assert {name for name in first | second if first.get(name) != second.get(name)} == OWN | {STAND_BY}
    assert STAND_BY not in first
    assert float(second[STAND_BY]) > 0
    assert {name: first[name] for name in OWN} == {"LIANBAN_HTTP_PORT": "18001", "LIANBAN_OPS_PORT": "18101"}
    assert {name: second[name] for name in OWN} == {"LIANBAN_HTTP_PORT": "18007", "LIANBAN_OPS_PORT": "18107"}
    assert second["LIANBAN_SERVICE"] == "intake"
    assert stack.env("routing")["LIANBAN_INTAKE_URL"] == "http://127.0.0.1:18001"


def test_the_supervisor_runs_the_same_command_twice(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "find_program", lambda name: name)
    monkeypatch.setattr(configuration, "postgres_programs", lambda: Path("postgres"))
    listed = {item.name: item for item in programs(stack.layout, MYSELF, processes(demo=True), stack.env)}
    assert set(listed) == {*INFRASTRUCTURE, *(process.name for process in TABLE)}
    assert listed["intake-2"].command == listed["intake"].command
    assert listed["intake-2"].environment["LIANBAN_OPS_PORT"] == "18107"
    stack.layout.run.mkdir()
    written = configuration.write_supervisor(stack.layout, list(listed.values())).read_text()
    assert "[program:intake-2]" in written
    assert f"stdout_logfile={stack.layout.logs}/intake-2.log" in written


def test_the_edge_knows_both(stack: Stack) -> None:
    stack.layout.nginx.mkdir()
    configuration.write_nginx(stack.layout, MYSELF)
    edge = (stack.layout.nginx / "edge.conf").read_text()
    for group in ("intake_evenly", "intake_by_address"):
        (block,) = re.findall(rf"upstream {group} {{(.*?)}}", edge, re.DOTALL)
        assert re.findall(r"server (\S+) max_fails=0;", block) == ["127.0.0.1:18001", "127.0.0.1:18007"]


def test_a_new_stack_has_one_queue_a_service_and_an_old_one_keeps_its_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queues that a broker has must not be left without whoever hears them."""
    monkeypatch.delenv("LIANBAN_QUEUES", raising=False)
    for name, before, wanted in (("new", False, 1), ("old", True, 4)):
        made = Stack(tmp_path / name, 8080, 18000)
        if before:
            made.layout.rabbitmq.mkdir(parents=True)
        made._folders()
        made.layout.rabbitmq.mkdir(exist_ok=True)
        made._folders()
        assert made.queues() == wanted
        assert made.env("routing")["LIANBAN_QUEUES"] == made.env("intake-2")["LIANBAN_QUEUES"] == str(wanted)
        assert "LIANBAN_QUEUES" not in made.env("mail")


def test_the_operator_says_how_many_queues(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANBAN_QUEUES", "8")
    assert stack.queues() == 8
    assert Stack(stack.layout.home, 8080, 18000, settings={"LIANBAN_QUEUES": "2"}).queues() == 2
