"""What is looked at before a start, and what a person is told."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.local import checks
from deploy.local.checks import NEEDED_BYTES, Trouble, check_disk, check_policy, check_ports, free_ports
from deploy.local.stack import CITY_POLICY


def test_a_disk_that_is_nearly_full_is_named_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=200 * 2**20))
    with pytest.raises(Trouble) as trouble:
        check_disk(tmp_path / "not" / "there" / "yet")
    assert trouble.value.what.startswith("Only 200 MiB are free on the disk of ")
    assert trouble.value.advice == "Free some space, or set LIANBAN_HOME to a folder on another disk."
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=NEEDED_BYTES))
    check_disk(tmp_path)


def test_a_taken_port_is_named_with_its_holder_at_once() -> None:
    edge, _ = free_ports()
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", edge))
        mine.listen()
        with pytest.raises(Trouble, match=rf"Port {edge} for the edge is taken by .+ \(pid \d+\)"):
            check_ports({edge: "the edge"}, edge=edge)


def test_a_port_that_nobody_is_seen_to_hold_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed program of many threads lets its ports go a moment after it is gone."""
    answers = [True, True, False]
    monkeypatch.setattr(checks, "taken", lambda _: answers.pop(0))
    monkeypatch.setattr(checks, "holder", lambda _: "")
    check_ports({8080: "the edge"}, edge=8080)
    assert answers == []


def test_a_port_that_stays_taken_is_told_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "DYING_SECONDS", 0.0)
    monkeypatch.setattr(checks, "taken", lambda _: True)
    monkeypatch.setattr(checks, "holder", lambda _: "")
    with pytest.raises(Trouble, match="Port 18005 for oversight is taken by another program") as trouble:
        check_ports({18005: "oversight"}, edge=8080)
    assert "LIANBAN_PORT_BASE" in trouble.value.advice


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("[clocks", "cannot be read"),
        ("clocks = 3", "must be a table [clocks]"),
        ('[clocks]\nroll_agency_deadlines = "false"', "roll_agency_deadlines must be true or false, not 'false'"),
        ("[clocks]\nlengths = { handle = 90 }", "handle"),
    ],
)
def test_a_policy_that_cannot_be_used_is_named_before_anything_starts(tmp_path: Path, policy: str, said: str) -> None:
    path = tmp_path / "site.toml"
    path.write_text(policy)
    with pytest.raises(Trouble) as trouble:
        check_policy(path)
    assert said in trouble.value.what
    assert str(path) in trouble.value.what


def test_a_policy_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="cannot be read"):
        check_policy(tmp_path / "none.toml")


def test_the_demo_city_s_policy_can_be_used() -> None:
    check_policy(CITY_POLICY)
