"""How staff may sign in: the table ``[sign_in]`` of the site's policy; see ``docs/how-to/sign-in-with-oidc.md``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lianban.chassis import site
from lianban.contracts.codes import StaffRole
from services.routing.app.policy import BadPolicy
from services.routing.domain.vouching import Provider, Rule, SignInPolicy

_NAME = re.compile(r"[a-z0-9-]{1,40}\Z")
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")
_OWN_FILES = ("signing.pem", "fields.json")
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
_TEXTS = (
    "name",
    "title",
    "title_en",
    "issuer",
    "client_id",
    "client_secret_file",
    "ca_file",
    "username_claim",
    "name_claim",
    "agency_claim",
    "territory_claim",
)
_FLAGS = ("userinfo", "link_by_username", "sign_out")


def policy() -> SignInPolicy:
    """The policy of this process's site as the file says now; without a file, local accounts only."""
    return parse(site.table("sign_in"))


def parse(given: Mapping[str, Any]) -> SignInPolicy:
    """The policy in the table; raises :class:`BadPolicy`, whose message names the key."""
    _check(given, ("local_accounts", "oidc"), "[sign_in]")
    local = given.get("local_accounts", True)
    if not isinstance(local, bool):
        raise BadPolicy("[sign_in] local_accounts must be true or false")
    providers = tuple(_provider(item) for item in given.get("oidc", []))
    if len({provider.name for provider in providers}) < len(providers):
        raise BadPolicy("[[sign_in.oidc]] every provider needs a name of its own")
    if len({provider.issuer for provider in providers}) < len(providers):
        raise BadPolicy("[[sign_in.oidc]] every provider needs an issuer of its own")
    if not local and not providers:
        raise BadPolicy("[sign_in] local_accounts = false needs a provider in [[sign_in.oidc]]: nobody could sign in")
    return SignInPolicy(local_accounts=local, providers=providers)


def secure(url: str) -> bool:
    """Whether secrets may go to this address: https, or a provider on the same machine (trial and test)."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL_HOSTS)
    )


def _provider(item: Mapping[str, Any]) -> Provider:
    where = "[[sign_in.oidc]]"
    _check(item, (*_TEXTS, *_FLAGS, "scopes", "mapping"), where)
    for key in _TEXTS:
        if key in item and (not isinstance(item[key], str) or not item[key].strip()):
            raise BadPolicy(f"{where} {key} must be a text")
    for key in _FLAGS:
        if key in item and not isinstance(item[key], bool):
            raise BadPolicy(f"{where} {key} must be true or false")
    for key in ("name", "title", "issuer", "client_id"):
        if key not in item:
            raise BadPolicy(f"{where} needs {key}")
    if not _NAME.match(item["name"]):
        raise BadPolicy(f"{where} name must have 1 to 40 lower-case letters, digits and hyphens")
    if not secure(item["issuer"]):
        raise BadPolicy(f"{where} issuer must be an https:// address")
    for key in ("client_secret_file", "ca_file"):
        if key in item and (not _FILE.match(item[key]) or item[key] in _OWN_FILES):
            raise BadPolicy(f"{where} {key} must be the name of a file in the key folder of routing, without a path")
    scopes = _texts(item.get("scopes", ["openid", "profile"]), f"{where} scopes")
    values = {key: item[key] for key in (*_TEXTS, *_FLAGS) if key in item}
    values.setdefault("title_en", item["title"])
    return Provider(
        **values,
        scopes=scopes if "openid" in scopes else ("openid", *scopes),
        rules=tuple(_rule(rule) for rule in item.get("mapping", [])),
    )


def _rule(item: Mapping[str, Any]) -> Rule:
    where = "[[sign_in.oidc.mapping]]"
    _check(item, ("claim", "values", "roles", "agency", "territory"), where)
    for key in ("claim", "values", "roles"):
        if not item.get(key):
            raise BadPolicy(f"{where} needs {key}")
    try:
        roles = frozenset(StaffRole(role) for role in _texts(item["roles"], f"{where} roles"))
    except ValueError as error:
        raise BadPolicy(f"{where} {error}; known are {', '.join(role.value for role in StaffRole)}") from error
    if StaffRole.CHANNEL in roles:
        raise BadPolicy(f"{where} channel is a role of programs, not of people")
    return Rule(
        claim=str(item["claim"]),
        values=frozenset(_texts(item["values"], f"{where} values")),
        roles=roles,
        agency=item.get("agency"),
        territory=item.get("territory"),
    )


def _texts(given: object, where: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(value, str) and value for value in given):
        raise BadPolicy(f"{where} must be a list of texts")
    return tuple(given)


def _check(given: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            raise BadPolicy(f"{where} does not know {key!r}; known are {', '.join(known)}")
