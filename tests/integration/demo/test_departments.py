"""The departments' ticket system as its callers, its people and its administrator meet it."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import requests
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from deploy.demo.departments import store
from deploy.demo.departments.workers import CALL_SECONDS
from deploy.local.stack import Stack
from tests.integration.demo.programs import Program, Receiver, eventually, free_port, receiving, running

ADMIN = {"X-Admin-Key": "adm1n"}
FAST = {"mode": "on", "min_seconds": 0, "max_seconds": 0}
OFF = {"mode": "off"}


@pytest.fixture(scope="module")
def database(infrastructure: Stack) -> Iterator[str]:
    """A database of its own, so that the demo city's is left alone."""
    name = f"departments_{uuid4().hex[:8]}"
    admin = infrastructure.admin_url()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    yield make_conninfo(admin, dbname=name)
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="module")
def program(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    port = free_port()
    environment = {
        "DEPARTMENTS_DATABASE_URL": database,
        "DEPARTMENTS_ADMIN_KEY": ADMIN["X-Admin-Key"],
        "DEPARTMENTS_HTTP_PORT": str(port),
        "DEPARTMENTS_WEBHOOK_MAX_WAIT": "1",
    }
    log = tmp_path_factory.mktemp("departments") / "log"
    one = Program("deploy.demo.departments", f"http://127.0.0.1:{port}", environment, log)
    with running(one):
        yield one


@dataclass
class Department:
    """One tenant and its caller."""

    base: str
    code: str
    key: str
    receiver: Receiver

    def call(self, method: str, path: str, ref: str = "", **more: Any) -> requests.Response:
        headers = {"X-Api-Key": self.key, **({"X-Request-Ref": ref} if ref else {})}
        return requests.request(method, self.base + path, headers=headers | more.pop("headers", {}), timeout=10, **more)

    def file(self, external_ref: str, ref: str = "", **changes: Any) -> requests.Response:
        return self.call("POST", "/api/tickets", ref or str(uuid4()), json=a_ticket(external_ref) | changes)

    def filed(self, external_ref: str, **changes: Any) -> str:
        answer = self.file(external_ref, **changes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["ticket"]["no"])

    def ticket(self, no: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("GET", f"/api/tickets/{no}").json()["ticket"]
        return found

    def admin(self, method: str, path: str, body: Any = None) -> requests.Response:
        return requests.request(
            method, f"{self.base}/admin/tenants/{self.code}{path}", headers=ADMIN, json=body, timeout=10
        )

    def page(self, path: str = "") -> str:
        return f"{self.base}/demo/departments/{self.code}/{path}"

    def press(self, no: str, button: str, **form: str) -> requests.Response:
        return requests.post(self.page(f"tickets/{no}/{button}"), data=form, timeout=10)


def a_ticket(external_ref: str) -> dict[str, Any]:
    return {
        "ref_no": external_ref,
        "subject": "工厂后面的河水发黑",
        "body": "污水直接排进河里。",
        "kind": "MAIN",
        "items": [{"key": "c1", "text": "停止排污"}, {"key": "c2", "text": "公布监测结果"}],
        "reporter": {"name": "张三", "tel": "13900000000", "addr": "东坪镇"},
        "deadline": "2026-12-31",
        "source_no": "QH-2026-000001",
    }


def a_department(program: Program, url: str | None, receiver: Receiver, autopilot: dict[str, Any]) -> Department:
    code, key = f"d-{uuid4().hex[:8]}", uuid4().hex
    body = {"code": code, "name": "清河市生态环境局", "trade": "ecology", "api_key": key, "webhook_url": url,
            "webhook_key": "w3bhook", "autopilot": autopilot}  # fmt: skip
    answer = requests.post(f"{program.url}/admin/tenants", headers=ADMIN, json=body, timeout=10)
    assert answer.status_code == 201, answer.text
    return Department(program.url, code, key, receiver)


@pytest.fixture
def quick(program: Program) -> Iterator[Department]:
    """A department that answers by itself at once."""
    with receiving() as (receiver, url):
        yield a_department(program, url, receiver, FAST)


@pytest.fixture
def manual(program: Program) -> Iterator[Department]:
    """A department whose people answer."""
    with receiving() as (receiver, url):
        yield a_department(program, url, receiver, OFF)


def test_a_ticket_filed_again_with_the_same_reference_is_the_same_ticket(manual: Department) -> None:
    first, second = manual.file("A-1", "r-1"), manual.file("A-1", "r-1")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["ticket"]["no"] == second.json()["ticket"]["no"]
    found = manual.call("GET", "/api/tickets?external_ref=A-1").json()["tickets"]
    assert [ticket["no"] for ticket in found] == [first.json()["ticket"]["no"]]


def test_a_main_ticket_is_answered_item_by_item_and_told_in_order(quick: Department) -> None:
    no = quick.filed("A-2")
    eventually(lambda: quick.receiver.statuses("A-2") == ["TAKEN", "WORKING", "FINISHED"])
    last = quick.receiver.events[-1]
    assert quick.receiver.keys == {"w3bhook"}
    assert (last["event"], last["ticket_no"], last["external_ref"]) == ("ticket.status", no, "A-2")
    assert [item["key"] for item in last["items"]] == ["c1", "c2"]
    assert {item["result"] for item in last["items"]} <= {"AGREE", "EXPLAIN", "DECLINE"}
    assert last["remark"]
    assert len({event["event_id"] for event in quick.receiver.events}) == 3
    assert quick.ticket(no)["status"] == "FINISHED"


def test_a_ticket_of_assistance_ends_with_advice(quick: Department) -> None:
    quick.filed("A-3", kind="ASSIST")
    eventually(lambda: quick.receiver.statuses("A-3") == ["TAKEN", "WORKING", "ADVISED"])


def test_a_webhook_is_repeated_until_it_is_taken_with_the_same_id_and_in_order(quick: Department) -> None:
    quick.receiver.failures = 3
    quick.filed("A-4")
    eventually(lambda: quick.receiver.statuses("A-4") == ["TAKEN", "WORKING", "FINISHED"])
    assert {event["event_id"] for event in quick.receiver.refused} == {quick.receiver.events[0]["event_id"]}


def test_tickets_that_are_worked_on_together_are_each_told_in_order(quick: Department) -> None:
    refs = [f"A-20-{number}" for number in range(12)]
    for ref in refs:
        quick.filed(ref)
    told = ["TAKEN", "WORKING", "FINISHED"]
    eventually(lambda: [quick.receiver.statuses(ref) for ref in refs] == [told] * len(refs))


def test_a_call_that_hangs_holds_up_no_other_ticket(program: Program, quick: Department) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connects, and never answers
        hanging = a_department(program, f"http://127.0.0.1:{silent.getsockname()[1]}/hook", Receiver(), FAST)
        for number in range(3):
            hanging.filed(f"A-23-{number}")
        silent.settimeout(10)
        silent.accept()  # the first one hangs now
        quick.filed("A-24")
        told = ["TAKEN", "WORKING", "FINISHED"]
        eventually(lambda: quick.receiver.statuses("A-24") == told, CALL_SECONDS / 2)


def test_what_was_taken_is_not_kept_among_the_calls(quick: Department, database: str) -> None:
    quick.receiver.failures = 1
    quick.filed("A-25")
    waiting = "select count(*) from webhook where tenant = %s"
    with psycopg.connect(database, autocommit=True) as connection:
        eventually(lambda: connection.execute(waiting, (quick.code,)).fetchone() != (0,))
        eventually(lambda: quick.receiver.statuses("A-25") == ["TAKEN", "WORKING", "FINISHED"])
        eventually(lambda: connection.execute(waiting, (quick.code,)).fetchone() == (0,))


def test_a_database_that_kept_what_was_taken_goes_on_with_what_was_not(manual: Department, database: str) -> None:
    manual.filed("A-26")
    with psycopg.connect(database, row_factory=dict_row) as connection:
        connection.execute("alter table webhook add column delivered_at timestamptz")
        connection.execute(
            "insert into webhook (event_id, tenant, ticket_id, payload, next_try_at, last_error, delivered_at)"
            " select gen_random_uuid(), tenant, id, '{}', now(), word, at from ticket,"
            " (values ('taken', now()), ('waits', null)) as call (word, at) where tenant = %s",
            (manual.code,),
        )
        store.install(connection)
        left = connection.execute("select * from webhook where tenant = %s", (manual.code,)).fetchall()
        assert [row["last_error"] for row in left] == ["waits"]
        assert "delivered_at" not in left[0]
        connection.rollback()


def test_a_ticket_whose_turn_fails_holds_up_no_other(program: Program, database: str) -> None:
    slow = FAST | {"min_seconds": 3600, "max_seconds": 3600}
    broken, whole = (a_department(program, None, Receiver(), slow) for _ in range(2))
    left, moved = broken.filed("A-21"), whole.filed("A-22")
    with psycopg.connect(database) as connection:
        connection.execute('update tenant set autopilot = \'{"mode": "sideways"}\' where code = %s', (broken.code,))
        # in one statement, so that one round meets both
        connection.execute(
            "update autopilot_turn set due_at = now() where tenant = any(%s)", ([broken.code, whole.code],)
        )
    eventually(lambda: whole.ticket(moved)["status"] == "TAKEN")
    assert broken.ticket(left)["status"] == "NEW"


def test_a_department_without_a_webhook_address_works_in_silence(program: Program) -> None:
    silent = a_department(program, None, Receiver(), FAST)
    no = silent.filed("A-5")
    eventually(lambda: silent.ticket(no)["status"] == "FINISHED")
    assert silent.admin("GET", "").json()["webhooks_waiting"] == 0


RETURN = {"match": "河水", "action": "return", "code": "R03", "suggest": "清河市城市管理局"}


def test_a_returned_ticket_is_worked_on_when_the_caller_insists(quick: Department) -> None:
    quick.admin("PUT", "/autopilot", FAST | {"rules": [RETURN]})
    no = quick.filed("A-6")
    eventually(lambda: quick.receiver.statuses("A-6") == ["RETURNED"])
    returned = quick.receiver.events[-1]
    assert (returned["return_code"], returned["suggest_dept"]) == ("R03", "清河市城市管理局")
    insist = {"type": "CHANGE", "text": "经指定由你单位办理。", "no_return": True}
    assert quick.call("POST", f"/api/tickets/{no}/messages", "m-1", json=insist).status_code == 201
    eventually(lambda: quick.receiver.statuses("A-6") == ["RETURNED", "NEW", "TAKEN", "WORKING", "FINISHED"])


def test_a_withdrawn_ticket_is_cancelled_and_left_alone(quick: Department) -> None:
    quick.admin("PUT", "/autopilot", {"mode": "on", "min_seconds": 1, "max_seconds": 1})
    no = quick.filed("A-7")
    withdraw = {"type": "WITHDRAW", "text": "信访人已撤回。"}
    answer = quick.call("POST", f"/api/tickets/{no}/messages", "m-2", json=withdraw)
    assert answer.json()["ticket"]["status"] == "CANCELLED"
    eventually(lambda: quick.receiver.statuses("A-7") == ["CANCELLED"])
    other = quick.filed("A-8")
    eventually(lambda: quick.ticket(other)["status"] == "FINISHED")
    assert quick.ticket(no)["status"] == "CANCELLED"


def test_a_message_sent_again_is_kept_once_and_found_by_its_reference(manual: Department) -> None:
    no = manual.filed("A-9")
    advice = {"type": "ADVICE", "from": "清河市城市管理局", "text": "同意主办单位意见。"}
    codes = [manual.call("POST", f"/api/tickets/{no}/messages", "m-3", json=advice).status_code for _ in range(2)]
    assert codes == [201, 200]
    shown = manual.call("GET", f"/api/tickets/{no}").json()
    assert [(m["type"], m["from"], m["text"]) for m in shown["messages"]] == [
        ("ADVICE", "清河市城市管理局", "同意主办单位意见。")
    ]
    found = manual.call("GET", "/api/tickets?request_ref=m-3").json()["tickets"]
    assert [ticket["no"] for ticket in found] == [no]
    assert manual.call("GET", "/api/tickets?request_ref=m-4").json()["tickets"] == []


def test_a_department_sees_its_own_tickets_only(manual: Department, quick: Department) -> None:
    no = manual.filed("A-10")
    assert quick.call("GET", f"/api/tickets/{no}").status_code == 404
    assert quick.call("GET", "/api/tickets?external_ref=A-10").json() == {"tickets": []}
    message = {"type": "WITHDRAW", "text": "x"}
    assert quick.call("POST", f"/api/tickets/{no}/messages", "m-9", json=message).status_code == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ref_no": None}, "ref_no"),
        ({"subject": "  "}, "subject"),
        ({"subject": "长" * 501}, "subject"),
        ({"body": 7}, "body"),
        ({"body": "nul\x00"}, "body"),
        ({"body": "\ud800"}, "body"),
        ({"kind": "LEAD"}, "kind"),
        ({"items": {}}, "items"),
        ({"items": ["x"]}, "items"),
        ({"items": [{"key": "a", "text": "x"}] * 2}, "items"),
        ({"items": [{"text": "x"}]}, "key"),
        ({"reporter": "张三"}, "reporter"),
        ({"no_return": "yes"}, "no_return"),
    ],
)
def test_a_wrong_field_is_refused_by_name(manual: Department, changes: dict[str, Any], field: str) -> None:
    answer = manual.file("A-11", **changes)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "BAD_FIELD"
    assert f"字段 {field}：" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("POST", "/api/tickets", {"json": {}, "headers": {"X-Api-Key": "wrong"}}, 401),
        ("POST", "/api/tickets", {"json": a_ticket("A-12"), "headers": {"X-Request-Ref": ""}}, 400),
        ("POST", "/api/tickets", {"data": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/api/tickets", {"data": "标题".encode("gbk"), "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "/api/tickets", {"data": "x", "headers": {"Content-Type": "text/plain"}}, 415),
        ("POST", "/api/tickets", {"json": []}, 400),
        ("POST", "/api/tickets", {"json": {"body": "长" * 800_000}}, 413),
        ("GET", "/api/tickets", {}, 400),
        ("GET", "/api/tickets/none", {}, 404),
        ("PUT", "/api/tickets", {}, 405),
        ("GET", "/api/nothing", {}, 404),
    ],
)
def test_a_wrong_request_gets_a_clear_answer(
    manual: Department, method: str, path: str, more: dict[str, Any], status: int
) -> None:
    answer = manual.call(method, path, "r-x", **more)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_the_administration_wants_its_key(manual: Department) -> None:
    answer = requests.get(f"{manual.base}/admin/tenants", headers={"X-Admin-Key": "wrong"}, timeout=10)
    assert answer.status_code == 401


