"""`lianban demo bulk`: copies are consistent across the services, verify, open on every page, and are made once."""

from __future__ import annotations

import re
import signal
from typing import Any

import psycopg
import pytest
from psycopg.rows import DictRow, dict_row

from cli.bulk.moulds import LEFT_OUT, TABLES
from deploy.local.layout import SERVICES
from deploy.local.stack import Stack
from deploy.waiting import until
from lianban.chassis.settings import read, use
from lianban.contracts.codes import StaffRole
from services.intake.app.register import code_of
from tests.e2e.doors import a_browser, a_session, a_token

MATTERS = 2000
REGISTERS = {
    "intake": {"region", "agency"},
    "routing": {"region", "agency", "staff", "staff_session", "staff_identity", "sign_in_attempt", "matter_type"},
    "agency_gateway": {"agency", "profile", "secret", "api_token", "lane", "journal_head"},
    "oversight": {"calendar_edition", "ledger_head", "tally", "tally_change", "agency_in_region"},
    "notification": {"document_counter"},
}
"""Tables without rows of matters."""
OF_ALL = {"calendar_year", "calendar_day", *LEFT_OUT}


@pytest.fixture
def filled(another_stack: Stack) -> Stack:
    """A stack with copies, its services running."""
    stack = another_stack
    stack.start(services=False)
    before = rules(stack)
    killed_while_it_loads(stack, before)
    outcome = stack.command("demo", "bulk", "--matters", str(MATTERS), "--moulds", "20")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert rules(stack) == before
    assert "minimal" not in (stack.layout.postgres / "data" / "postgresql.conf").read_text()
    with psycopg.connect(stack.admin_url()) as connection:
        assert connection.execute("show wal_level").fetchone() == ("replica",)
    stack.start()
    return stack


def rules(stack: Stack) -> dict[str, list[DictRow]]:
    """Every index and every constraint."""
    asked = """
        select conrelid::regclass::text as of, conname as name, pg_get_constraintdef(oid) as told, convalidated as valid
        from pg_constraint where connamespace = 'public'::regnamespace
        union all select tablename, indexname, indexdef, true from pg_indexes where schemaname = 'public'
        order by 1, 2, 3
    """
    return {service: ask(stack, service, asked) for service in SERVICES}


def killed_while_it_loads(stack: Stack, before: dict[str, list[DictRow]]) -> None:
    """A bulk that is killed leaves the databases as they were: no rows, and every index."""
    with stack.begin_command("demo", "bulk", "--matters", "100000", "--moulds", "16") as bulk:
        try:
            until(lambda: bulk.poll() is not None or copying(stack) == set(SERVICES), "rows are loaded", seconds=300)
        finally:
            bulk.kill()
        told = "".join(bulk.communicate())
    assert bulk.returncode == -signal.SIGKILL, told
    until(lambda: copying(stack) == set(), "the loading processes have ended")
    assert rules(stack) == before
    for service in SERVICES:
        for table in TABLES[service]:
            if table.name in {"stream", "outbox", "inbox"}:  # they have rows of the registers
                continue
            assert ask(stack, service, f"select from {table.name} limit 1") == [], (service, table.name)


def copying(stack: Stack) -> set[str]:
    """The services whose rows are being loaded."""
    asked = "select datname from pg_stat_activity where query like 'copy %from stdin%' and pid <> pg_backend_pid()"
    try:
        with psycopg.connect(stack.admin_url()) as connection:
            return {row[0] for row in connection.execute(asked)}
    except psycopg.OperationalError:  # PostgreSQL restarts, to load
        return set()


def ask(stack: Stack, service: str, sql: str, *params: Any) -> list[DictRow]:
    with psycopg.connect(stack.database_url(service), row_factory=dict_row) as connection:
        return connection.execute(sql.encode(), params).fetchall()


def test_copies_are_consistent_verify_and_open_on_every_page(filled: Stack) -> None:
    stack = filled
    every_table_is_known(stack)
    same_matters_everywhere(stack)
    outcome = stack.command("verify")
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    pages_open(stack)
    again = stack.command("demo", "bulk", "--matters", "10", "--moulds", "20")
    assert again.returncode == 1
    assert "bulk fills a stack once" in again.stdout + again.stderr


