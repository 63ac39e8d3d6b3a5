"""Sealed fields open only in their place and with their key; blind indexes tell equal from different and no more."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lianban.chassis import secrets
from lianban.chassis.secrets import AesGcm, CannotOpen, load_provider

OLD, NEW, INDEX = b"1" * 32, b"2" * 32, b"3" * 32
PROVIDER = AesGcm(current="k1", keys={"k1": OLD}, index=INDEX)


@given(text=st.text(), context=st.text())
def test_what_was_sealed_opens_in_its_place(text: str, context: str) -> None:
    sealed = PROVIDER.seal(text.encode("utf-8", "surrogatepass"), context.encode("utf-8", "surrogatepass"))
    opened = PROVIDER.unseal(sealed, context.encode("utf-8", "surrogatepass"))
    assert opened.decode("utf-8", "surrogatepass") == text


def test_the_functions_use_the_keys_of_the_process(become: Callable[[str], None]) -> None:
    become("intake")
    sealed = secrets.seal("王小明", context="person.name:1")
    assert secrets.unseal(sealed, context="person.name:1") == "王小明"
    assert secrets.unseal(memoryview(sealed), context="person.name:1") == "王小明"  # type: ignore[arg-type]  # as rows give it
    assert secrets.unseal_bytes(secrets.seal_bytes(b"\x00\xff", context="file:1"), context="file:1") == b"\x00\xff"
    assert "王小明".encode() not in sealed


def test_moved_to_another_row_or_column_it_does_not_open() -> None:
    sealed = PROVIDER.seal(b"13800138000", b"person.phone:1")
    for context in (b"person.phone:2", b"person.name:1", b""):
        with pytest.raises(CannotOpen):
            PROVIDER.unseal(sealed, context)


def test_no_byte_can_be_changed_added_or_taken_away() -> None:
    sealed = PROVIDER.seal(b"13800138000", b"c")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(CannotOpen):
            PROVIDER.unseal(bytes(changed), b"c")
    for wrong in (b"", sealed[:-1], sealed + b"\x00", sealed[1:], b"\x01", b"\x01\xff"):
        with pytest.raises(CannotOpen):
            PROVIDER.unseal(wrong, b"c")


def test_after_a_rotation_old_values_still_open_and_new_ones_name_the_new_key() -> None:
    sealed = PROVIDER.seal(b"x", b"c")
    rotated = AesGcm(current="k2", keys={"k1": OLD, "k2": NEW}, index=INDEX)
    assert rotated.unseal(sealed, b"c") == b"x"
    assert rotated.seal(b"x", b"c")[2:4] == b"k2"
    with pytest.raises(CannotOpen, match="'k2' is not here"):
        PROVIDER.unseal(rotated.seal(b"x", b"c"), b"c")


def test_another_key_of_the_same_name_does_not_open() -> None:
    with pytest.raises(CannotOpen):
        AesGcm(current="k1", keys={"k1": NEW}, index=INDEX).unseal(PROVIDER.seal(b"x", b"c"), b"c")


def test_the_same_text_is_sealed_differently_each_time() -> None:
    assert PROVIDER.seal(b"x", b"c") != PROVIDER.seal(b"x", b"c")


def test_a_blind_index_is_equal_for_equal_texts_of_one_field_only(become: Callable[[str], None]) -> None:
    become("intake")
    one = secrets.blind("13800138000", field="phone")
    assert len(one) == 32
    assert one == secrets.blind("13800138000", field="phone")
    assert one != secrets.blind("13800138001", field="phone")
    assert one != secrets.blind("13800138000", field="id_number")
    assert one != secrets.keyed(b"13800138000", purpose="phone")


def test_a_blind_index_stays_what_it_was_when_rows_were_written() -> None:
    """HMAC-SHA-256 under a key that is the HMAC-SHA-256 of the purpose, worked out with Python's own ``hmac``."""
    expected = "6ac2bd8be79143ba01562ab4c1c399a582a7866dec76ff51d780e211519ed275"
    assert PROVIDER.mac(b"13800138000", b"blind:phone").hex() == expected
    assert PROVIDER.mac(b"13800138000", b"blind:phone").hex() == expected  # the first one left nothing behind


def test_many_blind_indexes_are_those_of_each_text_in_their_order(become: Callable[[str], None]) -> None:
    become("routing")
    texts = ["信访", "访事", "信访"]
    assert secrets.blinds(texts, field="grams") == [secrets.blind(text, field="grams") for text in texts]


def test_the_blind_index_outlives_a_rotation_of_the_sealing_key(tmp_path: Path) -> None:
    keys = {"k1": base64.b64encode(OLD).decode(), "k2": base64.b64encode(NEW).decode()}
    index = base64.b64encode(INDEX).decode()
    (tmp_path / "fields.json").write_text(json.dumps({"current": "k2", "keys": keys, "index": index}))
    assert load_provider(tmp_path).mac(b"x", b"p") == PROVIDER.mac(b"x", b"p")