def test_setting_a_tenant_up_again_changes_it_and_leaves_taken_tickets_to_people(program: Program) -> None:
    department = a_department(program, None, Receiver(), FAST | {"min_seconds": 60, "max_seconds": 60})
    no = department.filed("A-13")
    department.press(no, "take")
    body = {"code": department.code, "name": "新名称", "api_key": department.key, "autopilot": FAST}
    assert requests.post(f"{program.url}/admin/tenants", headers=ADMIN, json=body, timeout=10).status_code == 200
    other = department.filed("A-14")
    eventually(lambda: department.ticket(other)["status"] == "FINISHED")
    assert department.ticket(no)["status"] == "TAKEN"
    taken = requests.post(f"{program.url}/admin/tenants", headers=ADMIN, json=body | {"code": "other"}, timeout=10)
    assert taken.status_code == 409


@pytest.mark.parametrize("mode", ["html", "error", "reset", "hang", "drop_after_storing"])
def test_misbehaviour_strikes_as_often_as_asked_and_a_repeat_succeeds(manual: Department, mode: str) -> None:
    fault = {"mode": mode, "times": 1, "seconds": 0.5, "methods": ["POST"]}
    assert manual.admin("PUT", "/fault", fault).status_code == 200
    stored_at_once = mode in {"hang", "drop_after_storing"}
    began = time.monotonic()
    try:
        first = manual.file("A-15", "r-15")
    except requests.ConnectionError:
        assert mode in {"reset", "drop_after_storing"}
    else:
        expected = {"html": (200, "text/html"), "error": (500, "text/plain"), "hang": (201, "application/json")}
        assert (first.status_code, first.headers["Content-Type"].split(";")[0]) == expected[mode]
    assert mode != "hang" or time.monotonic() - began >= 0.5
    found = manual.call("GET", "/api/tickets?request_ref=r-15").json()["tickets"]
    assert len(found) == (1 if stored_at_once else 0)
    assert manual.file("A-15", "r-15").status_code == (200 if stored_at_once else 201)
    assert manual.admin("GET", "").json()["tenant"]["fault"] is None


