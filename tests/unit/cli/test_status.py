"""The screen of `lianban status` fits the terminal that somebody happens to have at night."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.cells import cell_len
from rich.console import Console

from cli.status import show, status
from cli.survey import attention


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


def shown(width: int, **changes: Any) -> list[str]:
    file = io.StringIO()
    show(FOUND | changes, Console(file=file, width=width, force_terminal=True, color_system=None, highlight=False))
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


def test_a_number_that_could_not_be_read_is_a_question_mark_and_one_that_is_not_there_nothing() -> None:
    unknown = dict.fromkeys(("queued", "poison", "outbox", "outbox_oldest", "parked", "parked_oldest", "quarantined"))
    nginx = {"name": "nginx", "state": "running", "ready": True, "seconds": 60}
    lines = [line.split() for line in shown(80, processes=[nginx, process("routing", **unknown)])]
    assert ["nginx", "✓", "1m"] in lines
    assert ["routing", "✓", "0.1.0", "3:03h", *"?????", "18103"] in lines


@pytest.mark.parametrize("part", ["lanes", "clocks", "calendar"])
def test_what_cannot_be_read_is_never_shown_below_all_is_well(part: str) -> None:
    found = FOUND | {"processes": [], "attention": [], "unread": [], "calendar": FOUND["calendar"][:1] * 2}
    assert any("all is well" in line for line in shown(80, **found))
    found |= {part: None, "unread": [part]}
    found["attention"] = [{"alert": alert, "text": text} for alert, text in attention(found)]
    lines = shown(80, **found)
    assert not any("all is well" in line for line in lines)
    assert lines[1].startswith(f"✗ 读不到 could not be read: {part}")
    assert any("out of reach" in line for line in lines)


def test_it_is_about_the_stack_on_this_machine_even_where_a_service_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LIANBAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LIANBAN_SERVICE", "intake")
    monkeypatch.setenv("LIANBAN_DATABASE_URL", "postgresql://127.0.0.1:1/intake")
    outcome = CliRunner().invoke(status)
    assert outcome.exit_code == 1
    assert outcome.output == f"没有在运行 not running ({tmp_path / 'home'}); start it with: lianban up\n"
