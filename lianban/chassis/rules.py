"""The rulebook of this process's site: the product's with what the table ``[clocks]`` of the site's policy changes.

Every service takes its rules from here, so that a desk, a letter and oversight's clocks say the same day::

    [clocks]
    roll_agency_deadlines = false  # an authority's end stays on a rest day
    lengths = { rating = 60 }      # only what the rulebook calls adjustable

``standard()`` of :mod:`lianban.law.rulebook` is for what no site changes: which rules there are and what they mean.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from lianban.chassis import site
from lianban.law.rulebook import Rulebook, RulebookError, standard


def rulebook() -> Rulebook:
    """The rules as the site's file says now, made once for each state of the file.

    Raises :class:`RulebookError` with every problem where the table is wrong, or changes what the law fixes.
    """
    return _of(site.edition())


@cache
def _of(edition: site.Edition) -> Rulebook:
    return parse(site.table("clocks", edition))


def parse(given: Mapping[str, Any]) -> Rulebook:
    """The product's rulebook with the settings of a table ``[clocks]``."""
    known = ("roll_agency_deadlines", "lengths")
    problems = [f"[clocks] does not know {key!r}; known are {', '.join(known)}" for key in given if key not in known]
    roll = given.get("roll_agency_deadlines")
    if not isinstance(roll, bool | None):
        problems.append(f"[clocks] roll_agency_deadlines must be true or false, not {roll!r}")
    lengths = given.get("lengths", {})
    if not isinstance(lengths, dict):
        problems.append(f"[clocks] lengths must be a table, not {lengths!r}")
    else:
        problems += [
            f"[clocks.lengths] {rule} must be a whole number, not {length!r}"
            for rule, length in lengths.items()
            if type(length) is not int
        ]
    if problems:
        raise RulebookError(problems)
    return standard().adjusted(roll_agency_deadlines=roll, lengths=lengths)
