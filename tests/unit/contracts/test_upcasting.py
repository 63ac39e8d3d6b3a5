"""A changed shape is a new version: what was said in an old one is brought there step by step when it is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lianban.contracts.catalogue import InvalidEvent, UnknownEvent, load
from lianban.contracts.events import REGISTERED, UPCASTERS, event, upcaster


@pytest.fixture
def thing_told() -> Iterator[type[Any]]:
    """An event of which version 3 is the newest: version 2 renamed a field, version 3 needs one more."""

    @event("intake.thing-told.v3")
    class ThingTold:
        """Only for this test."""

        number: str
        times: int

    @upcaster("intake.thing-told.v1", "intake.thing-told.v2")
    def the_number_was_called_no(data: dict[str, Any]) -> dict[str, Any]:
        return {"number": data["no"]}

    @upcaster("intake.thing-told.v2", "intake.thing-told.v3")
    def it_was_told_once(data: dict[str, Any]) -> dict[str, Any]:
        return {**data, "times": 1}

    yield ThingTold
    del REGISTERED["lianban.intake.thing-told.v3"]
    del UPCASTERS["lianban.intake.thing-told.v1"], UPCASTERS["lianban.intake.thing-told.v2"]


@pytest.mark.parametrize(
    ("version", "data"), [(1, {"no": "7"}), (2, {"number": "7"}), (3, {"number": "7", "times": 1})]
)
def test_every_version_is_read_as_the_newest(thing_told: type[Any], version: int, data: dict[str, Any]) -> None:
    assert load(f"lianban.intake.thing-told.v{version}", data) == thing_told(number="7", times=1)


def test_what_no_step_can_bring_there_is_invalid_and_names_the_step(thing_told: type[Any]) -> None:
    with pytest.raises(InvalidEvent, match=r"cannot be brought to lianban\.intake\.thing-told\.v2: KeyError\('no'\)"):
        load("lianban.intake.thing-told.v1", {"number": "7"})


def test_a_version_that_is_newer_than_this_program_is_unknown(thing_told: type[Any]) -> None:
    with pytest.raises(UnknownEvent, match=r"v4 is not in this version's catalogue"):
        load("lianban.intake.thing-told.v4", {"number": "7"})


def test_the_data_that_came_are_left_as_they_are(thing_told: type[Any]) -> None:
    came = {"no": "7"}
    load("lianban.intake.thing-told.v1", came)
    assert came == {"no": "7"}
