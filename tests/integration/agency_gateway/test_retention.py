"""What the gateway lets go of assignments that ended long ago, and what it keeps; its lists on a filled table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import DictRow

from lianban.chassis.runtime import database
from lianban.chassis.transaction import Transaction
from lianban.chassis.web.access import COOKIE
from lianban.contracts.codes import AgencyRole, StaffRole
from lianban.contracts.routing import AssignmentDone
from services.agency_gateway.app import retention
from services.agency_gateway.store import assignments
from services.agency_gateway.web import create_app
from tests.integration.agency_gateway.conftest import TOWN, Intake, Sent, hear, run_until, send, state_of
from tests.plans import plans_of

Look = psycopg.Connection[DictRow]


def arrived(look: Look, intake: Intake) -> Sent:
    """An assignment on the town's desk."""
    sent = send(intake, TOWN)
    run_until(lambda: state_of(look, sent.id)["state"] == "delivered")
    return sent


def done(look: Look, sent: Sent, *, days_ago: int) -> None:
    """The agency's part is done, so many days ago."""
    moment = datetime.now(UTC) - timedelta(days=days_ago)
    role = AgencyRole.LEAD
    hear(AssignmentDone(assignment_id=sent.id, agency=TOWN, role=role, done_at=moment), sent.matter_id, at=moment)
    run_until(lambda: not look.execute("select from delivery where state <> 'delivered'").fetchall())
    look.execute("update assignment set changed_at = %s where id = %s", (moment, sent.id))


def on_desk(look: Look, sent: Sent) -> int:
    rows = look.execute("select 1 from desk_item where assignment_id = %s", (sent.id,)).fetchall()
    return len(rows)


def test_messages_of_assignments_that_ended_long_ago_leave_the_desk(look: Look, intake: Intake) -> None:
    old, young, running = arrived(look, intake), arrived(look, intake), arrived(look, intake)
    done(look, old, days_ago=181)
    done(look, young, days_ago=179)
    look.execute("update assignment set changed_at = now() - interval '900 days' where id = %s", (running.id,))
    journaled = look.execute("select count(*) as n from journal where sealed is not null").fetchall()
    assert retention.prune() == 1
    assert retention.prune() == 0
    assert on_desk(look, old) == 0
    assert on_desk(look, young) >= 1
    assert on_desk(look, running) == 1
    assert look.execute("select count(*) as n from journal where sealed is not null").fetchall() == journaled


def test_messages_of_an_assignment_whose_department_lacks_one_stay(look: Look, intake: Intake) -> None:
    sent = arrived(look, intake)
    done(look, sent, days_ago=181)
    look.execute("update delivery set state = 'parked' where assignment_id = %s and version = 1", (sent.id,))
    assert retention.prune() == 0
    assert on_desk(look, sent) >= 1


def test_the_desk_shows_an_assignment_whose_words_are_gone(
    look: Look, intake: Intake, token: Callable[..., str], become: Callable[[str], None]
) -> None:
    sent = arrived(look, intake)
    done(look, sent, days_ago=181)
    assert retention.prune() == 1
    client = create_app().test_client()
    signed = token(StaffRole.AGENCY, agency=TOWN.code)
    become("agency_gateway")
    client.set_cookie(COOKIE, signed)
    number = look.execute("select number from assignment where id = %s", (sent.id,)).fetchall()[0]["number"]
    assert number in client.get("/desk/?show=answered").get_data(as_text=True)
    page = client.get(f"/desk/assignments/{sent.id}")
    assert page.status_code == 200
    assert number in page.get_data(as_text=True)


@pytest.fixture
def filled(look: Look) -> Look:
    """One agency with very many old assignments and a few open ones, and others."""
    look.execute(
        """
        insert into assignment (id, matter_id, number, agency_code, agency_name, role, transfer_kind, claims,
            round, region_code, region_name, binding, state, sent_at, changed_at)
        select gen_random_uuid(), gen_random_uuid(), 'QH' || n, 'agency-' || n %% 4, '单位', 'lead', 'transfer', '{}',
            1, '990101000000', '某地', false,
            case when n %% 500 < 4 then 'sent' when n %% 700 < 4 then 'objected' else 'done' end,
            now() - n * interval '1 minute', now() - n * interval '1 minute'
        from generate_series(1, %s) as n
        """,
        (20_000,),
    )
    look.execute("analyze")
    return look


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (
            lambda tx: assignments.listed(
                tx, "agency-1", states=assignments.OPEN_STATES, number=None, before=None, limit=26
            ),
            "assignment_of_state",
        ),
        (
            lambda tx: assignments.listed(
                tx,
                "agency-1",
                states=assignments.FILTERS["all"],
                number=None,
                before=(datetime.now(UTC) - timedelta(days=1), UUID(int=0)),
                limit=26,
            ),
            "assignment_of_state",
        ),
        (
            lambda tx: assignments.listed(
                tx, "agency-1", states=assignments.FILTERS["all"], number="QH77", before=None, limit=26
            ),
            "assignment_number",
        ),
        (lambda tx: assignments.counts(tx, "agency-1"), "assignment_of_state"),
        (
            lambda tx: assignments.forget_messages(tx, datetime.now(UTC) - timedelta(days=13), 100),
            "assignment_with_messages",
        ),
    ],
)
def test_the_desks_lists_and_the_retention_are_served_by_an_index(
    filled: Look, ask: Callable[[Transaction], Any], index: str
) -> None:
    plan = plans_of(filled, "agency_gateway", ask)[-1]
    assert index in plan
    assert "Seq Scan on assignment" not in plan


def test_a_list_merges_the_states_in_order_and_goes_on_after_a_page(filled: Look) -> None:
    wanted = ("sent", "objected")
    expected = [
        row["number"]
        for row in filled.execute(
            "select number from assignment where agency_code = 'agency-1' and state = any(%s)"
            " order by sent_at desc, id desc",
            (list(wanted),),
        )
    ]
    seen: list[str] = []
    before = None
    while True:
        with database().transaction() as tx:
            page = assignments.listed(tx, "agency-1", states=wanted, number=None, before=before, limit=20)
        if not page:
            break
        seen += [row.number for row in page]
        before = (page[-1].sent_at, page[-1].id)
    assert len(expected) > 40
    assert seen == expected


def test_counts_stop_where_nobody_needs_to_know_more(filled: Look) -> None:
    with database().transaction() as tx:
        counted = assignments.counts(tx, "agency-1")
    assert counted["done"] == assignments.MOST_COUNTED
    exact = filled.execute("select count(*) as n from assignment where agency_code = 'agency-1' and state = 'sent'")
    assert counted["sent"] == exact.fetchall()[0]["n"]
