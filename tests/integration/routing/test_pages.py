"""Signing in, and the routing desk as a browser without JavaScript uses it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from lianban.chassis import auth, time
from lianban.chassis.time import now
from lianban.contracts import agency_gateway as gateway
from lianban.contracts import routing as said
from lianban.contracts.codes import AgencyRole, ObjectionReason, StaffRole
from services.routing.app import accounts, statements, suggestion
from services.routing.domain.suggesting import TypeScore
from services.routing.web import sign_in
from tests.integration.routing.conftest import NOW, PASSWORD, City, ref
from tests.integration.routing.test_story import Departments, a_decided_matter, assign, rate, serve, state

LEAD = AgencyRole.LEAD


@pytest.fixture(autouse=True)
def _no_native_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_in, "offload", lambda work: work())


def fields(page: str, form: str = "") -> dict[str, str]:
    """The hidden fields of a page's form whose action ends in ``form``."""
    match = re.search(rf'<form method="post" action="[^"]*{form}".*?</form>', page, re.DOTALL)
    assert match is not None, f"no form {form}"
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', match.group(0)))


def post(client: FlaskClient, matter: UUID, action: str, **values: Any) -> Any:
    """Open the case page and send one of its forms."""
    page = client.get(f"/routing/cases/{matter}").text
    return client.post(f"/routing/cases/{matter}/{action}", data={**fields(page, action), **values})


class TestSigningIn:
    @pytest.fixture
    def browser(self, app: Flask) -> FlaskClient:
        return app.test_client()

    def sign_in(self, browser: FlaskClient, username: str = "officer", password: str = PASSWORD, **more: str) -> Any:
        data = {**fields(browser.get("/sign-in").text, "/sign-in"), "username": username, "password": password, **more}
        return browser.post("/sign-in", data=data)

    def test_a_page_sends_to_sign_in_and_comes_back(self, browser: FlaskClient) -> None:
        sent = browser.get("/routing/?state=routed")
        assert sent.headers["Location"] == "/sign-in?next=/routing/%3Fstate%3Drouted"
        answer = self.sign_in(browser, next="/routing/?state=routed")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/routing/?state=routed")
        assert browser.get("/routing/").status_code == 200

    def test_everybody_comes_to_their_own_desk(self, browser: FlaskClient) -> None:
        assert self.sign_in(browser, "urban").headers["Location"] == "/desk/"

    def test_the_token_says_who_it_is_for_a_quarter_of_an_hour(self, browser: FlaskClient) -> None:
        self.sign_in(browser, "jinchuan")
        cookie = browser.get_cookie("lianban_access")
        assert cookie is not None
        who = auth.verify_access(cookie.value, at=now())
        assert (who.name, who.roles, who.territory) == (
            "锦川转办",
            frozenset({StaffRole.OFFICER}),
            "990101000000",
        )
        assert who.expires_at is not None
        assert who.issued_at is not None
        assert who.expires_at - who.issued_at == timedelta(minutes=15)

    @pytest.mark.parametrize(("username", "password"), [("officer", "wrong password"), ("nobody", PASSWORD)])
    def test_a_wrong_name_and_a_wrong_password_look_the_same(
        self, browser: FlaskClient, username: str, password: str
    ) -> None:
        answer = self.sign_in(browser, username, password)
        assert answer.status_code == 401
        assert "用户名或者密码不正确" in answer.text
        assert password not in answer.text

    def test_too_many_wrong_passwords_make_the_account_wait(self, browser: FlaskClient) -> None:
        for _ in range(accounts.FREE_FAILURES):
            assert self.sign_in(browser, password="wrong password").status_code == 401
        answer = self.sign_in(browser)
        assert answer.status_code == 429
        assert "秒后再试" in answer.text
        with time.at(now() + timedelta(minutes=20)):
            assert self.sign_in(browser).status_code == 303

    def test_another_site_is_never_where_one_goes_on(self, browser: FlaskClient) -> None:
        assert self.sign_in(browser, next="https://evil.example/").headers["Location"] == "/routing/"

    def test_the_refresh_token_changes_with_each_use_and_a_stolen_old_one_ends_the_session(
        self, browser: FlaskClient, city: City
    ) -> None:
        self.sign_in(browser)
        old = browser.get_cookie("lianban_refresh", path="/sign-in")
        assert old is not None
        assert browser.get("/sign-in/refresh?next=/account").headers["Location"] == "/account"
        new = browser.get_cookie("lianban_refresh", path="/sign-in")
        assert new is not None
        assert new.value != old.value
        assert city.one("select count(*) as n from staff_session where token_hash = %s", new.value.encode())["n"] == 0
        with time.at(now() + timedelta(minutes=5)):
            browser.set_cookie("lianban_refresh", old.value, path="/sign-in")
            assert "/sign-in?next=" in browser.get("/sign-in/refresh?next=/account").headers["Location"]
            browser.set_cookie("lianban_refresh", new.value, path="/sign-in")
            assert "/sign-in?next=" in browser.get("/sign-in/refresh?next=/account").headers["Location"]

    def test_a_lost_answer_to_a_refresh_does_not_sign_out(self, browser: FlaskClient) -> None:
        self.sign_in(browser)
        old = browser.get_cookie("lianban_refresh", path="/sign-in")
        assert old is not None
        browser.get("/sign-in/refresh?next=/account")
        browser.set_cookie("lianban_refresh", old.value, path="/sign-in")
        assert browser.get("/sign-in/refresh?next=/account").headers["Location"] == "/account"

    def test_signing_out_ends_the_session_for_good(self, browser: FlaskClient) -> None:
        self.sign_in(browser)
        kept = browser.get_cookie("lianban_refresh", path="/sign-in")
        assert kept is not None
        page = browser.get("/sign-out").text
        assert browser.post("/sign-in/end", data=fields(page, "/sign-in/end")).status_code == 303
        assert browser.get_cookie("lianban_access") is None
        browser.set_cookie("lianban_refresh", kept.value, path="/sign-in")
        assert "/sign-in?next=" in browser.get("/sign-in/refresh?next=/account").headers["Location"]

    def test_a_new_password_counts_and_the_old_one_no_longer(self, browser: FlaskClient) -> None:
        self.sign_in(browser)
        page = browser.get("/account").text
        assert "转办员" in page
        form = fields(page, "/account")
        short = browser.post("/account", data={**form, "old": PASSWORD, "new": "short", "again": "short"})
        assert (short.status_code, "密码至少10位" in short.text) == (422, True)
        long = "a much longer password"
        assert browser.post("/account", data={**form, "old": PASSWORD, "new": long, "again": long}).status_code == 303
        assert self.sign_in(browser).status_code == 401
        assert self.sign_in(browser, password=long).status_code == 303


