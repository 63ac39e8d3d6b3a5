"""What other services may ask the gateway: the words of statements, with a purpose, on record."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from lianban.chassis.internal import internal, record_disclosure
from lianban.chassis.runtime import database
from lianban.chassis.web import Api
from services.agency_gateway.app import telling

internal_api = Api("internal", __name__, url_prefix="/internal/v1", description="内部接口 / between services")


class Wanted(ma.Schema):
    """Which statements, and what for."""

    ids = ma.fields.List(ma.fields.UUID(), required=True, validate=ma.validate.Length(1, 500))
    purpose = ma.fields.String(required=True, validate=ma.validate.Length(1, 100))


@internal_api.post("/statements")
@internal("routing", "notification")
@internal_api.arguments(Wanted)
@internal_api.response(200)
def statements(given: dict[str, Any]) -> dict[str, Any]:
    """陈述的文字 / statements in full."""
    with database().transaction() as tx:
        items, matters = telling.texts(tx, given["ids"])
        record_disclosure(tx, matters, what="statement", purpose=given["purpose"])
    return {"items": items}
