"""Whether a Binary's content is asked for, or the resource that holds it. https://hl7.org/fhir/R4/binary.html#rest"""

from __future__ import annotations

import pytest

from hilum.rest.media import native

FHIR, RAW, NEITHER = False, True, None


@pytest.mark.parametrize(
    ("accept", "media", "meant"),
    [
        ("*/*", "application/pdf", RAW),
        ("application/*", "application/pdf", RAW),
        ("application/pdf", "application/pdf", RAW),
        ("application/fhir+json", "application/pdf", FHIR),
        ("application/fhir+json; fhirVersion=4.0", "application/pdf", FHIR),
        ("application/json", "application/pdf", FHIR),
        ("text/plain", "application/pdf", NEITHER),
        ("image/*", "application/pdf", NEITHER),
        ("application/pdf;q=0", "application/pdf", NEITHER),
        ("*/*, application/pdf;q=0", "application/pdf", NEITHER),
        ("application/fhir+json; fhirVersion=3.0", "application/pdf", FHIR),
        ("application/fhir+json; fhirVersion=9.0", "application/pdf", NEITHER),
        ("application/fhir+xml", "application/pdf", FHIR),
        ("application/xml", "application/pdf", FHIR),
        ("application/xml", "application/xml", RAW),
        # Both: the more wanted, then the one that is named, then the content.
        ("application/fhir+json, */*;q=0.5", "application/pdf", FHIR),
        ("application/fhir+json;q=0.5, */*", "application/pdf", RAW),
        ("application/fhir+json, */*", "application/pdf", FHIR),
        ("application/pdf, application/fhir+json", "application/pdf", RAW),
        ("application/pdf;q=0.1, application/fhir+json", "application/pdf", FHIR),
        # "If a client requests a generic mime type, the server SHOULD return the content directly if it matches."
        ("application/json", "application/json", RAW),
        ("application/fhir+json", "application/json", FHIR),
        ("application/fhir+json", "application/fhir+json", FHIR),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html", RAW),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/pdf", RAW),
    ],
)
def test_what_an_accept_header_means(accept: str, media: str, meant: bool | None) -> None:
    assert native(accept.encode(), media) is meant
