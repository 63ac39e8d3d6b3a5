"""Handing personal data to the services that are entitled to it; each disclosure is put on record with it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from lianban.chassis.runtime import database
from lianban.chassis.secrets import unseal
from lianban.chassis.transaction import Transaction
from services.intake.app.attach import name_of
from services.intake.app.register import code_of
from services.intake.domain.petition import claim_id
from services.intake.store import matters, petitioner, uploads

Record = Callable[[Transaction, list[UUID]], None]
Json = dict[str, Any]


def texts(ids: Sequence[UUID], record: Record) -> list[Json]:
    """Title, content, claims, supplements and the list of files of matters; accusations are left out."""
    with database().transaction() as tx:
        words, attached, later = tx.execute_all(
            [matters.words(ids), uploads.of_matters(ids), petitioner.supplements(ids)]
        )
        rows = words.fetchall()
        files: dict[UUID, list[Json]] = defaultdict(list)
        for row in attached:
            files[row["matter_id"]].append(file_of(row))
        added: dict[UUID, list[Json]] = defaultdict(list)
        for row in later:
            added[row["matter_id"]].append(supplement_of(row))
        record(tx, [row["id"] for row in rows])
    return [
        {
            "id": str(row["id"]),
            "number": row["number"],
            **words_of(row),
            "attachments": files[row["id"]],
            "supplements": added[row["id"]],
        }
        for row in rows
    ]


def persons(ids: Sequence[UUID], record: Record) -> list[Json]:
    """Who petitioned, how they are reached, and their query codes; accusations are left out."""
    with database().transaction() as tx:
        rows = matters.persons(tx, ids)
        record(tx, [row["id"] for row in rows])
    return [_person(row) for row in rows]


def words_of(row: Json) -> Json:
    """Title, content and claims of a row with sealed words."""
    words = json.loads(unseal(row["words"], context=f"matter.words:{row['id']}"))
    claims = [
        {"id": str(claim_id(row["id"], ordinal)), "ordinal": ordinal, "text": text}
        for ordinal, text in enumerate(words["claims"], start=1)
    ]
    return {"title": words["title"], "content": words["content"], "claims": claims}


def persons_of(row: Json) -> list[Json]:
    """The petitioner, then the representatives, of a row with sealed persons."""
    if row["persons"] is None:
        return []
    found: list[Json] = json.loads(unseal(row["persons"], context=f"matter.persons:{row['id']}"))
    return found


def _person(row: Json) -> Json:
    given = persons_of(row)
    first = given[0] if given else {}
    return {
        "id": str(row["id"]),
        "number": row["number"],
        "name": first.get("name", ""),
        "phone": first.get("phone", ""),
        "email": first.get("email", ""),
        "address": first.get("address", ""),
        "language": row["language"],
        "query_code": code_of(row["number"]),
    }


def file_of(row: Json) -> Json:
    """What others are told about a file."""
    return {
        "id": str(row["id"]),
        "name": name_of(row["id"], row["name"]),
        "media_type": row["media_type"],
        "bytes": row["bytes"],
        "sha256": bytes(row["sha256"]).hex(),
        "supplement_id": str(row["supplement_id"]) if row["supplement_id"] else None,
    }


def supplement_of(row: Json) -> Json:
    """The words and the moment of a supplement's row."""
    words = json.loads(unseal(row["words"], context=f"supplement.words:{row['id']}"))
    return {"id": str(row["id"]), "text": words["text"], "supplemented_at": row["supplemented_at"].isoformat()}
