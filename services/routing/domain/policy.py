"""The site's policy: what may happen without a person, and the limits that the site sets."""

from __future__ import annotations

from dataclasses import dataclass

from lianban.contracts.codes import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedCase:
    """A case in which the site allows automatic routing (个人信息保护法 §24): all given conditions must hold."""

    channels: frozenset[Channel] = frozenset()
    matter_types: frozenset[str] = frozenset()
    imported: bool | None = None
    minimum_score: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Settings of the site; ``hop_limit`` is the number of objections of leads in one round after which only a
    designation helps, ``reopen_rounds`` the last round that may be ordered without a person."""

    automatic_routing: tuple[StatedCase, ...] = ()
    automatic_objections: bool = False
    hop_limit: int = 3
    automatic_reopening: bool = False
    reopen_rounds: int = 2
    suggest_minimum: float = 0.15
    suggest_co_handlers: int = 3
