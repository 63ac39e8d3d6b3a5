"""The screen of `lianban status` fits the terminal that somebody happens to have at night."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from cli.status import show


def process(name: str, **more: Any) -> dict[str, Any]:
    events = {"queued": 1204, "outbox": 17, "outbox_oldest": 95.0, "parked": 3, "parked_oldest": 700.0}
    rest = {
        "version": "0.1.0",
        "seconds": 11_000,
        "operations": "http://127.0.0.1:18103",
        "quarantined": 0,
        "poison": 0,
    }
    return {"name": name, "state": "running", "ready": True, **rest, **events, **more}


FOUND: dict[str, Any] = {
    "url": "http://127.0.0.1:8080",
    "home": "/srv/lianban/.lianban",
    "at": "2026-11-20T02:30:00+08:00",
    "attention": [{"alert": "LianbanServiceNotReady", "text": "oversight 未就绪 not ready: database: out of reach"}],
    "processes": [
        process("agency_gateway"),
        process("oversight", ready=False, why="database: out of reach", quarantined=2),
    ],
    "lanes": {
        "lanes": 62, "not_flowing": 0, "unknown": 0, "person": 0, "waiting": 120, "sending": 7, "offered": 35,
        "oldest_seconds": 11_000.0, "worst": [],
    },
    "clocks": {"running": 386, "due_today": 4, "overdue": 42, "provisional": 35, "watched_seconds_ago": 3.0},
    "calendar": [{"year": 2026, "status": "official"}, {"year": 2027, "status": "provisional"}],
    "disk": {"free_bytes": 75_100_000_000, "size_bytes": 270_600_000_000},
}  # fmt: skip


def shown(width: int) -> list[str]:
    file = io.StringIO()
    show(FOUND, Console(file=file, width=width, force_terminal=True, color_system=None, highlight=False))
    return re.sub(r"\x1b\[[0-9;]*m", "", file.getvalue()).splitlines()


@pytest.mark.parametrize(("width", "operations"), [(80, "18103"), (100, "127.0.0.1:18103"), (160, "127.0.0.1:18103")])
def test_every_column_is_there_whole(width: int, operations: str) -> None:
    lines = shown(width)
    assert max(cell_len(line) for line in lines) <= width
    assert "…" not in "".join(lines)
    (well,) = [line.split() for line in lines if line.startswith("agency_gateway")]
    assert well == ["agency_gateway", "✓", "0.1.0", "3:03h", "1204", "17", "(1m)", "3", "(11m)", "0", "0", operations]


def test_the_oldest_message_of_all_lanes_is_told() -> None:
    assert any("oldest not delivered 3:03h" in line for line in shown(80))


def test_what_is_not_ready_is_marked_and_its_reason_stands_on_top() -> None:
    lines = shown(80)
    assert lines[1].rstrip() == "✗ oversight 未就绪 not ready: database: out of reach"
    assert [line.split()[1] for line in lines if line.startswith("oversight ")] == ["✗"]
