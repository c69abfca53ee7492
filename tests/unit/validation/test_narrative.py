"""Narrative.div: what is safe to show and what is not."""

import pytest

from hilum.validation.findings import one
from hilum.validation.narrative import ALLOWED, div

OPEN = '<div xmlns="http://www.w3.org/1999/xhtml">'


def texts(inner: str) -> list[str]:
    found = div(f"{OPEN}{inner}</div>", 0) or []
    assert all(finding.path == "" for finding in found)
    return [finding.text for finding in found]


@pytest.mark.parametrize(
    "inner",
    [
        "plain",
        "<p>1 &lt; 2 &amp; &#160; <b>bold</b><br/></p>",
        '<table border="1"><caption>x</caption><tbody><tr><td colspan="2" nowrap="1">x</td></tr></tbody></table>',
        '<a href="https://example.org/x?y=1">x</a><a name="here">y</a><a href="#here">z</a><a href="Patient/1">p</a>',
        '<a href="mailto:a@example.org">x</a><a href="tel:+1">y</a>',
        '<img src="#pic" alt="x"/>',
        '<img src="data:image/png;base64,iVBORw0K"/>',
        '<img src="data: image/png;base64,iVBORw0K"/>',
        '<span style="background: url(data:image/png;base64,AA==)" class="bold" title="t" xml:lang="de">x</span>',
        "<!-- a comment --><ul><li>x</li></ul>",
        '<blockquote cite="http://example.org">x</blockquote>',
    ],
)
def test_formatting_links_and_images_are_allowed(inner: str) -> None:
    assert texts(inner) == []


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("<script>alert(1)</script>x", "has an element that narratives must not have: script"),
        ("<iframe src='http://e'/>x", "has an element that narratives must not have: iframe"),
        ("<object data='x'/>x", "has an element that narratives must not have: object"),
        ("<form action='x'/>x", "has an element that narratives must not have: form"),
        ("<style>p {}</style>x", "has an element that narratives must not have: style"),
        ("<link href='x'/>x", "has an element that narratives must not have: link"),
        ("<base href='x'/>x", "has an element that narratives must not have: base"),
        ("<body>x</body>", "has an element that narratives must not have: body"),
        ("<font>x</font>", "has an element that narratives must not have: font"),
        ("<svg xmlns='http://www.w3.org/2000/svg'/>x", "has an element that narratives must not have: svg"),
        ("<p xmlns=''>x</p>", "has an element that narratives must not have: p"),
        ("<P>x</P>", "has an element that narratives must not have: P"),
        ("<p onclick='x()'>x</p>", "has an attribute that is not allowed: onclick on p"),
        ("<img src='#a' onerror='x()'/>", "has an attribute that is not allowed: onerror on img"),
        ("<p href='x'>x</p>", "has an attribute that is not allowed: href on p"),
        (
            "<a xmlns:l='http://www.w3.org/1999/xlink' l:href='javascript:x()'>x</a>",
            "has an attribute that is not allowed: href on a",
        ),
        ("<a href='javascript:x()'>x</a>", "has an address of a kind that is not allowed: href on a"),
        ("<a href=' JaVa&#10;Script:x()'>x</a>", "has an address of a kind that is not allowed: href on a"),
        ("<a href='vbscript:x'>x</a>", "has an address of a kind that is not allowed: href on a"),
        ("<a href='data:text/html,x'>x</a>", "has an address of a kind that is not allowed: href on a"),
        ("<img src='data:image/svg+xml,x'/>", "has an address of a kind that is not allowed: src on img"),
        ("<p style='width: expression(x())'>x</p>", "has a style that could load or run something"),
        ("<p style='background: url(http://e/x)'>x</p>", "has a style that could load or run something"),
        ("<p style='background: url(//e/x)'>x</p>", "has a style that could load or run something"),
        ("<p style='background: \\75rl(x)'>x</p>", "has a style that could load or run something"),
        ("<p style='@import x'>x</p>", "has a style that could load or run something"),
        ("<![CDATA[><img src=x onerror=x()>]]>x", "must not have CDATA sections: escape < as &lt;"),
        ("<!--><img src=x onerror=x()>-->x", "has a comment that HTML reads in another way than XML"),
        ("<?php x ?>x", "must not have processing instructions"),
        ("", "txt-2: must have some text or an image"),
        (" \n<p>\t</p>", "txt-2: must have some text or an image"),
        ("&nbsp;", "is not well-formed XHTML: undefined entity (line 1, column 42)"),
        ("<p>x", "is not well-formed XHTML: mismatched tag (line 1, column 48)"),
        ("x\x0b", "is not well-formed XHTML: not well-formed (invalid token) (line 1, column 43)"),
        ("\ud800", "holds half a surrogate pair"),
    ],
)
def test_active_or_foreign_content_is_refused(inner: str, text: str) -> None:
    assert texts(inner) == [text]


def test_all_faults_are_found_at_once_and_each_kind_once() -> None:
    assert texts("<p onclick='x'>a</p><p onclick='y'>b</p><script/><a href='javascript:z'>c</a>") == [
        "has an attribute that is not allowed: onclick on p",
        "has an element that narratives must not have: script",
        "has an address of a kind that is not allowed: href on a",
    ]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "just text",
        "<p xmlns='http://www.w3.org/1999/xhtml'>x</p>",
        f"<?xml version='1.0'?>{OPEN}x</div>",
        f"<!-- x -->{OPEN}x</div>",
    ],
)
def test_anything_but_one_div_is_refused(value: str) -> None:
    assert div(value, 0) == one("value", 'must be one element <div xmlns="http://www.w3.org/1999/xhtml">')


def test_a_div_without_the_namespace_is_refused() -> None:
    found = div("<div>x</div>", 0)
    assert found is not None
    assert found[0][2].endswith("found another element or namespace")


def test_text_after_the_div_is_refused() -> None:
    assert [finding.code for finding in div(f"{OPEN}x</div>{OPEN}y</div>", 0) or []] == ["value"]


def test_entity_bombs_are_refused_before_they_expand() -> None:
    bomb = "<!DOCTYPE div [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>"
    assert div(bomb + f"{OPEN}&b;</div>", 0) == one(
        "value", 'must be one element <div xmlns="http://www.w3.org/1999/xhtml">'
    )
    assert div(f"<div{bomb}", 0) is not None
    inside = div(f"{OPEN}{bomb}&b;</div>", 0)
    assert inside is not None and "not well-formed" in inside[0][2]


def test_a_div_is_a_string() -> None:
    assert div({"p": "x"}, 0) == one("structure", "must be a string of XHTML, but is an object")


def test_hostile_styles_and_nesting_take_linear_time() -> None:
    # Quadratic time would run into pytest's timeout here.
    for style in ("url(" + " " * 500_000, "url(" * 100_000, "url('" + "a " * 200_000):
        assert texts(f'<p style="{style}">x</p>') == ["has a style that could load or run something"]
    assert texts(f'<p style="url{" " * 500_000}">x</p>') == []
    assert texts("<b>" * 50_000 + "x" + "</b>" * 50_000) == []


def test_no_allowed_attribute_handles_events() -> None:
    assert not [a for attributes in ALLOWED.values() for a in attributes if a.startswith("on")]
