"""What is looked at before a start, and what a person is told."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from deploy.local import checks
from deploy.local.checks import NEEDED_BYTES, Trouble, check_disk, check_ports, free_ports


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
