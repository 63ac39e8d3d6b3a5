"""Asking the text model's process how well a text fits each type of matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from uuid import UUID

import requests

from lianban.chassis.errors import Retry
from lianban.chassis.settings import settings

CONNECT_SECONDS = 2.0
READ_SECONDS = 20.0


@cache
def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # the process is a neighbour, never behind a proxy
    return session


def classify(items: Sequence[tuple[UUID, str, str]]) -> Mapping[UUID, Mapping[str, float]]:
    """For each (id, title, content) the scores of matter types, 0 to 1.

    Raises :class:`Retry` when the process is out of reach or has not learned yet.
    """
    try:
        answer = _session().post(
            settings().need("suggest_url").rstrip("/") + "/v1/classify",
            json={"items": [{"id": str(i), "title": title, "content": content} for i, title, content in items]},
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            allow_redirects=False,
        )
        if answer.status_code != 200:
            raise Retry(f"the text model answered {answer.status_code}")
        found = answer.json()["items"]
        return {UUID(item["id"]): {t["code"]: float(t["score"]) for t in item["matter_types"]} for item in found}
    except (requests.RequestException, KeyError, TypeError, ValueError) as error:
        raise Retry(f"the text model is out of reach: {type(error).__name__}") from error
