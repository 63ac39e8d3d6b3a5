"""The petitioner's pages without JavaScript: fill in, preview, confirm, query, rate, supplement, withdraw."""

from __future__ import annotations

import io
import json
import re
from datetime import date, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from lianban.chassis.time import at, now
from lianban.chassis.traces import NUMBER
from lianban.contracts.codes import ClockOutcome
from lianban.contracts.intake import MatterRated, MatterRegistered, MatterSupplemented, MatterWithdrawn
from lianban.contracts.oversight import ClockStopped
from services.intake.domain import number
from tests import unrolled
from tests.exported import Exported
from tests.integration.intake.conftest import ECOLOGY, NOW, TOWN, Intake, a_picture
from tests.integration.intake.story import Case

FORM = {
    "purpose": "appeal",
    "title": "工厂后面的河水发黑",
    "content": "十月以来河水发黑发臭。",
    "claims.0": "查清污染来源",
    "region_code": TOWN,
    "petitioner.name": "赵明月",
    "petitioner.phone": "13900001234",
    "petitioner.email": "zhao@example.com",
}


class Browser:
    """Somebody at the portal: posts what the last page's forms hold, as a browser without JavaScript does."""

    def __init__(self, intake: Intake) -> None:
        self.client: FlaskClient = intake.client
        self.page = ""
        self.status = 0

    def get(self, path: str) -> Browser:
        return self._take(self.client.get(path, follow_redirects=True))

    def post(self, path: str, fields: dict[str, Any], *, follow: bool = True) -> Browser:
        token = re.search(r'name="csrf_token" value="([^"]+)"', self.page)
        assert token is not None
        data = {"csrf_token": token[1], **fields}
        return self._take(self.client.post(path, data=data, follow_redirects=follow))

    def _take(self, answer: Any) -> Browser:
        self.page, self.status = answer.get_data(as_text=True), answer.status_code
        return self

    def hidden(self) -> dict[str, Any]:
        """The hidden fields of the page's confirm form."""
        found: dict[str, Any] = {}
        for tag in re.findall(r'<input type="hidden"[^>]*>', self.page):
            name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
            assert name is not None
            assert value is not None
            found.setdefault(name[1], []).append(unescape(value[1]))
        return {name: values if len(values) > 1 else values[0] for name, values in found.items()}

    def text(self, element: str) -> str:
        """The text of the element with an id."""
        found = re.search(rf'id="{element}"[^>]*>([^<]+)<', self.page)
        assert found is not None, self.page
        return found[1]

    def submit(self, **changes: Any) -> tuple[str, str]:
        """Fill in, preview, confirm; number and query code."""
        self.get("/submit").post("/submit", {**FORM, "do": "preview", **changes})
        assert self.status == 200, self.page
        self.post("/submit/confirm", self.hidden())
        return self.text("number"), self.text("query-code")

    def open(self, matter: str, code: str) -> Browser:
        return self.get("/matters").post("/matters", {"number": matter, "query_code": code})


@pytest.fixture
def browser(intake: Intake) -> Browser:
    return Browser(intake)


@pytest.mark.parametrize("path", ["/", "/submit", "/matters", "/?lang=en", "/submit?lang=en", "/matters?lang=en"])
def test_the_pages_open_for_everybody(browser: Browser, path: str) -> None:
    assert browser.get(path).status == 200
    assert "<h1>" in browser.page


