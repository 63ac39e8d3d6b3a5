"""Suggestions as they were made, with their reasons."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from lianban.chassis.transaction import Transaction
from lianban.contracts.codes import AgencyRole, SuggestionGround
from lianban.contracts.refs import AgencyRef
from services.routing.domain.screening import PROCEDURES
from services.routing.domain.suggesting import Candidate, Reason, Suggestion, TypeScore


def put(tx: Transaction, case_id: UUID, made: Suggestion, *, at: datetime) -> None:
    """Keep the newest suggestion of a case."""
    tx.write(
        """
        insert into suggestion (case_id, lead, co_handlers, matter_type, body, made_at) values (%s, %s, %s, %s, %s, %s)
        on conflict (case_id) do update set lead = excluded.lead, co_handlers = excluded.co_handlers,
            matter_type = excluded.matter_type, body = excluded.body, made_at = excluded.made_at
        """,
        (
            case_id,
            made.lead.agency.code if made.lead else None,
            [c.agency.code for c in made.co_handlers],
            made.matter_type,
            Jsonb(_dump(made)),
            at,
        ),
    )


def get(tx: Transaction, case_id: UUID) -> Suggestion | None:
    """The newest suggestion of a case."""
    row = tx.execute("select body from suggestion where case_id = %s", (case_id,)).fetchone()
    return _load(row["body"]) if row else None


def _dump(made: Suggestion) -> dict[str, Any]:
    def candidate(c: Candidate) -> dict[str, Any]:
        return {
            "code": c.agency.code,
            "name": c.agency.name,
            "role": c.role.value,
            "score": c.score,
            "reasons": [
                {"ground": r.ground.value, "zh": r.zh, "en": r.en, "item": r.item, "article": r.article}
                for r in c.reasons
            ],
        }

    return {
        "lead": candidate(made.lead) if made.lead else None,
        "co_handlers": [candidate(c) for c in made.co_handlers],
        "others": [candidate(c) for c in made.others],
        "types": [
            {"code": t.code, "name": t.name, "name_en": t.name_en, "score": t.score, "keywords": list(t.keywords)}
            for t in made.types
        ],
        "procedure": made.procedure.code if made.procedure else None,
        "excluded": list(made.excluded),
    }


def _load(body: dict[str, Any]) -> Suggestion:
    def candidate(value: dict[str, Any]) -> Candidate:
        return Candidate(
            AgencyRef(value["code"], value["name"]),
            AgencyRole(value["role"]),
            value["score"],
            tuple(
                Reason(SuggestionGround(r["ground"]), r["zh"], r["en"], r["item"], r["article"])
                for r in value["reasons"]
            ),
        )

    return Suggestion(
        lead=candidate(body["lead"]) if body["lead"] else None,
        co_handlers=tuple(candidate(c) for c in body["co_handlers"]),
        others=tuple(candidate(c) for c in body["others"]),
        types=tuple(
            TypeScore(t["code"], t["name"], t["score"], tuple(t["keywords"]), t.get("name_en", ""))
            for t in body["types"]
        ),
        procedure=next((p for p in PROCEDURES if p.code == body["procedure"]), None),
        excluded=tuple(body["excluded"]),
    )
