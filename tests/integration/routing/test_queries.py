"""Every list query has the index that serves it, shown on a filled table; the sealed loop rows come in order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from lianban.chassis.errors import Retry
from lianban.chassis.runtime import database
from lianban.chassis.transaction import Transaction
from services.routing.app import suggestion
from services.routing.store import desk, texts
from tests.integration.routing.conftest import NOW, City
from tests.plans import plans_of

ROWS = 20_000


@pytest.fixture
def filled(city: City) -> City:
    """Many cases, few of which wait."""
    city.connection.execute(
        """
        insert into petition_case (id, number, channel, purpose, region_code, region_name, received_at, claims,
                                   anonymous, reachable, imported, state, attention)
        select gen_random_uuid(), 'QH' || n, 'web', 'appeal',
               (array['990101000000', '990102101001', '990102101000'])[1 + n %% 3], '某地',
               %s::timestamptz + n * interval '1 minute', '[]', false, true, false,
               case when n %% 100 = 0 then 'registered' when n %% 50 = 0 then 'routed' else 'closed' end,
               case when n %% 100 = 0 then 'route' end
        from generate_series(1, %s) as n
        """,
        (NOW, ROWS),
    )
    city.connection.execute(
        """
        insert into case_text (case_id, body, grams, fetched_at)
        select id, convert_to(repeat('x', 500), 'UTF8'),
               array(select (extract(epoch from received_at)::bigint / 60 * k) %% 50021
                     from generate_series(1, 40) as k),
               received_at
        from petition_case
        """,
        (),
    )
    city.connection.execute("analyze")
    return city


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (desk.Filter(), "case_triage"),
        (desk.Filter(attention="route"), "case_triage"),
        (desk.Filter(waiting=False), "case_by_age"),
        (desk.Filter(waiting=False, state="routed"), "case_by_state"),
        (desk.Filter(waiting=False, number="QH77"), "case_number_once"),
        (desk.Filter(waiting=False, grams=(4321,)), "case_by_age"),
        (desk.Filter(prefixes=("990102",)), "case_triage"),
    ],
)
@pytest.mark.parametrize("after", [None, (NOW + timedelta(days=3), UUID(int=0))])
def test_lists_read_an_index_and_never_the_whole_table(
    filled: City, wanted: desk.Filter, index: str, after: Any
) -> None:
    sql, params = desk.triage_query(wanted, after=after, limit=26)
    plan = "\n".join(str(row["QUERY PLAN"]) for row in filled.connection.execute("explain " + sql, params))
    assert index in plan
    assert "Seq Scan on petition_case" not in plan


def test_a_rare_word_is_looked_up_and_a_common_one_walked_with_the_same_cases_in_the_same_order(
    filled: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pages() -> list[UUID]:
        seen: list[UUID] = []
        after = None
        with database().transaction() as tx:
            while page := desk.triage(tx, wanted, after=after, limit=3):
                seen += [row["id"] for row in page]
                after = (page[-1]["received_at"], page[-1]["id"])
        return seen

    [row] = filled.connection.execute("select grams[7] as gram from case_text order by fetched_at desc limit 1")
    wanted = desk.Filter(waiting=False, grams=(row["gram"],))
    rare = pages()
    [first] = plans_of(filled.connection, "routing", lambda tx: desk.triage(tx, wanted, after=None, limit=3))
    assert "case_text_grams" in first
    assert "Seq Scan on petition_case" not in first
    assert len(rare) >= 1
    monkeypatch.setattr(desk, "FEW", 0)
    assert pages() == rare


def test_what_waits_is_counted_from_an_index(filled: City) -> None:
    with database().transaction() as tx:
        assert desk.waiting_counts(tx, None) == {"route": ROWS // 100}
        county = desk.waiting_counts(tx, "990102")
    assert 0 < county["route"] < ROWS // 100


def test_a_neighbour_that_is_away_loses_no_matter(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    matter = city.register()

    def away(*_: Any, **__: Any) -> Any:
        raise Retry("away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suggestion, "classify", away)
        with pytest.raises(Retry):
            suggestion.run_due()
    assert city.one("select case_id from case_text")["case_id"] == matter
    monkeypatch.setattr(suggestion, "now", lambda: NOW + timedelta(days=365))
    assert suggestion.run_due() == 1


def test_a_matter_that_intake_no_longer_gives_out_waits_without_suggestion(city: City) -> None:
    matter = city.register()
    del city.matters[matter]
    assert suggestion.run_due() == 1
    row = city.one("select suggest_due, attention from petition_case where id = %s", matter)
    assert row == {"suggest_due": None, "attention": "route"}


def test_two_rounds_at_once_do_not_take_the_same_matter(city: City) -> None:
    city.register()
    with database().transaction() as first, database().transaction() as second:
        taken = texts.take_due_cases(first, at=NOW, until=NOW + timedelta(minutes=1), limit=10)
        assert len(taken) == 1
        assert texts.take_due_cases(second, at=NOW, until=NOW + timedelta(minutes=1), limit=10) == []


def test_two_rounds_at_once_do_not_take_the_same_statement_and_taking_writes_no_index(city: City) -> None:
    matter = city.register()
    city.connection.execute(
        """
        insert into statement (id, case_id, assignment_id, agency_code, kind, stated_at, body, fetch_due)
        select gen_random_uuid(), %s, gen_random_uuid(), 'x', 'progress', %s::timestamptz + n * interval '1 second',
            case when n <= 5000 then 'x'::bytea end, case when n > 5000 then %s::timestamptz end
        from generate_series(1, 5010) as n
        """,
        (matter, NOW, NOW),
    )
    city.connection.execute("analyze statement")

    def take(tx: Transaction, at: datetime) -> list[UUID]:
        return texts.take_due_statements(tx, at=at, until=at + timedelta(minutes=1), limit=6)

    [plan] = plans_of(city.connection, "routing", lambda tx: take(tx, NOW - timedelta(days=1)))
    assert "statement_to_fetch" in plan
    assert "Seq Scan" not in plan
    with database().transaction() as first, database().transaction() as second:
        taken = take(first, NOW)
        counted = "select pg_stat_get_xact_tuples_hot_updated('statement'::regclass) as n"
        assert [row["n"] for row in first.execute(counted)] == [6]
        others = take(second, NOW)
    rows = city.connection.execute("select id from statement where body is null order by stated_at").fetchall()
    assert (sorted(taken), sorted(others)) == (
        sorted(row["id"] for row in rows[:6]),
        sorted(row["id"] for row in rows[6:]),
    )
    with database().transaction() as tx:
        assert take(tx, NOW + timedelta(seconds=59)) == []
        assert len(take(tx, NOW + timedelta(minutes=1))) == 6, "what a worker that died has taken comes back"
