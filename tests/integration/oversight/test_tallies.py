"""What is over is counted when it ends, and the counts are those that counting anew gives."""

from __future__ import annotations

from typing import Any

from lianban.chassis.runtime import database
from lianban.contracts import routing
from lianban.contracts.codes import AgencyRole, DocumentKind, MatterState, ObjectionReason
from services.oversight.app import looking, watching, working_calendar
from services.oversight.store import matters, tallies
from tests.integration.oversight.conftest import ECOLOGY, Oversight


def counted(oversight: Oversight) -> list[dict[str, Any]]:
    """Everything that is counted, without what cancels out."""
    return oversight.look.execute(
        "select what, region_code, agency_code, rule, word, sum(n)::int as n from counted"
        " group by what, region_code, agency_code, rule, word having sum(n) <> 0 order by 1, 2, 3, 4, 5"
    ).fetchall()


def played(oversight: Oversight) -> None:
    """One matter decided and served, one only accepted, one where the agency objected, in two counties."""
    working_calendar.seed()
    for number, last in enumerate(("served", "accepted", "objected")):
        matter = oversight.register(f"XF{number}", region=f"99010{number % 2 + 1}000000")
        lead = oversight.route(matter, day=2)
        if last == "objected":
            objected = routing.AssignmentObjected(
                assignment_id=lead,
                agency=ECOLOGY,
                role=AgencyRole.LEAD,
                reason=ObjectionReason.OUTSIDE_POWERS,
                proposed=None,
                statement_id=matter,
                objected_at=oversight.on_day(3),
            )
            oversight.hear(objected, matter, day=3)
            continue
        oversight.accept(matter, lead, day=3)
        if last == "served":
            oversight.serve(matter, DocumentKind.ACCEPTANCE_NOTICE, day=4)
            oversight.serve(matter, DocumentKind.DECISION, day=90)


def test_counting_with_every_change_gives_what_counting_anew_gives(oversight: Oversight) -> None:
    played(oversight)
    kept = counted(oversight)
    assert {row["what"] for row in kept} == {"matters", "assignments", "objections", "clocks"}
    with database().transaction() as tx:
        tallies.rebuild(tx)
    assert counted(oversight) == kept


def test_adding_up_changes_no_count_and_leaves_no_change_over(oversight: Oversight) -> None:
    played(oversight)
    before = counted(oversight)
    assert watching.add_up() > 0
    assert watching.add_up() == 0
    assert counted(oversight) == before
    with database().transaction() as tx:
        assert sum(tallies.matters_by_state(tx, territory="").values()) == 3
        assert sum(tallies.matters_by_state(tx, territory="990102").values()) == 1


def test_the_board_counts_what_ended_and_what_runs(oversight: Oversight) -> None:
    played(oversight)
    with database().transaction() as tx:
        seen = looking.summary(tx, territory=None, at=oversight.on_day(95))
    rules = {rule.id: counts for rule, counts in seen.rules}
    assert rules["route"] == {"met": 3, "late": 0, "running": 0, "overdue": 0, "lapsed": 0}
    assert (rules["handle"]["late"], rules["handle"]["overdue"]) == (1, 1)
    assert list(seen.states) == sorted(seen.states, key=list(MatterState).index), "from registered to closed"
    [agency] = seen.agencies
    assert (agency["assignments"], agency["objections"], agency["overdue"]) == (3, 1, seen.figures["overdue"])


def test_an_agencys_matters_come_in_the_order_in_which_it_got_them_each_once(oversight: Oversight) -> None:
    working_calendar.seed()
    first, second = oversight.register("XF1"), oversight.register("XF2")
    oversight.route(first, day=1)
    oversight.route(second, day=2)
    oversight.route(first, day=3)

    def page(after: Any, **wanted: Any) -> list[matters.Matter]:
        with database().transaction() as tx:
            return matters.page(
                tx, **{"territory": "", "state": None, "agency": "city-ecology", "after": after, "limit": 1, **wanted}
            )

    [top] = page(None)
    [next_] = page(top.key)
    assert (top.number, next_.number, page(next_.key)) == ("XF1", "XF2", [])
    assert page(None, state=MatterState.CLOSED.value) == page(None, agency="city-urban") == []
