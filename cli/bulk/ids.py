"""Ids of copies: very many that are drawn, and those that follow from names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from struct import unpack

UUIDS = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ID, BARE_ID = 36, 16
"""The bytes of an id as text, and in a column of ids."""


def drawn_ids(dice: bytes) -> tuple[Sequence[bytes], Sequence[bytes]]:
    """Random ids of version 4, sixteen bytes of ``dice`` each: their bytes, and their texts.

    Each step does the same byte, or digit, of all ids.
    """
    drawn, count = bytearray(dice), len(dice) // BARE_ID
    drawn[6::BARE_ID] = drawn[6::BARE_ID].translate(_VERSION)
    drawn[8::BARE_ID] = drawn[8::BARE_ID].translate(_VARIANT)
    digits, texts = drawn.hex().encode(), bytearray(b"-" * ID * count)
    for digit, place in enumerate(_DIGITS):
        texts[place::ID] = digits[digit :: 2 * BARE_ID]
    return unpack(f"{BARE_ID}s" * count, drawn), unpack(f"{ID}s" * count, texts)


def named_id(hashed: bytes) -> tuple[bytes, bytes]:
    """What :func:`uuid.uuid5` makes of a namespace and a name: its bytes, and its text."""
    made = bytearray(hashlib.sha1(hashed, usedforsecurity=False).digest()[:BARE_ID])
    made[6] = made[6] & 0x0F | 0x50
    made[8] = made[8] & 0x3F | 0x80
    told = made.hex()
    return bytes(made), f"{told[:8]}-{told[8:12]}-{told[12:16]}-{told[16:20]}-{told[20:]}".encode()


_VERSION = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT = bytes(byte & 0x3F | 0x80 for byte in range(256))
"""What becomes of each byte that stands where an id tells its version, and its variant."""
_DIGITS = [place for place in range(ID) if place not in (8, 13, 18, 23)]
"""The places of digits in an id's text; between them are hyphens."""
