"""We call the department's REST API; it calls ours back. Everything particular stands in the profile."""

from __future__ import annotations

from services.agency_gateway.adapters.rest_push.client import Exchanged, ask, deliver

__all__ = ["Exchanged", "ask", "deliver"]
