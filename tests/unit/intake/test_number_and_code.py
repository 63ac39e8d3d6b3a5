"""Numbers are read out on the telephone; query codes are typed from paper."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake.domain import number, query_code

days = st.dates(date(2026, 1, 1), date(2099, 12, 31))
runnings = st.integers(0, 10**8)


def test_a_number_is_day_running_number_and_check_digit() -> None:
    assert number.compose(date(2026, 11, 23), 4217) == "2026112300042177"


@given(days, runnings)
def test_a_composed_number_is_a_number(day: date, running: int) -> None:
    assert number.is_number(number.compose(day, running))


@given(days, runnings, st.integers(0, 15), st.integers(1, 9))
def test_one_wrong_digit_is_found(day: date, running: int, place: int, shift: int) -> None:
    right = number.compose(day, running)
    wrong = right[:place] + str((int(right[place]) + shift) % 10) + right[place + 1 :]
    assert not number.is_number(wrong)


@given(days, runnings, st.integers(0, 14))
def test_two_neighbours_exchanged_are_found(day: date, running: int, place: int) -> None:
    right = number.compose(day, running)
    if right[place] != right[place + 1]:
        assert not number.is_number(right[:place] + right[place + 1] + right[place] + right[place + 2 :])


@pytest.mark.parametrize("typed", ["2026 1123 0004 2177", "２０２６１１２３０００４２１７７", "20261123-0004217-7 "])
def test_a_number_is_understood_as_people_type_it(typed: str) -> None:
    assert number.normalise(typed) == "2026112300042177"


@pytest.mark.parametrize(
    "text", ["", "2026112300042178", "202611230004217", "20261123000421770", "abcdefghijklmnop", "²" * 16]
)
def test_other_texts_are_no_numbers(text: str) -> None:
    assert not number.is_number(number.normalise(text))


@given(st.binary(min_size=32, max_size=32))
def test_a_query_code_has_eight_characters_that_nobody_confuses(digest: bytes) -> None:
    code = query_code.from_hash(digest)
    assert len(code) == 8
    assert not set(code) & set("01IO")


def test_a_query_code_is_known_from_its_hash() -> None:
    assert query_code.from_hash(bytes(32)) == "22222222"
    assert query_code.from_hash(b"\xff" * 32) == "ZZZZZZZZ"


@pytest.mark.parametrize(
    ("typed", "fits"), [("abcd-efgh", True), (" ABCD EFGH", True), ("ABCDEFGJ", False), ("\ud800", False)]
)
def test_a_query_code_is_compared_as_people_type_it(typed: str, fits: bool) -> None:
    assert query_code.matches(typed, "ABCDEFGH") is fits
