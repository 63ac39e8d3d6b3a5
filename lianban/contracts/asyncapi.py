"""The catalogue of events as an AsyncAPI 3 document, built from the event classes."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import date, datetime
from enum import Enum
from types import UnionType
from typing import Any, cast
from uuid import UUID

from lianban.contracts.catalogue import known_events
from lianban.contracts.codes import CodeList
from lianban.contracts.envelope import ONE, PARTITIONS, PRODUCERS, SEVERAL
from lianban.contracts.events import Event

_SCALARS: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    UUID: {"type": "string", "format": "uuid"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
}


def json_schema(annotation: Any) -> dict[str, Any]:
    """The JSON Schema of one field's type."""
    origin = typing.get_origin(annotation)
    if origin in {UnionType, typing.Union}:
        (inner,) = [a for a in typing.get_args(annotation) if a is not type(None)]
        return {"oneOf": [json_schema(inner), {"type": "null"}]}
    if origin is tuple:
        return {"type": "array", "items": json_schema(typing.get_args(annotation)[0])}
    if annotation in _SCALARS:
        return dict(_SCALARS[annotation])
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        schema: dict[str, Any] = {"type": "string", "enum": [member.value for member in annotation]}
        if issubclass(annotation, CodeList):
            schema["x-labels"] = {member.value: {"zh": member.zh, "en": member.en} for member in annotation}
        return schema
    if is_dataclass(annotation):
        return object_schema(cast("type", annotation))
    raise AssertionError(f"no JSON Schema for {annotation!r}")


def object_schema(cls: type) -> dict[str, Any]:
    """The JSON Schema of an event's data or of a part of it; unknown fields are allowed."""
    hints = typing.get_type_hints(cls)
    return {
        "type": "object",
        "description": inspect.getdoc(cls) or "",
        "properties": {item.name: json_schema(hints[item.name]) for item in fields(cls)},
        "required": [item.name for item in fields(cls) if item.default is MISSING],
    }


def envelope_schema(event_type: str, cls: type[Event]) -> dict[str, Any]:
    """The JSON Schema of a whole message: CloudEvents 1.0 in structured mode with the house's extensions."""
    producer = event_type.split(".")[1]
    return {
        "type": "object",
        "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "after", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "source": {"const": f"/lianban/{producer}"},
            "type": {"const": event_type},
            "subject": {"type": "string", "format": "uuid"},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "partitionkey": {"type": "string", "pattern": "^p[0-9]{2}$"},
            "sequence": {"type": "integer", "minimum": 1},
            "after": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
            "traceparent": {"type": "string"},
            "tracestate": {"type": "string"},
            "causationid": {"type": "string", "format": "uuid"},
            "data": object_schema(cls),
        },
    }


def build(hears: Mapping[str, tuple[str, ...]], version: str) -> dict[str, Any]:
    """The AsyncAPI 3 document; ``hears`` maps each service to the producers whose events it receives."""
    messages: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for event_type, cls in sorted(known_events().items()):
        name = event_type.removeprefix("lianban.")
        messages[name] = {
            "name": event_type,
            "summary": (inspect.getdoc(cls) or "").splitlines()[0],
            "contentType": ONE,
            "payload": envelope_schema(event_type, cls),
        }
    for producer in PRODUCERS:
        own = {name: {"$ref": f"#/components/messages/{name}"} for name in messages if name.startswith(f"{producer}.")}
        channels[producer] = {
            "address": f"{producer}.{{event}}.v{{version}}.p{{partition}}",
            "description": f"Topic exchange lianban.events; the partition is crc32(subject) mod {PARTITIONS}."
            f" Events for the same queues may travel in one message ({SEVERAL}), one a line, by the first's address.",
            "parameters": {"event": {}, "version": {}, "partition": {}},
            "messages": own,
        }
        operations[f"{producer}.send"] = {"action": "send", "channel": {"$ref": f"#/channels/{producer}"}}
    for service, producers in hears.items():
        for producer in producers:
            operations[f"{service}.receive.{producer}"] = {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{producer}"},
            }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Lianban events",
            "version": version,
            "description": "What the five services tell one another. Personal data never travels here.",
        },
        "defaultContentType": ONE,
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }
