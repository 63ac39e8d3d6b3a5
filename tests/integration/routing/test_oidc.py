"""Signing in through an identity provider, from the button to the session and back out."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient

from lianban.chassis import auth, time
from lianban.chassis.runtime import database
from lianban.chassis.settings import settings
from lianban.chassis.time import now
from lianban.contracts.codes import StaffRole
from services.routing.app import openid, registering, sign_in_policy
from services.routing.app.policy import BadPolicy
from services.routing.domain.register import Staff
from services.routing.web import sign_in
from tests.integration.routing.conftest import NOW, PASSWORD, City
from tests.integration.routing.openid_provider import SECRET, OpenIdProvider, new_key, running
from tests.integration.routing.test_pages import fields
from tests.keys import Keys, forget_settings

OFFICERS = """
[[sign_in.oidc.mapping]]
claim = "groups"
values = ["petition-officers"]
roles = ["officer"]
territory = "990101000000"
"""
WORKERS = """
[[sign_in.oidc.mapping]]
claim = "realm_access.roles"
values = ["department-worker"]
roles = ["agency"]
"""
LATE = timedelta(minutes=11)


@pytest.fixture
def provider() -> Iterator[OpenIdProvider]:
    openid.forget()
    with running() as made:
        yield made


Site = Callable[..., None]


@pytest.fixture
def site(provider: OpenIdProvider, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """Write the site's policy: ``site('link_by_username = true', OFFICERS)``."""
    monkeypatch.setattr(sign_in, "offload", lambda work: work())
    (keys.folder / "routing" / "city.secret").write_text(SECRET + "\n", encoding="utf-8")
    file = tmp_path / "site.toml"
    written = 0

    def write(more: str = "", mapping: str = "", *, local: bool = True) -> None:
        nonlocal written
        written += 1
        file.write_text(
            f"""
            # {written}
            [sign_in]
            local_accounts = {str(local).lower()}
            [[sign_in.oidc]]
            name = "city"
            title = "清河市统一身份认证"
            title_en = "Qinghe City account"
            issuer = "{provider.issuer}"
            client_id = "lianban"
            client_secret_file = "city.secret"
            {more}
            {mapping}
            """,
            encoding="utf-8",
        )
        monkeypatch.setenv("LIANBAN_SITE", str(file))
        forget_settings()

    return write


@pytest.fixture
def browser(app: Flask) -> FlaskClient:
    return app.test_client()


def leave(browser: FlaskClient, target: str = "") -> str:
    """Press the button; the address at the provider."""
    answer = browser.get("/sign-in/oidc/city", query_string={"next": target} if target else {})
    assert answer.status_code == 302, answer.headers.get("Location")
    return str(answer.headers["Location"])


def at_provider(url: str) -> str:
    """Agree at the provider; the path on which it sends the browser back."""
    answer = requests.get(url, allow_redirects=False, timeout=5)
    assert answer.status_code == 302
    back = urlsplit(answer.headers["Location"])
    assert f"{back.scheme}://{back.netloc}" == "http://127.0.0.1:8080"
    return f"{back.path}?{back.query}"


def sign_in_through(browser: FlaskClient, target: str = "") -> Any:
    return browser.get(at_provider(leave(browser, target)))


def trouble(answer: Any) -> str:
    """What went wrong, as the address says it; nobody is signed in."""
    assert answer.status_code == 303
    assert not [cookie for cookie in answer.headers.getlist("Set-Cookie") if "lianban_access=" in cookie]
    place = urlsplit(answer.headers["Location"])
    assert place.path == "/sign-in"
    return str(parse_qs(place.query)["trouble"][0])


def who(browser: FlaskClient) -> auth.Principal:
    cookie = browser.get_cookie("lianban_access")
    assert cookie is not None
    return auth.verify_access(cookie.value, at=now())


