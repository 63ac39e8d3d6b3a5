"""The site's policy, read from its TOML file (`LIANBAN_SITE`).

    [routing]
    hop_limit = 3                  # objections of leads in one round after which only a designation helps
    automatic_objections = false   # re-route to the proposed agency without a person
    [[routing.automatic]]          # a stated case of automatic routing; all given conditions must hold
    channels = ["hotline"]         # matter_types = [...], imported = true, minimum_score = 0.5
    [reopening]
    automatic = false              # "not solved" orders re-handling without a person
    rounds = 2                     # the last round that may be ordered so
    [rating]
    window_days = 30
    [suggestion]
    minimum = 0.15                 # lowest score of a matter type that is suggested
    co_handlers = 3
"""

from __future__ import annotations

import tomllib
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from lianban.chassis.settings import settings
from lianban.contracts.codes import Channel
from services.routing.domain.policy import Policy, StatedCase


class BadPolicy(ValueError):
    """The site's file says something that routing does not understand; the message names the key."""


_KNOWN = {
    "routing": {"hop_limit", "automatic_objections", "automatic"},
    "reopening": {"automatic", "rounds"},
    "rating": {"window_days"},
    "suggestion": {"minimum", "co_handlers"},
}
_STATED = {"channels", "matter_types", "imported", "minimum_score"}


def parse(text: str) -> Policy:
    """The policy in a site's TOML text; raises :class:`BadPolicy`. Tables of other services are left alone."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadPolicy(str(error)) from error
    for table, keys in _KNOWN.items():
        for key in raw.get(table, {}):
            if key not in keys:
                raise BadPolicy(f"[{table}] does not know {key!r}; known are {', '.join(sorted(keys))}")
    default = Policy()
    routing, reopening = raw.get("routing", {}), raw.get("reopening", {})
    rating, suggestion = raw.get("rating", {}), raw.get("suggestion", {})
    try:
        return Policy(
            automatic_routing=tuple(_stated(item) for item in routing.get("automatic", [])),
            automatic_objections=bool(routing.get("automatic_objections", default.automatic_objections)),
            hop_limit=int(routing.get("hop_limit", default.hop_limit)),
            automatic_reopening=bool(reopening.get("automatic", default.automatic_reopening)),
            reopen_rounds=int(reopening.get("rounds", default.reopen_rounds)),
            rating_window=timedelta(days=float(rating.get("window_days", default.rating_window.days))),
            suggest_minimum=float(suggestion.get("minimum", default.suggest_minimum)),
            suggest_co_handlers=int(suggestion.get("co_handlers", default.suggest_co_handlers)),
        )
    except (TypeError, ValueError) as error:
        raise BadPolicy(str(error)) from error


def _stated(item: dict[str, Any]) -> StatedCase:
    for key in item:
        if key not in _STATED:
            raise BadPolicy(f"[[routing.automatic]] does not know {key!r}; known are {', '.join(sorted(_STATED))}")
    return StatedCase(
        channels=frozenset(Channel(c) for c in item.get("channels", [])),
        matter_types=frozenset(item.get("matter_types", [])),
        imported=item.get("imported"),
        minimum_score=float(item.get("minimum_score", 0.0)),
    )


@cache
def policy() -> Policy:
    """The policy of this process's site; without a file, nothing happens without a person."""
    given = settings().site
    return parse(Path(given).read_text(encoding="utf-8")) if given else Policy()
