"""Content negotiation, preferences and conditions: headers in, values out."""

from __future__ import annotations

import pytest

from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.problems import Malformed, NotAcceptable, UnsupportedMediaType
from hilum.rest import conditions, media
from hilum.rest.edge import NOBODY
from hilum.rest.message import Request
from hilum.rest.prefer import Prefer, prefer
from hilum.rest.presentation import PLAIN, Presentation, general

assert Door  # the floor below is importable by itself


@pytest.mark.parametrize(
    ("accept", "fits"),
    [
        (b"application/fhir+json", True),
        (b"application/json", True),
        (b"application/json+fhir", True),
        (b"*/*", True),
        (b"application/*", True),
        (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        (b"application/fhir+json; fhirVersion=4.0", True),
        (b"application/fhir+xml, application/fhir+json;q=0.1", True),
        (b"application/fhir+json; fhirVersion=3.0", False),
        (b"application/fhir+json;q=0", False),
        (b"application/fhir+json;q=high", False),
        (b"application/fhir+xml", False),
        (b"text/html", False),
        (b"", False),
    ],
)
def test_accept(accept: bytes, fits: bool) -> None:
    assert media.acceptable(accept) is fits


@pytest.mark.parametrize("accept", [None, b""])
def test_who_asks_for_no_format_is_given_the_one_that_there_is(accept: bytes | None) -> None:
    media.negotiate(accept, None)


@pytest.mark.parametrize(
    "wanted", ["json", "application/json", "application/fhir+json", "application/fhir json", "JSON"]
)
def test_format_overrules_accept(wanted: str) -> None:
    media.negotiate(b"application/fhir+xml", wanted)


@pytest.mark.parametrize("wanted", ["xml", "application/fhir+xml", "ttl", "html", "json; fhirVersion=5.0", ""])
def test_formats_that_are_not_there(wanted: str) -> None:
    with pytest.raises(NotAcceptable, match="_format"):
        media.negotiate(b"*/*", wanted)


def test_content_types() -> None:
    assert media.content(b"Application/FHIR+JSON; charset=UTF-8", media.JSON) == "application/fhir+json"
    for wrong in (None, b"", b"text/plain", b"application/json; charset=latin-1", b"application/json; fhirVersion=3.0"):
        with pytest.raises(UnsupportedMediaType):
            media.content(wrong, media.JSON)


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
