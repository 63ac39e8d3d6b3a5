"""What is told of the demo city's past at a start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli import demo, past
from deploy.local.stack import Stack


class City:
    """A stack whose past is played as the test says."""

    def __init__(self, home: Path) -> None:
        self.stack = Stack(home, 8080, 18000)
        self.stack.layout.demo.mkdir(parents=True)
        self.matters = False
        self.breaks = False

    def play(self, *_: Any) -> str:
        self.matters = True
        if self.breaks:
            raise KeyboardInterrupt
        return "all of it"

    @contextmanager
    def transaction(self) -> Iterator[City]:
        yield self

    def execute(self, _: str) -> City:
        return self

    def fetchone(self) -> dict[str, bool]:
        return {"there": self.matters}


@pytest.fixture
def city(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> City:
    @contextmanager
    def nothing(*_: Any) -> Iterator[None]:
        yield

    made = City(tmp_path)
    monkeypatch.setattr(past, "database", lambda: made)
    monkeypatch.setattr(past, "as_service", nothing)
    monkeypatch.setattr(past, "alone", nothing)
    monkeypatch.setattr(past, "_play", made.play)
    return made


def test_a_past_that_was_interrupted_is_told_as_a_part_at_the_next_start(city: City) -> None:
    city.breaks = True
    with pytest.raises(KeyboardInterrupt):
        past.make(city.stack, demo.bars())
    assert not city.stack.layout.past.exists()
    assert past.make(city.stack, demo.bars()) == past.INTERRUPTED
    assert city.stack.layout.past.exists()


def test_a_city_with_matters_of_its_own_gets_no_past(city: City) -> None:
    city.matters = True
    assert past.make(city.stack, demo.bars()) == past.ALREADY


def test_a_whole_past_leaves_no_mark_of_a_beginning(city: City) -> None:
    assert past.make(city.stack, demo.bars()) == "all of it"
    assert not city.stack.layout.past_begun.exists()
