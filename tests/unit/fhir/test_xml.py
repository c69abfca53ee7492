"""FHIR XML read and written; what the official examples show is in tests/conformance/test_xml_examples.py."""

from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hilum.fhir import json, xml
from hilum.problems import Invalid, Malformed, NotAcceptable, Problem

FHIR = 'xmlns="http://hl7.org/fhir"'
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">{}</div>'


def patient(inner: str, attributes: str = "") -> bytes:
    return f"<Patient {FHIR}{attributes}>{inner}</Patient>".encode()


def faults(data: bytes) -> list[tuple[str | None, str]]:
    return [(issue.expression, issue.diagnostics) for issue in xml.read(data)[1]]


def same(body: dict[str, Any]) -> None:
    """JSON to XML to JSON gives what there was, plain and indented."""
    assert json.encode(xml.parse(xml.encode(body))) == json.encode(body)
    assert xml.parse(xml.encode(body, pretty=True)) == body


def test_a_patient_is_read_as_its_json_would_be() -> None:
    data = patient(
        '<id value="1"/><meta><versionId value="2"/></meta><identifier id="i"><value value="7"/></identifier>'
        '<active value="true"/><name><family value="Ode"/><given value="A"/><given value="B"/></name>'
        '<multipleBirthInteger value="2"/>'
    )
    assert xml.parse(data) == {
        "resourceType": "Patient",
        "id": "1",
        "meta": {"versionId": "2"},
        "identifier": [{"id": "i", "value": "7"}],
        "active": True,
        "name": [{"family": "Ode", "given": ["A", "B"]}],
        "multipleBirthInteger": 2,
    }


def test_written_elements_stand_in_the_order_of_the_definitions() -> None:
    body = {"gender": "male", "_active": {"id": "x"}, "id": "1", "resourceType": "Patient"}
    assert xml.encode(body) == (
        b'<?xml version="1.0" encoding="UTF-8"?><Patient xmlns="http://hl7.org/fhir">'
        b'<id value="1"/><active id="x"/><gender value="male"/></Patient>'
    )


def test_pretty_indents_elements_and_leaves_narratives_alone() -> None:
    div = DIV.format("<p>a\n  b</p>")
    body = {"resourceType": "Patient", "text": {"status": "generated", "div": div}}
    assert xml.encode(body, pretty=True).decode().split("\n", 1)[1] == (
        f'<Patient {FHIR}>\n  <text>\n    <status value="generated"/>\n    {div}\n  </text>\n</Patient>'
    )


@pytest.mark.parametrize("text", ["1.10", "1e3", "-0", "0.0000000", "1" * 50, "-0.00", "1E+5"])
def test_numbers_keep_their_digits(text: str) -> None:
    raw = b'{"resourceType":"Observation","valueQuantity":{"value":%b}}' % text.encode()
    assert json.encode(xml.parse(xml.encode(json.parse(raw)))) == raw


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,9})?", fullmatch=True))
def test_every_decimal_survives(text: str) -> None:
    raw = b'{"resourceType":"Observation","valueQuantity":{"value":%b}}' % text.encode()
    assert json.encode(xml.parse(xml.encode(json.parse(raw)))) == raw


_CARRIED = st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="￾￿") | st.sampled_from("\t\r\n\x7f\x85")


@given(st.text(_CARRIED, min_size=1))
@example(" \t\r\n\r ")
@example("&<>\"'&amp;]]>")
@example("  \U0001f600")
def test_every_text_that_xml_can_carry_survives(text: str) -> None:
    same({"resourceType": "Patient", "name": [{"text": text}]})


@pytest.mark.parametrize("character", ["\x00", "\x0b", "\x1f", "\ud800", "￾", "￿"])
def test_a_character_that_xml_has_not_is_named_by_its_place(character: str) -> None:
    with pytest.raises(NotAcceptable) as found:
        xml.encode({"resourceType": "Patient", "name": [{"given": ["a", f"b{character}"]}]})
    assert found.value.issues[0].expression == "Patient.name[0].given[1]"


