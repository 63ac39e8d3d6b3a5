"""Two-character sequences of a text, what search looks for: Chinese has no spaces between words."""

from __future__ import annotations

import re
import unicodedata

_WORDS = re.compile(r"[^\W_]+")


def grams(text: str, *, most: int = 4000) -> frozenset[str]:
    """The sequences of two neighbouring letters or digits, after NFKC and case folding; at most ``most``."""
    found: set[str] = set()
    for word in _WORDS.findall(unicodedata.normalize("NFKC", text).casefold()):
        for start in range(len(word) - 1):
            found.add(word[start : start + 2])
            if len(found) >= most:
                return frozenset(found)
    return frozenset(found)
