"""The query code: eight characters that open a matter without an account.

It is cut from a keyed hash of the number, so that it is stored nowhere and the same whenever it is needed. Forty
bits are enough because tries are throttled. The alphabet leaves out 0, 1, I and O, which people confuse.
"""

from __future__ import annotations

from hmac import compare_digest

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 8


def from_hash(digest: bytes) -> str:
    """The query code that a keyed hash of a number gives."""
    bits = int.from_bytes(digest[:5])
    return "".join(ALPHABET[bits >> shift & 31] for shift in range(35, -1, -5))


def normalise(typed: str) -> str:
    """A query code as people type it (spaces, hyphens, small letters) in its one form."""
    return "".join(c for c in typed.upper() if not c.isspace() and c not in "-－—")


def matches(typed: str, code: str) -> bool:
    """Whether what was typed is the code; takes the same time wherever they differ."""
    return compare_digest(normalise(typed).encode("utf-8", "replace"), code.encode("ascii"))