def test_ids_and_extensions_of_primitives_stand_beside_their_values() -> None:
    extension = [{"url": "http://x", "valueString": "y"}]
    same(
        {
            "resourceType": "Patient",
            "_active": {"extension": extension},
            "name": [
                {
                    "given": ["a", None, "c", "d"],
                    "_given": [None, {"id": "i", "extension": extension}, {"id": "j"}, None],
                },
                {"_given": [{"extension": extension}]},
                {"given": ["a", "b"], "_given": [{"id": "k"}, None]},
            ],
            "birthDate": "2000",
            "_birthDate": {"id": "b", "extension": extension},
        }
    )


def test_resources_within_resources() -> None:
    inner = {"resourceType": "Organization", "id": "o", "name": "x"}
    patient = {"resourceType": "Patient", "contained": [inner, {**inner, "id": "p"}]}
    same({"resourceType": "Bundle", "type": "batch", "entry": [{"resource": patient}, {"response": {"status": "200"}}]})
    same({"resourceType": "Parameters", "parameter": [{"name": "a", "resource": inner}, {"name": "b", "part": []}][:1]})


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "a &amp; b &#160; &lt; <br/><br></br> <!-- c --> <p title='x > y' class=\"a\"\n>z</p>",
        "a\r\nb\tc  d <![CDATA[ x < y ]]> e",
        '<x:p xmlns:x="http://www.w3.org/1999/xhtml">z</x:p>',
        "</div><div>".join(("<div>", "</div>")),
    ],
)
def test_a_narrative_is_taken_character_by_character(inner: str) -> None:
    same({"resourceType": "Patient", "text": {"status": "generated", "div": DIV.format(inner)}})


def test_an_empty_narrative_is_taken_as_it_stands() -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml" title="/>"/>'
    data = patient(f'<text><status value="empty"/>{div}</text><active value="true"/>')
    assert xml.parse(data)["text"]["div"] == div
    assert xml.parse(data)["active"] is True


def test_a_narrative_with_namespaces_of_its_own_is_taken_as_it_stands() -> None:
    div = DIV.replace("<div", '<div xmlns:x="http://www.w3.org/1999/xhtml"').format("<x:p  title='a'>b</x:p>")
    same({"resourceType": "Patient", "text": {"status": "generated", "div": div}})


@pytest.mark.parametrize(
    ("attributes", "div"),
    [
        (' xmlns:h="http://www.w3.org/1999/xhtml"', '<h:div>a<h:p title="&quot;">b&amp;</h:p><h:br/></h:div>'),
        (
            ' xmlns:h="http://www.w3.org/1999/xhtml"',
            '<div xmlns="http://www.w3.org/1999/xhtml">a<h:p title="&#34;">b&#38;</h:p><h:br/></div>',
        ),
    ],
)
def test_a_narrative_that_builds_on_outer_namespaces_is_written_again(attributes: str, div: str) -> None:
    body = xml.parse(patient(f'<text><status value="generated"/>{div}</text>', attributes))
    assert body["text"]["div"] == DIV.format('a<p title="&quot;">b&amp;</p><br/>')


def test_a_default_namespace_of_xhtml_around_a_narrative() -> None:
    data = (
        '<f:Patient xmlns:f="http://hl7.org/fhir" xmlns="http://www.w3.org/1999/xhtml"><f:text>'
        '<f:status value="generated"/><div>a<p xml:lang="en">b</p></div></f:text></f:Patient>'
    )
    assert xml.parse(data.encode())["text"]["div"] == DIV.format('a<p xml:lang="en">b</p>')


@pytest.mark.parametrize(
    "div",
    [
        "<div>no namespace</div>",
        DIV.format("</div><id value='x'/><div>"),
        DIV.format("&nbsp;"),
        "<!DOCTYPE div>" + DIV.format("a"),
        '<?xml version="1.0"?>' + DIV.format("a"),
        DIV.format("a") + DIV.format("b"),
        "text",
        DIV.format("\x01"),
        DIV.format("\ud800"),
        7,
    ],
)
def test_what_is_no_xhtml_is_not_written_into_a_document(div: Any) -> None:
    with pytest.raises(NotAcceptable) as found:
        xml.encode({"resourceType": "Patient", "text": {"status": "generated", "div": div}})
    assert found.value.issues[0].expression == "Patient.text.div"


def test_comments_instructions_and_space_are_no_content() -> None:
    data = b'\xef\xbb\xbf<?xml version="1.0"?>\n<?x y?><!-- a -->' + patient(
        "\n <!-- b -->\t<?z?> <active value='true'/>\r\n"
    )
    assert xml.parse(data) == {"resourceType": "Patient", "active": True}


