"""The clerk's desk: territory, search by number and contacts, duplicates before saving, the access log."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from lianban.chassis.time import at
from lianban.chassis.web.access import COOKIE
from lianban.contracts.codes import StaffRole
from tests.integration.intake.conftest import NOW, Intake, a_petition
from tests.integration.intake.story import Case
from tests.integration.intake.test_portal import FORM, Browser


def clerk(intake: Intake, *roles: StaffRole, **more: Any) -> Browser:
    """A browser in which a clerk is signed in."""
    browser = Browser(intake)
    browser.client.set_cookie(COOKIE, intake.access(*(roles or (StaffRole.CLERK,)), **more))
    return browser


@pytest.mark.parametrize("path", ["/intake/", "/intake/new"])
def test_only_clerks_come_in(intake: Intake, path: str) -> None:
    assert intake.client.get(path).headers["Location"].startswith("/sign-in?next=")
    assert clerk(intake, StaffRole.AGENCY).get(path).status == 403
    assert clerk(intake).get(path).status == 200


def test_matters_are_listed_newest_first_page_by_page(intake: Intake) -> None:
    numbers = []
    for minute in range(27):
        with at(NOW + timedelta(minutes=minute)):
            answer = intake.client.post("/api/v1/matters", json=a_petition(title=f"第{minute}件"))
        numbers.append(answer.get_json()["number"])
    browser = clerk(intake).get("/intake/")
    assert re.findall(r">(\d{16})<", browser.page) == numbers[:1:-1]
    following = re.search(r'href="([^"]+)" rel="next"', browser.page)
    assert following is not None
    assert re.findall(r">(\d{16})<", browser.get(unescape(following[1])).page) == numbers[1::-1]
    assert intake.one("select count(*) as n from access_log where action = 'list-matters'")["n"] == 2


def test_a_clerk_sees_the_own_territory_only(intake: Intake) -> None:
    done = intake.submit()
    assert done["number"] in clerk(intake, territory="990102000000").get("/intake/").page
    elsewhere = clerk(intake, territory="990103000000")
    assert done["number"] not in elsewhere.get("/intake/").page
    assert elsewhere.get(f"/intake/matters/{done['id']}").status == 404
    elsewhere.get("/intake/").post("/intake/search", {"sought": done["number"]})
    assert "工厂后面的河水发黑" not in elsewhere.page


def test_the_day_of_receipt_in_the_system_before_stands_beside_the_day_of_registration(intake: Intake) -> None:
    record = {"original_received_on": "2019-04-25", "source": "old-board", "source_id": "17"}
    imported = intake.submit(intake.bearer(StaffRole.IMPORTER), **record)
    assert "原系统2019年4月25日收到" in clerk(intake).get(f"/intake/matters/{imported['id']}").page
    assert "原系统" not in clerk(intake).get(f"/intake/matters/{intake.submit()['id']}").page


@pytest.mark.parametrize("sought", ["139 0000 1234", "ZHAO@example.com", "e12345678", None])
def test_a_matter_is_found_by_number_and_by_contacts(intake: Intake, sought: str | None) -> None:
    person = {"name": "赵", "phone": "13900001234", "email": "zhao@example.com", "id_type": "passport"}
    done = intake.submit(petitioner={**person, "id_number": "E12345678"})
    other = intake.submit(petitioner={"name": "钱", "phone": "13900009999"})
    browser = clerk(intake).get("/intake/")
    browser.post("/intake/search", {"sought": sought or done["number"]})
    assert done["number"] in browser.page
    assert other["number"] not in browser.page


def test_a_part_of_a_telephone_number_finds_nothing(intake: Intake) -> None:
    done = intake.submit()
    browser = clerk(intake).get("/intake/").post("/intake/search", {"sought": "1390000"})
    assert done["number"] not in browser.page


def test_looking_at_a_matter_is_put_on_record(intake: Intake) -> None:
    done = intake.submit()
    Case(intake, done["id"]).route()
    browser = clerk(intake).get(f"/intake/matters/{done['id']}")
    for shown in ("十月以来", "清理河道", "赵明月", "13900001234", "清河市生态环境局"):
        assert shown in browser.page
    row = intake.one("select actor, subject from access_log where action = 'read-matter'")
    assert (row["actor"], str(row["subject"])) == ("staff:s-1", done["id"])


def test_a_clerk_reads_what_the_petitioner_added_later(intake: Intake) -> None:
    done = intake.submit()
    added = {"query_code": done["query_code"], "text": "昨夜又看到罐车倒污水"}
    assert intake.client.post(f"/api/v1/matters/{done['number']}/supplements", json=added).status_code == 201
    page = clerk(intake).get(f"/intake/matters/{done['id']}").page
    assert page.index("十月以来") < page.index("补充材料") < page.index("昨夜又看到罐车倒污水")


def test_an_accusation_is_listed_without_its_title_and_cannot_be_opened(intake: Intake) -> None:
    done = intake.submit(purpose="accusation")
    browser = clerk(intake).get("/intake/")
    assert done["number"] in browser.page
    assert "工厂后面的河水发黑" not in browser.page
    assert browser.get(f"/intake/matters/{done['id']}").status == 404


def test_a_running_matter_of_the_same_person_is_shown_before_saving(intake: Intake) -> None:
    running = intake.submit(title="路灯不亮")
    closed = intake.submit(title="垃圾没人清")
    Case(intake, closed["id"]).route().accept().decide().close()
    browser = clerk(intake).get("/intake/new").post("/intake/new", {**FORM, "channel": "visit", "do": "preview"})
    assert running["number"] in browser.page
    assert "同一电话" in browser.page
    assert closed["number"] not in browser.page
    browser.post("/intake/new/confirm", browser.hidden())
    (event,) = [event for event in intake.said() if event.number == browser.text("number")]
    assert (event.channel, event.registered_by) == ("visit", "staff:s-1")
