"""What a person is told at the end of a start."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.stack import addresses
from deploy.local.stack import Stack


def test_the_folder_of_logs_is_told_as_one_would_write_it_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    here = Stack(tmp_path / "clone" / ".lianban", 8080, 18000)
    (tmp_path / "clone").mkdir()
    monkeypatch.chdir(tmp_path / "clone")
    assert addresses(here).endswith("日志 logs: .lianban/logs")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert addresses(here).endswith(f"日志 logs: {tmp_path / 'clone' / '.lianban' / 'logs'}")
