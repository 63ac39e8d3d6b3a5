"""The desks of officer, agency and oversight."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, Route

from deploy.waiting import until
from tests.browser.conftest import Visit
from tests.browser.world import DESK, DESK_CLERK, World, on_desk, routed
from tests.e2e.people import BLACK_RIVER, Caller, submit, suggested

PASSWORD = "qinghe-demo-2026"


def tab_to(page: Page, selector: str, most: int = 200) -> None:
    """Press the tab key until the focus is on what is wanted, and see that the focus can be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("(s) => document.activeElement.matches(s)", selector):
            shown = page.evaluate(
                """() => { const s = getComputedStyle(document.activeElement);
                return (s.outlineStyle !== "none" && parseFloat(s.outlineWidth) > 0) || s.boxShadow !== "none"; }"""
            )
            assert shown, f"the focus on {selector} cannot be seen"
            return
    raise AssertionError(f"{selector} cannot be reached with the tab key")


def test_an_officer_signs_in_and_confirms_with_the_keyboard_only(visit: Visit, world: World) -> None:
    officer = Caller(world.stack, "officer")
    matter = submit(world.stack, BLACK_RIVER | {"title": "键盘派出的一件：河水发黑"})
    suggested(officer, matter.id)
    page = visit().go("/sign-in")
    keys = page.keyboard
    tab_to(page, "[name=username]")
    keys.type("officer")
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    page.wait_for_url("**/routing/")
    tab_to(page, "[name=q]")
    keys.type(matter.number)
    keys.press("Enter")
    page.wait_for_url("**q=*")
    tab_to(page, f"a[href='/routing/cases/{matter.id}']")
    keys.press("Enter")
    page.wait_for_url(f"**/routing/cases/{matter.id}")
    tab_to(page, "#confirm button[type=submit]")
    keys.press("Enter")
    page.wait_for_selector(".notice.good")
    assert page.get_by_text("已按建议派出").is_visible()
    agencies = {part["agency"]["code"] for part in officer.get(f"/api/v1/cases/{matter.id}")["assignments"]}
    assert agencies == {"city-ecology", "city-urban", "dongping-town"}


