"""On what machine and with which versions figures were measured."""

from __future__ import annotations

import platform
import re
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from deploy.local.configuration import postgres_programs
from deploy.local.layout import ROOT

PACKAGES = (
    "nameko", "kombu", "amqp", "eventlet", "flask", "psycopg", "psycopg-binary", "marshmallow", "cryptography",
    "scikit-learn", "typst",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Processor, memory, disk with the databases, system, versions, commit, and how busy the machine was before."""
    disk = psutil.disk_usage(str(ROOT))
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "disk_gib": round(disk.total / 2**30, 1),
        "disk_free_gib": round(disk.free / 2**30, 1),
        "load_before": [round(value, 2) for value in psutil.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": _said(str(postgres_programs() / "postgres"), "--version"),
        "rabbitmq": _said("dpkg-query", "-W", "-f=${Version}", "rabbitmq-server"),
        "nginx": _said("nginx", "-v").removeprefix("nginx version: "),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "commit": _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "changed_files": len(
            _said("git", "-C", str(ROOT), "status", "--porcelain", "--", "*.py", "*.sql").splitlines()
        ),
    }


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _said(*command: str) -> str:
    """What a program says about itself; empty where it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip() if done.returncode == 0 else ""