def every_table_is_known(stack: Stack) -> None:
    """No table of matters was forgotten: what a migration adds must be copied too, or said not to be."""
    for service in SERVICES:
        rows = ask(stack, service, "select tablename from pg_tables where schemaname = 'public'")
        there = {row["tablename"] for row in rows if "yoyo" not in row["tablename"]}
        assert there - OF_ALL - REGISTERS[service] == {table.name for table in TABLES[service]}, service


def same_matters_everywhere(stack: Stack) -> None:
    told = {row["id"]: row["number"] for row in ask(stack, "intake", "select id, number from matter where not sealed")}
    sealed = ask(stack, "intake", "select count(*) as n from matter where sealed")[0]["n"]
    assert len(told) + sealed == MATTERS
    assert sealed > 0
    for service, table in (("routing", "petition_case"), ("oversight", "matter"), ("notification", "matter")):
        assert {row["id"]: row["number"] for row in ask(stack, service, f"select id, number from {table}")} == told
    parts = {
        service: {row["id"] for row in ask(stack, service, "select id from assignment")}
        for service in ("routing", "agency_gateway", "oversight")
    }
    assert parts["routing"] == parts["agency_gateway"] == parts["oversight"] != set()
    states = ask(stack, "routing", "select state, count(*) as n from petition_case group by state")
    assert {"closed", "registered", "handling"} <= {row["state"] for row in states}
    [span] = ask(stack, "intake", "select max(received_at) - min(received_at) as span from matter")
    assert span["span"].days > 600
    for service in SERVICES:
        assert ask(stack, service, "select 1 from unpublished limit 1") == []
        assert ask(stack, service, "select 1 from inbox limit 1") == []


def pages_open(stack: Stack) -> None:
    [closed] = ask(
        stack,
        "routing",
        "select id, number, (select agency_code from assignment where case_id = c.id and role = 'lead' limit 1) as lead"
        " from petition_case c where state = 'closed' order by received_at desc limit 1",
    )
    with use(read(stack.env("intake"))):
        code = code_of(closed["number"])
    told = a_session().get(f"{stack.url}/api/v1/matters/{closed['number']}?query_code={code}", timeout=20)
    assert (told.status_code, told.json()["number"]) == (200, closed["number"])
    assert len(told.json()["timeline"]) > 5

    clerk, _ = a_browser(stack, a_token(stack, StaffRole.CLERK))
    assert closed["number"] in shown(clerk, f"{stack.url}/intake/matters/{closed['id']}")
    listed = shown(clerk, f"{stack.url}/intake/")
    assert listed.count("/intake/matters/") > 5

    officer, _ = a_browser(stack, a_token(stack, StaffRole.OFFICER))
    case = shown(officer, f"{stack.url}/routing/cases/{closed['id']}")
    number = re.search("来电工单第([0-9]{8})号", case)
    assert number is not None
    found = shown(officer, f"{stack.url}/routing/?scope=all&q=工单第{number[1]}号")
    assert str(closed["id"]) in re.findall("/routing/cases/([0-9a-f-]{36})", found)
    assert shown(officer, f"{stack.url}/routing/").count("/routing/cases/") > 5

    [part] = ask(
        stack, "agency_gateway", "select id from assignment where matter_id = %s and agency_code = %s limit 1",
        closed["id"], closed["lead"],
    )  # fmt: skip
    agency, _ = a_browser(stack, a_token(stack, StaffRole.AGENCY, agency=closed["lead"]))
    assert closed["number"] in shown(agency, f"{stack.url}/desk/assignments/{part['id']}")
    assert "/desk/assignments/" in shown(agency, f"{stack.url}/desk/?show=all")

    supervisor, _ = a_browser(stack, a_token(stack, StaffRole.SUPERVISOR))
    assert closed["number"] in shown(supervisor, f"{stack.url}/oversight/matters/{closed['number']}")
    shown(supervisor, f"{stack.url}/oversight/")
    seen = a_session(a_token(stack, StaffRole.SUPERVISOR)).get(f"{stack.url}/api/v1/oversight/summary", timeout=20)
    sealed = ask(stack, "intake", "select count(*) as n from matter where sealed")[0]["n"]
    assert sum(seen.json()["matters"].values()) == MATTERS - sealed


def shown(browser: Any, url: str) -> str:
    """A page that opens."""
    answer = browser.get(url, timeout=20)
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text[:300]}"
    return str(answer.text)
