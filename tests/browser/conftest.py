"""The browser of the distribution against the private stack."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from deploy.local.checks import find_program
from deploy.local.stack import Stack
from tests.browser.visitor import DESKTOP, Visitor
from tests.browser.world import World, build

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
"""Headless in a container, as root, and without calls to anybody outside."""

Visit = Callable[..., Visitor]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixture they use."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    program = find_program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, stack: Stack) -> Iterator[Visit]:
    """Somebody with a browser of their own: ``visit(width=390, scripts=False)``."""
    visitors: list[Visitor] = []

    def make(*, width: int = DESKTOP, scripts: bool = True) -> Visitor:
        visitors.append(Visitor(chromium, stack.url, width=width, scripts=scripts))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.context.close()
        assert visitor.troubles == []


@pytest.fixture(scope="session")
def world(stack: Stack) -> World:
    """Matters in the stages that the pages are about."""
    return build(stack)
