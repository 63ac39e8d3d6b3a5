"""What is missing on the system is installed, or it is said who has to do what."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from deploy.local import prepare


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An ordinary user of a system on which nginx is missing."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(prepare, "wanted_packages", lambda _: ["nginx-light"])
    return monkeypatch


def only(*programs: str) -> Any:
    return lambda name: f"/usr/bin/{name}" if name in programs else None


def test_without_sudo_an_administrator_is_told_what_to_type(somebody: pytest.MonkeyPatch) -> None:
    somebody.setattr(prepare, "program", only("apt-get"))
    with pytest.raises(prepare.Trouble) as trouble:
        prepare.install_packages("run")
    assert "Missing on this system: nginx-light. You are not root and there is no sudo." in str(trouble.value)
    assert "apt-get install --no-install-recommends nginx-light" in str(trouble.value)


def test_where_sudo_asks_and_nobody_can_answer_the_command_is_told(somebody: pytest.MonkeyPatch) -> None:
    somebody.setattr(prepare, "program", only("apt-get", "sudo"))
    somebody.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1))
    somebody.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(prepare.Trouble, match="sudo asks for a password here") as trouble:
        prepare.install_packages("run")
    assert "sudo apt-get install --no-install-recommends nginx-light" in str(trouble.value)


def test_a_system_without_apt_is_told_what_it_lacks(somebody: pytest.MonkeyPatch) -> None:
    somebody.setattr(prepare, "program", only())
    with pytest.raises(prepare.Trouble, match="has no apt-get: install nginx-light"):
        prepare.install_packages("run")


def test_a_package_that_is_missing_after_its_installation_is_named(somebody: pytest.MonkeyPatch) -> None:
    somebody.setattr(prepare, "program", only("apt-get"))
    somebody.setattr(os, "geteuid", lambda: 0)
    somebody.setattr(prepare, "run", lambda command: None)
    with pytest.raises(prepare.Trouble, match="Still missing after the installation: nginx-light"):
        prepare.install_packages("run")