def test_misbehaviour_without_a_number_lasts_until_it_is_switched_off(manual: Department) -> None:
    manual.admin("PUT", "/fault", {"mode": "error"})
    assert [manual.file("A-16").status_code for _ in range(3)] == [500, 500, 500]
    manual.admin("DELETE", "/fault")
    assert manual.file("A-16").status_code == 201


def test_people_take_note_and_finish_with_a_result_for_each_item(manual: Department) -> None:
    no = manual.filed("A-17")
    page = requests.get(manual.page(f"tickets/{no}"), timeout=10).text
    assert "工厂后面的河水发黑" in page
    assert "13900000000" in page
    assert "签收" in page
    assert "已签收" in manual.press(no, "take").text
    assert "进展已登记" in manual.press(no, "note", remark="已到现场。").text
    missing = manual.press(no, "end", remark="已办结。", **{"result-1": "AGREE"})
    assert missing.status_code == 400
    assert "请逐项填写办理结果" in missing.text
    assert "已办结。</textarea>" in missing.text
    results = {"result-1": "AGREE", "note-1": "已停止。", "result-2": "EXPLAIN", "note-2": "定期公布。"}
    assert "请填写办理依据" in manual.press(no, "end", remark="情况属实。", **results).text
    basis = "《水污染防治法》第三十九条"
    assert "办理结果已提交" in manual.press(no, "end", remark="情况属实。", basis=basis, **results).text
    eventually(lambda: manual.receiver.statuses("A-17") == ["TAKEN", "WORKING", "FINISHED"])
    assert manual.receiver.events[-1]["items"] == [
        {"key": "c1", "result": "AGREE", "note": "已停止。"},
        {"key": "c2", "result": "EXPLAIN", "note": "定期公布。"},
    ]
    assert manual.receiver.events[-1]["basis"] == basis


