"""The short way between an event and its plain JSON values, which nearly every event takes.

marshmallow's schema says what an event may look like and what is wrong with one. Its way through a field costs some
twenty calls, and each event is read by up to four services. The functions here do the same for what is as it should be,
and raise :class:`Unusual` for anything else, which then goes the schema's way (``lianban/contracts/events.py``).
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, cast
from uuid import UUID

from lianban.contracts.envelope import uuid_of

Step = Callable[[Any], Any]


class Unusual(ValueError):
    """Something that the schema has to judge."""


UNUSUAL = (ValueError, TypeError, LookupError, RecursionError)
"""What the functions of :func:`reader` and :func:`writer` raise where the schema has to judge."""


@cache
def reader(cls: type) -> Step:
    """What makes an instance of a dataclass of plain JSON values; unknown fields are ignored."""
    hints = typing.get_type_hints(cls)
    members = [(item.name, _of_plain(hints[item.name]), item.default) for item in fields(cls)]

    def read(data: Any) -> Any:
        values = {}
        for name, step, default in members:
            if name in data:
                values[name] = step(data[name])
            elif default is MISSING:
                raise Unusual(name)
        return cls(**values)

    return _only(dict, read)


@cache
def writer(cls: type) -> Step:
    """What makes plain JSON values of an instance of a dataclass, in the order of its fields."""
    hints = typing.get_type_hints(cls)
    members = [(item.name, _to_plain(hints[item.name])) for item in fields(cls)]

    return _only(cls, lambda instance: {name: step(getattr(instance, name)) for name, step in members})


def _only(kind: type, step: Step) -> Step:
    """The step for what is of this very type; anything else is unusual."""

    def only(value: Any) -> Any:
        if type(value) is not kind:
            raise Unusual(f"{type(value).__name__} instead of {kind.__name__}")
        return step(value)

    return only


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise Unusual("a moment without offset")
    return moment


_SAME: dict[Any, Step] = {kind: _only(kind, lambda value: value) for kind in (str, int, bool)}
_OF_PLAIN: dict[Any, Step] = {
    **_SAME,
    UUID: _only(str, uuid_of),
    datetime: _only(str, _moment),
    date: _only(str, date.fromisoformat),
}
_TO_PLAIN: dict[Any, Step] = {
    **_SAME,
    UUID: _only(UUID, str),
    datetime: _only(datetime, datetime.isoformat),
    date: _only(date, date.isoformat),
}


def _of_plain(annotation: Any) -> Step:
    return _step(annotation, _OF_PLAIN, list, tuple, reader, _member)


def _to_plain(annotation: Any) -> Step:
    return _step(annotation, _TO_PLAIN, tuple, list, writer, _value)


def _member(kind: type[Enum]) -> Step:
    return _only(str, {member.value: member for member in kind}.__getitem__)


def _value(kind: type[Enum]) -> Step:
    return _only(kind, lambda member: member.value)


def _step(
    annotation: Any,
    scalars: dict[Any, Step],
    of: type,
    to: Callable[[Any], Any],
    record: Callable[[type], Step],
    choice: Callable[[type[Enum]], Step],
) -> Step:
    """The step for a field of this type; ``of`` several ``to`` several, where there may be several."""
    origin = typing.get_origin(annotation)
    if origin in {types.UnionType, typing.Union}:
        (inner,) = [a for a in typing.get_args(annotation) if a is not type(None)]
        step = _step(inner, scalars, of, to, record, choice)
        return lambda value: None if value is None else step(value)
    if origin is tuple:
        each = _step(typing.get_args(annotation)[0], scalars, of, to, record, choice)
        return _only(of, lambda values: to([each(value) for value in values]))
    if annotation in scalars:
        return scalars[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return choice(annotation)
    if is_dataclass(annotation):
        return record(cast("type", annotation))
    raise AssertionError(f"no step for {annotation!r}")
