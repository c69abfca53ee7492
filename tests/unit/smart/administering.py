"""A world with administrators, and what they do on their pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from tests.unit.smart import pages
from tests.unit.smart.deciding import deciding
from tests.unit.smart.pages import Browser, Page
from tests.unit.smart.world import Allows, Picks, World

from hilum.access.roles import packaged, roles
from hilum.smart.site import Site
from hilum.smart.smart import STEPS

ROLES = """
[helpdesk]
title = "Help desk"
console = ["users"]
rules = []

[watcher]
title = "Watcher"
console = ["audit", "consents"]
rules = []
"""


async def administering() -> World:
    """Ann is an administrator, Olga an auditor, Hal of the help desk; and who is in `deciding`. Apps get all."""
    here = await deciding()
    steps = (*STEPS[:2], Picks(), Allows())
    become(here, replace(here.site, roles=roles(ROLES, packaged()), steps=steps))
    for name, role in (("ann", "admin"), ("olga", "auditor"), ("hal", "helpdesk"), ("walt", "watcher")):
        await pages.user(here.site, name, roles=[role])
    return here


def become(here: World, site: Site) -> None:
    here.site = site
    here.browser = Browser(site)


async def signed_in(here: World, name: str = "ann") -> Browser:
    browser = Browser(here.site)
    page = await browser.sign_in(name)
    assert page.status == 200, page.text
    return browser


async def post(browser: Browser, page: Page, action: str, **values: str | Iterable[str]) -> Page:
    """Send the form of the page that goes there, with these values in place of its own; redirects are followed."""
    form = page.form(action)
    kept = {name: value for name, value in form.fields.items() if name == "csrf"}
    pairs = [*kept.items()]
    for name, value in values.items():
        pairs += [(name, one) for one in ([value] if isinstance(value, str) else value)]
    headers = {"content-type": "application/x-www-form-urlencoded", "origin": pages.ORIGIN}
    found: Page = await browser._ask("POST", action, headers, urlencode(pairs).encode(), True)
    return found


def told(here: World, event: str) -> list[dict[str, Any]]:
    """What the audit was told of such events that were done."""
    return [about for name, status, _, about in pages.events(here.site) if name == event and status < 400]
