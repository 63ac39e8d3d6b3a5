"""``lianban agency``: connecting an agency's system without writing code."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.rows import DictRow

from cli.agency import agency

PUSH = """\
agency: city-ecology
adapter: rest_push
level: 1
rest_push:
  base_url: http://127.0.0.1:9
  auth: {kind: header, name: X-Api-Key, secret: api-key}
  calls:
    assignment: {path: /cases, body: {title: matter.title}, reference: id}
"""


@pytest.fixture
def city(look: psycopg.Connection[DictRow]) -> psycopg.Connection[DictRow]:
    look.execute(
        "insert into agency (code, name, level, region_code, petition_office, active) "
        "values ('city-ecology', '清河市生态环境局', 'city', '990100000000', false, true)"
    )
    return look


def _say(*arguments: str | Path) -> Result:
    return CliRunner().invoke(agency, [str(argument) for argument in arguments])


def test_a_profile_is_checked_registered_and_shown_without_its_credentials(
    city: psycopg.Connection[DictRow], tmp_path: Path
) -> None:
    profile, secrets = tmp_path / "profile.yaml", tmp_path / "secrets.yaml"
    profile.write_text(PUSH, encoding="utf-8")
    secrets.write_text("api-key: a-key-of-the-department", encoding="utf-8")
    assert _say("check", profile).output == "✓ city-ecology: rest_push, level 1\n"
    without = _say("connect", profile)
    assert without.exit_code == 1
    assert "secrets.api-key" in without.output
    assert _say("connect", profile, "--secrets", secrets).output == "✓ city-ecology: rest_push, revision 1\n"
    assert _say("connect", profile).output == "✓ city-ecology: rest_push, revision 1\n"
    shown = _say("show", "city-ecology").output
    assert "base_url: http://127.0.0.1:9" in shown
    assert "a-key-of-the-department" not in shown
    assert "rest_push" in _say("list").output
    assert b"a-key-of-the-department" not in city.execute("select sealed from secret").fetchall()[0]["sealed"]


def test_every_problem_of_a_profile_is_named_with_its_place(tmp_path: Path) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(PUSH.replace("level: 1", "level: 9").replace("matter.title", "matter.."), encoding="utf-8")
    told = _say("check", profile)
    assert told.exit_code == 1
    assert "level: " in told.output
    assert "rest_push.calls.assignment" in told.output
    profile.write_text("[", encoding="utf-8")
    assert "no YAML" in _say("check", profile).output


def test_a_token_is_shown_once_kept_hashed_and_can_be_revoked(city: psycopg.Connection[DictRow]) -> None:
    made = _say("token", "city-ecology").output.strip()
    assert made.startswith("lbx_")
    row = city.execute("select hash, label, revoked_at from api_token").fetchall()[0]
    assert (row["label"], row["revoked_at"]) == ("system", None)
    assert made.encode() not in row["hash"]
    assert _say("revoke", "city-ecology").exit_code == 0
    assert city.execute("select revoked_at from api_token").fetchall()[0]["revoked_at"] is not None
    assert _say("revoke", "city-ecology").exit_code == 1


def test_an_agency_that_is_not_in_the_register_gets_nothing(city: psycopg.Connection[DictRow], tmp_path: Path) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text("{agency: city-nobody, adapter: pull, level: 2}", encoding="utf-8")
    for told in (_say("token", "city-nobody"), _say("show", "city-nobody"), _say("connect", profile)):
        assert told.exit_code == 1
        assert "no agency city-nobody" in told.output
    assert city.execute("select count(*) as n from profile").fetchall() == [{"n": 0}]
