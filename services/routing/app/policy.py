"""The site's policy for routing: the table ``[routing]`` of its TOML file.

[routing]
hop_limit = 3                  # objections of leads in one round after which only a designation helps
automatic_objections = false   # re-route to the proposed agency without a person
automatic_reopening = false    # "not solved" orders re-handling without a person
reopen_rounds = 2              # the last round that may be ordered so
suggest_minimum = 0.15         # lowest score of a matter type that is suggested
suggest_co_handlers = 3        # most co-handlers that are suggested
[[routing.automatic]]          # a stated case of automatic routing; all given conditions must hold
channels = ["hotline"]
matter_types = ["water-pollution"]
imported = true
minimum_score = 0.5
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lianban.chassis import site
from lianban.contracts.codes import Channel
from services.routing.domain.policy import Policy, StatedCase


class BadPolicy(ValueError):
    """The site's file says something that routing does not understand; the message names the key."""


_KEYS = (
    "hop_limit",
    "automatic_objections",
    "automatic_reopening",
    "reopen_rounds",
    "suggest_minimum",
    "suggest_co_handlers",
    "automatic",
)
_STATED = ("channels", "matter_types", "imported", "minimum_score")


def parse(given: Mapping[str, Any]) -> Policy:
    """The policy in the table; raises :class:`BadPolicy`. What is not given has its default."""
    _check(given, _KEYS, "[routing]")
    default = Policy()
    try:
        return Policy(
            automatic_routing=tuple(_stated(item) for item in given.get("automatic", [])),
            automatic_objections=bool(given.get("automatic_objections", default.automatic_objections)),
            hop_limit=int(given.get("hop_limit", default.hop_limit)),
            automatic_reopening=bool(given.get("automatic_reopening", default.automatic_reopening)),
            reopen_rounds=int(given.get("reopen_rounds", default.reopen_rounds)),
            suggest_minimum=float(given.get("suggest_minimum", default.suggest_minimum)),
            suggest_co_handlers=int(given.get("suggest_co_handlers", default.suggest_co_handlers)),
        )
    except (TypeError, ValueError) as error:
        raise BadPolicy(f"[routing]: {error}") from error


def _stated(item: Mapping[str, Any]) -> StatedCase:
    _check(item, _STATED, "[[routing.automatic]]")
    return StatedCase(
        channels=frozenset(Channel(code) for code in item.get("channels", [])),
        matter_types=frozenset(item.get("matter_types", [])),
        imported=item.get("imported"),
        minimum_score=float(item.get("minimum_score", 0.0)),
    )


def _check(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise BadPolicy(f"{where} does not know {key!r}; known are {', '.join(known)}")


def policy() -> Policy:
    """The policy of this process's site as the file says now; without a file, nothing happens without a person."""
    return parse(site.table("routing"))
