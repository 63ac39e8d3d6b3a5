"""The exchange's own JSON: messages in the feed, and statements that departments post."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import marshmallow as ma

from lianban.contracts.codes import ClaimResult, ExchangeKind, ObjectionReason
from services.agency_gateway.domain.statement import (
    LONGEST_BASIS,
    LONGEST_ID,
    LONGEST_TEXT,
    ClaimPart,
    Statement,
)


class ClaimPartSchema(ma.Schema):
    """What is said on one claim (处理意见 per claim)."""

    claim_id = ma.fields.UUID(required=True)
    result = ma.fields.Enum(ClaimResult, by_value=True, required=True)
    text = ma.fields.String(load_default="", validate=ma.validate.Length(max=LONGEST_TEXT))


class StatementSchema(ma.Schema):
    """A department's statement on an assignment."""

    class Meta:
        """Unknown members are an error, so that a misspelt one is noticed."""

        unknown = ma.RAISE

    id = ma.fields.UUID(required=True, metadata={"description": "发送方选定的唯一标识 / chosen by the sender"})
    kind = ma.fields.String(
        required=True, validate=ma.validate.OneOf(["accept", "object", "progress", "opinion", "reply"])
    )
    reference = ma.fields.String(load_default=None, allow_none=True, validate=ma.validate.Length(max=LONGEST_ID))
    version = ma.fields.Integer(
        strict=True, load_default=None, allow_none=True, validate=ma.validate.Range(min=1, max=2**31 - 1)
    )
    text = ma.fields.String(load_default="", validate=ma.validate.Length(max=LONGEST_TEXT))
    reason = ma.fields.Enum(ObjectionReason, by_value=True, load_default=None, allow_none=True)
    legal_basis = ma.fields.String(load_default=None, allow_none=True, validate=ma.validate.Length(max=LONGEST_BASIS))
    proposed_agency = ma.fields.String(load_default=None, allow_none=True, validate=ma.validate.Length(max=40))
    results = ma.fields.List(ma.fields.Nested(ClaimPartSchema), load_default=list, validate=ma.validate.Length(max=100))
    facts = ma.fields.String(load_default=None, allow_none=True, validate=ma.validate.Length(max=LONGEST_TEXT))
    remedy = ma.fields.String(load_default=None, allow_none=True, validate=ma.validate.Length(max=LONGEST_TEXT))
    stated_at = ma.fields.AwareDateTime(format="iso", load_default=None, allow_none=True)


def statement(loaded: Mapping[str, Any], *, received_at: datetime) -> Statement:
    """A statement of what :class:`StatementSchema` has loaded."""
    return Statement(
        sender_id=str(loaded["id"]),
        kind=ExchangeKind(loaded["kind"]),
        stated_at=loaded["stated_at"] or received_at,
        text=loaded["text"],
        reference=loaded["reference"],
        version=loaded["version"],
        reason=loaded["reason"],
        legal_basis=loaded["legal_basis"],
        proposed_agency=loaded["proposed_agency"],
        results=tuple(ClaimPart(UUID(str(p["claim_id"])), p["result"], p["text"]) for p in loaded["results"]),
        facts=loaded["facts"],
        remedy=loaded["remedy"],
    )
