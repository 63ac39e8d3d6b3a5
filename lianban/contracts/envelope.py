"""The CloudEvents 1.0 envelope that every event travels in, in structured JSON mode.

Several events travel in one message as a CloudEvents batch, one event a line (:func:`together`, :func:`apart`).

The extensions ``sequence`` (per producer and subject, gap-free from 1) and ``after`` (for each other
producer, the last sequence of this subject that the producing transaction had handled) let a consumer
keep cause before effect although producers publish independently.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import orjson

PARTITIONS = 64
"""Number of partitions that subjects are spread over; part of every routing key."""

MOST_NESTED = 50
"""How deep the values of an envelope may lie in one another; our own events need 5 levels."""

ONE = "application/cloudevents+json"
"""Content type of a message with one event."""
SEVERAL = "application/cloudevents-batch+json"
"""Content type of a message with several events: the JSON Batch Format of CloudEvents 1.0."""

PRODUCERS = ("intake", "routing", "agency_gateway", "oversight", "notification")
"""The services that emit events, in the order in which the story usually passes them."""


class Undecodable(ValueError):
    """The bytes are no event of ours: not JSON, or an attribute of the envelope is missing or wrong."""


@lru_cache(maxsize=4096)
def partition_of(subject: UUID) -> int:
    """The partition of a subject: ``crc32`` of its canonical text modulo :data:`PARTITIONS`."""
    return zlib.crc32(str(subject).encode("ascii")) % PARTITIONS


@lru_cache(maxsize=4096)
def uuid_of(text: str) -> UUID:
    """The UUID that a text is; a batch of events names the same matters and assignments again and again."""
    return UUID(text)


def together(events: Sequence[bytes]) -> bytes:
    """Encoded events as the body of one message: one alone as it is, several as a JSON array with one event a line.

    A line that is no event does not spoil the others: :meth:`Envelope.encode` never writes a line break.
    """
    return events[0] if len(events) == 1 else b"[\n" + b",\n".join(events) + b"\n]"


def apart(body: bytes) -> list[bytes]:
    """The encoded events in the body of a message, in their order; the opposite of :func:`together`."""
    if body.startswith(b"[\n") and body.endswith(b"\n]"):
        return body[2:-2].split(b",\n")
    return [body]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event with its CloudEvents attributes; ``data`` is still plain JSON."""

    id: UUID
    source: str
    type: str
    subject: UUID
    time: datetime
    sequence: int
    data: Mapping[str, Any]
    after: Mapping[str, int] = field(default_factory=dict)
    traceparent: str | None = None
    tracestate: str | None = None
    causationid: UUID | None = None

    @property
    def partition(self) -> int:
        """The partition that the subject belongs to."""
        return partition_of(self.subject)

    @property
    def routing_key(self) -> str:
        """``<producer>.<noun>-<verb>.v<n>.p<partition>``, what queues are bound by."""
        return f"{self.type.removeprefix('lianban.')}.p{self.partition:02d}"

    def encode(self) -> bytes:
        """The envelope as UTF-8 JSON bytes."""
        body: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(self.id),
            "source": f"/lianban/{self.source}",
            "type": self.type,
            "subject": str(self.subject),
            "time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "partitionkey": f"p{self.partition:02d}",
            "sequence": self.sequence,
            "after": dict(self.after),
            "data": dict(self.data),
        }
        if self.traceparent is not None:
            body["traceparent"] = self.traceparent
        if self.tracestate is not None:
            body["tracestate"] = self.tracestate
        if self.causationid is not None:
            body["causationid"] = str(self.causationid)
        return orjson.dumps(body)

    @classmethod
    def decode(cls, body: bytes) -> Envelope:
        """Read an envelope; raises :class:`Undecodable` with what is wrong."""
        try:
            raw = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Undecodable(f"not JSON: {error}") from error
        if not isinstance(raw, dict):
            raise Undecodable("not a JSON object")
        _storable(body, raw)
        try:
            if raw["specversion"] != "1.0":
                raise Undecodable(f"specversion {raw['specversion']!r} is not 1.0")
            source = str(raw["source"]).removeprefix("/lianban/")
            if source not in PRODUCERS:
                raise Undecodable(f"source {source!r} is no service of ours")
            if not isinstance(raw["type"], str) or not raw["type"].startswith(f"lianban.{source}."):
                raise Undecodable(f"type {raw['type']!r} does not belong to {source}")
            if not isinstance(raw["data"], dict):
                raise Undecodable("data is not a JSON object")
            sequence, after = _order(raw)
            time = datetime.fromisoformat(raw["time"])
            if time.tzinfo is None:
                raise Undecodable("time has no offset")
            return cls(
                id=UUID(raw["id"]),
                source=source,
                type=raw["type"],
                subject=uuid_of(raw["subject"]),
                time=time.astimezone(UTC),
                sequence=sequence,
                after=after,
                data=raw["data"],
                traceparent=raw["traceparent"] if isinstance(raw.get("traceparent"), str) else None,
                tracestate=raw["tracestate"] if isinstance(raw.get("tracestate"), str) else None,
                causationid=UUID(raw["causationid"]) if raw.get("causationid") else None,
            )
        except Undecodable:
            raise
        except KeyError as error:
            raise Undecodable(f"attribute {error.args[0]!r} is missing") from error
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise Undecodable(f"an attribute has the wrong form: {error}") from error


def _storable(body: bytes, raw: Any) -> None:
    """Refuse what JSON can say but no database text can hold, or what could not be written out again."""
    if b"\\u0000" in body:
        raise Undecodable("a text holds U+0000, which no database text can hold")
    if body.count(b"[") + body.count(b"{") > MOST_NESTED:
        level, depth = [raw], 0
        while level:
            depth += 1
            if depth > MOST_NESTED:
                raise Undecodable(f"nested more than {MOST_NESTED} levels deep")
            level = [
                child
                for value in level
                if isinstance(value, dict | list)
                for child in (value.values() if isinstance(value, dict) else value)
            ]


def _order(raw: dict[str, Any]) -> tuple[int, dict[str, int]]:
    """The extensions ``sequence`` and ``after`` of a raw envelope."""
    sequence = raw["sequence"]
    if type(sequence) is not int or not 1 <= sequence < 2**63:
        raise Undecodable("sequence is not a positive 64-bit integer")
    after = raw.get("after", {})
    if not isinstance(after, dict) or not all(
        producer in PRODUCERS and type(last) is int and 0 <= last < 2**63 for producer, last in after.items()
    ):
        raise Undecodable("after does not map services to sequences")
    return sequence, after
