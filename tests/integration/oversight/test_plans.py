"""The lists of the board on a filled database: each page is read through an index, never by sorting everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import DictRow

from lianban.chassis.transaction import Transaction
from services.oversight.store import clocks, matters
from tests.integration.oversight.conftest import Oversight
from tests.plans import plans_of

MATTERS = 20_000


@pytest.fixture
def filled(oversight: Oversight) -> psycopg.Connection[DictRow]:
    """Matters in all states over four counties, each with four clocks of which one runs."""
    look = oversight.look
    look.execute(
        """
        insert into matter (id, number, region_code, region_name, state, received_at, changed_at, lead_code, lead_name,
            reachable)
        select gen_random_uuid(), 'XF' || n, '9901' || lpad((n %% 4 + 1)::text, 2, '0') || '000000', '区',
            (array['registered', 'routed', 'accepted', 'handling', 'served', 'closed'])[n %% 6 + 1],
            now() - n * interval '1 minute', now() - n * interval '1 minute', 'agency-' || n %% 40, '单位', true
        from generate_series(1, %s) as n
        """,
        (MATTERS,),
    )
    look.execute(
        """
        insert into clock (id, matter_id, region_code, rule, bound_code, bound_name, round, started_on, raw_due,
            legal_due, provisional, outcome, stopped_at, calendar_edition, next_look)
        select gen_random_uuid(), matter.id, region_code, rule, lead_code, lead_name, 1, current_date - 90,
            current_date - 30 + (random() * 60)::int, current_date - 30 + (random() * 60)::int, false,
            case when rule <> 'handle' then 'met' end, case when rule <> 'handle' then now() end, 1,
            case when rule = 'handle' then current_date + (random() * 30)::int end
        from matter, unnest(array['route', 'notice', 'handle']) as rule
        """
    )
    look.execute(
        """
        insert into assignment (id, matter_id, region_code, agency_code, agency_name, role, state, sent_at, ended_at)
        select gen_random_uuid(), id, region_code, lead_code, lead_name, 'lead', state,
            received_at, case when state = 'done' then received_at end
        from (
            select id, region_code, lead_code, lead_name, received_at,
                case when random() < 0.002 then 'sent' else 'done' end as state from matter
        ) as drawn
        """
    )
    look.execute(
        """
        insert into clock (id, matter_id, region_code, rule, bound_code, bound_name, assignment_id, round, started_on,
            raw_due, legal_due, provisional, outcome, stopped_at, calendar_edition)
        select gen_random_uuid(), matter_id, region_code, 'objection', agency_code, agency_name, id, 1,
            current_date - 90, current_date - 85, current_date - 85, false, 'lapsed', now(), 1
        from assignment
        """
    )
    look.execute("vacuum analyze")  # the indexes alone answer only where the table is known to be visible
    return look


def test_every_list_of_the_board_is_read_through_its_index(filled: psycopg.Connection[DictRow]) -> None:
    long_ago, last = date(2020, 1, 1), (datetime(2100, 1, 1, tzinfo=UTC), UUID(int=0))
    everything, county = clocks.Filter(territory=""), clocks.Filter(territory="990101")
    one_agency = clocks.Filter(territory="", agency="agency-7")
    overdue = clocks.Filter(territory="", overdue_on=long_ago)
    provisional = clocks.Filter(territory="", provisional=True)
    table: list[tuple[str, Callable[[Transaction], Any]]] = [
        ("clock_running", lambda tx: clocks.running(tx, everything, after=None, limit=51)),
        ("clock_running", lambda tx: clocks.running(tx, county, after=None, limit=51)),
        ("clock_running_of_agency", lambda tx: clocks.running(tx, one_agency, after=None, limit=51)),
        ("clock_running", lambda tx: clocks.running(tx, overdue, after=None, limit=51)),
        ("matter_by_", lambda tx: matters.page(tx, territory="", state=None, agency=None, after=last, limit=51)),
        ("matter_by_", lambda tx: matters.page(tx, territory="", state="handling", agency=None, after=last, limit=51)),
        ("assignment_unanswered", lambda tx: clocks.unanswered(tx, county, after=None, limit=51)),
        ("matter_closed", lambda tx: matters.by_month(tx, territory="9901", since=date(2100, 1, 1))),
        ("matter_received", lambda tx: matters.by_month(tx, territory="9901", since=date(2100, 1, 1))),
        ("clock_look", lambda tx: clocks.matters_to_look_at(tx, long_ago, 100)),
        ("clock_provisional", lambda tx: clocks.running(tx, provisional, after=None, limit=51)),
        (
            "assignment_of_agency",
            lambda tx: matters.page(tx, territory="", state="closed", agency="agency-7", after=last, limit=51),
        ),
        ("clock_running_figures", lambda tx: clocks.counts(tx, territory="990101", today=long_ago, soon=long_ago)),
        ("assignment_open", lambda tx: matters.open_assignments_by_agency(tx, territory="9901")),
        ("assignment_unanswered", lambda tx: clocks.unanswered_by_agency(tx, territory="")),
    ]
    for index, ask in table:
        plan = plans_of(filled, "oversight", ask)[-1]
        assert index in plan
        assert "Seq Scan" not in plan
