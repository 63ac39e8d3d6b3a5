"""Any changed, missing, added or reordered entry of a journal is found."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.agency_gateway.domain.journal import GENESIS, Entry, canonical, first_break, link

AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
Chain = list[tuple[Entry, bytes, bytes]]


def a_chain(length: int) -> Chain:
    chain: Chain = []
    previous = GENESIS
    for position in range(1, length + 1):
        entry = Entry(
            agency="city-ecology",
            position=position,
            direction="out",
            kind="assignment",
            message_id=f"m-{position}",
            assignment_id=None,
            body_hash=hashlib.sha256(str(position).encode()).digest(),
            answer_hash=None,
            received_at=AT,
            passed_on_at=AT,
            answered_at=None,
            answer_passed_on_at=None,
        )
        made = link(previous, entry)
        chain.append((entry, previous, made))
        previous = made
    return chain


def end_of(chain: Chain) -> tuple[int, bytes]:
    return (chain[-1][0].position, chain[-1][2]) if chain else (0, GENESIS)


@given(st.integers(0, 12))
def test_an_untouched_chain_is_whole(length: int) -> None:
    chain = a_chain(length)
    assert first_break(chain, end=end_of(chain)) is None


def test_a_chain_may_have_grown_since_its_end_was_read() -> None:
    chain = a_chain(5)
    assert first_break(chain, end=end_of(chain[:3])) is None
    assert first_break(chain, end=(0, GENESIS)) is None


@given(st.integers(1, 5), st.integers(1, 5))
def test_a_tail_that_was_cut_off_is_found(length: int, cut: int) -> None:
    chain = a_chain(length)
    left = chain[: max(0, length - cut)]
    assert "are missing" in str(first_break(left, end=end_of(chain)))


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "object"},
        {"direction": "in"},
        {"message_id": "x"},
        {"body_hash": b"0" * 32},
        {"answer_hash": b"0" * 32},
        {"received_at": AT + timedelta(microseconds=1)},
        {"passed_on_at": None},
        {"agency": "city-urban"},
    ],
)
def test_a_changed_entry_is_found(change: dict[str, Any]) -> None:
    chain = a_chain(5)
    end = end_of(chain)
    entry, previous, made = chain[2]
    chain[2] = (replace(entry, **change), previous, made)
    assert "entry 3 was changed" in str(first_break(chain, end=end))


@given(st.data())
def test_a_missing_or_moved_entry_is_found(data: st.DataObject) -> None:
    chain = a_chain(8)
    end = end_of(chain)
    position = data.draw(st.integers(0, 6))
    if data.draw(st.booleans()):
        del chain[position]
    else:
        chain[position], chain[position + 1] = chain[position + 1], chain[position]
    assert first_break(chain, end=end) is not None


@given(st.data())
def test_an_added_or_forged_entry_is_found(data: st.DataObject) -> None:
    chain = a_chain(6)
    end = end_of(chain)
    position = data.draw(st.integers(0, 4))
    entry, previous, _ = chain[position]
    forged = replace(entry, kind="forged")
    chain[position] = (forged, previous, link(previous, forged))
    assert first_break(chain, end=end) is not None


def test_canonical_bytes_do_not_depend_on_the_order_of_members() -> None:
    assert canonical({"b": 1, "a": "河"}) == canonical({"a": "河", "b": 1}) == '{"a":"河","b":1}'.encode()
