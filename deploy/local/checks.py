"""What is looked at before a stack is started, and the error that tells a person what to do."""

from __future__ import annotations

import random
import shutil
import socket
import time
import tomllib
from pathlib import Path

import psutil

from deploy.local.layout import HOST
from lianban.chassis import rules
from lianban.law.rulebook import RulebookError

DYING_SECONDS = 5.0
"""How long a port that nobody is seen to hold may be in use by a program that is just ending."""

NEEDED_BYTES = 1024**3
"""Free space below which a stack is not started: databases must never meet a full disk."""


class Trouble(Exception):
    """The stack cannot do what it was asked; carries what is wrong and what to do."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f"{what}\n{advice}")
        self.what = what
        self.advice = advice


def check_policy(path: Path) -> None:
    """Raise :class:`Trouble` where the site's policy is no TOML, or sets clocks to what the rulebook does not allow."""
    try:
        clocks = tomllib.loads(path.read_text("utf-8")).get("clocks", {})
    except (OSError, ValueError) as error:
        raise Trouble(f"The site's policy {path} cannot be read: {error}.", "Mend the file and start again.") from error
    if not isinstance(clocks, dict):
        raise Trouble(f"In the site's policy {path} clocks must be a table [clocks].", "Mend it and start again.")
    try:
        rules.parse(clocks)
    except RulebookError as error:
        problems = "\n".join(f"  {problem}" for problem in error.problems)
        raise Trouble(
            f"The site's policy {path} cannot be used:\n{problems}", "Mend the table [clocks] and start again."
        ) from error


def taken(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False


def holder(port: int) -> str:
    """Who listens on the port, as far as one may see: ``name (pid 123)``; empty where nobody is seen."""
    try:
        for connection in psutil.net_connections("inet"):
            address = connection.laddr
            if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:
        pass
    return ""


def check_ports(ports: dict[int, str], *, edge: int) -> None:
    """Raise :class:`Trouble` that names every taken port and what to set instead.

    A killed program of many threads may hold its ports for a moment after it is gone: nobody is seen to have them
    then, and that is waited for.
    """
    deadline = time.monotonic() + DYING_SECONDS
    while found := {port: holder(port) for port in ports if taken(port)}:
        if all(found.values()) or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    if not found:
        return
    what = "\n".join(
        f"Port {port} for {ports[port]} is taken by {who or 'another program'}." for port, who in found.items()
    )
    advice = []
    if edge in found:
        advice.append("set LIANBAN_PORT to a free port for the edge (for example: LIANBAN_PORT=8090 make run)")
    if any(port != edge for port in found):
        advice.append("set LIANBAN_PORT_BASE to the start of 120 free ports (for example: LIANBAN_PORT_BASE=28000 make "
                      "run)")  # fmt: skip
    raise Trouble(what, f"Stop that program, or {' and '.join(advice)}.")


def check_disk(home: Path) -> None:
    """Raise :class:`Trouble` when the disk is nearly full."""
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < NEEDED_BYTES:
        raise Trouble(
            f"Only {free / 1024**2:.0f} MiB are free on the disk of {home}; at least {NEEDED_BYTES // 1024**2} MiB "
            "are needed.",
            "Free some space, or set LIANBAN_HOME to a folder on another disk.",
        )


def free_ports() -> tuple[int, int]:
    """An edge port and a base port such that the stack's ports are free now: for stacks of tests."""
    bases = list(range(21000, 32000, 200))  # below the ports that the system gives to outgoing connections
    random.shuffle(bases)  # two runs at the same moment take different ones
    for base in bases:
        if not any(taken(base + offset) for offset in range(121)) and not taken(base + 180):
            return base + 180, base
    raise Trouble("There is no block of 200 free ports between 21000 and 32000.", "Stop what is using them.")


def find_program(*names: str) -> str:
    """The path of the first program of ``names`` that this system has; raises :class:`Trouble`."""
    for name in names:
        found = shutil.which(name, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        if found:
            return found
    raise Trouble(f"{names[0]} is not installed.", "Call make run or make up, which install what is missing.")