class TestComingIn:
    def test_each_provider_has_a_button_in_both_languages(self, browser: FlaskClient, site: Site) -> None:
        site()
        page = browser.get("/sign-in?next=/routing/").text
        assert "用清河市统一身份认证登录" in page
        assert 'href="/sign-in/oidc/city?next=/routing/"' in page
        assert 'name="password"' in page
        assert "Sign in with Qinghe City account" in browser.get("/sign-in?lang=en").text

    def test_a_linked_account_gets_the_same_session_as_with_its_password(
        self, browser: FlaskClient, site: Site, city: City
    ) -> None:
        site("link_by_username = true")
        answer = sign_in_through(browser, "/routing/?state=routed")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/routing/?state=routed")
        me = who(browser)
        assert (me.name, me.roles, me.territory) == ("李转办", frozenset({StaffRole.OFFICER}), None)
        assert me.subject == str(registering.staff_id("officer"))
        assert browser.get("/routing/").status_code == 200
        assert city.one("select provider from staff_session")["provider"] == "city"
        old = browser.get_cookie("lianban_refresh", path="/sign-in")
        assert browser.get("/sign-in/refresh?next=/account").headers["Location"] == "/account"
        assert old is not None
        assert browser.get_cookie("lianban_refresh", path="/sign-in") != old

    def test_everybody_comes_to_their_own_desk(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider
    ) -> None:
        site("link_by_username = true")
        provider.person = {"sub": "u-2", "preferred_username": "Urban"}
        assert sign_in_through(browser).headers["Location"] == "/desk/"

    def test_another_site_is_never_where_one_goes_on(self, browser: FlaskClient, site: Site) -> None:
        site("link_by_username = true")
        assert sign_in_through(browser, "https://evil.example/").headers["Location"] == "/routing/"

    def test_it_is_put_on_record(self, browser: FlaskClient, site: Site, city: City) -> None:
        site("link_by_username = true")
        sign_in_through(browser)
        row = city.one("select purpose, outcome from access_log where action = 'sign-in'")
        assert row == {"purpose": f"staff:{registering.staff_id('officer')}", "outcome": "allowed"}

    def test_a_provider_may_want_the_secret_in_the_body(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider
    ) -> None:
        site("link_by_username = true")
        provider.client = "post"
        provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        assert sign_in_through(browser).headers["Location"] == "/routing/"

    def test_a_public_client_has_no_secret(self, browser: FlaskClient, site: Site, provider: OpenIdProvider) -> None:
        site("link_by_username = true")
        provider.client = "public"
        file = Path(settings().site)
        file.write_text(re.sub("client_secret_file = .*", "", file.read_text("utf-8")), "utf-8")
        assert sign_in_through(browser).headers["Location"] == "/routing/"

    def test_userinfo_adds_claims_about_the_same_person(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider
    ) -> None:
        site("userinfo = true", OFFICERS)
        provider.userinfo = {"sub": "u-9", "groups": ["petition-officers"], "name": "赵新"}
        provider.person = {"sub": "u-9", "preferred_username": "zhao"}
        sign_in_through(browser)
        assert who(browser).name == "赵新"
        provider.userinfo["sub"] = "somebody else"
        assert trouble(sign_in_through(browser)) == "sign-in-not-vouched"

    def test_new_keys_of_the_provider_count_at_once(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider
    ) -> None:
        site("link_by_username = true")
        sign_in_through(browser)
        provider.key = new_key("k2")
        provider.sign = lambda claims: provider.signed(claims, kid="k2")
        assert sign_in_through(browser).headers["Location"] == "/routing/"


