"""Finds and ends what an earlier run of the same stack left behind when it was killed.

Only processes of the very same state folder are touched: they carry it in their environment, or work in it. A killed
daemon may stay a zombie for a second when the process that should collect it is slow; PostgreSQL takes a zombie for a
living server, so this module waits until the process has left /proc.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import psutil

from deploy.local.environment import MARK
from deploy.local.layout import Layout


def find(layout: Layout) -> list[int]:
    """The processes of this stack that live now, the caller and its ancestors excepted."""
    home = str(layout.home)
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid not in mine and _belongs(process, home, layout):
            found.append(process.pid)
    return found


def _belongs(process: psutil.Process, home: str, layout: Layout) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.environ().get(MARK) == home:
            return True
        # PostgreSQL and nginx write their titles over their environment, but work in folders of this stack.
        folders = {"postgres": layout.postgres / "data", "nginx": layout.run}
        folder = folders.get(process.name())
        return folder is not None and process.cwd() == str(folder)
    except (psutil.Error, OSError):
        return False


def end(layout: Layout) -> int:
    """End them: politely, then by force. Returns how many there were."""
    pids = find(layout)
    for pid in pids:
        # For PostgreSQL INT is the fast shutdown, while TERM would wait for its clients.
        _signal(pid, signal.SIGINT if _name(pid) == "postgres" else signal.SIGTERM)
    if not gone(pids, 15):
        for pid in find(layout):
            _signal(pid, signal.SIGKILL)
        gone(pids, 10)
    return len(pids)


def gone(pids: list[int], seconds: float) -> bool:
    """Wait until the processes have left /proc, zombies included; returns whether they all have."""
    deadline = time.monotonic() + seconds
    while any(Path("/proc", str(pid)).exists() for pid in pids):
        if time.monotonic() > deadline:
            return False
        _collect(pids)
        time.sleep(0.05)
    return True


def _collect(pids: list[int]) -> None:
    """Collect those that are our own children."""
    for pid in pids:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return ""
