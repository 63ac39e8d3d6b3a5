"""The supervisor of a stack (supervisord): started by us, talked to over its socket in the run folder."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from deploy.local.checks import Trouble
from deploy.local.leftovers import gone

SOCKET = "supervisor.sock"
PID = "supervisor.pid"


def uninterrupted(pid: int) -> None:
    """Let a process, and what it starts from now on, work on when another one wakes (``SCHED_BATCH``, sched(7)).

    Each message wakes services, broker and database in turn; where processes are many and processors few, they break
    one another off and find their caches cold. Where the system does not allow it, nothing changes.
    """
    with suppress(OSError):
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))


class Supervisor:
    """A handle on the supervisor of one stack, running or not."""

    def __init__(self, run: Path) -> None:
        self._run = run

    def start(self, configuration: Path, environment: dict[str, str]) -> None:
        """Start it in a session of its own; returns when it answers. Its programs inherit ``environment``.

        Raises :class:`Trouble`.
        """
        log = (self._run / "supervisor.out").open("wb")
        with log:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
                cwd=self._run,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        uninterrupted(process.pid)
        deadline = time.monotonic() + 20
        while not self.running():
            if process.poll() is not None or time.monotonic() > deadline:
                said = (self._run / "supervisor.out").read_text(errors="replace")[-2000:]
                raise Trouble(f"The supervisor did not start: {said}", f"Its log lies in {self._run}.")
            time.sleep(0.05)

    def running(self) -> bool:
        """Whether it answers."""
        try:
            with self._calls() as supervisor:
                return bool(supervisor.getState()["statename"] == "RUNNING")
        except (OSError, HTTPException, xmlrpc.client.Error):
            return False

    def states(self) -> dict[str, dict[str, Any]]:
        """Of every program: ``statename``, ``pid``, ``start`` and more, as the supervisor knows it."""
        with self._calls() as supervisor:
            return {item["name"]: item for item in supervisor.getAllProcessInfo()}

    def begin(self, name: str) -> None:
        """Start a program without waiting for it; one that runs is left alone."""
        with self._calls() as supervisor:
            if supervisor.getProcessInfo(name)["statename"] in ("RUNNING", "STARTING", "BACKOFF"):
                return
            supervisor.startProcess(name, False)

    def end(self, name: str) -> None:
        """Stop a program and wait until it is gone."""
        with self._calls() as supervisor:
            if supervisor.getProcessInfo(name)["statename"] in ("RUNNING", "STARTING", "BACKOFF", "STOPPING"):
                supervisor.stopProcess(name, True)

    def end_together(self, names: list[str]) -> None:
        """Tell several programs to stop, then wait for all of them."""
        with self._calls() as supervisor:
            for name in names:
                if supervisor.getProcessInfo(name)["statename"] in ("RUNNING", "STARTING", "BACKOFF"):
                    supervisor.stopProcess(name, False)
            deadline = time.monotonic() + 120
            while time.monotonic() < deadline:
                left = [name for name in names if supervisor.getProcessInfo(name)["statename"] == "STOPPING"]
                if not left:
                    return
                time.sleep(0.1)

    def finish(self, note: Callable[[str], None] = lambda _: None) -> None:
        """Stop the supervisor itself and wait until it is gone; what still runs is stopped by it."""
        pid = self.pid()
        try:
            with self._calls() as supervisor:
                supervisor.shutdown()
        except (OSError, HTTPException, xmlrpc.client.Error):
            note("the supervisor does not answer")
        if pid is not None:
            gone([pid], 120)

    def pid(self) -> int | None:
        """The supervisor's process, if it lives."""
        try:
            pid = int((self._run / PID).read_text())
            return pid if "supervisor" in " ".join(psutil.Process(pid).cmdline()) else None
        except (OSError, ValueError, psutil.Error):
            return None

    @contextmanager
    def _calls(self) -> Iterator[Any]:
        # Through /proc the name of the socket stays short, however long the state folder's name is.
        folder = os.open(self._run, os.O_RDONLY | os.O_DIRECTORY)
        try:
            transport = SupervisorTransport(None, None, f"unix:///proc/self/fd/{folder}/{SOCKET}")
            with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
                yield proxy.supervisor
        finally:
            os.close(folder)
