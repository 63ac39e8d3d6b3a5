"""How the gateway talks to one agency: data, never code.

A profile is written in YAML, checked when it is registered and kept as JSON; secrets stand elsewhere, sealed,
and are named here. Expressions are JMESPath: in calls over our canonical message, in readings over the
department's answer, in ``inbound`` over what the department sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from lianban.contracts.codes import ExchangeKind
from services.agency_gateway.domain.delivery import BackOff
from services.agency_gateway.domain.lane import BreakerPolicy


class AdapterName(StrEnum):
    """The protocols that this version speaks."""

    REST_PUSH = "rest_push"
    PULL = "pull"
    DESK = "desk"


class AuthKind(StrEnum):
    """How we show who we are to a department's system."""

    NONE = "none"
    HEADER = "header"
    BASIC = "basic"
    BEARER = "bearer"


class TargetBy(StrEnum):
    """What a department's call names to say which assignment it is about."""

    MESSAGE = "message"
    ASSIGNMENT = "assignment"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Limits:
    """What the department's system can bear; seconds and bytes."""

    concurrency: int = 4
    per_minute: int | None = None
    connect_seconds: float = 3.0
    total_seconds: float = 10.0
    answer_bytes: int = 262_144


@dataclass(frozen=True, slots=True)
class Auth:
    """Our credentials: ``secret`` names a sealed secret, ``name`` is the header or the user."""

    kind: AuthKind = AuthKind.NONE
    name: str | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request: ``path`` may hold ``{names}`` that ``values`` fill; leaves of ``body`` are expressions."""

    method: str
    path: str
    values: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    taken: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """The look-up by our key: ``found`` is truthy where the department has it."""

    call: Call
    found: str
    wait_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class Inbound:
    """How the department's status calls are read; every member is an expression over its JSON body."""

    target: str
    target_by: TargetBy
    id: str
    kind: str
    token_header: str | None = None
    reference: str | None = None
    version: str | None = None
    text: str | None = None
    reason: str | None = None
    legal_basis: str | None = None
    proposed_agency: str | None = None
    results: str | None = None
    facts: str | None = None
    remedy: str | None = None
    stated_at: str | None = None


@dataclass(frozen=True, slots=True)
class RestPush:
    """An ordinary REST ticket system: what we call, how we ask, what it calls."""

    base_url: str
    calls: Mapping[ExchangeKind, Call]
    auth: Auth = Auth()
    question: Question | None = None
    repeat_is_safe: bool = False
    inbound: Inbound | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """One agency's way of exchange; ``level`` 0 desk, 1 we push, 2 status comes back, 3 two-way with documents."""

    agency: str
    adapter: AdapterName = AdapterName.DESK
    level: int = 0
    limits: Limits = Limits()
    back_off: BackOff = field(default_factory=BackOff)
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    codes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rest_push: RestPush | None = None

    def adapter_for(self, kind: ExchangeKind) -> AdapterName:
        """The adapter that carries messages of ``kind``: the desk for what the department's system cannot take."""
        if self.rest_push is not None and kind not in self.rest_push.calls:
            return AdapterName.DESK
        return self.adapter

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the secrets that the profile needs."""
        return frozenset({self.rest_push.auth.secret} - {None}) if self.rest_push else frozenset()  # type: ignore[arg-type]