class TestWhoMayComeIn:
    def test_a_person_unknown_to_register_and_rules_is_refused(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider, city: City
    ) -> None:
        site("link_by_username = true", OFFICERS)
        provider.person = {"sub": "u-7", "preferred_username": "stranger", "groups": ["canteen"]}
        answer = sign_in_through(browser)
        assert trouble(answer) == "sign-in-unknown"
        shown = browser.get(answer.headers["Location"]).text
        assert "没有使用本系统的权限" in shown
        assert "not registered to use this system" in browser.get(answer.headers["Location"] + "&lang=en").text
        assert city.one("select count(*) as n from staff where username = 'stranger'")["n"] == 0
        assert city.one("select outcome from access_log where action = 'sign-in'")["outcome"] == "refused"

    def test_a_name_of_the_register_is_not_linked_unless_the_site_says_so(
        self, browser: FlaskClient, site: Site
    ) -> None:
        site("", OFFICERS)
        assert trouble(sign_in_through(browser)) == "sign-in-unknown"

    def test_a_group_gives_role_and_territory_and_takes_them_away(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider, city: City
    ) -> None:
        site("", OFFICERS)
        provider.person = {
            "sub": "u-9", "preferred_username": "zhao", "name": "赵新", "groups": ["petition-officers", "x"],
        }  # fmt: skip
        assert sign_in_through(browser).headers["Location"] == "/routing/"
        me = who(browser)
        assert (me.name, me.roles, me.territory) == ("赵新", frozenset({StaffRole.OFFICER}), "990101000000")
        assert city.one("select password_hash from staff where username = 'zhao'")["password_hash"] is None
        provider.person["groups"] = ["x"]
        assert trouble(sign_in_through(browser)) == "sign-in-unknown"
        assert "/sign-in?next=" in browser.get("/sign-in/refresh?next=/account").headers["Location"]

    def test_an_agency_comes_from_a_claim(self, browser: FlaskClient, site: Site, provider: OpenIdProvider) -> None:
        site('agency_claim = "department"', WORKERS)
        provider.person = {
            "sub": "u-3", "preferred_username": "wang", "department": "city-water",
            "realm_access": {"roles": ["department-worker"]},
        }  # fmt: skip
        assert sign_in_through(browser).headers["Location"] == "/desk/"
        assert who(browser).agency == "city-water"

    @pytest.mark.parametrize("department", [None, "no-such-agency", "city-old"])
    def test_a_worker_without_a_registered_agency_is_refused(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider, department: str | None
    ) -> None:
        site('agency_claim = "department"', WORKERS)
        provider.person = {
            "sub": "u-3", "preferred_username": "wang", "department": department,
            "realm_access": {"roles": ["department-worker"]},
        }  # fmt: skip
        assert trouble(sign_in_through(browser)) == "sign-in-unplaced"

    def test_without_the_territory_that_the_site_demands_nobody_sees_everything(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider
    ) -> None:
        site('territory_claim = "region"', OFFICERS.replace('territory = "990101000000"', ""))
        provider.person = {"sub": "u-9", "preferred_username": "zhao", "groups": ["petition-officers"]}
        assert trouble(sign_in_through(browser)) == "sign-in-unplaced"
        provider.person["region"] = "990102000000"
        sign_in_through(browser)
        assert who(browser).territory == "990102000000"

    def test_the_subject_counts_and_not_a_name_that_was_given_to_another(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider
    ) -> None:
        site("link_by_username = true")
        sign_in_through(browser)
        provider.person = {"sub": "u-2", "preferred_username": "officer"}
        assert trouble(sign_in_through(browser)) == "sign-in-unknown"
        provider.person = {"sub": "u-1", "preferred_username": "renamed"}
        sign_in_through(browser)
        assert who(browser).name == "李转办"

    def test_an_account_that_is_switched_off_neither_signs_in_nor_goes_on(
        self, browser: FlaskClient, site: Site, city: City
    ) -> None:
        site("link_by_username = true")
        sign_in_through(browser)
        off = Staff(username="officer", name="李转办", roles=frozenset({StaffRole.OFFICER}), active=False)
        with database().transaction() as tx:
            registering.register_staff(tx, off, None, at=NOW)
        assert "/sign-in?next=" in browser.get("/sign-in/refresh?next=/account").headers["Location"]
        assert trouble(sign_in_through(browser)) == "account-inactive"

    @pytest.mark.parametrize("username", ["", "王敏", "a b", None])
    def test_a_claim_that_is_no_user_name_is_refused(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider, username: str | None
    ) -> None:
        site("link_by_username = true", OFFICERS)
        provider.person = {"sub": "u-9", "preferred_username": username, "groups": ["petition-officers"]}
        assert trouble(sign_in_through(browser)) == "sign-in-no-username"


