"""A person with a browser: goes to pages, signs in, and looks at every page with a critical eye."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Response

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"

NARROW, PHONE, DESKTOP = 360, 390, 1280
PASSWORD = "qinghe-demo-2026"

SEVERE = {"serious", "critical"}
LOOK = """async () => {
  const found = await axe.run(document, {resultTypes: ["violations"]});
  return found.violations.map((v) => ({id: v.id, impact: v.impact, help: v.help,
    places: v.nodes.slice(0, 4).map((n) => n.target.join(" ") + " | " + (n.any[0]?.message ?? ""))}));
}"""
WIDER = """() => {
  const wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= wide) return [];
  return [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > wide + 1)
    .slice(0, 5).map((e) => e.tagName + "." + e.className + " " + e.textContent.trim().slice(0, 30));
}"""


@cache
def axe() -> str:
    """The accessibility checker's source."""
    return AXE.read_text(encoding="utf-8")


class Visitor:
    """One browser window. ``troubles`` gathers what no page may cause: errors in the console, failed requests."""

    def __init__(self, browser: Browser, url: str, *, width: int = DESKTOP, scripts: bool = True) -> None:
        self.url = url
        self.scripts = scripts
        self.troubles: list[str] = []
        self.context = browser.new_context(
            base_url=url,
            viewport={"width": width, "height": 844 if width < 600 else 900},
            java_script_enabled=scripts,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            reduced_motion="reduce",
        )
        self.context.set_default_timeout(15_000)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.troubles.append(f"{self.page.url}: {error}"))
        self.page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        # What the server refused on purpose (a form sent back) is told by the page; the console repeats its status.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.troubles.append(f"{self.page.url}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 500 or (response.status >= 400 and response.request.resource_type != "document"):
            self.troubles.append(f"{response.status} {response.url}")

    def go(self, path: str) -> Page:
        """Open a page that must be there."""
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.ok, f"{path}: {answer.status}"
        return self.page

    def sign_in(self, username: str) -> None:
        """Sign in on the sign-in page."""
        self.go("/sign-in")
        self.page.fill("[name=username]", username)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("main button[type=submit]")
        self.page.wait_for_url(lambda url: "/sign-in" not in url)

    def look(self, name: str) -> None:
        """Judge the page as it stands: fits a narrow phone, no serious finding of axe; keeps two pictures of it."""
        before = self.page.viewport_size or {"width": DESKTOP, "height": 900}
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.set_viewport_size({"width": NARROW, "height": 844})
        assert self.page.evaluate(WIDER) == [], f"{name} is wider than {NARROW} px"
        self.page.evaluate(axe())
        findings = [finding for finding in self.page.evaluate(LOOK) if finding["impact"] in SEVERE]
        for width, screen in ((PHONE, "phone"), (DESKTOP, "desktop")):
            self.page.set_viewport_size({"width": width, "height": 844 if width == PHONE else 900})
            self.page.screenshot(path=SCREENSHOTS / f"{name}-{screen}.png", full_page=True)
        self.page.set_viewport_size(before)
        assert findings == [], f"{name}: " + json.dumps(findings, ensure_ascii=False, indent=1)