def test_people_return_with_a_reason_and_only_what_may_be_returned(manual: Department) -> None:
    no, fixed = manual.filed("A-18"), manual.filed("A-19", no_return=True)
    assert manual.press(no, "return", return_code="R02").status_code == 400
    form = {"return_code": "R02", "remark": "不在辖区内。", "suggest": "东坪镇人民政府"}
    assert "已退单" in manual.press(no, "return", **form).text
    eventually(lambda: manual.receiver.statuses("A-18") == ["RETURNED"])
    assert manual.press(fixed, "return", **form).status_code == 409
    assert manual.press(no, "take").status_code == 409


def test_the_desk_filters_finds_and_turns_pages(manual: Department) -> None:
    for number in range(35):
        manual.filed(f"B-{number}", subject=f"第{number}件事项")
    first = requests.get(manual.page(), timeout=10).text
    assert "第34件事项" in first
    assert "第4件事项" not in first
    assert "下一页" in first
    found = requests.get(manual.page(), params={"q": "第4件", "status": "NEW"}, timeout=10).text
    assert "第4件事项" in found
    assert "没有符合条件的工单" in requests.get(manual.page(), params={"status": "FINISHED"}, timeout=10).text
    for strange in ("x", "-1", "9" * 30):
        assert requests.get(manual.page(), params={"before": strange, "status": "?"}, timeout=10).ok