class TestWhatDoesNotCount:
    @pytest.fixture(autouse=True)
    def _site(self, site: Site) -> None:
        site("link_by_username = true")

    def test_an_answer_in_another_browser(self, browser: FlaskClient, app: Flask) -> None:
        """Else somebody could be made to work in another person's name (login CSRF)."""
        back = at_provider(leave(browser))
        stranger = app.test_client()
        assert trouble(stranger.get(back)) == "sign-in-not-begun-here"
        leave(stranger)
        assert trouble(stranger.get(back)) == "sign-in-not-begun-here"

    @pytest.mark.parametrize("state", ["", "guessed"])
    def test_a_wrong_state(self, browser: FlaskClient, state: str) -> None:
        back = at_provider(leave(browser))
        assert trouble(browser.get(re.sub("state=[^&]*", f"state={state}", back))) == "sign-in-not-begun-here"

    def test_an_answer_that_comes_again(self, browser: FlaskClient, provider: OpenIdProvider) -> None:
        back = at_provider(leave(browser))
        assert browser.get(back).headers["Location"] == "/routing/"
        asked = provider.requests.count("/token")
        assert trouble(browser.get(back)) == "sign-in-not-begun-here"
        assert provider.requests.count("/token") == asked

    def test_a_code_that_was_used_in_another_answer(self, browser: FlaskClient) -> None:
        used = at_provider(leave(browser))
        browser.get(used)
        code = parse_qs(urlsplit(used).query)["code"][0]
        back = at_provider(leave(browser))
        assert trouble(browser.get(re.sub("code=[^&]*", f"code={code}", back))) == "sign-in-not-vouched"

    def test_an_answer_that_came_late(self, browser: FlaskClient, city: City) -> None:
        back = at_provider(leave(browser))
        with time.at(now() + LATE):
            cookie = browser.get_cookie("lianban_sign_in", path="/sign-in/oidc")
            assert cookie is not None
            assert trouble(browser.get(back)) == "sign-in-too-late"
        assert city.one("select count(*) as n from sign_in_attempt")["n"] == 0

    @pytest.mark.parametrize(
        "claims",
        [
            {"nonce": "of another sign-in"},
            {"nonce": None},
            {"iss": "https://another.example"},
            {"iss": None},
            {"aud": "another-client"},
            {"aud": ["lianban", "another-client"]},
            {"aud": None},
            {"azp": "another-client"},
            {"exp": 1_700_000_000},
            {"exp": None},
            {"exp": "tomorrow"},
            {"iat": 4_000_000_000},
            {"iat": None},
            {"nbf": 4_000_000_000},
            {"sub": ""},
            {"sub": None},
            {"at_hash": "of another token"},
        ],
        ids=str,
    )
    def test_an_id_token_with_wrong_claims(
        self, browser: FlaskClient, provider: OpenIdProvider, claims: dict[str, Any]
    ) -> None:
        provider.twist = lambda right: {k: v for k, v in {**right, **claims}.items() if v is not None}
        assert trouble(sign_in_through(browser)) == "sign-in-not-vouched"

    def test_an_expired_id_token_within_the_clocks_tolerance_still_counts(
        self, browser: FlaskClient, provider: OpenIdProvider
    ) -> None:
        provider.twist = lambda right: {**right, "exp": right["iat"] - 20}
        assert sign_in_through(browser).headers["Location"] == "/routing/"

    def test_an_id_token_that_nobody_signed(self, browser: FlaskClient, provider: OpenIdProvider) -> None:
        provider.sign = provider.unsigned
        assert trouble(sign_in_through(browser)) == "sign-in-not-vouched"

    def test_an_id_token_signed_with_the_public_key_as_shared_secret(
        self, browser: FlaskClient, provider: OpenIdProvider
    ) -> None:
        provider.sign = provider.signed_with_the_public_key
        assert trouble(sign_in_through(browser)) == "sign-in-not-vouched"

    def test_an_id_token_signed_by_somebody_else(self, browser: FlaskClient, provider: OpenIdProvider) -> None:
        stranger = OpenIdProvider(provider.issuer, key=new_key("k1"))
        provider.sign = stranger.signed
        assert trouble(sign_in_through(browser)) == "sign-in-not-vouched"

    @pytest.mark.parametrize("made", ["", "abc", "a.b.c", "{}.{}.{}"])
    def test_what_is_no_token(self, browser: FlaskClient, provider: OpenIdProvider, made: str) -> None:
        provider.sign = lambda _: made
        assert trouble(sign_in_through(browser)) == "sign-in-not-vouched"

    def test_an_answer_of_another_issuer(self, browser: FlaskClient, provider: OpenIdProvider) -> None:
        back = at_provider(leave(browser))
        assert trouble(browser.get(f"{back}&iss=https://another.example")) == "sign-in-not-vouched"
        assert browser.get(f"{at_provider(leave(browser))}&iss={provider.issuer}").headers["Location"] == "/routing/"


