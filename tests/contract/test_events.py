"""The contracts between the services: every event has a golden example that stays readable for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianban.chassis.topology import HEARS
from lianban.contracts import asyncapi
from lianban.contracts.catalogue import InvalidEvent, UnknownEvent, known_events, load, load_envelope
from lianban.contracts.envelope import PARTITIONS, PRODUCERS, Envelope, Undecodable, partition_of
from lianban.contracts.events import UPCASTERS, dump

EXAMPLES = sorted((Path(__file__).parent / "examples").glob("*.json"))
NEWEST = [path for path in EXAMPLES if path.stem in known_events()]
PERSONAL = {"title", "content", "text", "phone", "address", "email", "petitioner", "id_number", "query_code", "facts"}


@pytest.mark.parametrize("path", NEWEST, ids=lambda p: p.stem)
def test_golden_example_is_still_understood_word_for_word(path: Path) -> None:
    envelope = Envelope.decode(path.read_bytes())
    event = load_envelope(envelope)
    assert envelope.type == path.stem
    assert dump(event) == json.loads(path.read_text("utf-8"))["data"]


def test_every_live_version_of_every_event_has_an_example() -> None:
    assert {path.stem for path in EXAMPLES} == set(known_events()) | set(UPCASTERS)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_unknown_fields_are_ignored_and_missing_ones_are_refused(path: Path) -> None:
    envelope = Envelope.decode(path.read_bytes())
    known = load_envelope(envelope)
    assert load(envelope.type, {**envelope.data, "added_later": {"x": 1}}) == known
    with pytest.raises(InvalidEvent):
        load(envelope.type, {})


def test_no_event_has_a_field_for_personal_data() -> None:
    def names(schema: dict[str, object]) -> set[str]:
        found = set()
        properties = schema.get("properties", {})
        assert isinstance(properties, dict)
        for name, inner in properties.items():
            found.add(name)
            found |= names(inner.get("items", inner))
        return found

    for event_type, cls in known_events().items():
        assert not names(asyncapi.object_schema(cls)) & PERSONAL, event_type


def test_every_producer_of_an_event_is_a_service_and_is_heard_by_someone() -> None:
    heard = {producer for producers in HEARS.values() for producer in producers}
    for event_type in known_events():
        assert event_type.split(".")[1] in PRODUCERS
        assert event_type.split(".")[1] in heard


def test_an_unknown_type_is_told_apart_from_bad_data() -> None:
    with pytest.raises(UnknownEvent):
        load("lianban.routing.case-merged.v9", {})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00garbage", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "'specversion' is missing"),
        (b'{"specversion":"1.0","source":"/lianban/nobody"}', "no service of ours"),
        (
            b'{"specversion":"1.0","source":"/lianban/intake","type":"lianban.routing.x.v1"}',
            "does not belong to intake",
        ),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_bytes_that_are_no_event_are_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(Undecodable, match=reason):
        Envelope.decode(body)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("sequence", 0),
        ("sequence", True),
        ("sequence", 2**63),
        ("subject", "not-a-uuid"),
        ("subject", ["2f0d0c1e-8a2b-5d0e-9d4c-2f6f0e6a4b11"]),
        ("time", "2026-11-23T01:02:03"),
        ("time", 7),
        ("after", {"nobody": 1}),
        ("after", {"intake": -1}),
        ("data", []),
        ("id", None),
    ],
)
def test_an_envelope_with_a_wrong_attribute_is_refused(attribute: str, value: object) -> None:
    raw = json.loads(EXAMPLES[0].read_bytes())
    raw[attribute] = value
    with pytest.raises(Undecodable):
        Envelope.decode(json.dumps(raw).encode())


@pytest.mark.parametrize("value", ["not-a-uuid", 7, None, ["293d7378-ec08-5205-b4be-611ff521aeba"]])
def test_an_id_in_the_data_that_is_no_uuid_is_refused_each_time(value: object) -> None:
    (path,) = [one for one in EXAMPLES if one.stem == "lianban.routing.assignment-accepted.v1"]
    data = {**json.loads(path.read_bytes())["data"], "assignment_id": value}
    for _ in range(2):
        with pytest.raises(InvalidEvent, match="assignment_id"):
            load(path.stem, data)


@given(st.binary(max_size=300))
def test_decoding_never_fails_in_another_way(body: bytes) -> None:
    with pytest.raises(Undecodable):
        Envelope.decode(body)


@given(st.uuids())
def test_a_subject_always_has_the_same_partition(subject: object) -> None:
    import uuid
    import zlib

    assert isinstance(subject, uuid.UUID)
    assert partition_of(subject) == zlib.crc32(str(subject).encode()) % 64 < PARTITIONS


def test_the_asyncapi_document_names_every_event_and_who_hears_it() -> None:
    document = asyncapi.build(HEARS, "1")
    assert set(document["components"]["messages"]) == {t.removeprefix("lianban.") for t in known_events()}
    assert document["asyncapi"].startswith("3.")
    assert "notification.receive.routing" in document["operations"]
