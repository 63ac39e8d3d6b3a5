"""Settings come from the environment, once, and what is missing or wrong is named."""

from __future__ import annotations

from dataclasses import fields

import pytest

from lianban.chassis.settings import MissingSetting, Settings, documentation, settings
from tests.keys import forget_settings


@pytest.fixture(autouse=True)
def _anew(become: object) -> None:
    forget_settings()


def test_numbers_are_read_as_numbers_and_nothing_as_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANBAN_QUEUES", "8")
    monkeypatch.setenv("LIANBAN_RETRY_SECONDS", "0.5")
    monkeypatch.setenv("LIANBAN_BATCH", "")
    given = settings()
    assert (given.queues, given.retry_seconds, given.batch) == (8, 0.5, 200)


def test_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = settings()
    monkeypatch.setenv("LIANBAN_QUEUES", "8")
    assert settings() is first


def test_a_word_where_a_number_belongs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANBAN_QUEUES", "many")
    with pytest.raises(MissingSetting, match="LIANBAN_QUEUES must be a number, not 'many'"):
        settings()


def test_what_is_needed_and_not_given_is_named_with_its_meaning() -> None:
    with pytest.raises(MissingSetting, match="set LIANBAN_AMQP_URL: AMQP URL of the broker"):
        settings().need("amqp_url")


def test_the_address_of_a_neighbour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIANBAN_INTAKE_URL", "http://intake:8000")
    assert settings().url_of("intake") == "http://intake:8000"


def test_every_setting_tells_its_meaning() -> None:
    assert set(documentation()) == {item.name for item in fields(Settings)}
    assert [name for name, meaning in documentation().items() if len(meaning) < 10] == []
