"""The rulebook: what the law says in figures, and clear words for mistakes in the file."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lianban.chassis.calendar_seed import announced_years
from lianban.law import rulebook
from lianban.law.calendar import WorkCalendar
from lianban.law.rulebook import Lapse, RulebookError, parse, standard

SEEDED = WorkCalendar(announced_years())
TEXT = Path(rulebook.__file__).with_name("rulebook.toml").read_text("utf-8")


def test_the_standard_rulebook_has_the_periods_of_the_law() -> None:
    found = {rule.id: (rule.ref, rule.length, rule.unit.value, rule.bound.value) for rule in standard().rules}
    assert found == {
        "route": ("C02", 15, "calendar", "petition_office"),
        "direct_notice": ("C03", 15, "calendar", "agency"),
        "notice": ("C04", 15, "calendar", "agency"),
        "objection": ("C05", 5, "work", "agency"),
        "handle": ("C08", 60, "calendar", "agency"),
        "ask_review": ("C12", 30, "calendar", "petitioner"),
        "rating": ("C24", 30, "calendar", "petitioner"),
    }


def test_a_period_is_said_as_the_law_writes_it() -> None:
    objection, notice = standard().rule("objection"), standard().rule("notice")
    assert (objection.period("zh"), objection.period("en")) == ("5个工作日", "5 work days")
    assert (notice.period("zh"), notice.period("en")) == ("15日", "15 calendar days")


def test_handling_may_be_extended_once_by_at_most_thirty_days() -> None:
    extension = standard().rule("handle").extension
    assert extension is not None
    assert (extension.days, extension.times) == (30, 1)
    assert [rule.id for rule in standard().rules if rule.extension is not None] == ["handle"]


def test_rights_run_out_and_duties_are_breached() -> None:
    rights = {rule.id: rule.unused("zh") for rule in standard().rules if rule.lapse is Lapse.ENDS}
    assert rights == {
        "objection": "期满未提出异议",
        "ask_review": "期满未申请复查",
        "rating": "期满未评价",
    }
    assert [rule.id for rule in standard().rules if rule.lapse is Lapse.BREACH] == [
        "route",
        "direct_notice",
        "notice",
        "handle",
    ]
    assert standard().rule("handle").unused("zh") == ""


def test_every_rule_has_names_and_an_article_in_both_languages() -> None:
    rule = standard().rule("objection")
    assert (rule.label("zh"), rule.label("en-GB")) == ("提出异议期限", "Objection")
    assert rule.article("zh") == "《信访工作条例》第二十三条第三款"
    assert rule.article("en") == "Regulations on Petition Work (2022), Article 23(3)"


def test_without_rolling_of_agency_deadlines_only_the_petitioners_end_moves() -> None:
    strict = standard().adjusted(roll_agency_deadlines=False)
    assert standard().due("route", date(2026, 9, 20), SEEDED).legal_due == date(2026, 10, 8)
    assert strict.due("route", date(2026, 9, 20), SEEDED).legal_due == date(2026, 10, 5)
    assert strict.due("ask_review", date(2026, 9, 1), SEEDED).legal_due == date(2026, 10, 8)


def test_a_site_sets_the_rating_window_but_no_length_of_the_law() -> None:
    assert standard().adjusted(lengths={"rating": 7}).rule("rating").length == 7
    with pytest.raises(RulebookError, match="route: the length is fixed by Regulations on Petition Work"):
        standard().adjusted(lengths={"route": 20})
    with pytest.raises(RulebookError, match="lunch: no such rule"):
        standard().adjusted(lengths={"lunch": 1})
    with pytest.raises(RulebookError, match="rating: length must not be negative"):
        standard().adjusted(lengths={"rating": -1})


def test_the_explanation_of_a_rule_ends_on_its_legal_due_day() -> None:
    steps = standard().explain("objection", date(2026, 9, 28), SEEDED)
    assert steps[-1].day == standard().due("objection", date(2026, 9, 28), SEEDED).legal_due == date(2026, 10, 10)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("length = 15", "length = -1", "rule 'route': length must lie between 0 and 3650, not -1"),
        ("length = 15", 'length = "15"', "rule 'route': length must be a whole number, not '15'"),
        ("length = 15", "length = true", "rule 'route': length must be a whole number, not True"),
        ('unit = "calendar"', 'unit = "days"', "rule 'route': unit must be one of calendar, work, not 'days'"),
        ('zh = "登记转送期限"\n', "", "rule 'route': zh is missing"),
        ('en = "Registration and routing"', 'en = " "', "rule 'route': en is empty"),
        ('id = "direct_notice"', 'id = "route"', "rule 'route' is given twice"),
        ("roll = true", "rolled = true", "rule 'route': rolled is no known field"),
        ('"50%", "80%"', '"half", "80%"', "warn must hold texts like '50%' or 'last 3 work days', not 'half'"),
        (
            'event = "routing.case-routed"',
            'event = "routing.case-rooted"',
            "stop 1: event 'routing.case-rooted' is not",
        ),
        ('at = "routed_at"', 'at = "round"', "stop 1: at: routing.case-routed has no moment 'round'"),
        ('binds = "lead"', 'binds = "lead_agency"', "routing.case-accepted has no agency 'lead_agency'"),
        ('role = ["lead", "co_handler"]', 'role = ["chief"]', "when: role cannot be 'chief'"),
        ("binding = [false]", 'binding = ["no"]', "when: binding cannot be 'no'"),
        ("binding = [false]", "number = [false]", "when: 'number' is no field with fixed values"),
        ("binding = [false]", "binding = []", "when: binding must list at least one value"),
        ('same = ["agency", "round"]', 'same = ["place"]', "same must hold assignment, round, agency, not 'place'"),
        ('same = ["agency", "round"]', 'same = ["assignment"]', "has no field 'assignment_id'"),
        (', binds = "lead"', "", "routing.case-accepted must name the bound agency with binds"),
        ("days = 30, times = 1", "days = 30, times = 0", "rule 'handle', extension: times must lie between 1 and 9"),
        ('confidence = "setting"', 'confidence = "verified"', "adjustable is only for rules whose confidence is"),
        ("warn = []", 'warn = ["50%"]', "warn must be empty where the petitioner is bound"),
        ("[settings]", "[setting]", "settings: roll_agency_deadlines is missing"),
        ('edition = "2026-11"', "edition = ", "not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_rule_and_field(old: str, new: str, message: str) -> None:
    assert old in TEXT
    changed = TEXT.replace(old, new, 1)
    with pytest.raises(RulebookError) as caught:
        parse(changed)
    assert any(message in problem for problem in caught.value.problems), caught.value.problems


def test_all_mistakes_are_told_at_once() -> None:
    changed = TEXT.replace("length = 15", "length = -1").replace('unit = "work"', 'unit = "hours"')
    with pytest.raises(RulebookError) as caught:
        parse(changed)
    assert len(caught.value.problems) == 4


def test_a_rulebook_without_rules_is_refused() -> None:
    with pytest.raises(RulebookError, match="no rules"):
        parse('edition = "1"\nrules = []\n[settings]\nroll_agency_deadlines = true\n')
    with pytest.raises(RulebookError, match="must be a list of tables"):
        parse('edition = "1"\nrules = [1]\n[settings]\nroll_agency_deadlines = true\n')


def test_an_unknown_rule_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        standard().rule("lunch")
