"""Texts with gaps: what a copy of a matter has of its own stands in numbered gaps, everything else stays."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

DAY = re.compile(r"(?<![0-9])20[0-9]{2}-[01][0-9]-[0-3][0-9](?![0-9])")
"""A day, alone or at the beginning of an instant."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text in printf's form, and which value goes into each gap."""

    form: str
    gaps: tuple[int, ...]
    _take: Callable[[Sequence[str]], Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_take", itemgetter(*self.gaps) if self.gaps else _nothing)

    def on(self, day: Callable[[str], str]) -> Template:
        """The same text with every day changed."""
        return Template(DAY.sub(lambda found: day(found[0]), self.form), self.gaps)

    def fill(self, values: Sequence[str]) -> str:
        """The text with its gaps filled."""
        filled: str = self.form % self._take(values)
        return filled


def _nothing(_: Sequence[str]) -> tuple[str, ...]:
    return ()


def joined(parts: Sequence[Template]) -> Template:
    """Several texts as one."""
    return Template("".join(part.form for part in parts), tuple(gap for part in parts for gap in part.gaps))


def constant(text: str) -> Template:
    """A text without gaps."""
    return Template(text.replace("%", "%%"), ())


def gap(place: int) -> Template:
    """Nothing but one gap."""
    return Template("%s", (place,))


class Cutter:
    """Cuts texts at what a copy has of its own: ``known`` tells the gap of each such piece of text."""

    def __init__(self, known: Mapping[str, int]) -> None:
        self._known = known
        longest_first = sorted(known, key=len, reverse=True)
        self._pattern = re.compile("|".join(re.escape(piece) for piece in longest_first))

    def cut(self, text: str) -> Template:
        """The text with gaps where known pieces stand."""
        gaps: list[int] = []

        def note(found: re.Match[str]) -> str:
            gaps.append(self._known[found[0]])
            return "%s"

        return Template(self._pattern.sub(note, text.replace("%", "%%")), tuple(gaps))
