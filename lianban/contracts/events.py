"""How an event is defined: a frozen dataclass, registered under its type, with a marshmallow schema.

A released version never changes: a change of shape is a new version with an :func:`upcaster`. Consumers
ignore fields they do not know. The schema is derived from the dataclass, so that there is one definition.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar, cast
from uuid import UUID

import marshmallow as ma

from lianban.contracts.shortcut import UNUSUAL, reader, writer


class Event(Protocol):
    """What every event class offers: its type, and that it is a dataclass."""

    TYPE: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


REGISTERED: dict[str, type[Event]] = {}
"""Every event class by its type, filled by :func:`event`; read through :mod:`lianban.contracts.catalogue`."""

UPCASTERS: dict[str, tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {}
"""From an old type to the next one and the function that brings the data there, filled by :func:`upcaster`."""

E = TypeVar("E")


@typing.dataclass_transform(frozen_default=True, kw_only_default=True)
def event(event_type: str) -> Callable[[type[E]], type[E]]:
    """Class decorator: makes a frozen dataclass of the class and registers it as ``lianban.<event_type>``."""

    def register(cls: type[E]) -> type[E]:
        made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        full = f"lianban.{event_type}"
        if full in REGISTERED:
            raise AssertionError(f"{full} is defined twice")
        made.TYPE = full  # type: ignore[attr-defined]
        REGISTERED[full] = cast("type[Event]", made)
        return made

    return register


def upcaster(
    old: str, new: str
) -> Callable[[Callable[[dict[str, Any]], dict[str, Any]]], Callable[[dict[str, Any]], dict[str, Any]]]:
    """Decorator for the function that turns the data of version ``old`` into the data of version ``new``."""

    def register(function: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
        UPCASTERS[f"lianban.{old}"] = (f"lianban.{new}", function)
        return function

    return register


class _Schema(ma.Schema):
    """A schema whose objects are all of one dataclass; unknown fields are ignored."""

    MADE: ClassVar[type]

    class Meta:
        unknown = ma.EXCLUDE

    @ma.post_load
    def make(self, data: dict[str, Any], **_: Any) -> Any:
        """The instance, of the fields that were read."""
        return self.MADE(**data)


class _Tuple(ma.fields.List[Any]):
    """A list that is a tuple in the object."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **more: Any) -> Any:
        return tuple(super()._deserialize(value, attr, data, **more))


_SCALARS: dict[Any, Callable[..., ma.fields.Field[Any]]] = {
    str: ma.fields.String,
    int: lambda **kw: ma.fields.Integer(strict=True, **kw),
    bool: ma.fields.Boolean,
    UUID: ma.fields.UUID,
    datetime: lambda **kw: ma.fields.AwareDateTime(format="iso", **kw),
    date: ma.fields.Date,
}


def _field(annotation: Any, **kw: Any) -> ma.fields.Field[Any]:
    origin = typing.get_origin(annotation)
    if origin in {types.UnionType, typing.Union}:
        (inner,) = [a for a in typing.get_args(annotation) if a is not type(None)]
        return _field(inner, allow_none=True, **kw)
    if origin is tuple:
        return _Tuple(_field(typing.get_args(annotation)[0]), **kw)
    if annotation in _SCALARS:
        return _SCALARS[annotation](**kw)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ma.fields.Enum(annotation, by_value=True, **kw)
    if is_dataclass(annotation):
        return ma.fields.Nested(schema_of(cast("type", annotation)), **kw)
    raise AssertionError(f"no schema field for {annotation!r}")


@cache
def schema_of(cls: type) -> type[ma.Schema]:
    """The marshmallow schema of a dataclass; loading gives an instance, unknown fields are ignored."""
    hints = typing.get_type_hints(cls)
    members: dict[str, Any] = {"MADE": cls}
    for item in fields(cls):
        optional = item.default is not MISSING
        members[item.name] = _field(
            hints[item.name], required=not optional, **({"load_default": item.default} if optional else {})
        )

    return type(f"{cls.__name__}Schema", (_Schema,), members)


def dump(instance: Event) -> dict[str, Any]:
    """The event's data as plain JSON values."""
    try:
        return cast("dict[str, Any]", writer(type(instance))(instance))
    except UNUSUAL:
        return cast("dict[str, Any]", schema_instance(type(instance)).dump(instance))


def read(cls: type[Event], data: dict[str, Any]) -> Event:
    """The event of this class that plain JSON values say.

    Raises marshmallow's ``ValidationError`` with what is wrong, or ``RecursionError``.
    """
    try:
        return cast("Event", reader(cls)(data))
    except UNUSUAL:
        return cast("Event", schema_instance(cls).load(data))


@cache
def schema_instance(cls: type) -> ma.Schema:
    """The schema of a dataclass, made once."""
    return schema_of(cls)()