class TestTroubles:
    def cancelled(self, browser: FlaskClient, error: str) -> Any:
        state = parse_qs(urlsplit(leave(browser)).query)["state"][0]
        return browser.get(f"/sign-in/oidc/city/callback?error={error}&error_description=<b>x&state={state}")

    def test_cancelling_is_said_kindly_and_the_way_back_is_there(self, browser: FlaskClient, site: Site) -> None:
        site()
        answer = self.cancelled(browser, "access_denied")
        assert trouble(answer) == "sign-in-cancelled"
        page = browser.get(answer.headers["Location"]).text
        assert "您取消了登录" in page
        assert "/sign-in/oidc/city" in page

    @pytest.mark.parametrize(
        ("error", "slug"),
        [("temporarily_unavailable", "provider-away"), ("invalid_scope", "provider-misconfigured")],
    )
    def test_other_errors_of_the_provider(self, browser: FlaskClient, site: Site, error: str, slug: str) -> None:
        site()
        assert trouble(self.cancelled(browser, error)) == slug

    def test_a_provider_that_is_away_before_or_meanwhile(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider
    ) -> None:
        site("link_by_username = true")
        provider.broken = True
        answer = browser.get("/sign-in/oidc/city?next=/routing/")
        assert trouble(answer) == "provider-away"
        assert "next=%2Frouting%2F" in answer.headers["Location"]
        assert "暂时无法使用" in browser.get(answer.headers["Location"]).text
        provider.broken = False
        back = at_provider(leave(browser))
        provider.broken = True
        assert trouble(browser.get(back)) == "provider-away"

    def test_a_provider_that_is_not_there_at_all(self, browser: FlaskClient, site: Site) -> None:
        with running() as gone:
            pass
        site("link_by_username = true")
        file = Path(settings().site)
        file.write_text(re.sub("issuer = .*", f'issuer = "{gone.issuer}"', file.read_text("utf-8")), "utf-8")
        assert trouble(browser.get("/sign-in/oidc/city")) == "provider-away"

    @pytest.mark.parametrize(
        "metadata",
        [
            {"issuer": "https://another.example"},
            {"token_endpoint": "http://in.the.clear.example/token"},
            {"jwks_uri": None},
            {"code_challenge_methods_supported": ["plain"]},
        ],
        ids=str,
    )
    def test_a_provider_that_cannot_be_trusted(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider, metadata: dict[str, Any]
    ) -> None:
        site()
        provider.metadata = metadata
        assert trouble(browser.get("/sign-in/oidc/city")) == "provider-misconfigured"

    @pytest.mark.parametrize("content", [None, "", "a wrong secret"])
    def test_a_secret_that_is_missing_or_wrong(
        self, browser: FlaskClient, site: Site, keys: Keys, content: str | None
    ) -> None:
        site("link_by_username = true")
        file = keys.folder / "routing" / "city.secret"
        back = at_provider(leave(browser))
        file.unlink() if content is None else file.write_text(content, "utf-8")
        assert trouble(browser.get(back)) == "provider-misconfigured"

    def test_a_provider_that_the_site_does_not_have(self, browser: FlaskClient, site: Site) -> None:
        site()
        assert trouble(browser.get("/sign-in/oidc/other")) == "no-such-provider"
        assert trouble(browser.get("/sign-in/oidc/other/callback?code=x&state=y")) == "no-such-provider"

    def test_words_of_an_address_are_no_message(self, browser: FlaskClient, site: Site) -> None:
        site()
        assert "没有登录成功" not in browser.get("/sign-in?trouble=call+this+number").text


