"""The style of the pages, for apps that want to look alike."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest
from tests.unit.smart.world import World, world

from hilum.smart.apps import style


@pytest.fixture
async def here() -> World:
    return await world()


async def test_the_url_answers_the_properties_of_the_guide_to_every_origin(here: World) -> None:
    path = style.url(here.site.settings).removeprefix("http://localhost:8080")
    found = await here.browser.get(path)
    assert found.status == 200
    assert found.answer.header(b"content-type") == "application/json"
    assert found.answer.header(b"access-control-allow-origin") == "*"
    assert json.loads(found.text).keys() == {
        "color_background", "color_error", "color_highlight", "color_modal_backdrop", "color_success", "color_text",
        "dim_border_radius", "dim_font_size", "dim_spacing_size", "font_family_body", "font_family_heading",
    }  # fmt: skip
    assert (await here.browser.get(style.PATH)).text == found.text


async def test_the_url_of_another_version_answers_nothing(here: World) -> None:
    assert (await here.browser.get(f"{style.PATH}?v=0123456789ab")).status == 404


def test_the_style_is_that_of_our_own_pages() -> None:
    css = (files("hilum.web") / "static" / "common.css").read_text()
    light = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6});", css[: css.index("@media")]))
    names = {"color_background": "ground", "color_error": "problem", "color_highlight": "accent",
             "color_success": "good", "color_text": "ink"}  # fmt: skip
    assert {name: style.STYLE[name] for name in names} == {name: light[own] for name, own in names.items()}
    assert style.STYLE["font_family_body"] in css
