"""Departments' systems with tokens of their own: opaque, registered with the profile, kept hashed.

They come as ``Authorization: Bearer lbx_…``, or on call-backs in the header that the profile names, because an
ordinary ticket system cannot be told to do otherwise.
"""

from __future__ import annotations

from flask import request

from lianban.chassis.auth import Principal
from lianban.contracts.codes import StaffRole
from services.agency_gateway.app.profiles import TOKEN_PREFIX, agency_of, known_profile

CALLBACKS = "/exchange/v1/callbacks/"


def recognise() -> Principal | None:
    """The department's system that is calling with a token of its own; ``None`` where it is none that we know."""
    if not request.path.startswith("/exchange/"):
        return None
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" and bearer.strip().startswith(TOKEN_PREFIX) else None
    if token is None and request.path.startswith(CALLBACKS):
        token = _callback_token(request.path.removeprefix(CALLBACKS))
    if token is None:
        return None
    agency = agency_of(token)
    if agency is None:
        return None
    return Principal(
        kind="agency", subject=f"system:{agency}", name=agency, roles=frozenset({StaffRole.AGENCY}), agency=agency
    )


def _callback_token(agency: str) -> str | None:
    profile = known_profile(agency)
    inbound = profile.rest_push.inbound if profile.rest_push is not None else None
    if inbound is None or inbound.token_header is None:
        return None
    return request.headers.get(inbound.token_header)
