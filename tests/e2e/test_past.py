"""The demo city's past: the told cases are played through the real use cases and lie in the past."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from deploy.local.stack import Stack


def rows(stack: Stack, service: str, sql: str) -> list[dict[str, Any]]:
    with psycopg.connect(stack.database_url(service), row_factory=dict_row) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.stack
@pytest.mark.slow
def test_the_past_is_played_to_its_stages_and_its_clocks_ran_then(another_stack: Stack) -> None:
    stack = another_stack
    stack.start(services=False)
    told = stack.command("demo", "histories", "--most", "22")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "22 matters" in told.stdout
    assert "stopped" not in told.stdout, told.stdout

    progress = rows(
        stack, "intake", "select * from progress where lead_code = 'city-ecology' and closed_at is not null"
    )
    ago = [datetime.now(UTC) - row["closed_at"] for row in progress]
    assert any(timedelta(days=13) < age < timedelta(days=16) for age in ago), "the pollution case closed 14 days ago"

    waiting = rows(stack, "routing", "select count(*) as n from inbox")
    assert waiting == [{"n": 0}]
    overdue = rows(
        stack,
        "oversight",
        "select count(*) as n from clock where stopped_at is null and breached_at < now() - interval '1 day'",
    )
    assert overdue[0]["n"] > 0

    again = stack.command("demo", "histories")
    assert again.returncode == 0, again.stderr
    assert "no past was made" in again.stdout
