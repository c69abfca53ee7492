"""Content negotiation, preferences and conditions: headers in, values out."""

from __future__ import annotations

import pytest

from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.problems import Malformed, NotAcceptable, UnsupportedMediaType
from hilum.rest import conditions, media
from hilum.rest.edge import NOBODY
from hilum.rest.media import Form
from hilum.rest.message import Request
from hilum.rest.prefer import Prefer, prefer
from hilum.rest.presentation import PLAIN, Presentation, general

assert Door  # the floor below is importable by itself


JSON4, XML4, JSON3, XML3 = media.PLAIN, Form(xml=True), Form(version="3.0"), Form(True, "3.0")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (b"application/fhir+json", JSON4),
        (b"application/json", JSON4),
        (b"application/json+fhir", JSON4),
        (b"application/fhir+xml", XML4),
        (b"application/xml", XML4),
        (b"text/xml;q=0.2", XML4),
        (b"application/xml+fhir", XML4),
        (b"*/*", JSON4),
        (b"application/*", JSON4),
        (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", JSON4),
        (b"application/fhir+json; fhirVersion=4.0", JSON4),
        (b'application/fhir+xml; fhirVersion="4.0.1"', XML4),
        (b"application/fhir+xml, application/fhir+json;q=0.1", XML4),
        (b"application/fhir+xml;q=0.1, application/fhir+json", JSON4),
        (b"application/fhir+xml, application/fhir+json", JSON4),
        (b"application/fhir+json;q=0, */*", XML4),
        (b"application/fhir+json;q=0.1, */*;q=0.5", XML4),
        (b"application/fhir+xml;q=0, application/*", JSON4),
        (b"application/fhir+json; fhirVersion=3.0", JSON3),
        (b"Application/FHIR+XML ; FHIRVersion=3.0.2", XML3),
        (b"application/fhir+json; fhirVersion=3.0, application/fhir+xml; fhirVersion=4.0; q=0.5", JSON3),
        (b"application/fhir+json; fhirVersion=1.0, */*;q=0.1", JSON4),
        (b"application/fhir+json; fhirVersion=1.0", None),
        (b"application/fhir+json;q=0", None),
        (b"application/fhir+json;q=high", None),
        (b"application/fhir+turtle", None),
        (b"text/html", None),
        (b"", None),
    ],
)
def test_accept(accept: bytes, form: Form | None) -> None:
    found = media.accepted(accept)
    assert (found and found.form) == form
    assert media.acceptable(accept) is (form is not None)


@pytest.mark.parametrize("accept", [None, b""])
def test_who_asks_for_no_format_is_given_json(accept: bytes | None) -> None:
    assert media.negotiate(accept, None) == JSON4


@pytest.mark.parametrize("sent", [JSON4, XML4, JSON3, XML3])
def test_who_sends_a_resource_and_asks_for_no_format_is_answered_alike(sent: Form) -> None:
    assert media.negotiate(None, None, sent) == sent
    assert media.negotiate(b"*/*", None, sent) == sent
    assert media.negotiate(b"application/fhir+json, application/fhir+xml;q=0.9", None, sent).xml is False


def test_one_version_for_the_whole_interaction() -> None:
    named = b"application/fhir+json; fhirVersion=3.0"
    assert media.sent(b"application/fhir+xml", named, None, "Patient") == XML3
    assert media.sent(b"application/fhir+xml", None, "json; fhirVersion=3.0", "Patient") == XML3
    assert media.sent(named, b"application/fhir+json", None, "Patient") == JSON3
    assert media.negotiate(b"application/fhir+xml", None, JSON3) == XML3
    with pytest.raises(Malformed, match="another fhirVersion"):
        media.negotiate(named, None, JSON4)
    with pytest.raises(Malformed, match="another fhirVersion"):
        media.negotiate(None, "xml; fhirVersion=4.0", JSON3)


@pytest.mark.parametrize(
    "wanted", ["json", "application/json", "application/fhir+json", "application/fhir json", "JSON"]
)
def test_format_overrules_accept(wanted: str) -> None:
    assert media.negotiate(b"application/fhir+xml", wanted) == JSON4


