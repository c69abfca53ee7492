"""XML Patch on resources. https://www.rfc-editor.org/rfc/rfc5261; the official cases are in tests/conformance."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.fhir import json
from hilum.fhir.xml import selecting, tree
from hilum.fhirpath import Work
from hilum.interactions.xml_patch import parse_xml_patch
from hilum.problems import Invalid, Malformed, Problem, Unprocessable

DIV = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p  title='a'>&#160;b</p></div>"
BODY: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "1",
    "text": {"status": "generated", "div": DIV},
    "identifier": [{"system": "urn:a", "value": "1"}, {"system": "urn:b", "value": "2"}],
    "active": True,
    "name": [{"use": "official", "family": "Ode", "given": ["A", "B", "C"], "_given": [None, {"id": "b"}, None]}],
    "birthDate": "2000-01-01",
}


def patched(*steps: str, namespace: str = "", body: dict[str, Any] = BODY) -> dict[str, Any]:
    patch = parse_xml_patch(f"<diff {namespace}>{''.join(steps)}</diff>".encode())
    return patch.applied(json.encode(body))


def test_a_value_is_replaced() -> None:
    assert patched('<replace sel="f:Patient/f:active/@value">false</replace>') == {**BODY, "active": False}


def test_what_nothing_touched_stays_as_it_is() -> None:
    assert patched('<remove sel="f:Patient/f:active"/>') == {k: v for k, v in BODY.items() if k != "active"}


def test_elements_are_found_by_what_they_hold() -> None:
    found = patched("<remove sel=\"f:Patient/f:identifier[f:system/@value='urn:a' and f:value]/f:value\"/>")
    assert found["identifier"] == [{"system": "urn:a"}, {"system": "urn:b", "value": "2"}]
    found = patched('<remove sel="/f:Patient/f:name[1]/f:given[last()]"/><remove sel="f:Patient/*[f:system][2]"/>')
    assert found["name"][0]["given"] == ["A", "B"]
    assert found["identifier"] == BODY["identifier"][:1]


def test_names_without_a_prefix_are_in_the_default_namespace_of_the_patch() -> None:
    step = '<replace sel="Patient/p:birthDate/@value">2001</replace>'
    spaces = 'xmlns="http://hl7.org/fhir" xmlns:p="http://hl7.org/fhir"'
    assert patched(step, namespace=spaces)["birthDate"] == "2001"
    with pytest.raises(Unprocessable, match="finds nothing"):
        patched('<remove sel="Patient/active"/>')
    with pytest.raises(Malformed, match="not declared"):
        patched('<remove sel="x:Patient"/>')


def test_what_is_added_may_come_in_any_order() -> None:
    found = patched(
        '<add sel="f:Patient"><gender value="male"/><name><text value="x"/></name></add>',
        '<add sel="f:Patient/f:birthDate" pos="before"><deceasedBoolean value=\'false\'/></add>',
        '<add sel="f:Patient/f:name[1]/f:given[2]" pos="after"><given value="B2"/></add>',
        '<add sel="f:Patient/f:name[1]" pos="prepend"><suffix value="s"/></add>',
        '<add sel="f:Patient/f:birthDate" type="@id">d</add>',
        namespace='xmlns="http://hl7.org/fhir"',
    )
    assert found["gender"] == "male"
    assert found["deceasedBoolean"] is False
    assert found["name"][0]["given"] == ["A", "B", "B2", "C"]
    assert found["name"][0]["_given"] == [None, {"id": "b"}, None, None]
    assert found["name"][0]["suffix"] == ["s"]
    assert found["name"][1] == {"text": "x"}
    assert found["_birthDate"] == {"id": "d"}


def test_a_narrative_is_changed_within() -> None:
    found = patched('<replace sel="f:Patient/f:text/h:div/h:p/text()">c &amp; d</replace>')
    assert found["text"]["div"] == '<div xmlns="http://www.w3.org/1999/xhtml"><p title="a">c &amp; d</p></div>'


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ('<remove sel="f:Patient/f:gender"/>', "finds nothing"),
        ('<remove sel="f:Patient/f:identifier"/>', "finds 2 nodes"),
        ('<remove sel="f:Patient"/>', "the whole resource"),
        ('<remove sel="f:Patient/f:active" ws="before"/>', "no white space"),
        ('<add sel="f:Patient/f:active/@value">x</add>', "an element to add to"),
        ('<add sel="f:Patient" pos="after"><x/></add>', "beside the root"),
        ('<add sel="f:Patient/f:active" type="@value">x</add>', "has that attribute"),
        ('<replace sel="f:Patient/f:active">text</replace>', "of the same kind"),
        ('<replace sel="f:Patient/f:active"><a/><b/></replace>', "of the same kind"),
    ],
)
def test_a_step_that_does_not_apply_is_named(step: str, words: str) -> None:
    with pytest.raises(Unprocessable, match=words) as found:
        patched('<replace sel="f:Patient/f:active/@value">false</replace>', step)
    assert "[1]" in str(found.value)


@pytest.mark.parametrize(
    "step",
    [
        '<add sel="f:Patient"><active value="true" xmlns="http://hl7.org/fhir"/></add>',
        '<add sel="f:Patient"><colour value="true" xmlns="http://hl7.org/fhir"/></add>',
        '<add sel="f:Patient">text</add>',
        '<add sel="f:Patient" type="@colour">text</add>',
        '<replace sel="f:Patient/f:id/@value">2</replace>',
        '<replace sel="f:Patient"><Basic xmlns="http://hl7.org/fhir"><id value="1"/></Basic></replace>',
    ],
)
def test_what_comes_out_must_be_the_same_resource_and_sound(step: str) -> None:
    with pytest.raises(Invalid):
        patched(step)


@pytest.mark.parametrize(
    "patch",
    [
        "<diff/>",
        "<diff><move sel='a'/></diff>",
        "<diff><remove/></diff>",
        "<diff><remove sel=' '/></diff>",
        "<diff><remove sel='a' pos='before'/></diff>",
        "<diff><add sel='a' pos='x'/></diff>",
        "<diff><add sel='a' type='x'/></diff>",
        "<diff><remove sel='a' ws='x'/></diff>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]><diff><remove sel='&a;'/></diff>",
        "<diff>" + "<a>" * 1000,
        "<diff>" + "<remove sel='a'/>" * 1001 + "</diff>",
        "",
        "{}",
        *(
            f'<diff xmlns:f="http://hl7.org/fhir"><remove sel="{sel}"/></diff>'
            for sel in (
                "//f:a", "document('x')", "f:a[document('x')]", "id('x')", "f:a[position()=1]", "f:a[count(f:b)]", "/",
                "f:a[0]", "f:a[", "f:a]", "f:a[]", "f:a/..", "../f:a", "f:a|f:b", "f:a[f:b or f:c]", "f:a[f:b=1]", "@a",
                "f:a/@b/f:c", "f:a/text()/f:b", "f:*", "child::f:a", "$x", "f:a" + "/f:a" * 400, "f:a" + "[f:a" * 300,
                "f:a" + "/f:a" * 150, "f:a[f:b[f:b[f:b[f:b[f:b[f:b]]]]]]", "text()", "f:a[text(", "é\x85",
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_patch_is_refused(patch: str) -> None:
    with pytest.raises(Malformed):
        parse_xml_patch(patch.encode())


def test_the_work_of_a_patch_is_bounded() -> None:
    wide = {**BODY, "identifier": [{"value": str(number)} for number in range(20_000)]}
    step = '<add sel="f:Patient[.=\'x\']" type="@id">x</add>'
    for patch in (
        "<add sel=\"f:Patient/f:identifier[f:value/@value='1']\"><id xmlns='http://hl7.org/fhir'/></add>" * 1000,
        step * 1000,
        '<add sel="f:Patient" pos="prepend"><active/></add>' * 1000,
    ):
        begun = time.perf_counter()
        with pytest.raises(Problem):
            patched(patch, body=wide)
        assert time.perf_counter() - begun < 10


@pytest.mark.parametrize(
    ("selector", "least"), [("[.]" * 640, 640_000), ("[. and ./././.]" * 100, 500_000), ("[last()]" * 200, 1000)]
)
def test_conditions_are_work_however_little_they_look_at(selector: str, least: int) -> None:
    root = tree.parse(b"<a>" + b"<b/>" * 1000 + b"</a>")
    work = Work(1 << 40)
    selecting.select(root, selecting.parse(f"a/b{selector}", {}), work.spend)
    assert (1 << 40) - work.left >= least


def test_nesting_that_grows_step_by_step_is_refused() -> None:
    deeper = '<add sel="f:Patient{}"><contact xmlns="http://hl7.org/fhir"/></add>'
    steps = [deeper.format("/f:contact" * number) for number in range(90)]
    with pytest.raises(Problem):
        patched(*steps)


@given(st.text(alphabet="f:Patient/name[]@='\"()*.1 andlast_text", max_size=30))
def test_any_selector_is_read_or_refused(text: str) -> None:
    quoted = text.replace("&", "&amp;").replace('"', "&quot;")
    with suppress(Problem):
        patched(f'<remove sel="{quoted}"/>')
