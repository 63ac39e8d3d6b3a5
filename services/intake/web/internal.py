"""Personal data for the services that are entitled to it, never through the edge."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from lianban.chassis.internal import internal as only_for
from lianban.chassis.internal import record_disclosure
from lianban.chassis.transaction import Transaction
from lianban.chassis.web import Api
from services.intake.app import disclose
from services.intake.web.schemas import DisclosureSchema

internal = Api("internal", __name__, url_prefix="/internal/v1/matters", description="服务间 / between services")


@internal.post("/texts")
@only_for("routing", "agency_gateway", "notification")
@internal.arguments(DisclosureSchema)
def texts(asked: dict[str, Any]) -> dict[str, Any]:
    """What was told in matters."""

    def record(tx: Transaction, subjects: list[UUID]) -> None:
        record_disclosure(tx, subjects, what="matter-texts", purpose=asked["purpose"])

    return {"items": disclose.texts(asked["ids"], record)}


@internal.post("/persons")
@only_for("agency_gateway", "notification")
@internal.arguments(DisclosureSchema)
def persons(asked: dict[str, Any]) -> dict[str, Any]:
    """Who petitioned."""

    def record(tx: Transaction, subjects: list[UUID]) -> None:
        record_disclosure(tx, subjects, what="matter-persons", purpose=asked["purpose"])

    return {"items": disclose.persons(asked["ids"], record)}
