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


def sentence(trade: str, kind: str, seed: str) -> str:
    """One sentence of ``kind`` for a department of ``trade``; the general bank fills what a trade lacks."""
    banks = _banks()
    texts = banks.get(trade, {}).get(kind) or banks[GENERAL][kind]
    return texts[int(fraction(f"{kind}:{seed}") * len(texts))]


def return_reason(code: str, seed: str) -> str:
    """Why a department sends something back, for a return code ``R01`` to ``R05``."""
    texts = _banks()[RETURNS][code]
    return texts[int(fraction(f"{code}:{seed}") * len(texts))]


def count() -> int:
    """How many different sentences there are."""
    return len({text for bank in _banks().values() for texts in bank.values() for text in texts})