def test_the_skip_link_leads_past_the_navigation(visit: Visit, world: World) -> None:
    page = visit().go("/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def wait_until_judged(page: Page) -> None:
    """The page refreshes itself until routing has judged what was stated."""
    page.wait_for_selector("meta[http-equiv=refresh]", state="detached", timeout=30_000)


@pytest.mark.parametrize("scripts", [True, False])
def test_an_agency_accepts_and_replies_on_its_desk(visit: Visit, world: World, scripts: bool) -> None:
    title = f"南桥街道楼道堆物{'' if scripts else '（无脚本）'}"
    matter, part = on_desk(world.stack, title)
    visitor = visit(scripts=scripts)
    visitor.sign_in(DESK_CLERK)
    page = visitor.page
    assert page.url.endswith("/desk/")
    page.click(f"a[href='/desk/assignments/{part}']")
    page.click("#accept button")
    assert page.locator(".notice").get_by_text("已提交").is_visible()
    until(lambda: page.reload() and page.get_by_role("link", name="提交答复").count(), "the reply can be given")
    page.click(f"a[href='/desk/assignments/{part}/reply']")
    for claim in page.locator("fieldset.claim").all():
        claim.locator("input[value=supported]").check()
        claim.locator("textarea").fill("已经清理。")
    page.fill("[name=text]", "楼道已于昨日清理完毕。")
    page.fill("[name=facts]", "经查，堆物属实。")
    page.fill("[name=legal_basis]", "《中华人民共和国消防法》第二十八条")
    if scripts:
        visitor.look("desk-reply")
    page.click("#statement button")
    assert page.locator(".notice").get_by_text("已提交").is_visible()
    matter.until("decided", seconds=60)
    matter.until_parts({DESK: "done"})


def test_an_agency_objects_and_the_officer_routes_anew(visit: Visit, world: World) -> None:
    matter, part = on_desk(world.stack, "南桥街道路灯不亮")
    visitor = visit()
    visitor.sign_in(DESK_CLERK)
    page = visitor.go(f"/desk/assignments/{part}")
    page.get_by_role("link", name="提出异议").click()
    visitor.look("desk-objection")
    page.click("#statement button")  # nothing chosen: told beside the field
    assert page.locator(".error-summary li").count() >= 2
    visitor.look("desk-objection-errors")
    page.check("[name=reason][value=outside_powers]")
    page.fill("[name=text]", "路灯由城市管理部门负责。")
    page.select_option("[name=proposed_agency]", "city-urban")
    page.click("#statement button")
    matter.until("objected", seconds=30)
    officer = visit()
    officer.sign_in("officer")
    desk = officer.go(f"/routing/cases/{matter.id}")
    until(lambda: desk.reload() and desk.get_by_text("路灯由城市管理部门负责").count(), "the words of the objection")
    officer.look("routing-objection")
    desk.fill("#assign [name='agency.0']", "city-urban")
    desk.select_option("#assign [name='role.0']", "lead")
    desk.click("#assign button[type=submit]")
    assert desk.locator(".notice.good").is_visible()
    matter.until("decided")
    matter.until_parts({DESK: "released", "city-urban": "done"})


def test_a_co_handler_gives_its_opinion_on_the_desk(visit: Visit, world: World) -> None:
    matter, part = on_desk(world.stack, "南桥街道河边垃圾", "city-ecology", DESK)
    visitor = visit()
    visitor.sign_in(DESK_CLERK)
    page = visitor.go(f"/desk/assignments/{part}")
    page.click("#accept button")
    assert page.locator(".notice").get_by_text("已提交").is_visible()
    until(lambda: page.reload() and page.get_by_role("link", name="提交协办意见").count(), "an opinion can be given")
    page.get_by_role("link", name="提交协办意见").click()
    page.fill("[name=text]", "垃圾已清运，今后每天巡查。")
    page.click("#statement button")
    matter.until("decided")
    matter.until_parts({"city-ecology": "done", DESK: "done"})


def test_a_supervisor_reads_how_a_date_was_worked_out(visit: Visit, world: World) -> None:
    visitor = visit()
    visitor.sign_in("supervisor")
    page = visitor.page
    assert page.url.endswith("/oversight/")
    page.goto(f"/oversight/matters?number={world.decided.number}")
    clocks = page.locator(".clock-with-arithmetic")
    assert clocks.count() >= 4
    handling = clocks.filter(has_text="办理").first
    handling.locator("summary").click()
    assert handling.locator("ol li").count() >= 2
    assert "条" in handling.inner_text()
    for summary in clocks.locator("details:not([open]) > summary").element_handles():
        summary.click()
    visitor.look("oversight-arithmetic")


def test_a_clerk_registers_for_somebody_and_sees_what_may_be_a_duplicate(visit: Visit, world: World) -> None:
    visitor = visit()
    visitor.sign_in("clerk")
    page = visitor.go("/intake/new")
    page.check("[name=purpose][value=appeal]")
    page.fill("[name=title]", "窗口登记：河水发黑")
    page.select_option("[name=region_code]", "990102101000")
    page.fill("[name=content]", "来访人反映工厂后面的河水发黑。")
    page.fill("[name='claims.0']", "查处排污")
    page.fill("[name='petitioner.name']", "周广田")
    page.fill("[name='petitioner.phone']", str(BLACK_RIVER["petitioner"]["phone"]))
    page.click("main .actions [name=do][value=preview]")
    assert page.get_by_text("同一电话").count() >= 1
    visitor.look("clerk-preview")
    page.click("main .actions button:not([name])")
    assert page.locator("#number").is_visible()


def test_the_language_is_switched_and_stays_switched(visit: Visit, world: World) -> None:
    visitor = visit()
    page = visitor.go("/")
    page.click(".languages a")
    assert page.locator("html").get_attribute("lang") == "en"
    page.click("main a[href='/submit']")
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("h1").inner_text() == "Submit a petition" or page.locator("h1").inner_text().isascii()
    assert not [label for label in page.locator("main label").all_inner_texts() if not _english(label)]


def _english(text: str) -> bool:
    return not any("\u4e00" <= character <= "\u9fff" for character in text)


def test_the_board_counts_what_was_routed(visit: Visit, world: World) -> None:
    routed(world.stack, submit(world.stack, BLACK_RIVER | {"title": "看板计数的一件"}), "city-ecology")
    visitor = visit()
    visitor.sign_in("supervisor")
    row = visitor.page.locator("tr", has=visitor.page.locator("a[href='/oversight/matters?agency=city-ecology']"))
    until(lambda: visitor.page.reload() and row.count() == 1, "the agency is on the board")
    assert int((row.locator("td").nth(1).text_content() or "").strip()) >= 1  # folded under its picture


def test_the_board_draws_its_tables_and_needs_no_script_to_be_read(visit: Visit, world: World) -> None:
    routed(world.stack, submit(world.stack, BLACK_RIVER | {"title": "看板画图的一件"}), "city-ecology")
    visitor = visit()
    visitor.sign_in("supervisor")
    page = visitor.page
    row = page.locator("tr", has=page.locator("a[href='/oversight/matters?agency=city-ecology']"))
    until(lambda: page.reload() and row.count() == 1, "the agency is on the board")
    pictures = page.locator("figure.chart .chart-picture")
    assert [picture.get_attribute("role") for picture in pictures.all()] == ["img", "img"]
    canvases = page.locator("figure.chart .chart-picture canvas")
    until(lambda: canvases.count() == 2, "both pictures are drawn, which happens a frame after the page is there")
    table = page.locator("figure.chart").first.locator("table")
    assert not table.is_visible()
    page.locator("figure.chart summary").first.press("Enter")
    assert table.is_visible()
    visitor.look("oversight-board-with-tables")

    plain = visit(scripts=False)
    plain.sign_in("supervisor")
    assert plain.page.locator("figure.chart table").first.is_visible()
    assert not plain.page.locator("figure.chart .chart-picture").first.is_visible()


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("zh", "图中只画出前12项，全部15项见数据表。"),
        ("en", "The picture shows the first 12 of 15; all of them are in the table."),
    ],
)
def test_a_picture_that_does_not_hold_the_whole_table_says_so(
    visit: Visit, world: World, language: str, said: str
) -> None:
    visitor = visit()
    visitor.sign_in("supervisor")
    page, rows = visitor.page, 0
    told = page.locator(".chart-cut")

    def with_rows(route: Route) -> None:
        """The board as it is, but with one agency as often as it takes."""
        answer = route.fetch()
        html = answer.text()
        found = re.findall(r"<tr>(?:(?!</tr>).)*?/oversight/matters\?agency=.*?</tr>", html, re.DOTALL)
        others = rows - len(found)
        route.fulfill(response=answer, body=html.replace(found[0], found[0] * (1 + others)))

    page.route("**/oversight/?*", with_rows)
    for rows in (12, 15):
        visitor.go(f"/oversight/?lang={language}")
        page.locator("figure.chart canvas").nth(1).wait_for()
        assert page.locator("figure.chart").nth(1).locator("tbody tr").count() == rows
        assert told.is_visible() == (rows > 12)
    assert told.inner_text() == said
    visitor.look(f"oversight-board-with-many-agencies-{language}")
