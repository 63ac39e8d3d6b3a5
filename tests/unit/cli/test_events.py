"""What waits on the bus is shown so that an operator can act on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from cli import events

EVENT = UUID("8e6c8526-f0d2-47d8-8ed8-c2604c278ac4")
ROW: dict[str, Any] = {
    "service": "routing", "event": EVENT, "type": "lianban.intake.matter-teleported.v1",
    "matter": UUID("fc4e901f-d360-45d2-b18a-ed56826136b4"), "sequence": 3,
    "received": datetime(2026, 11, 20, 2, 30, tzinfo=UTC), "tries": 1, "next": None,
    "error": "UnknownEvent: is not in this version's catalogue, " + "and so on " * 40,
}  # fmt: skip


def test_ids_and_errors_of_quarantined_events_are_shown_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    events.show_events("隔离区 quarantine", [ROW], as_json=False)
    told = capsys.readouterr().out
    assert told.startswith(f"隔离区 quarantine: 1\n\nrouting  {EVENT}  lianban.intake.matter-teleported.v1\n")
    assert "  事项 matter    fc4e901f-d360-45d2-b18a-ed56826136b4，第 3 号 sequence 3\n" in told
    assert f"  错误 error     {ROW['error']}\n" in told


def test_an_empty_quarantine_is_said_to_be_empty(capsys: pytest.CaptureFixture[str]) -> None:
    events.show_events("隔离区 quarantine", [], as_json=False)
    assert capsys.readouterr().out == "隔离区 quarantine: 无 none\n"
