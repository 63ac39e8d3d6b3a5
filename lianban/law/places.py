"""Arithmetic of twelve-digit region codes: 2 + 2 + 2 + 3 + 3 digits, filled with zeros on the right."""

from __future__ import annotations

from lianban.contracts.codes import AgencyLevel

_LENGTHS = (2, 4, 6, 9, 12)
_LEVELS = {4: AgencyLevel.CITY, 6: AgencyLevel.COUNTY, 9: AgencyLevel.TOWNSHIP, 12: AgencyLevel.VILLAGE}


def prefix(code: str) -> str:
    """The digits of a region code that carry meaning: ``9901`` for ``990100000000``."""
    for length in _LENGTHS:
        if not code[length:].strip("0"):
            return code[:length]
    return code


def within(code: str, territory: str | None) -> bool:
    """Whether a place lies in a territory; no territory means everywhere."""
    return territory is None or code.startswith(prefix(territory))


def chain(code: str) -> tuple[str, ...]:
    """The region codes from the place itself up to the city: village, township, county, city."""
    own = len(prefix(code))
    return tuple(code[:length].ljust(12, "0") for length in reversed(_LENGTHS) if 4 <= length <= own)


def level_of(code: str) -> AgencyLevel | None:
    """The level that a region code stands for; ``None`` above the city."""
    return _LEVELS.get(len(prefix(code)))