def test_the_autopilot_is_switched_on_the_page(manual: Department) -> None:
    no = manual.filed("A-20")
    form = {"mode": "on", "min_seconds": "0", "max_seconds": "0"}
    assert "设置已保存" in requests.post(manual.page("autopilot"), data=form, timeout=10).text
    eventually(lambda: manual.ticket(no)["status"] == "FINISHED")
    wrong = requests.post(manual.page("autopilot"), data=form | {"max_seconds": "bald"}, timeout=10)
    assert wrong.status_code == 400
    assert "max_seconds" in wrong.text


def test_pages_refuse_forms_of_other_sites_and_know_what_is_not_there(manual: Department) -> None:
    no = manual.filed("A-21")
    foreign = requests.post(manual.page(f"tickets/{no}/take"), headers={"Sec-Fetch-Site": "cross-site"}, timeout=10)
    assert foreign.status_code == 403
    assert manual.ticket(no)["status"] == "NEW"
    for path in ("tickets/none", "nothing"):
        missing = requests.get(manual.page(path), timeout=10)
        assert missing.status_code == 404
        assert "没有这个地址" in missing.text
    assert requests.get(f"{manual.base}/demo/departments/none/", timeout=10).status_code == 404


def test_text_is_shown_as_text(manual: Department) -> None:
    no = manual.filed("A-22", subject="<script>alert(1)</script>")
    page = requests.get(manual.page(f"tickets/{no}"), timeout=10)
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_what_was_not_told_before_a_kill_is_told_after_the_start(program: Program) -> None:
    with receiving() as (receiver, url):
        department = a_department(program, url, receiver, FAST)
        receiver.failures = 1_000_000
        department.filed("A-23")
        eventually(lambda: receiver.refused)
        assert program.end(signal.SIGKILL) == -signal.SIGKILL
        receiver.failures = 0
        program.start()
        eventually(lambda: receiver.statuses("A-23") == ["TAKEN", "WORKING", "FINISHED"], 60)


def test_it_comes_back_by_itself_when_its_database_connections_break(
    program: Program, manual: Department, infrastructure: Stack, database: str
) -> None:
    with psycopg.connect(infrastructure.admin_url(), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'departments'"
        )
    eventually(lambda: manual.file("A-24", "r-24").status_code in {200, 201})
    assert program.ready()


def test_no_personal_data_stands_in_the_log(program: Program, quick: Department) -> None:
    quick.filed("A-25")
    eventually(lambda: quick.receiver.statuses("A-25") == ["TAKEN", "WORKING", "FINISHED"])
    log = program.log.read_text()
    assert "FINISHED" in log
    assert not [word for word in ("张三", "13900000000", "东坪镇", "河水") if word in log]
