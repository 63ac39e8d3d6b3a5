"""The site's policy file (TOML): what a city decides for itself, one table per service that reads it."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from lianban.chassis.settings import settings


@cache
def _read(path: str, stamp: int) -> dict[str, Any]:
    return tomllib.loads(Path(path).read_text("utf-8"))


def table(name: str) -> dict[str, Any]:
    """One table of the site's policy; empty where the site says nothing or has no policy file."""
    path = settings().site
    if not path:
        return {}
    found = _read(path, Path(path).stat().st_mtime_ns).get(name, {})
    if not isinstance(found, dict):
        raise TypeError(f"[{name}] in {path} must be a table")
    return found
