"""Processes of a stack are not interrupted whenever another one wakes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from deploy.local.supervision import uninterrupted

CHILD = """
import os, subprocess, sys
sys.stdin.read()
print(os.sched_getscheduler(0), flush=True)
subprocess.run([sys.executable, "-c", "import os; print(os.sched_getscheduler(0))"], check=True)
"""


def test_a_process_and_what_it_starts_are_not_interrupted() -> None:
    before = os.sched_getscheduler(0)
    child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    uninterrupted(child.pid)
    said, _ = child.communicate("", timeout=20)
    assert said.split() == [str(os.SCHED_BATCH)] * 2
    assert os.sched_getscheduler(0) == before


def test_a_process_that_is_gone_is_no_trouble() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    assert child.wait() == 0
    uninterrupted(child.pid)


def test_a_system_that_does_not_allow_it_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refused)
    before = os.sched_getscheduler(0)
    uninterrupted(os.getpid())
    assert os.sched_getscheduler(0) == before
