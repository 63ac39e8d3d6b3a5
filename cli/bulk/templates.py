"""Texts with gaps: what a copy of a matter has of its own stands in numbered gaps, everything else stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

DAY = re.compile(r"(?<![0-9])20[0-9]{2}-[01][0-9]-[0-3][0-9](?![0-9])")
"""A day, alone or at the beginning of an instant."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text cut into pieces: what stays is text, a gap is its number."""

    pieces: tuple[str | int, ...]

    @property
    def gaps(self) -> set[int]:
        """The numbers of its gaps."""
        return {piece for piece in self.pieces if isinstance(piece, int)}

    def on(self, day: Callable[[str], str]) -> Template:
        """The same text with every day changed."""

        def moved(piece: str | int) -> str | int:
            return piece if isinstance(piece, int) else DAY.sub(lambda found: day(found[0]), piece)

        return Template(tuple(map(moved, self.pieces)))

    def form(self, before: bytes = b"") -> Form:
        """The text as it is filled, behind what stands ``before`` it."""
        return Form([before, *(piece if isinstance(piece, int) else piece.encode() for piece in self.pieces)])


class Form:
    """Bytes with gaps, to be filled many times."""

    def __init__(self, pieces: Iterable[bytes | int]) -> None:
        stays: list[list[bytes]] = [[]]
        gaps: list[int] = []
        for piece in pieces:
            if isinstance(piece, int):
                gaps.append(piece)
                stays.append([])
            else:
                stays[-1].append(piece)
        self._parts = [b""] * (2 * len(gaps) + 1)
        self._parts[::2] = [b"".join(run) for run in stays]
        self._take = _taker(gaps)

    def fill(self, values: Sequence[bytes]) -> bytes:
        """The bytes with the gaps filled. What stays has the even places of ``_parts``, what is filled in the odd."""
        self._parts[1::2] = self._take(values)
        return b"".join(self._parts)


def _taker(gaps: Sequence[int]) -> Callable[[Sequence[bytes]], Any]:
    """What takes the values of these gaps; ``itemgetter`` of one gap would answer no sequence."""
    match gaps:
        case []:
            return lambda _: ()
        case [only]:
            return lambda values: (values[only],)
    return itemgetter(*gaps)


class Cutter:
    """Cuts texts at what a copy has of its own: ``known`` tells the gap of each such piece of text."""

    def __init__(self, known: Mapping[str, int]) -> None:
        self._known = known
        longest_first = sorted(known, key=len, reverse=True)
        self._pattern = re.compile("(" + "|".join(re.escape(piece) for piece in longest_first) + ")")

    def cut(self, text: str) -> Template:
        """The text with gaps where known pieces stand."""
        return Template(tuple(self._known.get(piece, piece) for piece in self._pattern.split(text) if piece))
