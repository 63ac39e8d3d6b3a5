"""The site's policy file (TOML): what a city decides for itself, one table per service that reads it."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from lianban.chassis.settings import settings

Edition = tuple[str, int]
"""A state of the policy: the file's path and its last change; an empty path where the site has none."""


def edition() -> Edition:
    """The state that the policy is in now: who makes something of it makes it anew only when this changes."""
    path = settings().site
    return (path, _file(path).stat().st_mtime_ns) if path else ("", 0)


@cache
def _file(path: str) -> Path:
    return Path(path)


@cache
def _read(path: str, stamp: int) -> dict[str, Any]:
    return tomllib.loads(_file(path).read_text("utf-8"))


def table(name: str, of: Edition | None = None) -> dict[str, Any]:
    """One table of the site's policy, as it is now; empty where the site says nothing or has no policy file."""
    path, stamp = of or edition()
    if not path:
        return {}
    found = _read(path, stamp).get(name, {})
    if not isinstance(found, dict):
        raise TypeError(f"[{name}] in {path} must be a table")
    return found
