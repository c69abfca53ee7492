"""An administrator loads US Core in a real browser, looks at what a profile asks for, and removes it."""

from __future__ import annotations

import re
from typing import Any

from tests.journeys.browsing import DESKTOP, browser, follow, looked_at, needs_chromium
from tests.journeys.test_pages_of_consent import sign_in
from tests.journeys.test_pages_of_launch import served
from tests.shared_data import DATA, needs_data

__all__ = ["browser", "served"]

pytestmark = [needs_chromium, needs_data]


def test_an_administrator_loads_a_guide(browser: Any, served: Any) -> None:
    context = browser.new_context(viewport=DESKTOP)
    tab = context.new_page()
    tab.goto(served.url + "/admin/guides")
    sign_in(tab, "ann.admin")
    looked_at(tab, "guides-none")
    tab.set_input_files("#package", str(DATA / "igs" / "hl7.fhir.us.core-3.1.1.tgz"))
    tab.set_default_timeout(120_000)
    with tab.expect_navigation(timeout=120_000):
        tab.click("text=Add the guide")
    tab.get_by_text(re.compile("hl7.fhir.us.core#3.1.1.* is loaded")).wait_for()
    looked_at(tab, "guides")
    follow(tab, "table >> text=US Core")
    looked_at(tab, "guide")
    follow(tab, "text=US Core Patient Profile")
    tab.get_by_text("http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient").first.wait_for()
    assert tab.locator("td b", has_text="must").count() > 10
    looked_at(tab, "profile")
    tab.go_back()
    tab.focus("summary >> text=Remove the guide")  # by the keyboard alone
    tab.keyboard.press("Enter")
    looked_at(tab, "guide-remove")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")  # the browser asks for the tick
    assert tab.evaluate("document.activeElement.name") == "sure"
    tab.keyboard.press("Space")
    tab.keyboard.press("Tab")
    with tab.expect_navigation(timeout=120_000):
        tab.keyboard.press("Enter")
    tab.get_by_text("The guide is removed.").wait_for()
    context.close()
