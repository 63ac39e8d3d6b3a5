"""Writes a golden example for every event type that has none yet: `python tests/contract/make_examples.py`."""

from __future__ import annotations

import json
import types
import typing
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import Any, cast
from uuid import NAMESPACE_URL, UUID, uuid5

from lianban.contracts.catalogue import known_events
from lianban.contracts.envelope import Envelope

FOLDER = Path(__file__).parent / "examples"
TEXTS = {
    "code": "city-ecology",
    "name": "清河市生态环境局",
    "number": "XF202611230000017",
    "region_code": "990101001000",
    "region_name": "东平镇",
    "matter_type": "water-pollution",
    "adapter": "rest_push",
    "slug": "not-possible-now",
    "rule": "handle",
    "step": "80%",
    "message_id": "<n-1@lianban.invalid>",
}


def example(annotation: Any, name: str) -> Any:
    """A plain JSON value that fits a field."""
    origin = typing.get_origin(annotation)
    if origin in {types.UnionType, typing.Union}:
        return example(next(a for a in typing.get_args(annotation) if a is not type(None)), name)
    if origin is tuple:
        return [example(typing.get_args(annotation)[0], name)]
    if is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        return {item.name: example(hints[item.name], item.name) for item in fields(annotation)}
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation)).value
    plain: dict[Any, Any] = {
        str: TEXTS.get(name, f"{name}-1"),
        int: 1,
        bool: False,
        UUID: str(uuid5(NAMESPACE_URL, name)),
        datetime: "2026-11-23T01:02:03.000004+00:00",
        date: "2026-11-24",
    }
    return plain[annotation]


def main() -> None:
    """Write what is missing; what is there never changes, because a released version never changes."""
    FOLDER.mkdir(exist_ok=True)
    for event_type, cls in known_events().items():
        path = FOLDER / f"{event_type}.json"
        if path.exists():
            continue
        envelope = Envelope(
            id=uuid5(NAMESPACE_URL, event_type),
            source=event_type.split(".")[1],
            type=event_type,
            subject=uuid5(NAMESPACE_URL, "matter"),
            time=datetime(2026, 11, 23, 1, 2, 3, 4, tzinfo=UTC),
            sequence=3,
            after={"intake": 1} if not event_type.startswith("lianban.intake") else {},
            data=example(cast("Any", cls), ""),
        )
        text = json.dumps(json.loads(envelope.encode()), ensure_ascii=False, indent=2)
        path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
