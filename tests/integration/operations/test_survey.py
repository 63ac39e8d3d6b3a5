"""What `lianban status` reads from the services' databases."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.rows import DictRow

from cli import survey
from lianban.chassis.runtime import database
from tests.databases import FreshDatabase

Looking = psycopg.Connection[DictRow]


@pytest.fixture
def look(fresh_database: FreshDatabase) -> Looking:
    return fresh_database("agency_gateway")


def lane(look: Looking, agency: str, **messages: str) -> None:
    """An agency's lane with a message for each state, made as long ago as is said."""
    look.execute("insert into lane (agency_code, agency_name) values (%s, %s)", (agency, agency))
    for state, ago in messages.items():
        look.execute(
            """
            with sent as (
                insert into assignment (id, matter_id, number, agency_code, agency_name, role, transfer_kind, claims,
                    round, region_code, region_name, binding, state, sent_at, changed_at)
                values (gen_random_uuid(), gen_random_uuid(), 'QH1', %(agency)s, '单位', 'lead', 'transfer', '{}', 1,
                    '990101000000', '某地', false, 'sent', now(), now())
                returning id, matter_id
            )
            insert into delivery (id, agency_code, assignment_id, matter_id, kind, version, adapter, state, due_at,
                offered_at, created_at)
            select gen_random_uuid(), %(agency)s, id, matter_id, 'assignment', 1, 'rest_push',
                case when %(state)s = 'offered' then 'sending' else %(state)s end,
                case when %(state)s in ('pending', 'unknown') then now() end,
                case when %(state)s = 'offered' then now() end, now() - %(ago)s::interval
            from sent
            """,
            {"agency": agency, "state": state, "ago": ago},
        )


def surveyed() -> dict[str, Any]:
    with database().transaction() as tx:
        return survey._lanes(tx)


def told(lanes: dict[str, Any]) -> list[tuple[str, str]]:
    """The alerts that lanes alone give, each with what it is about."""
    found: dict[str, Any] = {
        "disk": {"free_bytes": 80e9, "size_bytes": 100e9}, "processes": [], "unread": [], "lanes": lanes,
        "clocks": None, "calendar": None,
    }  # fmt: skip
    return [(alert, text.split()[0]) for alert, text in survey.attention(found)]


def test_a_closed_lane_whose_messages_are_offered_for_hours_is_behind_and_its_age_is_known(look: Looking) -> None:
    lane(look, "slow", offered="2 hours", pending="10 minutes")
    lane(look, "quick", pending="50 minutes")
    lanes = surveyed()
    assert told(lanes) == [("LianbanLaneBehind", "slow")]
    assert 7200 <= lanes["oldest_seconds"] < 7300


def test_an_old_message_beside_a_new_unknown_one_is_no_unknown_outcome_for_long(look: Looking) -> None:
    lane(look, "city", offered="50 minutes", unknown="1 minute")
    assert told(surveyed()) == []
    lane(look, "town", pending="1 minute", unknown="20 minutes")
    assert told(surveyed()) == [("LianbanDeliveriesUnknown", "town")]


def test_lanes_that_need_nobody_do_not_push_one_that_does_off_the_list(look: Looking) -> None:
    for number in range(survey.WORST):
        lane(look, f"fresh-{number}", unknown="1 minute")
    lane(look, "behind", pending="2 hours")
    assert told(surveyed()) == [("LianbanLaneBehind", "behind")]


def waiting(look: Looking, state: str, events: int) -> None:
    look.execute(
        "insert into inbox (event_id, subject, producer, sequence, type, body, state, received_at)"
        " select gen_random_uuid(), gen_random_uuid(), 'intake', n, 'x', '', %s, now() - interval '1 minute'"
        " from generate_series(1, %s) as n",
        (state, events),
    )


def counted() -> dict[str, Any]:
    with database().transaction() as tx:
        return survey._events(tx)


def test_events_are_counted_no_further_than_the_bound(look: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MOST_COUNTED", 5)
    look.execute(
        "insert into outbox (event_id, subject, sequence, type, bus_key, body, created_at)"
        " select gen_random_uuid(), gen_random_uuid(), n, 'x', 'x', '', now() - interval '1 hour' / n"
        " from generate_series(1, 9) as n"
    )
    look.execute("insert into unpublished (position) select position from outbox")
    waiting(look, "parked", 3)
    found = counted()
    assert (found["outbox"], found["parked"], found["quarantined"]) == (5, 3, 0)
    assert 3600 <= found["outbox_oldest"] < 3700
    assert 60 <= found["parked_oldest"] < 160
    waiting(look, "parked", 6)
    found = counted()
    assert (found["parked"], found["quarantined"]) == (5, None)


def test_quarantined_events_are_counted_among_those_that_wait(look: Looking) -> None:
    waiting(look, "parked", 3)
    waiting(look, "quarantined", 2)
    found = counted()
    assert (found["parked"], found["quarantined"], found["outbox"], found["outbox_oldest"]) == (3, 2, 0, None)
