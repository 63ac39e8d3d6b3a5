"""What the demo city's officials write: believable sentences by kind of department, chosen by a seed.

The texts stand in ``phrases.toml``; the same seed always gets the same sentence.
"""

from __future__ import annotations

import hashlib
import tomllib
from functools import cache
from pathlib import Path

GENERAL = "general"
RETURNS = "returns"
SPECIFIC = frozenset({"facts", "agree", "explain", "decline"})
"""Kinds of sentence that name what they are about."""

_FILE = Path(__file__).with_name("phrases.toml")


@cache
def _banks() -> dict[str, dict[str, tuple[str, ...]]]:
    raw = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {
        trade: {kind: tuple(texts) for kind, texts in bank.items() if isinstance(texts, list)}
        for trade, bank in raw.items()
    }


@cache
def trades() -> dict[str, str]:
    """The kinds of department with their Chinese names."""
    raw = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {trade: str(bank["name"]) for trade, bank in raw.items() if trade != RETURNS}


def fraction(seed: str) -> float:
    """A number in [0, 1) that depends on ``seed`` alone."""
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:7]) / 2**56


def sentence(trade: str, kind: str, seed: str, about: str = "") -> str:
    """One sentence of ``kind`` for a department of ``trade``.

    With ``about`` it is one that speaks of the same thing as that text. Where the trade has none, what was found and
    what is answered to a claim is said in general; other sentences fit whatever the matter is about.
    """
    texts = _banks().get(trade, {}).get(kind) or ()
    if about and texts:
        pairs = _pairs(about)
        shared = {text: len(_telling_pairs(text) & pairs) for text in texts}
        best = max(shared.values())
        if best:
            texts = tuple(text for text in texts if shared[text] == best)
        elif kind in SPECIFIC:
            texts = ()
    texts = texts or _banks()[GENERAL][kind]
    return texts[int(fraction(f"{kind}:{seed}") * len(texts))]


def _pairs(text: str) -> frozenset[str]:
    return frozenset(text[i : i + 2] for i in range(len(text) - 1))


@cache
def _common_pairs() -> frozenset[str]:
    """Pairs of characters that departments of more than two trades use: they tell nothing about the subject."""
    used: dict[str, set[str]] = {}
    for trade, bank in _banks().items():
        for pair in frozenset[str]().union(*(_pairs(text) for texts in bank.values() for text in texts)):
            used.setdefault(pair, set()).add(trade)
    return frozenset(pair for pair, by in used.items() if len(by) > 2)


@cache
def _telling_pairs(text: str) -> frozenset[str]:
    return _pairs(text) - _common_pairs()


def return_reason(code: str, seed: str) -> str:
    """Why a department sends something back, for a return code ``R01`` to ``R05``."""
    texts = _banks()[RETURNS][code]
    return texts[int(fraction(f"{code}:{seed}") * len(texts))]


def count() -> int:
    """How many different sentences there are."""
    return len({text for bank in _banks().values() for texts in bank.values() for text in texts})
