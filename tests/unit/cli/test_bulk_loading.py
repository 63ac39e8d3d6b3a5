"""The processes that load a million matters end with the command that started them."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil

from cli.bulk.loading import end_with_parent
from deploy.local.layout import ROOT
from deploy.waiting import until

PARENT = """
import multiprocessing, time
from tests.unit.cli.test_bulk_loading import child
process = multiprocessing.get_context("spawn").Process(target=child, daemon=True)
process.start()
print(process.pid, flush=True)
time.sleep(60)
"""


def child() -> None:
    """What a loading process does first, and then for long."""
    end_with_parent()
    time.sleep(60)


def test_a_command_that_is_killed_leaves_no_process_that_goes_on_loading() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    started = psutil.Process(int(parent.stdout.readline()))
    assert started.is_running()
    parent.kill()
    parent.wait()
    until(lambda: not started.is_running(), "the loading process has ended", seconds=20)