def test_spaces_around_what_is_no_text_are_dropped() -> None:
    data = patient('<active value=" true "/><name><text value=" a "/></name><birthDate value="&#10;2000 "/>')
    assert xml.parse(data) == {
        "resourceType": "Patient",
        "active": True,
        "name": [{"text": " a "}],
        "birthDate": "2000",
    }


def test_a_value_of_a_wrong_kind_is_left_for_validation_to_name() -> None:
    body = xml.parse(patient('<active value="1"/><name><text value=""/></name><multipleBirthInteger value="1e4"/>'))
    assert body["active"] == "1"
    assert body["multipleBirthInteger"] == Decimal("1e4")
    assert body["name"] == [{"text": ""}]


@pytest.mark.parametrize(
    ("inner", "expression", "words"),
    [
        ('\n<colour value="x"/>', "Patient.colour", "the specification knows no such element (line 2)"),
        ('<name>\n<active value="x"/></name>', "Patient.name[0].active", "line 2"),
        ('<active value="true"/><active value="true"/>', "Patient.active", "may appear once"),
        ('<gender value="male"/><active value="true"/>', "Patient.active", "out of order"),
        ('<name/><gender value="male"/><name/>', "Patient.name", "out of order"),
        ('<multipleBirthInteger value="1"/><multipleBirthBoolean value="true"/>', "Patient.multipleBirth", "once"),
        ('<active value="true" x="y"/>', "Patient.active", "an attribute that FHIR does not know, 'x'"),
        ('<name value="x"/>', "Patient.name[0]", "'value'"),
        ('<name url="x"/>', "Patient.name[0]", "'url'"),
        ('<active value="true">yes</active>', "Patient.active", "has text in it"),
        ('<name><given value="a"/><given value="b">c</given></name>', "Patient.name[0].given[1]", "has text in it"),
        ("<![CDATA[x]]>", "Patient", "has text in it"),
        ("<active/>", "Patient.active", "is empty"),
        ("<name><given/></name>", "Patient.name[0].given[0]", "is empty"),
        ('<active value="true"><x/></active>', "Patient.active.x", "a value and extensions only"),
        ('<active xmlns="urn:x" value="true"/>', "Patient.active", "is not in the namespace"),
        ("<contained><Nothing/></contained>", "Patient.contained[0]", "'Nothing' is not a resource type"),
        ("<contained><Basic/><Basic/></contained>", "Patient.contained[0]", "more than one resource"),
        ('<p xmlns="http://www.w3.org/1999/xhtml"/>', "Patient.p", "is not in the namespace"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_place(inner: str, expression: str, words: str) -> None:
    data = patient(inner)
    found = faults(data)
    assert [path for path, _ in found] == [expression]
    assert words in found[0][1]
    with pytest.raises(Invalid):
        xml.parse(data)


def test_several_faults_are_told_together_and_the_rest_is_read() -> None:
    body, issues = xml.read(patient('<a/><active value="true"/>\n<b><c><d/></c></b><gender value="male"/>'))
    assert [issue.expression for issue in issues] == ["Patient.a", "Patient.b"]
    assert body == {"resourceType": "Patient", "active": True, "gender": "male"}


def test_faults_are_bounded() -> None:
    assert len(faults(patient("<a/>" * 10_000))) == 100


def test_names_and_values_that_a_client_made_up_are_not_repeated() -> None:
    _, issues = xml.read(patient('<Jane_Doe.1970/><active Jane_Doe="1970" value="true">Jane Doe</active>'))
    assert "Jane" not in str(issues)


def test_lines_of_every_element() -> None:
    lines: dict[str, int] = {}
    xml.parse(
        b'<Bundle xmlns="http://hl7.org/fhir">\n<type value="batch"/>\n<entry><resource>\n<Patient><name>\n'
        b'<given value="a"/>\n<given value="b"/></name>\n'
        b'<multipleBirthInteger value="1"/></Patient></resource></entry></Bundle>',
        lines,
    )
    assert lines == {
        "Bundle": 1,
        "Bundle.type": 2,
        "Bundle.entry[0]": 3,
        "Bundle.entry[0].resource": 3,
        "Bundle.entry[0].resource.name[0]": 4,
        "Bundle.entry[0].resource.name[0].given[0]": 5,
        "Bundle.entry[0].resource.name[0].given[1]": 6,
        "Bundle.entry[0].resource.multipleBirth": 7,
    }


# --- attacks ----------------------------------------------------------------------------------------------------------

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + f']><Patient {FHIR}><id value="&i;"/></Patient>'
)


@pytest.mark.parametrize(
    "data",
    [
        LAUGHS.encode(),
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><Patient xmlns="http://hl7.org/fhir"/>',
        b'<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]>' + patient('<id value="&y;"/>'),
        b'<!DOCTYPE x [<!ENTITY % y SYSTEM "http://127.0.0.1/"> %y;]><Patient xmlns="http://hl7.org/fhir"/>',
        patient('<id value="&nothing;"/>'),
        patient("<name>" * 100_000),
        patient(f"<text>{'<div>' * 100_000}"),
        patient("<extension>" * 500 + "</extension>" * 500),
        patient('<name x="1" x="2"/>'),
        patient("<h:name/>"),
        patient("<name>"),
        b"<Patient",
        b"",
        b" \n",
        b"{}",
        b"\xff\xfe<\x00P\x00",
        patient("").decode().encode("utf-16"),
        patient("").decode().encode("utf-32"),
        b'<?xml version="1.0" encoding="ISO-8859-1"?>' + patient(""),
        patient('<id value="\xc3\x28"/>').replace(b"\xc3\x83", b"\xc3"),
        patient('<id value="&#0;"/>'),
        patient('<id value="&#xD800;"/>'),
        b'<Patient/>',
        b'<Patient xmlns="http://hl7.org/fhir1"/>',
        b'<patient xmlns="http://hl7.org/fhir"/>',
        b'<Nothing xmlns="http://hl7.org/fhir"/>',
        patient("") + patient(""),
    ],
)  # fmt: skip
def test_what_is_no_document_of_fhir_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        xml.parse(data)


_PIECES = st.sampled_from(
    [
        *("<name>", "</name>", "<given", ' value="a"', "/>", ">", "<text>", "</text>", '<status value="generated"/>'),
        *('<div xmlns="http://www.w3.org/1999/xhtml">', "</div>", "<div/>", "<p>", "</p>", "<!--", "-->", "<![CDATA["),
        *("]]>", "<?a", "?>", "&amp;", "&#10;", "&x;", "text", "<contained>", "</contained>", "<Patient>"),
        *(' id="b"', ' xmlns:h="http://www.w3.org/1999/xhtml"', "<h:div>", "</h:div>", "<extension url='x'>"),
        *("</Patient>", "</extension>"),
    ]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=30))
def test_whatever_comes_is_read_or_refused(pieces: list[str]) -> None:
    data = patient("".join(pieces))
    try:
        body, _ = xml.read(data)
    except Malformed:
        return
    lines: dict[str, int] = {}
    assert xml.read(data, lines)[0] == body
    try:
        written = xml.encode(body)
    except NotAcceptable:  # a div of a wrong namespace
        return
    assert xml.read(written)[0] == body or faults(data)


@given(st.binary(max_size=200))
def test_bytes_are_read_or_refused(data: bytes) -> None:
    for whole in (data, patient("").replace(b"><", b">" + data + b"<")):
        with suppress(Problem):
            xml.parse(whole)


_PROPERTIES = st.sampled_from(
    [
        *("name", "_name", "given", "_given", "id", "url", "extension", "text", "div", "contained", "resourceType"),
        *("active", "_active", "valueQuantity", "x"),
    ]
)
_BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_PROPERTIES, inner, max_size=4),
    max_leaves=20,
)


@given(_BODIES)
def test_whatever_body_is_written_or_refused(inner: Any) -> None:
    body = {"resourceType": "Patient", **(inner if type(inner) is dict else {"name": inner})}
    try:
        data = xml.encode(body)
    except NotAcceptable:
        return
    xml.read(data)


def test_a_narrative_with_a_prefix_of_its_own_is_written_without() -> None:
    text = (
        b'<Patient xmlns="http://hl7.org/fhir"><text><status value="generated"/>'
        b'<h:div xmlns:h="http://www.w3.org/1999/xhtml">a <h:b>b</h:b></h:div></text></Patient>'
    )
    assert xml.parse(text)["text"]["div"] == '<div xmlns="http://www.w3.org/1999/xhtml">a <b>b</b></div>'
