"""Figures of processes: of a service with several, and of those that do not belong to the run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from deploy.local.layout import Layout, Ports
from deploy.waiting import until
from tests.bench import processes
from tests.bench.processes import spent

BUSY = "import time; began = time.process_time()\nwhile time.process_time() < began + 5: pass"


def test_the_processor_time_of_a_service_is_that_of_all_its_processes() -> None:
    before = {"intake": 10.0, "intake-2": 4.0, "documents": 1.0, "nginx": 0.5, "mail": 3.0}
    after = {"intake": 12.0, "intake-2": 5.5, "documents": 1.25, "nginx": 0.5, "puller": 9.0}
    assert spent(before, after) == pytest.approx({"intake": 3.5, "documents": 0.25, "nginx": 0.0})


class States:
    """A supervisor with two processes of one service, and one that was stopped."""

    def states(self) -> dict[str, dict[str, object]]:
        running = {"statename": "RUNNING", "pid": os.getpid()}
        return {"intake": running, "intake-2": running, "routing": {"statename": "STOPPED", "pid": 0}}


class TwoOfIntake:
    supervisor = States()


def test_each_process_of_a_service_has_a_figure_for_its_memory() -> None:
    found = processes.memory_megabytes(TwoOfIntake())  # type: ignore[arg-type]
    assert set(found) == {"intake", "intake-2"}
    assert min(found.values()) > 1


def test_what_the_run_itself_uses_is_not_that_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy child belongs to the run; as soon as the run is somebody else's, its time counts."""
    layout = Layout(tmp_path, Ports(1, 2))
    child = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        busy = psutil.Process(child.pid)
        until(lambda: processes._cpu(busy) > 0.5, "the child was busy", every=0.05)
        monkeypatch.setattr(psutil, "process_iter", lambda: [busy])
        assert processes.others(layout) == 0
        monkeypatch.setattr(processes, "_family", lambda pid: [])
        assert processes.others(layout) > 0.5
    finally:
        child.kill()
        child.wait()
