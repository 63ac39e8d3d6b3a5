"""Clocks on a real database: started and stopped by events, warned and breached by time, moved by the calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from lianban.chassis import time
from lianban.chassis.runtime import database
from lianban.contracts import routing
from lianban.contracts.codes import ClockOutcome, ClosingReason, DecidedBy, DocumentKind, StaffRole, YearStatus
from lianban.contracts.intake import MatterSealed
from lianban.contracts.oversight import CalendarChanged, ClockBreached, ClockMoved, ClockStopped, ClockWarned
from lianban.law.calendar import CalendarYear
from services.oversight.app import metrics, verifying, watching, working_calendar
from services.oversight.store import ledger, matters
from services.oversight.web import create_app
from tests import unrolled
from tests.databases import FreshDatabase
from tests.integration.oversight.conftest import ECOLOGY, Oversight


def test_the_clocks_of_a_matter_run_and_end_as_the_law_says(oversight: Oversight) -> None:
    working_calendar.seed()
    matter = oversight.register()
    lead = oversight.route(matter, day=7)
    oversight.accept(matter, lead, day=8)
    oversight.serve(matter, DocumentKind.ACCEPTANCE_NOTICE, day=9)
    oversight.serve(matter, DocumentKind.DECISION, day=60)

    clocks = oversight.clocks(matter)
    assert (clocks["route"]["started_on"], clocks["route"]["legal_due"]) == (date(2026, 3, 2), date(2026, 3, 17))
    assert clocks["objection"]["legal_due"] == date(2026, 3, 16)
    assert clocks["notice"]["legal_due"] == date(2026, 3, 24)
    assert (clocks["handle"]["started_on"], clocks["handle"]["raw_due"]) == (date(2026, 3, 10), date(2026, 5, 9))
    assert {rule: clocks[rule]["outcome"] for rule in ("route", "objection", "notice", "handle")} == {
        "route": "met",
        "objection": "met",
        "notice": "met",
        "handle": "met",
    }


def test_a_clock_warns_once_per_rung_and_is_breached_once(oversight: Oversight) -> None:
    working_calendar.seed()
    matter = oversight.register()
    with time.at(oversight.on_day(8)):
        assert watching.run_due() == 1
        assert watching.run_due() == 0
    assert [event.step for event in oversight.said(ClockWarned)] == ["50%"]
    with time.at(oversight.on_day(15)):
        watching.run_due()
    assert oversight.said(ClockBreached) == []
    with time.at(oversight.on_day(16)):
        watching.run_due()
        watching.run_due()
    assert [event.rule for event in oversight.said(ClockBreached)] == ["route"]

    oversight.route(matter, day=17)
    stopped = [event for event in oversight.said(ClockStopped) if event.rule == "route"]
    assert [event.outcome for event in stopped] == [ClockOutcome.LATE]


def test_a_window_of_objection_that_passes_is_no_breach_and_the_silent_agency_is_named(
    oversight: Oversight, token: Callable[..., str], become: Callable[[str], None]
) -> None:
    working_calendar.seed()
    matter = oversight.register()
    lead = oversight.route(matter, day=0)
    with time.at(oversight.on_day(8)):
        watching.run_due()
    assert oversight.said(ClockBreached) == []
    stopped = [(event.rule, event.outcome, event.stopped_at) for event in oversight.said(ClockStopped)]
    closed = datetime(2026, 3, 9, 16, 0, tzinfo=UTC)
    assert stopped == [("route", ClockOutcome.MET, oversight.on_day(0)), ("objection", ClockOutcome.LAPSED, closed)]

    with time.at(oversight.on_day(8)):
        bearer = token(StaffRole.SUPERVISOR)
    become("oversight")
    client = create_app().test_client()
    client.set_cookie("lianban_access", bearer)

    def read(path: str) -> Any:
        answer = client.get(f"/api/v1/oversight{path}", headers={"Authorization": f"Bearer {bearer}"})
        assert answer.status_code == 200
        return answer.get_json()

    with time.at(oversight.on_day(8)):
        clocks = read("/summary")["clocks"]
        assert (clocks["overdue"], clocks["unanswered"], clocks["running"]) == (0, 1, 1)
        assert {rule["rule"]: rule["lapsed"] for rule in read("/summary")["rules"]} == {
            "route": 0,
            "notice": 0,
            "objection": 1,
        }
        (silent,) = read("/clocks?unanswered=true")["items"]
        assert (silent["rule"], silent["standing"], silent["bound"]["code"]) == ("objection", "lapsed", "city-ecology")
        (agency,) = read("/agencies")["items"]
        assert (agency["lapsed"], agency["unanswered"], agency["overdue"]) == (1, 1, 0)
        assert read("/clocks?overdue=true")["items"] == []
        for page in ("/oversight/clocks?standing=unanswered", "/oversight/matters/XF1"):
            assert "期满未提出异议" in client.get(page).get_data(as_text=True)

        oversight.accept(matter, lead, day=8)
        assert read("/summary")["clocks"]["unanswered"] == 0
        assert read("/clocks?unanswered=true")["items"] == []
        (agency,) = read("/agencies")["items"]
        assert (agency["lapsed"], agency["unanswered"]) == (1, 0)


def test_windows_that_an_earlier_version_called_overdue_are_named_anew(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    working_calendar._seen.clear()
    look = fresh_database("oversight")
    oversight = Oversight(look)
    working_calendar.seed()
    matter = oversight.register()
    oversight.route(matter, day=0)
    late = oversight.register("XF2")
    oversight.route(late, day=0)
    look.execute("update clock set breached_at = now(), next_look = null where matter_id = %s", (matter,))
    look.execute(
        "update clock set outcome = 'late', stopped_at = now() where matter_id = %s and rule = 'objection'", (late,)
    )
    sql = Path("services/oversight/migrations/0003_lapse.sql").read_text(encoding="utf-8")
    look.execute(sql[: sql.index("create index")].encode())
    with time.at(oversight.on_day(8)):
        watching.run_due()
    assert oversight.clocks(matter)["objection"]["outcome"] == "lapsed"
    renamed = oversight.clocks(late)["objection"]
    assert (renamed["outcome"], renamed["stopped_at"]) == ("lapsed", datetime(2026, 3, 9, 16, 0, tzinfo=UTC))


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"lianban_oversight_{name}", labels)


def test_the_gauges_tell_clocks_matters_agencies_and_the_calendar(oversight: Oversight) -> None:
    working_calendar.seed()
    matter = oversight.register()
    oversight.register("XF2")
    oversight.route(matter, day=1)
    with time.at(oversight.on_day(15)):  # XF2 must be routed today; the window of objection to XF1 closed a week ago
        watching.measure()
    assert gauge("clocks", rule="route", standing="due_today") == 1
    assert gauge("clocks", rule="objection", standing="overdue") == 0
    assert gauge("clocks", rule="notice", standing="overdue") == 0
    assert gauge("agency_clocks_overdue", agency="city-ecology") is None
    with time.at(oversight.on_day(17)):  # the petitioner had to be told yesterday
        watching.measure()
    assert gauge("clocks", rule="notice", standing="overdue") == 1
    assert gauge("clocks", rule="handle", standing="overdue") == 0
    assert gauge("agency_clocks_overdue", agency="city-ecology") == 1
    assert gauge("assignments_open", agency="city-ecology") == 1
    assert gauge("matters", state="registered") == 1
    assert gauge("matters", state="routed") == 1
    assert gauge("matters", state="closed") == 0
    assert gauge("calendar_official", year="this_year") == 1
    assert gauge("calendar_official", year="next_year") == 0


def test_the_watch_tells_when_it_had_nothing_left_to_look_at(oversight: Oversight) -> None:
    working_calendar.seed()
    oversight.register()
    metrics.watched.set(0)
    with time.at(oversight.on_day(16)):
        assert watching.run_due() == 1
        assert gauge("clocks_watched_timestamp_seconds") == 0
        assert watching.run_due() == 0
        assert gauge("clocks_watched_timestamp_seconds") == oversight.on_day(16).timestamp()


def test_a_changed_calendar_moves_running_clocks_and_leaves_ended_ones(oversight: Oversight) -> None:
    ended, running = oversight.register("XF1"), oversight.register("XF2")
    oversight.route(ended, day=1)
    assert oversight.clocks(running)["route"]["provisional"]
    working_calendar.seed()
    changed = CalendarYear(
        2026,
        YearStatus.OFFICIAL,
        tuple(
            day
            for event in oversight.said(CalendarChanged)
            if event.year == 2026
            for day in (*event.days, type(event.days[0])(date(2026, 3, 17), False, "防汛"))
        ),
    )
    with database().transaction() as tx:
        working_calendar.change(tx, changed, actor="test", at=time.now())
    working_calendar._seen.clear()
    while watching.recompute_due():
        pass
    route = oversight.clocks(running)["route"]
    assert (route["legal_due"], route["provisional"]) == (date(2026, 3, 18), False)
    assert oversight.clocks(ended)["route"]["legal_due"] == date(2026, 3, 17)
    assert {event.rule for event in oversight.said(ClockMoved)} == {"route", "objection", "notice"}


def test_a_sealed_accusation_leaves_a_line_in_the_ledger_and_no_clock(oversight: Oversight) -> None:
    subject = uuid4()
    oversight.hear(MatterSealed(number="XF9", received_at=oversight.received), subject)
    with database().transaction() as tx:
        assert [link.entry.type for link in ledger.of_subject(tx, subject)] == ["lianban.intake.matter-sealed.v1"]
    assert oversight.clocks(subject) == {}


@pytest.mark.parametrize(
    ("tampering", "fault"),
    [
        ("update ledger set data = replace(data, 'XF1', 'XF7')", "was changed"),
        ("update ledger set happened_at = happened_at - interval '1 day' where position = 1", "was changed"),
        ("delete from ledger where position = 2", "is missing"),
        ("delete from ledger where position = (select max(position) from ledger)", "chain ends at"),
        ("update ledger set position = position + 10 where position = 1", "is missing"),
    ],
)
def test_tampering_with_the_ledger_is_found(oversight: Oversight, tampering: str, fault: str) -> None:
    matter = oversight.register()
    oversight.route(matter, day=1)
    with database().transaction() as tx:
        assert [v.fault for v in verifying.verify_all(tx) if v.fault] == []
        assert sum(v.entries for v in verifying.verify_all(tx)) == 3
    oversight.look.execute(tampering.encode())
    with database().transaction() as tx:
        faults = [v.fault for v in verifying.verify_all(tx) if v.fault]
    assert len(faults) == 1
    assert fault in faults[0]


def test_board_and_api_show_the_same_clocks_with_their_arithmetic(
    oversight: Oversight, token: Callable[..., str], become: Callable[[str], None]
) -> None:
    working_calendar.seed()
    oversight.register("XF1")
    bearer = token(StaffRole.SUPERVISOR)
    become("oversight")
    client = create_app().test_client()
    headers = {"Authorization": f"Bearer {bearer}"}

    summary = client.get("/api/v1/oversight/summary", headers=headers).get_json()
    assert summary["clocks"]["overdue"] == 1
    assert summary["matters"] == {"registered": 1}
    (clock,) = client.get("/api/v1/oversight/clocks?overdue=true", headers=headers).get_json()["items"]
    assert (clock["rule"], clock["legal_due"], clock["standing"]) == ("route", "2026-03-17", "overdue")
    matter = client.get("/api/v1/oversight/matters/XF1", headers=headers).get_json()
    assert matter["clocks"][0]["arithmetic"][0]["text"]["zh"].startswith("自2026年3月2日")
    assert matter["clocks"][0]["matter"] == clock["matter"]
    assert client.get("/api/v1/oversight/matters/XF404", headers=headers).status_code == 404
    assert client.get("/api/v1/oversight/summary").status_code == 401

    client.set_cookie("lianban_access", bearer)
    for path in (
        "/oversight/",
        "/oversight/clocks",
        "/oversight/matters",
        "/oversight/matters/XF1",
        "/oversight/calendar",
    ):
        page = client.get(path)
        assert page.status_code == 200, path
        assert "2026年" in page.get_data(as_text=True)


def test_the_board_tells_month_by_month_what_came_in_and_what_was_finished(
    oversight: Oversight, token: Callable[..., str], become: Callable[[str], None]
) -> None:
    first, second = oversight.register("XF1"), oversight.register("XF2")
    oversight.received += timedelta(days=29, hours=15)  # 1 a.m. on 1 April in China, still March in UTC
    oversight.register("XF3")
    oversight.received -= timedelta(days=29, hours=15)
    for matter in (first, second):
        at = oversight.on_day(40)
        oversight.hear(routing.CaseClosed(reason=ClosingReason.RATED, closed_at=at), matter, day=40)
    reopened = routing.CaseReopened(round=2, ordered_by=DecidedBy.OFFICER, reopened_at=oversight.on_day(41))
    oversight.hear(reopened, second, day=41)
    with time.at(oversight.on_day(50)):
        bearer = token(StaffRole.SUPERVISOR)
        become("oversight")
        client = create_app().test_client()
        headers = {"Authorization": f"Bearer {bearer}"}
        months = client.get("/api/v1/oversight/summary", headers=headers).get_json()["months"]
        client.set_cookie("lianban_access", bearer)
        page = client.get("/oversight/").get_data(as_text=True)
    assert len(months) == 12
    assert months[0] == {"month": "2025-05", "registered": 0, "closed": 0}
    assert months[-2:] == [
        {"month": "2026-03", "registered": 2, "closed": 0},
        {"month": "2026-04", "registered": 1, "closed": 1},
    ]
    assert 'data-series="registered,closed"' in page
    assert "2025年5月" in page


def test_a_supervisor_sees_only_the_own_territory(
    oversight: Oversight, keys: object, become: Callable[[str], None], token: Callable[..., str]
) -> None:
    from lianban.chassis import auth
    from lianban.chassis.auth import Principal

    oversight.register("XF1", region="990101000000")
    oversight.register("XF2", region="990102000000")
    become("routing")
    who = Principal(kind="staff", subject="s-2", roles=frozenset({StaffRole.SUPERVISOR}), territory="990102000000")
    headers = {"Authorization": f"Bearer {auth.issue_access(who, at=time.now())}"}
    become("oversight")
    client = create_app().test_client()
    items = client.get("/api/v1/oversight/matters", headers=headers).get_json()["items"]
    assert [item["number"] for item in items] == ["XF2"]
    assert client.get("/api/v1/oversight/matters/XF1", headers=headers).status_code == 404


def test_lists_are_filtered_by_the_agencies_that_occur_in_the_territory(
    oversight: Oversight, token: Callable[..., str], become: Callable[[str], None]
) -> None:
    oversight.route(oversight.register("XF1"), day=1)
    oversight.register("XF2")
    bearer = token(StaffRole.SUPERVISOR)
    become("oversight")
    client = create_app().test_client()
    client.set_cookie("lianban_access", bearer)
    with database().transaction() as tx:
        assert matters.agencies(tx, territory="9901") == [ECOLOGY]
        assert matters.agencies(tx, territory="990102") == []
    for path in ("/oversight/clocks", "/oversight/matters"):
        assert '<option value="city-ecology">清河市生态环境局</option>' in client.get(path).get_data(as_text=True)
    chosen = client.get("/oversight/matters?agency=city-ecology").get_data(as_text=True)
    assert '<option value="city-ecology" selected>' in chosen
    assert "XF1" in chosen
    assert "XF2" not in chosen


@pytest.mark.parametrize(
    ("notice", "status"),
    [
        ({"year": 2027, "days": [{"name": "元旦", "date": "2027-01-01", "isOffDay": True}]}, 201),
        ({"year": 2027, "days": [{"name": "元旦", "date": "2029-01-01", "isOffDay": True}]}, 422),
        ({"days": []}, 422),
    ],
)
def test_a_years_notice_is_imported_or_refused_with_the_reason(
    oversight: Oversight, token: Callable[..., str], become: Callable[[str], None], notice: object, status: int
) -> None:
    bearer = token(StaffRole.OPERATOR)
    become("oversight")
    client = create_app().test_client()
    answer = client.post("/api/v1/oversight/calendar", json=notice, headers={"Authorization": f"Bearer {bearer}"})
    assert answer.status_code == status, answer.get_data(as_text=True)
    stored = oversight.look.execute("select count(*) as days from calendar_day where year = 2027").fetchone()
    assert stored is not None
    assert stored["days"] == (1 if status == 201 else 0)


def test_the_clocks_go_by_the_sites_settings(
    oversight: Oversight,
    token: Callable[..., str],
    become: Callable[[str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unrolled.live_there(tmp_path, monkeypatch)
    working_calendar.seed()
    oversight.received = unrolled.SENT
    matter = oversight.register()
    oversight.accept(matter, oversight.route(matter, day=0), day=5)
    dates = {rule: clock["legal_due"] for rule, clock in oversight.clocks(matter).items()}
    assert dates["objection"] == unrolled.OBJECTION
    assert dates["notice"] == unrolled.NOTICE
    assert dates["handle"] == unrolled.HANDLE

    oversight.serve(matter, DocumentKind.DECISION, day=20)
    bearer = token(StaffRole.SUPERVISOR)
    become("oversight")
    answer = (
        create_app().test_client().get("/api/v1/oversight/matters/XF1", headers={"Authorization": f"Bearer {bearer}"})
    )
    (rating,) = [clock for clock in answer.get_json()["clocks"] if clock["rule"] == "rating"]
    assert (rating["started_on"], rating["length"], rating["legal_due"]) == ("2026-10-07", 45, "2026-11-23")
