"""A call of the departments' ticket system to a tenant's own address, whatever comes of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from psycopg_pool import ConnectionPool

from deploy.demo.departments import workers
from deploy.demo.departments.records import Webhook


def test_a_call_over_which_the_program_stumbles_has_failed_and_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumble(*_: Any) -> str | None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(workers, "send", stumble)
    callers = workers.Workers(ConnectionPool(open=False), 1, 30.0)
    webhook = Webhook(7, uuid4(), "d-1", {"status": "TAKEN"}, 1, "http://127.0.0.1/hook", None)
    outcome = callers._call(webhook)
    assert (outcome.webhook_id, outcome.error) == (7, "RuntimeError")
    assert 0.5 < outcome.wait < 2