class TestSigningOut:
    def test_the_provider_is_told_and_sends_back(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider, city: City
    ) -> None:
        site("link_by_username = true")
        sign_in_through(browser)
        sealed = city.one("select id_token from staff_session")["id_token"]
        assert b"u-1" not in bytes(sealed)
        form = fields(browser.get("/sign-out").text, "/sign-in/end")
        answer = browser.post("/sign-in/end", data=form)
        assert answer.status_code == 200
        onward = urlsplit(answer.headers["Refresh"].removeprefix("0; url="))
        asked = {name: values[0] for name, values in parse_qs(onward.query).items()}
        assert f"{onward.scheme}://{onward.netloc}{onward.path}" == f"{provider.issuer}/end-session"
        assert asked["post_logout_redirect_uri"] == "http://127.0.0.1:8080/sign-in"
        assert asked["client_id"] == "lianban"
        assert asked["id_token_hint"].count(".") == 2
        assert browser.get_cookie("lianban_access") is None
        row = city.one("select ended_at, id_token from staff_session")
        assert row["ended_at"] is not None
        assert row["id_token"] is None

    def test_what_the_provider_told_is_forgotten_when_the_session_ran_out(
        self, browser: FlaskClient, site: Site, city: City
    ) -> None:
        site("link_by_username = true")
        sign_in_through(browser)
        leave(browser)
        assert city.one("select id_token from staff_session")["id_token"] is not None
        with time.at(now() + timedelta(hours=13)):
            leave(browser)
        assert city.one("select id_token from staff_session")["id_token"] is None

    @pytest.mark.parametrize("why", ["site", "provider"])
    def test_without_sign_out_at_the_provider_it_ends_here(
        self, browser: FlaskClient, site: Site, provider: OpenIdProvider, why: str
    ) -> None:
        site("link_by_username = true" + ("\nsign_out = false" if why == "site" else ""))
        if why == "provider":
            provider.metadata = {"end_session_endpoint": None}
        sign_in_through(browser)
        form = fields(browser.get("/sign-out").text, "/sign-in/end")
        assert browser.post("/sign-in/end", data=form).headers["Location"] == "/sign-in"


