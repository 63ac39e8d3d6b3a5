"""The reference pages are what the code says now: nothing can be added without being documented."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMITTED = ROOT / "docs" / "reference"
MARK = "<!-- Made by `make docs`; changes here are lost. -->"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as the code writes them; in a process of its own, for the services patch theirs."""
    folder = tmp_path_factory.mktemp("reference")
    subprocess.run([sys.executable, "-m", "cli", "reference", "--to", str(folder)], cwd=ROOT, check=True)
    return folder


@pytest.mark.parametrize("name", ["access", "settings", "commands", "events", "codes", "clocks", "metrics"])
def test_the_committed_page_is_what_the_code_says(made: Path, name: str) -> None:
    page = (made / f"{name}.md").read_text(encoding="utf-8")
    committed = COMMITTED / f"{name}.md"
    assert committed.exists(), "run make docs"
    assert committed.read_text(encoding="utf-8") == page, "run make docs"


def test_no_page_is_left_over(made: Path) -> None:
    pages = {path.name for path in COMMITTED.glob("*.md") if MARK in path.read_text(encoding="utf-8")}
    assert pages == {path.name for path in made.glob("*.md")}


def test_every_row_of_every_page_says_something(made: Path) -> None:
    """A setting, command, field, code or metric without a meaning is not documented."""
    silent = [
        f"{path.name}: {line}"
        for path in made.glob("*.md")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `") and line.split("|")[-2].strip() == "" and "events" not in path.name
    ]
    assert silent == []


def test_every_metric_is_named_by_the_conventions(made: Path) -> None:
    rows = [
        [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        for line in (made / "metrics.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    assert len(rows) > 40
    assert [name for name, kind, *_ in rows if (kind == "counter") != name.endswith("_total")] == []
