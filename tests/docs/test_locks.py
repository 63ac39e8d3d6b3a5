"""The lock files hold hashes and no addresses: they work with every package index."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("build", "node", "runtime", "dev")


def test_the_front_end_lock_has_integrity_and_no_addresses() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if not entry["integrity"].startswith("sha512-")] == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_python_package_is_locked_by_hash(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    blocks = re.findall(r"^([a-z0-9][\w.\-\[\]]*==\S+.*(?:\n[ ]+.*)*)", text, re.MULTILINE)
    assert blocks
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "index-url" not in text
    assert "://" not in re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_every_wanted_package_is_locked(name: str) -> None:
    locked = set(re.findall(r"^([a-z0-9][\w.\-]*)", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))
    wanted = re.findall(r"^([A-Za-z0-9][\w.\-]*)", (ROOT / "requirements" / f"{name}.in").read_text(), re.MULTILINE)
    assert {package.lower().replace("_", "-") for package in wanted} <= locked