def test_the_portal_says_that_last_days_move_only_where_they_do(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "顺延到下一个工作日" in browser.get("/").page
    unrolled.live_there(tmp_path, monkeypatch)
    assert "顺延到下一个工作日" not in browser.get("/").page


def test_a_petition_is_filled_in_previewed_and_registered(intake: Intake, browser: Browser) -> None:
    browser.get("/submit").post("/submit", {**FORM, "do": "preview"})
    assert "清河市望湖区东平镇" in browser.page
    assert "确认提交" in browser.page
    assert intake.said() == []
    browser.post("/submit/confirm", browser.hidden())
    assert number.is_number(browser.text("number"))
    (event,) = intake.said()
    assert (event.number, event.registered_by) == (browser.text("number"), None)


def test_a_second_click_shows_the_same_number(intake: Intake, browser: Browser) -> None:
    browser.get("/submit").post("/submit", {**FORM, "do": "preview"})
    fields = browser.hidden()
    first = browser.post("/submit/confirm", fields).text("number")
    browser.get("/submit")
    del fields["csrf_token"]
    second = browser.post("/submit/confirm", fields).text("number")
    assert first == second
    assert len(intake.said()) == 1


def test_claims_are_added_one_by_one_and_nothing_is_lost(browser: Browser) -> None:
    browser.get("/submit").post("/submit", {**FORM, "do": "claim"})
    assert browser.status == 200
    assert 'name="claims.1"' in browser.page
    assert "十月以来河水发黑发臭。" in browser.page
    browser.post("/submit", {**FORM, "claims.1": "清理河道", "do": "preview"})
    assert "清理河道" in browser.page


def test_what_is_missing_is_told_beside_its_field_and_what_is_there_stays(intake: Intake, browser: Browser) -> None:
    browser.get("/submit").post("/submit", {**FORM, "title": "", "region_code": "", "claims.0": " ", "do": "preview"})
    assert browser.status == 422
    for anchor in ('href="#f-title"', 'href="#f-region_code"', 'href="#f-claims-0"'):
        assert anchor in browser.page
    assert "请选择问题属地。" in browser.page
    assert "十月以来河水发黑发臭。" in browser.page
    assert intake.said() == []


def test_photos_travel_with_the_form(intake: Intake, browser: Browser) -> None:
    files = [(io.BytesIO(a_picture()), "河.jpg"), (io.BytesIO(b"MZ" + bytes(99)), "program.jpg")]
    browser.get("/submit").post("/submit", {**FORM, "files": files, "do": "preview"})
    assert browser.status == 422
    assert "河.jpg" in browser.page
    assert "可执行程序" in browser.page
    upload = browser.hidden()["attachments"]
    browser.post("/submit", {**FORM, "attachments": upload, "do": "preview"})
    assert "河.jpg" in browser.page
    browser.post("/submit/confirm", browser.hidden())
    assert intake.said()[0].attachments == 1
    assert intake.one("select count(*) as n from upload where matter_id is not null")["n"] == 1


def test_a_photo_can_be_left_out_again(browser: Browser) -> None:
    browser.get("/submit").post("/submit", {**FORM, "files": [(io.BytesIO(a_picture()), "河.jpg")], "do": "edit"})
    upload = browser.hidden()["attachments"]
    browser.post("/submit", {**FORM, "attachments": upload, "drop": upload, "do": "preview"})
    assert "河.jpg" not in browser.page


def test_an_anonymous_petition_leaves_no_person(intake: Intake, browser: Browser) -> None:
    browser.submit(anonymous="yes")
    assert intake.said()[0].anonymous
    assert intake.one("select persons from matter")["persons"] is None


def test_accused_names_become_agencies_where_the_register_holds_them(intake: Intake, browser: Browser) -> None:
    browser.submit(accused=f"{ECOLOGY.name}\n张某")
    assert intake.said()[0].accused == (ECOLOGY,)


def test_the_code_is_given_once_and_stands_in_no_address(intake: Intake, browser: Browser) -> None:
    matter, code = browser.submit()
    stranger = Browser(intake)
    assert "/matters?number=" in str(intake.client.get(f"/matters/{matter}").headers["Location"])
    stranger.open(matter, "WRONG222")
    assert stranger.status == 404
    stranger.open(matter, code)
    assert stranger.status == 200
    assert "清河市信访局" in stranger.page
    assert code not in stranger.page
    with at(now() + timedelta(minutes=31)):
        assert "查询码" in stranger.get(f"/matters/{matter}").page
    stranger.open(matter, code).post(f"/matters/{matter}/leave", {})
    assert "查询码" in stranger.get(f"/matters/{matter}").page


def test_the_status_page_shows_agencies_and_takes_votes(intake: Intake, browser: Browser) -> None:
    matter, code = browser.submit()
    (event,) = [event for event in intake.said() if isinstance(event, MatterRegistered)]
    row = intake.one("select id from matter where number = %s", event.number)
    case = Case(intake, str(row["id"])).route().accept()
    browser.open(matter, code)
    assert "主办" in browser.page
    assert "清河市城市管理局" in browser.page
    case.decide().serve()
    browser.get(f"/matters/{matter}")
    assert "处理意见书（PDF）" in browser.page
    fields = {"vote.": "satisfied", f"vote.{ECOLOGY.code}": "dissatisfied", "solved": "no"}
    browser.post(f"/matters/{matter}/rate", fields)
    assert "您的评价已记录" in browser.page
    (rated,) = [event for event in intake.said() if isinstance(event, MatterRated)]
    assert (rated.solved, len(rated.votes)) == (False, 2)
    browser.post(f"/matters/{matter}/rate", {"vote.": "satisfied"})
    assert browser.status == 422
    assert "不能重复评价" in browser.page


def test_the_status_page_shows_what_still_runs_and_folds_the_time_limits_that_ended(
    intake: Intake, browser: Browser
) -> None:
    matter, code = browser.submit()
    row = intake.one("select id from matter where number = %s", matter)
    case = Case(intake, str(row["id"]))
    route = case.clock("route", date(2026, 12, 8))
    case.clock("handle", date(2027, 1, 22), bound=ECOLOGY)
    stopped = ClockStopped(clock_id=route, rule="route", outcome=ClockOutcome.MET, stopped_at=NOW)
    case.hear(stopped, source="oversight")
    page = browser.open(matter, code).page
    open_part, _, folded = page.partition("已结束的期限（1项）")
    assert "清河市生态环境局：办理期限" in open_part
    assert "登记转送期限" not in open_part.partition("办理期限")[2]
    assert "登记转送期限" in folded
    assert "5个工作日" in browser.get("/").page


def test_supplement_and_withdrawal_with_confirmation(intake: Intake, browser: Browser) -> None:
    matter, code = browser.submit()
    browser.open(matter, code).post(f"/matters/{matter}/supplement", {"text": ""})
    assert browser.status == 422
    browser.post(f"/matters/{matter}/supplement", {"text": "又排了", "files": [(io.BytesIO(a_picture()), "夜.jpg")]})
    assert "补充材料已提交" in browser.page
    assert "又排了</p>" in browser.page
    assert "<li>夜.jpg</li>" in browser.page
    browser.get(f"/matters/{matter}/withdraw")
    assert "撤回不能取消" in browser.page
    browser.post(f"/matters/{matter}/withdraw", {})
    assert "信访事项已撤回" in browser.page
    assert [type(event) for event in intake.said()][1:] == [MatterSupplemented, MatterWithdrawn]


def test_what_a_petitioner_does_with_an_opened_matter_is_traced_under_its_number(
    intake: Intake, browser: Browser, exported: Exported
) -> None:
    matter, code = browser.submit()
    browser.open(matter, code).post(f"/matters/{matter}/rate", {"vote.": "satisfied"})
    browser.post(f"/matters/{matter}/supplement", {"text": "又排了"})
    browser.get(f"/matters/{matter}/withdraw").post(f"/matters/{matter}/withdraw", {})
    told = exported.numbers()
    for what in ("GET", "POST /rate", "POST /supplement", "GET /withdraw", "POST /withdraw"):
        method, _, act = what.partition(" ")
        assert told[f"{method} /matters/<number>{act}"] == matter, what
    said = intake.look.execute("select type, body from outbox order by position").fetchall()
    states = [json.loads(bytes(row["body"]))["tracestate"] for row in said]
    assert states == [f"lianban={matter}"] * 3  # registered, supplemented, withdrawn: so it travels on


def test_a_number_that_is_only_typed_into_an_address_is_not_in_the_trace(
    intake: Intake, browser: Browser, exported: Exported
) -> None:
    matter, _ = browser.submit()
    stranger = Browser(intake).get("/matters")
    before = len(exported.spans)
    stranger.post(f"/matters/{matter}/withdraw", {}, follow=False)
    assert [(span.name, NUMBER in (span.attributes or {})) for span in exported.spans[before:]] == [
        ("POST /matters/<number>/withdraw", False)
    ]


def test_nobody_acts_on_a_matter_that_is_not_open_here(intake: Intake, browser: Browser) -> None:
    matter, _ = browser.submit()
    stranger = Browser(intake).get("/matters")
    for what in ("rate", "supplement", "withdraw"):
        assert "查询码" in stranger.post(f"/matters/{matter}/{what}", {"text": "x"}).page
    assert len(intake.said()) == 1


def test_an_accusation_shows_that_it_is_sealed(intake: Intake, browser: Browser) -> None:
    matter, code = browser.submit(purpose="accusation")
    assert "密封" in browser.page
    assert "纪检监察机关" in browser.open(matter, code).page


def test_forms_of_other_sites_are_refused(intake: Intake) -> None:
    assert intake.client.post("/submit/confirm", data=FORM).status_code == 400
    assert intake.said() == []


def test_the_number_is_the_only_thing_taken_from_an_address(intake: Intake, browser: Browser) -> None:
    matter, _ = browser.submit()
    assert f'value="{matter}"' in Browser(intake).get(f"/matters?number={matter}").page
    assert UUID(str(intake.one("select id from matter")["id"])).version == 4
