"""The rulebook with this site's settings."""

from __future__ import annotations

from lianban.chassis import site
from lianban.law.rulebook import Rulebook, standard


def rulebook() -> Rulebook:
    """The rules as the site's policy adjusts them (``[clocks]``); raises where the law fixes a length."""
    settings = site.table("clocks")
    lengths = settings.get("lengths", {})
    roll = settings.get("roll_agency_deadlines")
    if not lengths and roll is None:
        return standard()
    return standard().adjusted(roll_agency_deadlines=roll, lengths=lengths)
