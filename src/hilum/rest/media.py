"""Which formats come in and go out. https://hl7.org/fhir/R4/http.html#mime-type

JSON only, in FHIR 4.0 and UTF-8. `_format` overrules Accept (https://hl7.org/fhir/R4/http.html#parameters).
"""

from __future__ import annotations

from functools import lru_cache

from hilum.problems import NotAcceptable, UnsupportedMediaType

JSON = frozenset({"application/fhir+json", "application/json", "application/json+fhir", "text/json"})
"""Media types that mean FHIR JSON; `application/json+fhir` is DSTU2's spelling, which R4 lets servers accept."""

JSON_PATCH = "application/json-patch+json"
FORM = "application/x-www-form-urlencoded"
VERSIONS = frozenset({"4.0", "4.0.1"})
_ANY = frozenset({"*/*", "application/*"})
_SERVED = "hilum serves application/fhir+json (FHIR 4.0)"


@lru_cache(maxsize=256)
def acceptable(accept: bytes) -> bool:
    """Whether an Accept header allows FHIR JSON. https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1"""
    for part in accept.decode("latin-1").lower().split(","):
        media, parameters = _split(part)
        if (media in JSON or media in _ANY) and _quality(parameters) > 0 and _version_fits(parameters):
            return True
    return False


def negotiate(accept: bytes | None, format_: str | None) -> None:
    """Raises NotAcceptable when the client can't be given FHIR JSON."""
    if format_ is not None:
        media, parameters = _split(format_.lower())
        if (media != "json" and media not in JSON) or not _version_fits(parameters):
            raise NotAcceptable(f"The _format asked for is not available: {_SERVED}; use _format=json.")
    elif accept and not acceptable(accept):  # an empty one asks for nothing, as none does
        raise NotAcceptable(f"Nothing in the Accept header is available: {_SERVED}.")


@lru_cache(maxsize=256)
def content(header: bytes | None, expected: frozenset[str]) -> str:
    """The media type of a body. Raises UnsupportedMediaType when it is none of `expected`, or not UTF-8, or not R4."""
    wanted = ", ".join(sorted(expected - {"application/json+fhir", "text/json"}))
    if header is None:
        raise UnsupportedMediaType(f"The body has no Content-Type; expected {wanted}.")
    media, parameters = _split(header.decode("latin-1").lower())
    if media not in expected:
        raise UnsupportedMediaType(f"The body's Content-Type is not one that is read here; expected {wanted}.")
    if parameters.get("charset", "utf-8") not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("The body's charset must be UTF-8.")
    if not _version_fits(parameters):
        raise UnsupportedMediaType("The body's fhirVersion must be 4.0.")
    return media


def _split(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = text.split(";")
    pairs = (part.partition("=") for part in rest)
    return media.strip().replace(" ", "+"), {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _quality(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0


def _version_fits(parameters: dict[str, str]) -> bool:
    return parameters.get("fhirversion", "4.0") in VERSIONS
