"""What copies of a mould are filled with: texts with gaps, ids that are drawn and ids that follow from names."""

from __future__ import annotations

from uuid import NAMESPACE_URL, RFC_4122, UUID, uuid5

import pytest

from cli.bulk.ids import drawn_ids, named_id
from cli.bulk.templates import Cutter, Form


@pytest.mark.parametrize(
    ("pieces", "filled"),
    [
        ([], b""),
        ([b"stays"], b"stays"),
        ([1], b"one"),
        ([b"a ", b"b ", 1], b"a b one"),
        ([2, 1, b" and 100% ", 1], b"twoone and 100% one"),
    ],
)
def test_gaps_are_filled_and_everything_else_stays(pieces: list[bytes | int], filled: bytes) -> None:
    form = Form(pieces)
    form.fill([b"none", b"before", b"before"])
    assert form.fill([b"none", b"one", b"two"]) == filled


def test_a_text_is_cut_at_the_longest_known_pieces() -> None:
    cut = Cutter({"2026": 3, "20260501": 4}).cut("第20260501号, 2026%")
    assert cut.pieces == ("第", 4, "号, ", 3, "%")
    assert cut.form(b"> ").fill([b"", b"", b"", b"year", b"day"]) == "> 第day号, year%".encode()


def test_days_move_and_what_only_looks_like_one_stays() -> None:
    cut = Cutter({"x": 0}).cut("2026-05-01T09:00 x2026-05-02 12026-05-03")
    moved = cut.on(lambda day: {"2026-05-01": "2025-04-30", "2026-05-02": "2025-05-01"}[day])
    assert moved.pieces == ("2025-04-30T09:00 ", 0, "2025-05-01 12026-05-03")


def test_drawn_ids_are_random_ids_in_both_forms() -> None:
    bare, texts = drawn_ids(bytes(range(48)))
    assert len(bare) == len(texts) == 3
    assert texts[0] == b"00010203-0405-4607-8809-0a0b0c0d0e0f"
    for raw, text in zip(bare, texts, strict=True):
        told = UUID(text.decode())
        assert (told.bytes, str(told).encode(), told.version, told.variant) == (raw, text, 4, RFC_4122)


def test_an_id_that_follows_from_a_name_is_the_one_that_the_services_give() -> None:
    told = uuid5(NAMESPACE_URL, "urn:lianban:clock:1")
    assert named_id(NAMESPACE_URL.bytes + b"urn:lianban:clock:1") == (told.bytes, str(told).encode())
