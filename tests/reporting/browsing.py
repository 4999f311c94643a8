"""Pages of reports in a real browser, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


@contextmanager
def opened(browser: Any, page: Path, width: int = 1280, fragment: str = "", **options: Any) -> Iterator[Any]:
    """A page of a report, which must say nothing on the console."""
    said: list[str] = []
    tab = browser.new_page(viewport={"width": width, "height": 900}, **options)
    tab.on("console", lambda message: said.append(message.text))
    tab.on("requestfailed", lambda request: said.append(request.url[:300]))
    tab.on("pageerror", lambda error: said.append(str(error)))
    tab.goto(page.as_uri() + fragment)
    yield tab
    tab.close()
    assert not said, said


def violations(tab: Any) -> list[str]:
    """What axe-core finds wrong with a page for who cannot see it, or uses no mouse."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(tab).response
    assert len(found["passes"]) > 10
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]


def clipped(tab: Any) -> list[str]:
    """What is wider than its place and does not say so."""
    return tab.evaluate(
        """() => [...document.querySelectorAll("main *")].filter(one => {
            const style = getComputedStyle(one);
            return one.clientWidth && one.scrollWidth > one.clientWidth + 1 && style.overflowX !== "visible"
                && style.textOverflow !== "ellipsis" && !one.matches(".wide, input, select, svg *");
        }).map(one => one.outerHTML.slice(0, 120)).concat(
            document.documentElement.scrollWidth > innerWidth ? ["the page itself"] : [])"""
    )
