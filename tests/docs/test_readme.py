"""What the documents promise is there: targets, commands, options, the same sections in both languages."""

from __future__ import annotations

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import click
import pytest

from cli.main import command
from deploy.local.layout import SERVICES, Ports
from deploy.local.processes import processes
from services.notification import worker as press

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
MACHINE = re.compile(r"(?<![\w.~])/(?:home|root|tmp|Users|work|mnt|srv|var/lib)/[\w.-]+")
PICTURE_BYTES = 200_000
SECTION = re.compile(r"^(#+) ", re.MULTILINE)
LINK = re.compile(r"\]\(([^)]+)\)")
FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


def _documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).exists()]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _said(document: Path) -> list[str]:
    """What a document shows as typed by a reader: lines of shell blocks, and spans of code."""
    text = document.read_text(encoding="utf-8")
    lines: list[str] = []
    for language, block in FENCE.findall(text):
        if language in ("sh", "bash"):
            lines += re.sub(r"\\\n", " ", block).splitlines()
    return lines + re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


def _calls(document: Path, program: str) -> list[list[str]]:
    """The words after ``program`` wherever it is called, up to the end of the command."""
    found = []
    for line in _said(document):
        for match in re.finditer(rf"(?:^|[\s(/\"]){program} ([^;|&)#]*)", re.sub(r"(^|\s)#.*$", "", line)):
            found.append(shlex.split(re.sub(r"[\"'`].*$", "", match[1])))
    return [words for words in found if words]


@cache
def _targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_every_make_target_that_is_shown_exists(document: Path) -> None:
    shown = {word for words in _calls(document, "make") for word in words[:1] if re.fullmatch(r"[a-z-]+", word)}
    assert shown <= _targets()


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_every_command_and_option_that_is_shown_exists(document: Path) -> None:
    unknown = []
    for words in _calls(document, "lianban"):
        here: click.Command = command
        given = list(words)
        while isinstance(here, click.Group) and given and not given[0].startswith("-"):
            if not re.fullmatch(r"[a-z-]+", given[0]):
                break
            following = here.get_command(click.Context(here), given.pop(0))
            if following is None:
                unknown.append(" ".join(words))
                break
            here = following
        known = {option for parameter in here.params for option in parameter.opts} | {"--help", "-h", "--version"}
        unknown += [f"{' '.join(words)}: {word}" for word in given if word.startswith("--") and word not in known]
    assert unknown == []


def test_both_readmes_have_the_same_sections_links_and_examples() -> None:
    english, chinese = (path.read_text(encoding="utf-8") for path in (ENGLISH, CHINESE))

    def shape(text: str) -> tuple[list[str], list[str], list[str], list[str]]:
        bare = FENCE.sub("", text)
        links = sorted(set(LINK.findall(bare)) - {ENGLISH.name, CHINESE.name})
        commands = [block for language, block in FENCE.findall(text) if language != "mermaid"]
        return SECTION.findall(bare), links, commands, re.findall(r"^\|", bare, re.MULTILINE)

    assert shape(english) == shape(chinese)


def test_the_readmes_say_the_two_commands_and_what_they_answer() -> None:
    blocks = FENCE.findall(ENGLISH.read_text(encoding="utf-8"))
    assert [block for language, block in blocks if language == "sh"] == ["make run\n", "make test\n"]
    preparing, output, tested = [block for language, block in blocks if language == "text"]
    assert preparing.startswith("[1/5] ")
    assert "✓ 就绪 ready in" in output
    assert "http://127.0.0.1:8080/" in output
    assert re.search(r"^=+ \d+ passed, .* =+$", tested, re.MULTILINE)


@pytest.mark.parametrize("document", _documents(), ids=_name)
def test_no_document_holds_a_path_of_a_machine(document: Path) -> None:
    assert MACHINE.findall(document.read_text(encoding="utf-8")) == []


def test_pictures_are_small_and_shown_somewhere() -> None:
    pictures = {_name(path): path.stat().st_size for path in (ROOT / "docs" / "images").glob("*")}
    assert pictures
    assert {name: size for name, size in pictures.items() if size > PICTURE_BYTES} == {}
    text = "".join(path.read_text(encoding="utf-8") for path in _documents())
    assert [name for name in pictures if Path(name).name not in text] == []


def test_every_port_of_a_stack_is_documented() -> None:
    ports = Ports(8080, 18000)
    used = set(ports.infrastructure()) | {ports.mail}
    for process in processes(demo=True):
        used |= set(process.ports(ports))
    text = (ROOT / "docs" / "reference" / "ports.md").read_text(encoding="utf-8")
    assert {int(number) for number in re.findall(r"^\|[^|]+\| (\d+) \|", text, re.MULTILINE)} == used


def test_every_service_is_told_on_one_screen_and_all_are_told_alike() -> None:
    for service in SERVICES:
        text = (ROOT / "services" / service / "README.md").read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 60
        assert re.findall(r"^\| \*\*(\w+)\*\* \|", text, re.MULTILINE) == ["owns", "hears", "says", "doors", "loops"]
        assert {"## Promises", "## Where things are"} <= set(text.splitlines()), service


@pytest.mark.parametrize("service", SERVICES)
def test_every_loop_of_a_service_stands_in_its_readme_and_in_the_runbook_of_loops(service: str) -> None:
    folder = ROOT / "services" / service
    runbook = (ROOT / "docs" / "runbooks" / "LianbanLoopFails.md").read_text(encoding="utf-8")
    named = {
        loop
        for names, who in re.findall(r"^\| ([a-z ,]+) \(([a-z_ ]+)\) \|", runbook, re.MULTILINE)
        if who in (service, "every service")
        for loop in names.split(", ")
    }
    loops = re.findall(r"= \w+\(\"([^\"]+)\", ", (folder / "service.py").read_text(encoding="utf-8"))
    (row,) = re.findall(r"^\| \*\*loops\*\* \| .*", (folder / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert loops
    assert [loop for loop in loops if f"`{loop}`" not in row] == []
    assert named == set(loops)


def test_the_press_stands_in_the_runbook_of_loops() -> None:
    runbook = (ROOT / "docs" / "runbooks" / "LianbanLoopFails.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| ([a-z ,]+) \(process ([a-z_]+)\) \|", runbook, re.MULTILINE) == [(press.LOOP, "documents")]
    assert [process.name for process in processes(demo=False) if press.__name__ in process.command] == ["documents"]