@pytest.mark.parametrize(
    ("wanted", "form"),
    [
        ("xml", XML4),
        ("text/xml", XML4),
        ("application/xml", XML4),
        ("application/fhir xml", XML4),
        ("application/fhir+json;fhirVersion=3.0", JSON3),
        ("xml; fhirVersion=3.0", XML3),
    ],
)
def test_formats(wanted: str, form: Form) -> None:
    assert media.negotiate(b"application/fhir+json", wanted) == form
    assert media.negotiate(None, wanted) == form


def test_the_version_of_accept_counts_beside_a_format_without_one() -> None:
    assert media.negotiate(b"application/fhir+json; fhirVersion=3.0", "xml") == XML3


@pytest.mark.parametrize("wanted", ["ttl", "application/fhir+turtle", "html", "json; fhirVersion=5.0", ""])
def test_formats_that_are_not_there(wanted: str) -> None:
    with pytest.raises(NotAcceptable, match="_format"):
        media.negotiate(b"*/*", wanted)
    assert media.supposed(b"*/*", wanted) == JSON4


def test_content_types() -> None:
    assert media.content(b"Application/FHIR+JSON; charset=UTF-8", media.JSON) == "application/fhir+json"
    for wrong in (None, b"", b"text/plain", b"application/json; charset=latin-1", b"application/json; fhirVersion=3.0"):
        with pytest.raises(UnsupportedMediaType):
            media.content(wrong, media.JSON)


def test_a_binary_may_be_any_xml() -> None:
    assert media.sent(b"application/xml", None, None, "Binary") is None
    assert media.sent(b"application/fhir+xml", None, None, "Binary") == XML4
    assert media.sent(b"application/xml", None, None, "Patient") == XML4


def asked(**headers: bytes) -> Request:
    return Request(
        "GET", (), "", {name.replace("_", "-").encode(): value for name, value in headers.items()}, b"", NOBODY
    )


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        (b"return=minimal", Prefer("minimal")),
        (b"return=operationoutcome", Prefer("OperationOutcome")),
        (b'return="representation"; handling=lenient', Prefer("representation", True)),
        (b"respond-async, handling=strict", Prefer()),
        (b"return=everything", Prefer()),
        (b"", Prefer()),
    ],
)
def test_prefer(header: bytes, meant: Prefer) -> None:
    assert prefer(asked(prefer=header)) == meant


def test_general_parameters_are_taken_out() -> None:
    rest = [("family", "x"), ("family", "y")]
    assert general(rest) == (PLAIN, rest)
    given = [("_pretty", "true"), ("family", "x"), ("_elements", "name, gender,"), ("_format", "json"), ("family", "y")]
    shown = Presentation(True, "false", ("name", "gender"), "json")
    assert general(given) == (shown, rest)
    assert general(shown.parameters()) == (shown, [])
    assert general([*given, ("_format", "json"), ("_pretty", "true")]) == (shown, rest)  # added to a link that has them
    for wrong in ([("_pretty", "yes")], [("_summary", "all")], [("_pretty", "true"), ("_pretty", "false")]):
        with pytest.raises(Malformed):
            general(wrong)


NOON = 1_795_305_600_123_456  # 2026-11-22T00:00:00.123456Z
ONE = Resource("Patient", "1", 3, NOON, b"{}")


def test_version_headers() -> None:
    assert conditions.version_headers(ONE) == [
        (b"etag", b'W/"3"'),
        (b"last-modified", b"Sun, 22 Nov 2026 00:00:00 GMT"),
    ]
    assert conditions.http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert conditions.http_date_of("2026-11-22T01:00:00.5+01:00") == "Sun, 22 Nov 2026 00:00:00 GMT"


@pytest.mark.parametrize(
    ("none_match", "since", "same"),
    [
        ('W/"3"', None, True),
        ('"3"', None, True),
        ("*", None, True),
        ('W/"1", W/"3"', None, True),
        ('W/"33"', None, False),
        ('W/"1"', "Sun, 22 Nov 2026 00:00:00 GMT", False),
        (None, "Sun, 22 Nov 2026 00:00:00 GMT", True),
        (None, "Sat, 21 Nov 2026 23:59:59 GMT", False),
        (None, "some day", False),
        (None, None, False),
    ],
)
def test_conditional_read(none_match: str | None, since: str | None, same: bool) -> None:
    assert conditions.unchanged(ONE, none_match, since) is same
