"""The petitioner's way through the portal: on a phone without JavaScript, on a desktop with it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Visit
from tests.browser.visitor import DESKTOP, PHONE, Visitor
from tests.browser.world import World, a_photo

CODE = re.compile(r"[0-9A-Z]{4}-?[0-9A-Z]{4}")


def fill_in(page: Page, title: str) -> None:
    """The form as somebody fills it in who has two claims."""
    page.check("[name=purpose][value=appeal]")
    page.fill("[name=title]", title)
    page.select_option("[name=region_code]", "990102101000")
    page.fill("[name=content]", "工厂后面的河水一直发黑发臭，夜里有污水从管子里流到河里。")
    page.fill("[name='claims.0']", "查处排污的工厂")
    page.click("[name=do][value=claim]")
    page.fill("[name='claims.1']", "把河道清干净")
    page.fill("[name='petitioner.name']", "乔大年")
    page.fill("[name='petitioner.phone']", "16100009002")
    page.fill("[name='petitioner.email']", "browser@mail.qinghe.example")


def add_photo(page: Page) -> None:
    page.set_input_files("[name=files]", {"name": "河水.jpg", "mimeType": "image/jpeg", "buffer": a_photo()})
    page.click("[name=do][value=edit]")
    assert page.locator("main").get_by_text("河水.jpg").count() == 1


def submitted(page: Page) -> tuple[str, str]:
    """Number and query code, as the page shows them once."""
    number, code = page.inner_text("#number"), page.inner_text("#query-code")
    assert re.fullmatch(r"\d{16}", number.replace("-", "").replace(" ", ""))
    assert CODE.fullmatch(code)
    return number, code


def opened_again(visitor: Visitor, number: str, code: str, title: str) -> None:
    """With number and code anybody who was given them sees where the matter stands."""
    page = visitor.go("/matters")
    page.fill("[name=number]", number)
    page.fill("[name=query_code]", code.lower())
    page.click("main button[type=submit]")
    assert page.url.endswith(f"/matters/{number}")
    assert code not in page.url
    assert page.get_by_text(title).count() >= 1
    assert page.locator(".timeline li").count() >= 1


@pytest.mark.parametrize(("width", "scripts"), [(PHONE, False), (DESKTOP, True)], ids=["phone, no scripts", "desktop"])
def test_a_petitioner_submits_with_two_claims_and_a_photo_and_opens_the_status(
    visit: Visit, world: World, width: int, scripts: bool
) -> None:
    visitor = visit(width=width, scripts=scripts)
    page = visitor.go("/")
    page.click("main a[href='/submit']")
    title = "东平镇印染厂后面的河水发黑"
    fill_in(page, title)
    add_photo(page)
    assert page.input_value("[name='claims.1']") == "把河道清干净"
    page.click("main .actions [name=do][value=preview]")
    assert page.get_by_text("查处排污的工厂").is_visible()
    assert page.get_by_text("河水.jpg").is_visible()
    if scripts:
        visitor.look("submit-preview")
    page.click("main .actions button:not([name])")
    number, code = submitted(page)
    if scripts:
        visitor.look("submit-registered")
    page.reload()  # somebody who reloads the page has not submitted twice
    assert submitted(page) == (number, code)
    opened_again(visit(width=width, scripts=scripts), number, code, title)


@pytest.mark.parametrize("scripts", [False, True])
def test_what_is_missing_is_told_beside_its_field_and_nothing_typed_is_lost(
    visit: Visit, world: World, scripts: bool
) -> None:
    visitor = visit(width=PHONE, scripts=scripts)
    page = visitor.go("/submit")
    page.fill("[name=title]", "只写了标题")
    page.click("main .actions [name=do][value=preview]")
    assert page.locator(".error-summary li").count() >= 3
    assert page.input_value("[name=title]") == "只写了标题"
    page.locator(".error-summary a").first.click()
    target = page.url.partition("#")[2]
    assert page.locator(f"[id='{target}']").count() == 1
    if scripts:
        visitor.look("submit-errors")


def test_a_wrong_query_code_is_told_without_saying_what_exists(visit: Visit, world: World) -> None:
    visitor = visit()
    page = visitor.go("/matters")
    page.fill("[name=number]", world.decided.number)
    page.fill("[name=query_code]", "AAAAAAAA")
    page.click("main button[type=submit]")
    assert page.locator(".error-summary").is_visible()
    visitor.look("query-wrong-code")


@pytest.mark.parametrize("scripts", [False, True])
def test_a_petitioner_supplements(visit: Visit, world: World, scripts: bool) -> None:
    visitor = visit(width=PHONE, scripts=scripts)
    opened_again(visitor, world.on_desk.number, world.on_desk.query_code, "油烟")
    page = visitor.page
    page.fill("[name=text]", "昨天晚上又来了一次。")
    page.click("form[action$='/supplement'] button")
    assert page.locator(".notice").get_by_text("补充材料已提交").is_visible()


def test_a_petitioner_reads_the_decision_and_rates_everybody(visit: Visit, world: World) -> None:
    visitor = visit(width=PHONE, scripts=False)
    matter = world.decided
    opened_again(visitor, matter.number, matter.query_code, "河水")
    page = visitor.page
    links = page.locator("a[href*='.pdf?ticket=']")
    assert links.count() == 3
    for link in links.all():
        answer = visitor.context.request.get(str(link.get_attribute("href")))
        assert answer.headers["content-type"] == "application/pdf"
    form = page.locator("form[action$='/rate']")
    votes = form.locator("fieldset").filter(has=page.locator("[name^='vote.']"))
    assert votes.count() == 4, "the petition office and three agencies"
    for vote in votes.all():
        vote.locator("input[value=satisfied]").check()
    form.locator("[name=solved][value=yes]").check()
    form.locator("button").click()
    assert page.locator(".notice").get_by_text("您的评价已记录").is_visible()
    assert page.locator("form[action$='/rate']").count() == 0
