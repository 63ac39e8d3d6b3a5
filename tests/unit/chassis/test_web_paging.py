"""A cursor leads to the next row and nothing else gets through it."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianban.chassis.errors import Rejected
from lianban.chassis.web.paging import PageRequest, decode_cursor, encode_cursor

AT = datetime(2026, 11, 23, 1, 30, 0, 123456, UTC)
ID = UUID("0b6f2a52-7a3e-4c6c-9f0e-000000000001")


def test_a_list_is_read_page_by_page_without_gap_or_repeat() -> None:
    rows = list(range(1, 8))
    seen, query = [], {"limit": 3}
    for _ in range(3):
        wanted = PageRequest.read(query, int)
        start = wanted.after[0] if wanted.after else 0
        page = wanted.page([row for row in rows if row > start][: wanted.fetch], key=lambda row: (row,))
        seen.append(page.items)
        query = {"limit": 3, "after": page.next}  # type: ignore[dict-item]
    assert seen == [[1, 2, 3], [4, 5, 6], [7]]
    assert query["after"] is None


def test_a_cursor_carries_instants_to_the_microsecond() -> None:
    assert decode_cursor(encode_cursor((AT, ID, 3, "甲")), (datetime, UUID, int, str)) == (AT, ID, 3, "甲")


@given(st.text(max_size=80))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(Rejected) as caught:
        decode_cursor(text, (datetime, UUID))
    assert caught.value.slug == "invalid-cursor"


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ((AT,), (datetime, UUID)),
        (("2026-11-23T01:30:00",), (datetime,)),
        ((True,), (int,)),
        ((2**63,), (int,)),
        (("a\x00",), (str,)),
        ((None,), (str,)),
    ],
)
def test_keys_of_another_type_are_refused(values: tuple[object, ...], types: tuple[type, ...]) -> None:
    with pytest.raises(Rejected):
        decode_cursor(encode_cursor(values), types)


def test_half_characters_are_refused() -> None:
    with pytest.raises(Rejected):
        decode_cursor(base64.urlsafe_b64encode(b'["\\ud800"]').decode(), (str,))


def test_a_page_has_between_1_and_200_rows() -> None:
    assert [PageRequest.read({"limit": given}, int).limit for given in (None, "0", "-1", "7", "9999", "x")] == [
        50,
        1,
        1,
        7,
        200,
        50,
    ]
