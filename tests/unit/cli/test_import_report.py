"""The report of an import: one line for each row, with what became of it and nothing of its words."""

from __future__ import annotations

import csv
from pathlib import Path
from uuid import UUID

from cli.importing import Done, Outcome, write_report
from cli.mapping import Row
from lianban.contracts.codes import MatterState

A = UUID("00000000-0000-4000-8000-000000000001")


def test_every_row_is_reported_once_with_its_outcome_and_state(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    write_report(
        path,
        [
            Done(
                Row(2, "17", {"title": "路灯不亮"}, ()),
                Outcome.REGISTERED,
                A,
                "2026052000000017",
                (),
                MatterState.CLOSED,
            ),
            Done(Row(3, "18", {}, ()), Outcome.INVALID, problems=("title: 请填写标题", "content: 请填写事实和理由")),
            Done(Row(4, "19", {}, ()), Outcome.FAILED, problems=("ConnectionError",)),
        ],
    )
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {
            "line": "2",
            "source_id": "17",
            "outcome": "registered",
            "number": "2026052000000017",
            "state": "closed",
            "problems": "",
        },
        {
            "line": "3",
            "source_id": "18",
            "outcome": "invalid",
            "number": "",
            "state": "",
            "problems": "title: 请填写标题; content: 请填写事实和理由",
        },
        {"line": "4", "source_id": "19", "outcome": "failed", "number": "", "state": "", "problems": "ConnectionError"},
    ]
    assert "路灯" not in path.read_text("utf-8-sig")
