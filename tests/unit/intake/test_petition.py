"""What a petition must contain, as a table."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianban.contracts.codes import IdType, NoticeChannel, Purpose
from services.intake.domain import petition
from services.intake.domain.petition import Faulty, Person

TODAY = date(2026, 11, 23)
PERSON = {"name": "赵明月", "phone": "139-0000-1234"}


def told(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "channel": "web",
        "title": "河水发黑",
        "content": "十月以来河水发黑。",
        "claims": ["查清来源"],
        "purpose": "appeal",
        "region_code": "990102101000",
        "petitioner": PERSON,
        **changes,
    }
    return {name: value for name, value in given.items() if value is not ...}


def faults(**changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(Faulty) as caught:
        petition.parse(told(**changes), today=TODAY)
    return [(fault.pointer, fault.slug) for fault in caught.value.faults]


def test_a_whole_petition_is_read() -> None:
    read = petition.parse(told(claims=["一", {"text": " 二 "}], group_size=3, language="en"), today=TODAY)
    assert read.claims == ("一", "二")
    assert read.purpose is Purpose.APPEAL
    assert read.petitioner == Person(name="赵明月", phone="13900001234")
    assert (read.group_size, read.language, read.anonymous, read.sealed) == (3, "en", False, False)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"title": ...}, ("/title", "missing")),
        ({"title": " \n "}, ("/title", "missing")),
        ({"title": 5}, ("/title", "not-text")),
        ({"title": "长" * 201}, ("/title", "too-long")),
        ({"title": "a\x00b"}, ("/title", "unwritable-characters")),
        ({"title": "a\nb"}, ("/title", "unwritable-characters")),
        ({"content": "半个字\ud83d"}, ("/content", "unwritable-characters")),
        ({"content": "长" * 20_001}, ("/content", "too-long")),
        ({"channel": ...}, ("/channel", "missing")),
        ({"channel": "pigeon"}, ("/channel", "unknown-code")),
        ({"channel": ["web"]}, ("/channel", "unknown-code")),
        ({"purpose": "fun"}, ("/purpose", "unknown-code")),
        ({"claims": ...}, ("/claims", "missing")),
        ({"claims": []}, ("/claims", "missing")),
        ({"claims": "一"}, ("/claims", "not-a-list")),
        ({"claims": ["一", ""]}, ("/claims/1", "missing")),
        ({"claims": ["一", {"txt": "二"}]}, ("/claims/1/text", "missing")),
        ({"claims": ["长" * 1001]}, ("/claims/0", "too-long")),
        ({"claims": ["一"] * 21}, ("/claims", "too-many")),
        ({"region_code": "99"}, ("/region_code", "region-code-form")),
        ({"region_code": ...}, ("/region_code", "missing")),
        ({"petitioner": ...}, ("/petitioner", "missing")),
        ({"petitioner": "赵"}, ("/petitioner", "not-an-object")),
        ({"petitioner": {"phone": "13900001234"}}, ("/petitioner/name", "missing")),
        ({"petitioner": {"name": "赵"}}, ("/petitioner/phone", "no-contact")),
        ({"petitioner": {"name": "赵", "phone": "abc"}}, ("/petitioner/phone", "phone-form")),
        ({"petitioner": {"name": "赵", "email": "a@b"}}, ("/petitioner/email", "email-form")),
        ({"petitioner": {**PERSON, "id_number": "1"}}, ("/petitioner/id_type", "missing")),
        ({"petitioner": {**PERSON, "id_type": "resident_id"}}, ("/petitioner/id_number", "missing")),
        (
            {"petitioner": {**PERSON, "id_type": "resident_id", "id_number": "110101199003070012"}},
            ("/petitioner/id_number", "id-check"),
        ),
        ({"petitioner": {**PERSON, "id_type": "tattoo", "id_number": "1"}}, ("/petitioner/id_type", "unknown-code")),
        ({"petitioner": {**PERSON, "nmae": "赵"}}, ("/petitioner/nmae", "unknown-field")),
        ({"representatives": [PERSON] * 5}, ("/representatives", "too-many")),
        ({"representatives": [{"phone": "1"}]}, ("/representatives/0/name", "missing")),
        ({"group_size": 0}, ("/group_size", "out-of-range")),
        ({"group_size": 1, "representatives": [PERSON]}, ("/group_size", "out-of-range")),
        ({"group_size": 10_000}, ("/group_size", "out-of-range")),
        ({"group_size": "3"}, ("/group_size", "not-a-number")),
        ({"group_size": True}, ("/group_size", "not-a-number")),
        ({"accused": ["张三"]}, ("/accused/0", "unknown-agency")),
        ({"accused": [{"name": ""}]}, ("/accused/0/name", "missing")),
        ({"accused": [7]}, ("/accused/0", "not-text")),
        ({"attachments": ["x"]}, ("/attachments/0", "unknown-attachment")),
        ({"attachments": [7]}, ("/attachments/0", "unknown-attachment")),
        ({"attachments": ["0" * 32] * 2}, ("/attachments", "attachment-twice")),
        ({"anonymous": True}, ("/petitioner", "anonymous-with-petitioner")),
        ({"anonymous": "yes"}, ("/anonymous", "not-true-or-false")),
        ({"language": "fr"}, ("/language", "unknown-code")),
        ({"original_received_on": "2026-11-24"}, ("/original_received_on", "out-of-range")),
        ({"original_received_on": "gestern"}, ("/original_received_on", "not-a-day")),
        ({"source": "old"}, ("/source_id", "source-not-whole")),
        ({"titel": "x"}, ("/titel", "unknown-field")),
        ({"a/b~": "x"}, ("/a~1b~0", "unknown-field")),
    ],
)
def test_what_is_wrong_is_told_with_its_place(changes: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in faults(**changes)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert faults(title=..., claims=[], region_code="x", petitioner={"name": "", "phone": "x"}) == [
        ("/petitioner/name", "missing"),
        ("/petitioner/phone", "phone-form"),
        ("/title", "missing"),
        ("/claims", "missing"),
        ("/region_code", "region-code-form"),
    ]


def test_every_fault_speaks_both_languages() -> None:
    with pytest.raises(Faulty) as caught:
        petition.parse({}, today=TODAY)
    assert all(fault.zh and fault.en and fault.zh != fault.en for fault in caught.value.faults)


def test_an_anonymous_petition_names_nobody_and_cannot_be_reached_but_by_the_portal() -> None:
    read = petition.parse(told(petitioner=..., anonymous=True), today=TODAY)
    assert read.persons == ()
    assert read.reachable(imported=False) == (NoticeChannel.PORTAL,)


@pytest.mark.parametrize(
    ("person", "imported", "ways"),
    [
        ({"name": "赵", "phone": "13900001234"}, False, ("portal", "sms")),
        ({"name": "赵", "phone": "0371-6512345"}, False, ("portal",)),
        ({"name": "赵", "email": "a@b.cn", "address": "河沿路"}, False, ("portal", "email", "letter")),
        ({"name": "赵", "email": "a@b.cn"}, True, ("email",)),
    ],
)
def test_how_a_petitioner_can_be_reached(person: dict[str, str], imported: bool, ways: tuple[str, ...]) -> None:
    assert petition.parse(told(petitioner=person), today=TODAY).reachable(imported=imported) == ways


def test_agencies_and_others_may_be_accused() -> None:
    read = petition.parse(told(accused=["city-urban", {"agency": "city-urban"}, {"name": "张某"}]), today=TODAY)
    assert (read.accused, read.accused_others) == (("city-urban",), ("张某",))


def test_a_rare_character_in_a_name_is_kept() -> None:
    read = petition.parse(told(petitioner={"name": "𠮷田䶮", "phone": "13900001234"}), today=TODAY)
    assert read.petitioner is not None
    assert read.petitioner.name == "𠮷田䶮"


def test_an_identity_number_is_kept_in_its_one_form() -> None:
    person = {**PERSON, "id_type": IdType.RESIDENT_ID.value, "id_number": "11010519491231002x"}
    read = petition.parse(told(petitioner=person), today=TODAY)
    assert read.petitioner is not None
    assert read.petitioner.id_number == "11010519491231002X"


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("139 0000 1234", "13900001234"),
        ("+86 13900001234", "13900001234"),
        ("１３９００００１２３４", "13900001234"),
        ("0371-6512 3456", "037165123456"),
        ("+44 20 7946 0958", "+442079460958"),
        ("12345", None),
        ("call me", None),
    ],
)
def test_telephone_numbers_have_one_form(typed: str, known: str | None) -> None:
    assert petition.normalise_phone(typed) == known


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(petition.FIELDS)), json_values))
def test_whatever_is_told_is_read_or_refused(changes: dict[str, Any]) -> None:
    try:
        read = petition.parse(told(**changes), today=TODAY)
    except Faulty:
        return
    assert read.title
    assert all(read.claims)
