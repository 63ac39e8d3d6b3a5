"""What an identity provider (统一身份认证) vouches for, and which place in the register that gives a person."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lianban.contracts.codes import StaffRole

USERNAME = re.compile(r"[a-z0-9._-]{2,64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Who has one of ``values`` in ``claim`` gets the roles, and belongs to the agency and the territory if given."""

    claim: str
    values: frozenset[str]
    roles: frozenset[StaffRole]
    agency: str | None = None
    territory: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An OpenID provider of the site; ``name`` stands in addresses, the titles on the button.

    ``link_by_username`` says that the provider's user names are those of the register: it must be the provider's
    administrators who give them, never the users themselves.
    """

    name: str
    title: str
    title_en: str
    issuer: str
    client_id: str
    client_secret_file: str | None = None
    ca_file: str | None = None
    scopes: tuple[str, ...] = ("openid", "profile")
    userinfo: bool = False
    username_claim: str = "preferred_username"
    name_claim: str = "name"
    agency_claim: str | None = None
    territory_claim: str | None = None
    link_by_username: bool = False
    sign_out: bool = True
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInPolicy:
    """How staff may sign in."""

    local_accounts: bool = True
    providers: tuple[Provider, ...] = ()

    def provider(self, name: str | None) -> Provider | None:
        """The provider of that name, if the site has it."""
        return next((provider for provider in self.providers if provider.name == name), None)

    def goes_on(self, provider: str | None) -> bool:
        """Whether a session that began with this provider (``None``: a local account) may still go on."""
        return self.local_accounts if provider is None else self.provider(provider) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What the site's rules give a person by their claims."""

    roles: frozenset[StaffRole]
    agency: str | None
    territory: str | None


class Unplaceable(Exception):
    """The rules give roles, but not one place: two agencies or territories, or none where there must be one."""


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of that name; a dotted name also reaches into objects (``realm_access.roles``)."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for step in path.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(step)
    return found


def text(claims: Mapping[str, Any], path: str) -> str | None:
    """The claim if it is a text with something in it."""
    found = claim(claims, path)
    return found.strip() or None if isinstance(found, str) else None


def grant(provider: Provider, claims: Mapping[str, Any]) -> Grant | None:
    """What the rules give; ``None`` when no rule fits. Raises :class:`Unplaceable`.

    Roles add up. A role without a territory sees everything, so where the site says that territories come from a
    claim, a person without one gets nothing.
    """
    fitting = [rule for rule in provider.rules if _values(claims, rule.claim) & rule.values]
    roles = frozenset(role for rule in fitting for role in rule.roles)
    if not roles:
        return None
    agency = _one([rule.agency for rule in fitting], claims, provider.agency_claim)
    territory = _one([rule.territory for rule in fitting], claims, provider.territory_claim)
    if StaffRole.AGENCY in roles and agency is None:
        raise Unplaceable("agency")
    if provider.territory_claim is not None and territory is None:
        raise Unplaceable("territory")
    return Grant(roles=roles, agency=agency, territory=territory)


def _values(claims: Mapping[str, Any], path: str) -> frozenset[str]:
    found = claim(claims, path)
    values = found if isinstance(found, list) else [found]
    return frozenset(value for value in values if isinstance(value, str))


def _one(given: list[str | None], claims: Mapping[str, Any], path: str | None) -> str | None:
    """The place that the rules name, or else the claim."""
    named = {place for place in given if place is not None}
    if len(named) > 1:
        raise Unplaceable("several")
    if named:
        return named.pop()
    return text(claims, path) if path else None
