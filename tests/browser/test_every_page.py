"""Every page: no serious finding of axe, nothing wider than a narrow phone, no error in the console."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Visit
from tests.browser.world import World

OPEN = ["/", "/submit", "/matters", "/sign-in", "/sign-out"]
STAFF = {
    "clerk": ["/intake/", "/intake/new", "/intake/matters/{decided}", "/account"],
    "officer": [
        "/routing/",
        "/routing/?scope=all",
        "/routing/?q=没有这样的词",
        "/routing/cases/{waiting}",
        "/routing/cases/{decided}",
    ],
    "agency-nanqiao": [
        "/desk/",
        "/desk/?show=all",
        "/desk/assignments/{part}",
        "/desk/assignments/{part}/progress",
    ],
    "supervisor": [
        "/oversight/",
        "/oversight/clocks",
        "/oversight/matters",
        "/oversight/matters/{number}",
        "/oversight/calendar",
    ],
    "operator": ["/desk/lanes", "/desk/lanes/city-ecology", "/oversight/calendar"],
}


def name_of(path: str) -> str:
    """A file name for a page's pictures."""
    return path.strip("/").replace("/", "-").replace("{", "").replace("}", "").replace("?", "-") or "home"


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_an_open_page(visit: Visit, world: World, path: str, language: str) -> None:
    visitor = visit()
    visitor.go(f"{path}?lang={language}")
    visitor.look(name_of(path) + ("-en" if language == "en" else ""))


@pytest.mark.parametrize("account", STAFF)
def test_the_pages_of_an_office(visit: Visit, world: World, account: str) -> None:
    visitor = visit()
    visitor.sign_in(account)
    for path in STAFF[account]:
        filled = path.format(
            waiting=world.waiting.id,
            decided=world.decided.id,
            part=world.desk_assignment,
            number=world.decided.number,
        )
        visitor.go(filled)
        visitor.look(f"{account}-{name_of(path)}")


def test_the_status_page_of_a_decided_matter(visit: Visit, world: World) -> None:
    visitor = visit()
    page = visitor.go("/matters")
    page.fill("[name=number]", world.decided.number)
    page.fill("[name=query_code]", world.decided.query_code)
    page.click("main button[type=submit]")
    visitor.look("status-decided")
    page.goto("?lang=en")
    visitor.look("status-decided-en")


def test_pages_for_what_is_not_there_or_not_allowed(visit: Visit, world: World) -> None:
    visitor = visit()
    visitor.page.goto("/no/such/page")
    visitor.look("error-404")
    visitor.sign_in("clerk")
    visitor.page.goto("/routing/")
    visitor.look("error-403")


def test_the_pages_of_the_demo_city(visit: Visit, world: World) -> None:
    visitor = visit()
    for path in ("/demo/mail/", "/demo/departments/", "/demo/departments/city-ecology/"):
        visitor.go(path)
        visitor.look(name_of(path))


def test_the_first_page_is_light(visit: Visit, world: World) -> None:
    """At most 150 KB over the wire, with everything it loads, before anything is in the cache."""
    visitor = visit()
    sizes: dict[str, int] = {}
    visitor.page.on("requestfinished", lambda r: sizes.update({r.url: r.sizes()["responseBodySize"]}))
    visitor.go("/")
    visitor.page.wait_for_load_state("networkidle")
    assert len(sizes) >= 3
    assert sum(sizes.values()) <= 150_000, sizes
