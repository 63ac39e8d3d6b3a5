"""Every direct dependency has a line of reason, and what is not wanted any more has none."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def wanted() -> set[str]:
    names: set[str] = set()
    for path in (ROOT / "requirements").glob("*.in"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"([A-Za-z0-9][\w.\-]*)", line):
                names.add(match[1].lower())
    return names


def explained() -> dict[str, str]:
    rows = re.findall(r"^\| ([\w.\-]+) \| (.*) \|$", (ROOT / "docs/dependencies.md").read_text(encoding="utf-8"), re.M)
    return {name: reason for name, reason in rows if name not in {"Package", "---"}}


def test_every_dependency_has_its_reason_and_no_other_package_has_one() -> None:
    assert set(explained()) == wanted()


def test_a_reason_is_a_sentence() -> None:
    assert [name for name, reason in explained().items() if not re.fullmatch(r"[A-Z\w].{3,}\.", reason)] == []
