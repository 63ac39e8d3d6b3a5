"""Bytes from the bus are an event or are refused with what is wrong; nothing else can come out of decoding."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianban.contracts.envelope import PARTITIONS, Envelope, Undecodable, apart, partition_of, together

GOOD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "00000000-0000-4000-8000-000000000001",
    "source": "/lianban/intake",
    "type": "lianban.intake.matter-withdrawn.v1",
    "subject": "00000000-0000-4000-8000-000000000002",
    "time": "2026-03-02T09:00:00+08:00",
    "sequence": 1,
    "after": {"routing": 3},
    "data": {"withdrawn_at": "2026-03-02T01:00:00Z"},
}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_a_good_one_is_read_and_written_again() -> None:
    read = Envelope.decode(json.dumps(GOOD).encode())
    assert read.time == datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    assert read.after == {"routing": 3}
    assert read.routing_key == f"intake.matter-withdrawn.v1.p{read.partition:02d}"
    assert Envelope.decode(read.encode()) == read


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"specversion": "0.3"}, "specversion '0.3' is not 1.0"),
        ({"source": "/elsewhere"}, "source '/elsewhere' is no service of ours"),
        ({"type": "lianban.routing.case-closed.v1"}, "does not belong to intake"),
        ({"type": 7}, "does not belong to intake"),
        ({"id": "seven"}, "an attribute has the wrong form"),
        ({"subject": None}, "an attribute has the wrong form"),
        ({"time": "yesterday"}, "an attribute has the wrong form"),
        ({"time": "2026-03-02T09:00:00"}, "time has no offset"),
        ({"sequence": 0}, "sequence is not a positive"),
        ({"sequence": True}, "sequence is not a positive"),
        ({"sequence": 2**63}, "sequence is not a positive"),
        ({"after": {"routing": -1}}, "after does not map"),
        ({"after": {"mars": 1}}, "after does not map"),
        ({"data": []}, "data is not a JSON object"),
        ({"data": {"text": "\x00"}}, "U+0000"),
        ({"data": {"text": "\ud800"}}, "surrogate"),
        ({"data": {"text": json.loads("[" * 60 + "]" * 60)}}, "nested more than 50 levels"),
    ],
)
def test_what_is_wrong_is_told(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(Undecodable) as refusal:
        Envelope.decode(json.dumps(GOOD | change).encode())
    assert reason in str(refusal.value)


@pytest.mark.parametrize("half", ["\\ud800", "\\uD800", "\\uDfFf"])
def test_half_a_surrogate_pair_is_found_in_either_case(half: str) -> None:
    body = json.dumps(GOOD | {"data": {"text": "here"}}).replace("here", half)
    with pytest.raises(Undecodable, match=r"not JSON: .*surrogate"):
        Envelope.decode(body.encode())


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type", "subject", "time", "sequence", "data"])
def test_a_missing_attribute_is_named(missing: str) -> None:
    body = {name: value for name, value in GOOD.items() if name != missing}
    with pytest.raises(Undecodable, match=f"attribute '{missing}' is missing"):
        Envelope.decode(json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"\xff\x00garbage", b"[" * 100_000, json.dumps(GOOD).encode("utf-16"), b"9" * 5000],
    ids=["nothing", "null", "a list", "no UTF-8", "too deep", "UTF-16", "a long number"],
)
def test_garbage_is_refused(body: bytes) -> None:
    with pytest.raises(Undecodable):
        Envelope.decode(body)


@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_refused_or_read(body: bytes) -> None:
    with pytest.raises(Undecodable):
        Envelope.decode(body)


@given(name=st.sampled_from(sorted(GOOD)), value=JSON)
def test_any_value_in_any_place_is_refused_or_can_be_written_again(name: str, value: object) -> None:
    try:
        read = Envelope.decode(json.dumps(GOOD | {name: value}).encode())
    except Undecodable:
        return
    again = Envelope.decode(read.encode())
    assert (again.id, again.sequence, again.after) == (read.id, read.sequence, read.after)


def test_partitions_never_change_places() -> None:
    """Queues and routing keys of other versions are computed from the same figures."""
    assert PARTITIONS == 64
    assert partition_of(UUID("00000000-0000-4000-8000-000000000002")) == 59
    assert {partition_of(UUID(int=number)) for number in range(2000)} == set(range(64))


def test_several_events_travel_as_a_batch_of_cloudevents_with_one_event_a_line() -> None:
    lines = "一,\n二\r\n],\u2028[\n{}"
    events = [Envelope.decode(json.dumps(GOOD | {"data": {"n": n, "text": lines}}).encode()) for n in range(3)]
    body = together([event.encode() for event in events])
    assert [event["data"]["n"] for event in json.loads(body)] == [0, 1, 2]
    assert [Envelope.decode(part) for part in apart(body)] == events


def test_an_event_alone_travels_as_it_is() -> None:
    body = Envelope.decode(json.dumps(GOOD).encode()).encode()
    assert together([body]) == body
    assert apart(body) == [body]


@pytest.mark.parametrize("body", [b"", b"[]", b"[\n\n]", b"[1,\n2]", b"[\n{}\n", b"\xff"])
def test_what_is_no_batch_of_events_is_refused_when_it_is_read(body: bytes) -> None:
    for part in apart(body):
        with pytest.raises(Undecodable):
            Envelope.decode(part)
