"""Installs packages of the distribution without starting any service: a program of its own, run as root.

The packages of daemons start them and enable them for the next boot. While this program installs, a temporary
``policy-rc.d`` forbids starting; afterwards what was not enabled before is disabled again. Only the standard
library is used: it runs before there is a virtual environment, under sudo if need be.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLICY = Path("/usr/sbin/policy-rc.d")
ASIDE = Path("/usr/sbin/policy-rc.d.before-lianban")
FORBID = "#!/bin/sh\n# Temporary: Lianban installs packages without starting their services.\nexit 101\n"
SERVICES = ("rabbitmq-server.service", "nginx.service", "epmd.service", "epmd.socket", "prometheus.service")
"""Units that the packages which we install bring along."""


@contextmanager
def services_forbidden() -> Iterator[None]:
    """While inside, installing a package starts no service."""
    ours = POLICY.exists() and POLICY.read_text(errors="replace") == FORBID  # left by a run that was killed
    if POLICY.exists() and not ours:
        POLICY.rename(ASIDE)
    POLICY.write_text(FORBID)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
        if ASIDE.exists():
            ASIDE.rename(POLICY)


def enabled(unit: str) -> bool:
    """Whether the unit would be started at the next boot."""
    return any(Path("/etc/systemd/system").glob(f"*.wants/{unit}"))


def disable(unit: str) -> None:
    """Undo what the package's installation enabled."""
    if shutil.which("systemctl"):
        subprocess.run(["systemctl", "disable", unit], check=False, capture_output=True)
    for link in Path("/etc/systemd/system").glob(f"*.wants/{unit}"):
        link.unlink()
    name = unit.removesuffix(".service")
    if shutil.which("update-rc.d") and Path("/etc/init.d", name).exists():
        subprocess.run(["update-rc.d", name, "disable"], check=False, capture_output=True)


def apt(*arguments: str) -> int:
    """Run apt-get without questions; returns its exit code."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}
    return subprocess.run(
        ["apt-get", "-o", "DPkg::Lock::Timeout=300", *arguments], env=environment, check=False
    ).returncode


def install(packages: list[str]) -> int:
    """Install the packages; returns apt's exit code."""
    before = {unit for unit in SERVICES if enabled(unit)}
    there = {unit for unit in SERVICES if installed(unit)}
    command = ("install", "--yes", "--no-install-recommends", *packages)
    with services_forbidden():
        code = apt(*command)
        if code:  # the lists are missing or too old
            apt("update")
            code = apt(*command)
    for unit in SERVICES:
        if unit not in before and unit not in there:
            disable(unit)
    return code


def installed(unit: str) -> bool:
    """Whether the unit's file is on this system."""
    return any(Path(folder, unit).exists() for folder in ("/lib/systemd/system", "/usr/lib/systemd/system"))


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("packages.py must run as root")
    sys.exit(install(sys.argv[1:]))
