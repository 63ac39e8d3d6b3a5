"""The rulebook of the site: one for all services, by what the site's file says now."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from lianban.chassis import rules
from lianban.chassis.calendar_seed import announced_years
from lianban.chassis.rules import rulebook
from lianban.law.calendar import WorkCalendar
from lianban.law.rulebook import Rulebook, RulebookError, standard
from tests import unrolled
from tests.keys import forget_settings

SERVICES = Path(__file__).parents[3] / "services"


@pytest.fixture
def site(become: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The site's file, in use; empty at first."""
    file = tmp_path / "site.toml"
    file.write_text("", "utf-8")
    monkeypatch.setenv("LIANBAN_SITE", str(file))
    forget_settings()
    return file


def say(site: Path, text: str) -> None:
    """Change the file; its time changes even where the clock of the file system is coarse."""
    before = site.stat().st_mtime_ns
    site.write_text(text, "utf-8")
    os.utime(site, ns=(before + 1_000_000, before + 1_000_000))


def test_without_a_site_the_rules_are_the_products(become: object) -> None:
    assert rulebook() == standard()


def test_a_site_that_says_nothing_of_clocks_has_the_products_rules(site: Path) -> None:
    assert rulebook() == standard()


def test_a_site_lets_agencies_ends_stand_and_sets_what_is_adjustable(site: Path) -> None:
    say(site, unrolled.SITE)
    calendar = WorkCalendar(announced_years())
    assert rulebook().due("notice", date(2026, 9, 17), calendar).legal_due == unrolled.NOTICE
    assert standard().due("notice", date(2026, 9, 17), calendar).legal_due == date(2026, 10, 8)
    assert (rulebook().rule("rating").length, rulebook().rule("notice").length) == (45, 15)


def test_the_rules_are_made_once_for_each_state_of_the_file(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, object]] = []
    parse = rules.parse

    def counted(given: Mapping[str, object]) -> Rulebook:
        made.append(dict(given))
        return parse(given)

    monkeypatch.setattr(rules, "parse", counted)
    assert rulebook() is rulebook()
    say(site, "[clocks]\nroll_agency_deadlines = false\n")
    assert [rulebook().roll_agency_deadlines for _ in range(3)] == [False] * 3
    assert made == [{}, {"roll_agency_deadlines": False}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("roll_agency_deadline = false", "does not know 'roll_agency_deadline'; known are roll_agency_deadlines, leng"),
        ('roll_agency_deadlines = "false"', "roll_agency_deadlines must be true or false, not 'false'"),
        ("lengths = 30", "lengths must be a table, not 30"),
        ("lengths = { rating = true }", "rating must be a whole number, not True"),
        ("lengths = { notice = 20 }", "notice: the length is fixed by Regulations on Petition Work"),
    ],
)
def test_a_table_that_cannot_be_followed_is_refused_with_the_place(site: Path, text: str, message: str) -> None:
    say(site, f"[clocks]\n{text}\n")
    with pytest.raises(RulebookError, match=message):
        rulebook()
    say(site, "[clocks]\nroll_agency_deadlines = true\n")
    assert rulebook() == standard()


def test_no_service_works_by_the_products_rules_past_the_sites() -> None:
    """``standard()`` stands in services only where a module is loaded: lists of ids, which no site changes."""
    found = []
    for path in SERVICES.rglob("*.py"):
        for function in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(function, ast.FunctionDef | ast.Lambda):
                names = [n.id if isinstance(n, ast.Name) else getattr(n, "attr", "") for n in ast.walk(function)]
                found += [str(path)] * ("standard" in names)
    assert found == []