class TestBoard:
    def test_it_says_when_nothing_waits(self, client: FlaskClient) -> None:
        assert "没有等候处理的事项" in client.get("/routing/").text

    def test_it_lists_titles_with_the_suggested_lead(self, city: City, client: FlaskClient) -> None:
        matter = city.register()
        suggestion.run_due()
        page = client.get("/routing/").text
        assert f'href="/routing/cases/{matter}"' in page
        assert "厂后的河水发黑" in page
        assert "2026年12月8日前转送" in page
        assert "清河市生态环境局" in page

    @pytest.mark.parametrize("query", ["state=nonsense", "region=abc", "q=。", "attention=x&scope=y", "limit=x"])
    def test_an_address_that_somebody_edited_is_no_error(self, client: FlaskClient, query: str) -> None:
        assert client.get(f"/routing/?{query}").status_code == 200

    def test_it_speaks_english(self, city: City, client: FlaskClient) -> None:
        assert 'lang="en"' in client.get("/routing/?lang=en").text


class TestCasePage:
    def test_one_click_confirms_the_suggestion(self, city: City, client: FlaskClient) -> None:
        matter = city.register()
        suggestion.run_due()
        page = client.get(f"/routing/cases/{matter}").text
        for shown in ("诉求1", "权责清单", "《水污染防治法》第十条", "QH-001", "按建议派出"):
            assert shown in page
        answer = post(client, matter, "confirm")
        assert answer.status_code == 303
        assert state(city, matter) == ("routed", None)
        sent = [e.agency.code for e in city.said(matter) if isinstance(e, said.AssignmentSent)]
        assert sent == ["city-ecology", "city-urban", "dongping-town"]

    def test_the_form_takes_names_with_code_names_and_codes(self, city: City, client: FlaskClient) -> None:
        matter = city.register()
        values = {
            "agency.0": "清河市生态环境局（city-ecology）",
            "role.0": "lead",
            "agency.1": "清河市城市管理局",
            "role.1": "co_handler",
            "claims.1": "2",
            "agency.2": "dongping-town",
            "role.2": "copy",
            "kind": "assign",
            "reason.assign": "现场已核实",
        }
        assert post(client, matter, "assign", **values).status_code == 303
        rows = city.connection.execute(
            "select agency_code, role, cardinality(claims) as n from assignment order by position"
        )
        assert [tuple(row.values()) for row in rows] == [
            ("city-ecology", "lead", 2),
            ("city-urban", "co_handler", 1),
            ("dongping-town", "copy", 2),
        ]
        assert "现场已核实" in client.get(f"/routing/cases/{matter}").text

    @pytest.mark.parametrize(
        ("values", "shown"),
        [
            ({"agency.0": "没有这个局", "role.0": "lead"}, "没有代码为"),
            ({"agency.0": "city-old", "role.0": "lead"}, "该单位已停用"),
            ({"agency.0": "city-ecology", "role.0": "co_handler"}, "必须有一个主办单位"),
            ({"agency.0": "city-ecology", "role.0": "lead", "claims.0": "9"}, "诉求编号不属于本事项"),
            ({}, "请至少选择一个单位"),
            ({"agency.0": "city-ecology", "role.0": "lead", "reason.assign": "我的理由" * 600}, "理由最多2000个字"),
        ],
    )
    def test_what_is_wrong_is_said_and_what_was_typed_stays(
        self, city: City, client: FlaskClient, values: dict[str, str], shown: str
    ) -> None:
        matter = city.register()
        answer = post(client, matter, "assign", **{"kind": "transfer", "reason.assign": "我的理由", **values})
        assert answer.status_code in {409, 422}
        assert shown in answer.text
        assert "我的理由" in answer.text
        assert city.one("select count(*) as n from assignment")["n"] == 0

    def test_a_page_that_is_no_longer_true_decides_nothing(self, city: City, client: FlaskClient) -> None:
        matter = city.register()
        suggestion.run_due()
        form = fields(client.get(f"/routing/cases/{matter}").text, "confirm")
        assign(matter, ("city-urban", LEAD))
        answer = client.post(f"/routing/cases/{matter}/confirm", data=form)
        assert answer.status_code == 409
        assert "已有变化" in answer.text

    @pytest.mark.parametrize(
        ("language", "name"), [("zh", "工业废水污染河道"), ("en", "Industrial discharge into a river")]
    )
    def test_the_matter_type_is_named_in_the_language_of_the_page(
        self, city: City, client: FlaskClient, language: str, name: str
    ) -> None:
        matter = city.register()
        suggestion.run_due()
        assign(matter, ("city-ecology", LEAD))  # the suggestion, which names it as well, is not shown any more
        page = client.get(f"/routing/cases/{matter}?lang={language}").text
        assert re.findall("工业废水污染河道|Industrial discharge into a river", page) == [name]

    def test_a_matter_type_without_an_english_name_keeps_its_own(self) -> None:
        assert TypeScore("rubbish", "垃圾清运不及时", 0.5, ()).label("en") == "垃圾清运不及时"

    def test_what_the_petitioner_added_stands_beside_the_matters_words(self, city: City, client: FlaskClient) -> None:
        matter = city.register()
        added = {"id": str(uuid4()), "text": "昨夜又看到罐车倒污水", "supplemented_at": NOW.isoformat()}
        city.matters[matter]["supplements"] = [added, {**added, "text": ""}]
        suggestion.run_due()
        page = client.get(f"/routing/cases/{matter}").text
        assert page.count("信访人补充 <span") == 2
        assert "昨夜又看到罐车倒污水" in page
        assert "（只补充了材料，没有文字）" in page

    def test_an_objection_is_read_and_refused(self, city: City, client: FlaskClient, monkeypatch: Any) -> None:
        matter = city.register()
        assign(matter, ("city-ecology", LEAD))
        statement = Departments(city, matter).object_("city-ecology", "city-water")
        words = {"items": [{"id": str(statement), "text": "河道由水利局管理", "legal_basis": "水法第十二条"}]}
        monkeypatch.setattr(statements, "fetch", lambda *_, **__: words)
        statements.fetch_due()
        page = client.get(f"/routing/cases/{matter}").text
        for shown in ("河道由水利局管理", "水法第十二条", "建议由清河市水利局办理", "不属于本机关职权范围"):
            assert shown in page
        assert (
            post(client, matter, "objection", decision="uphold", **{"reason.objection.1": "厂区排放归环保"}).status_code
            == 303
        )
        assert city.last(matter, said.AssignmentUpheld).agency == ref("city-ecology")

    def test_a_late_objection_is_marked_for_the_officer(self, city: City, client: FlaskClient) -> None:
        matter = city.register()
        with time.at(NOW):
            assign(matter, ("city-ecology", LEAD))
        event = gateway.AgencyObjected(
            statement_id=uuid4(),
            assignment_id=Departments(city, matter).part("city-ecology"),
            agency=ref("city-ecology"),
            reason=ObjectionReason.OUTSIDE_POWERS,
            proposed_agency=None,
            stated_at=NOW,
        )
        city.hear(event, matter, at=NOW + timedelta(days=8), source="agency_gateway")
        assert "该异议在五个工作日期限（2026年11月30日）之后提出" in client.get(f"/routing/cases/{matter}").text

    def test_a_dispute_is_ended_by_a_designation(self, city: City, client: FlaskClient) -> None:
        matter = city.register()
        assign(matter, ("city-ecology", LEAD))
        departments = Departments(city, matter)
        departments.object_("city-ecology", "city-urban")
        assign(matter, ("city-urban", LEAD))
        departments.object_("city-urban", "city-ecology")
        page = client.get(f"/routing/cases/{matter}").text
        assert page.index("清河市人民政府</option>") < page.index("清河市信访局</option>")
        answer = post(
            client, matter, "designation", agency="清河市城市管理局（city-urban）", decided_by="city-petition"
        )
        assert answer.status_code == 303
        assert city.last(matter, said.AssignmentDesignated).agency == ref("city-urban")
        assert "清河市信访局指定清河市城市管理局受理" in client.get(f"/routing/cases/{matter}").text

    def test_re_handling_is_ordered_on_the_page(self, city: City, client: FlaskClient) -> None:
        matter = a_decided_matter(city)
        serve(city, matter)
        rate(city, matter, solved=False)
        assert post(client, matter, "reopening", decision="reopen").status_code == 303
        assert city.last(matter, said.CaseReopened).round == 2

    def test_what_was_refused_is_shown_with_the_reason(self, city: City, client: FlaskClient) -> None:
        matter = city.register()
        assign(matter, ("city-ecology", LEAD))
        Departments(city, matter).opine("city-ecology")
        assert "未被采用的表述" in client.get(f"/routing/cases/{matter}").text

    def test_every_state_of_a_case_can_be_shown_in_both_languages(self, city: City, client: FlaskClient) -> None:
        matter = a_decided_matter(city)
        serve(city, matter)
        rate(city, matter, "city-ecology", "city-urban", solved=True)
        event = gateway.AgencyObjected(
            statement_id=uuid4(),
            assignment_id=Departments(city, matter).part("city-urban"),
            agency=ref("city-urban"),
            reason=ObjectionReason.OTHER_LEAD,
            proposed_agency=None,
            stated_at=NOW,
        )
        city.hear(event, matter, source="agency_gateway")
        assert "办结" in client.get(f"/routing/cases/{matter}").text
        assert "The assignment has ended." in client.get(f"/routing/cases/{matter}?lang=en").text

    def test_no_two_elements_share_an_id(self, city: City, client: FlaskClient) -> None:
        matter = city.register()
        assign(matter, ("city-ecology", LEAD), ("city-urban", AgencyRole.CO_HANDLER))
        departments = Departments(city, matter)
        departments.object_("city-ecology", "city-water")
        departments.object_("city-urban", "city-water")
        ids = re.findall(r' id="([^"]+)"', client.get(f"/routing/cases/{matter}").text)
        assert len(ids) == len(set(ids))

    def test_only_officers_open_it(self, city: City, app: Flask, token: Callable[..., str]) -> None:
        matter = city.register()
        other = app.test_client()
        other.set_cookie("lianban_access", token(StaffRole.AGENCY, agency="city-urban"))
        assert other.get(f"/routing/cases/{matter}").status_code == 403
        assert app.test_client().get(f"/routing/cases/{matter}").status_code == 302

    def test_a_case_that_does_not_exist_is_a_page_not_found(self, client: FlaskClient) -> None:
        assert client.get(f"/routing/cases/{uuid4()}").status_code == 404
