"""What is missing on the system is installed, or it is said who has to do what."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
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


def setup_with(python: Path) -> subprocess.CompletedProcess[str]:
    """The set-up called with a Python of the caller's choice."""
    return subprocess.run(
        ["sh", str(prepare.ROOT / "deploy" / "local" / "prepare.sh"), "run"],
        env={"PATH": os.environ["PATH"], "LIANBAN_PYTHON": str(python)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_python_that_is_asked_for_does_the_set_up(tmp_path: Path) -> None:
    chosen = tmp_path / "python"
    chosen.write_text('#!/bin/sh\n[ "$1" = -c ] || echo "set up by mine: ${1##*/} $2"\n')
    chosen.chmod(0o755)
    assert setup_with(chosen).stdout == "set up by mine: prepare.py run\n"


def test_a_python_that_cannot_be_used_is_named_and_nothing_else_is_taken(tmp_path: Path) -> None:
    old = tmp_path / "python2"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = setup_with(old)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"LIANBAN_PYTHON={old} is none" in done.stderr


@pytest.fixture
def font(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """A clone in which the documents' font was never made; the programs that set-up starts to make it."""
    (tmp_path / "recipe").write_text("cubic to quadratic")
    monkeypatch.setattr(prepare, "FONT_STAMP", tmp_path / "fonts" / "made.stamp")
    monkeypatch.setattr(prepare, "FONT_RECIPE", (tmp_path / "recipe",))
    (tmp_path / "NotoSerifCJK-Regular.ttc").write_text("installed")
    monkeypatch.setattr(prepare, "installed_fonts", lambda: [tmp_path / "NotoSerifCJK-Regular.ttc"])
    started: list[list[str]] = []

    def make(command: list[str]) -> None:
        started.append(command)
        (tmp_path / "fonts" / "song-1").mkdir(parents=True, exist_ok=True)

    monkeypatch.setattr(prepare, "run", make)
    return started


def test_the_documents_font_is_made_once_and_again_when_its_recipe_changes(
    font: list[list[str]], tmp_path: Path
) -> None:
    assert prepare.font_missing()
    prepare.make_font()
    assert [command[1:] for command in font] == [["-m", "services.notification.make_font"]]
    assert not prepare.font_missing()
    (tmp_path / "recipe").write_text("another one")
    assert prepare.font_missing()
    prepare.make_font()
    assert not prepare.font_missing()
    (tmp_path / "fonts" / "song-1").rmdir()  # somebody cleaned up
    assert prepare.font_missing()


def test_a_font_that_cannot_be_made_holds_up_nothing_and_is_tried_again(
    font: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(_: list[str]) -> None:
        raise prepare.Trouble("no space left")

    monkeypatch.setattr(prepare, "run", fails)
    prepare.make_font()
    said = capsys.readouterr().out
    assert "documents take longer to print" in said
    assert "no space left" in said
    assert prepare.font_missing()
