"""The rulebook with this site's settings."""

from __future__ import annotations

from functools import cache

from lianban.chassis import site
from lianban.law.rulebook import Rulebook, standard


def rulebook() -> Rulebook:
    """The rules as the site's policy adjusts them (``[clocks]``); raises where the law fixes a length."""
    settings = site.table("clocks")
    lengths = settings.get("lengths", {})
    return _adjusted(settings.get("roll_agency_deadlines"), tuple(sorted(lengths.items())))


@cache
def _adjusted(roll: bool | None, lengths: tuple[tuple[str, int], ...]) -> Rulebook:
    if not lengths and roll is None:
        return standard()
    return standard().adjusted(roll_agency_deadlines=roll, lengths=dict(lengths))