class TestLocalAccounts:
    def local(self, browser: FlaskClient) -> Any:
        form = fields(browser.get("/sign-in").text, "/sign-in")
        return browser.post("/sign-in", data={**form, "username": "officer", "password": PASSWORD})

    def test_they_work_beside_a_provider(self, browser: FlaskClient, site: Site) -> None:
        site()
        assert self.local(browser).status_code == 303
        assert "修改密码" in browser.get("/account").text

    def test_switched_off_they_neither_sign_in_nor_go_on(self, browser: FlaskClient, site: Site) -> None:
        site("link_by_username = true")
        form = fields(browser.get("/sign-in").text, "/sign-in")
        self.local(browser)
        site("link_by_username = true", local=False)
        assert "/sign-in?next=" in browser.get("/sign-in/refresh?next=/account").headers["Location"]
        assert 'name="password"' not in browser.get("/sign-in").text
        answer = browser.post("/sign-in", data={**form, "username": "officer", "password": PASSWORD})
        assert answer.status_code == 403
        assert "已停用用户名和密码登录" in answer.text
        sign_in_through(browser)
        assert "修改密码" not in browser.get("/account").text

    def test_sessions_of_a_provider_that_was_taken_out_do_not_go_on(self, browser: FlaskClient, site: Site) -> None:
        site("link_by_username = true")
        sign_in_through(browser)
        file = Path(settings().site)
        file.write_text("# nothing", "utf-8")
        assert "/sign-in?next=" in browser.get("/sign-in/refresh?next=/account").headers["Location"]


COMPLETE = {"name": "a", "title": "甲", "issuer": "https://sso.example", "client_id": "x"}
RULE = {"claim": "groups", "values": ["a"], "roles": ["clerk"]}


class TestPolicy:
    def test_what_is_not_said_has_the_safe_default(self) -> None:
        found = sign_in_policy.parse({"oidc": [COMPLETE]})
        assert found.local_accounts is True
        only = found.providers[0]
        assert (only.scopes, only.link_by_username, only.rules) == (("openid", "profile"), False, ())

    @pytest.mark.parametrize(
        ("given", "named"),
        [
            ({"local": True}, "'local'"),
            ({"local_accounts": "no"}, "local_accounts"),
            ({"local_accounts": False}, "nobody could sign in"),
            ({"oidc": [{**COMPLETE, "issuer": "http://sso.example"}]}, "https"),
            ({"oidc": [{**COMPLETE, "client_secret": "written here"}]}, "'client_secret'"),
            ({"oidc": [{**COMPLETE, "client_secret_file": "../other/secret"}]}, "client_secret_file"),
            ({"oidc": [{**COMPLETE, "client_secret_file": "signing.pem"}]}, "client_secret_file"),
            ({"oidc": [{**COMPLETE, "name": "A/b"}]}, "name"),
            ({"oidc": [COMPLETE, COMPLETE]}, "name of its own"),
            ({"oidc": [COMPLETE, {**COMPLETE, "name": "b"}]}, "issuer of its own"),
            ({"oidc": [{**COMPLETE, "scopes": "openid"}]}, "scopes"),
            ({"oidc": [{**COMPLETE, "mapping": [{**RULE, "roles": ["king"]}]}]}, "king"),
            ({"oidc": [{**COMPLETE, "mapping": [{**RULE, "roles": ["channel"]}]}]}, "channel"),
            ({"oidc": [{**COMPLETE, "mapping": [{**RULE, "values": "a"}]}]}, "values"),
            ({"oidc": [{"name": "a"}]}, "title"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_what_it_does_not_understand_is_named(self, given: dict[str, Any], named: str) -> None:
        with pytest.raises(BadPolicy, match=named):
            sign_in_policy.parse(given)


def test_a_slow_provider_does_not_hold_up_a_service_process(provider: OpenIdProvider, keys: Keys) -> None:
    """In a service's process, patched for eventlet, others work on while one person's provider takes its time."""
    provider.slow = 1.0
    program = f"""
import lianban.chassis.patch
import eventlet, time
from services.routing.app import openid
from services.routing.domain.vouching import Provider
beats = 0
def beat():
    global beats
    while True:
        eventlet.sleep(0.02)
        beats += 1
eventlet.spawn(beat)
given = Provider(name="city", title="甲", title_en="A", issuer="{provider.issuer}", client_id="lianban")
print(openid.metadata(given)["token_endpoint"], openid.key_count(given), beats > 20)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=Path.cwd()
    )
    assert done.stdout.split() == [f"{provider.issuer}/token", "1", "True"]
