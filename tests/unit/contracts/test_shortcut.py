"""The short way of events, held against marshmallow's: the same events, the same plain values, the same refusals."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import Enum
from typing import Any
from uuid import UUID, uuid4

import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianban.contracts.catalogue import known_events
from lianban.contracts.events import Event, dump, read, schema_instance
from lianban.contracts.shortcut import UNUSUAL, Unusual, reader, writer
from tests.unit.contracts.test_envelope import JSON

OFFSETS = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
SCALARS: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text(max_size=8),
    int: st.integers(),
    bool: st.booleans(),
    UUID: st.uuids(),
    datetime: st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC) | OFFSETS),  # noqa: DTZ001
    date: st.dates(),
}
EVENTS = sorted(known_events())


def anything_of(annotation: Any) -> st.SearchStrategy[Any]:
    origin = typing.get_origin(annotation)
    if origin in {types.UnionType, typing.Union}:
        return st.none() | st.one_of(
            *(anything_of(a) for a in typing.get_args(annotation) if a is not type(None)),
        )
    if origin is tuple:
        return st.lists(anything_of(typing.get_args(annotation)[0]), max_size=3).map(tuple)
    if annotation in SCALARS:
        return SCALARS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    assert is_dataclass(annotation)
    hints = typing.get_type_hints(annotation)
    return st.builds(
        typing.cast("type", annotation), **{item.name: anything_of(hints[item.name]) for item in fields(annotation)}
    )


ANY_EVENT = st.sampled_from(EVENTS).flatmap(lambda name: anything_of(known_events()[name]))


@given(event=ANY_EVENT)
def test_each_event_goes_the_short_way_there_and_back_as_by_the_schema(event: Event) -> None:
    plain = writer(type(event))(event)
    assert plain == schema_instance(type(event)).dump(event)
    assert list(plain) == [item.name for item in fields(event)]
    assert reader(type(event))(plain) == event == schema_instance(type(event)).load(plain)


@given(event=ANY_EVENT, value=JSON, data=st.data())
def test_whatever_stands_in_a_field_is_judged_as_by_the_schema(event: Event, value: Any, data: st.DataObject) -> None:
    plain = dump(event)
    spot: Any = plain
    while isinstance(spot, dict | list) and spot:
        key = data.draw(st.sampled_from(sorted(spot)) if isinstance(spot, dict) else st.integers(0, len(spot) - 1))
        if not isinstance(spot[key], dict | list) or data.draw(st.booleans()):
            break
        spot = spot[key]
    if spot:
        spot[key] = value
    agree(type(event), plain)


@given(event=ANY_EVENT, data=st.data())
def test_a_missing_field_is_judged_as_by_the_schema(event: Event, data: st.DataObject) -> None:
    plain = dump(event)
    if plain:
        del plain[data.draw(st.sampled_from(sorted(plain)))]
    agree(type(event), plain | {"unknown": 1})


def agree(cls: type[Event], plain: dict[str, Any]) -> None:
    judged = judgement(schema_instance(cls).load, plain)
    assert judgement(lambda data: read(cls, data), plain) == judged
    if isinstance(judged, dict):
        with pytest.raises(UNUSUAL):
            reader(cls)(plain)


def judgement(load: Callable[[dict[str, Any]], Any], plain: dict[str, Any]) -> Any:
    try:
        return load(plain)
    except ma.ValidationError as error:
        return error.messages


def test_what_an_event_should_not_hold_goes_the_way_of_the_schema() -> None:
    withdrawn = known_events()["lianban.intake.matter-withdrawn.v1"]
    local = type("Moment", (datetime,), {})(2026, 3, 2, 9, tzinfo=UTC)
    event = withdrawn(withdrawn_at=local)  # type: ignore[call-arg]
    with pytest.raises(Unusual):
        writer(withdrawn)(event)
    assert dump(event) == {"withdrawn_at": "2026-03-02T09:00:00+00:00"}


def test_an_id_in_another_spelling_is_the_same_id() -> None:
    suggested = next(cls for cls in known_events().values() if "assignment_id" in cls.__dataclass_fields__)
    one = uuid4()
    plain = {item.name: "?" for item in fields(suggested)}
    for spelling in (str(one).upper(), f"{{{one}}}", one.hex):
        agree(suggested, plain | {"assignment_id": spelling})
