"""Which formats come in and go out. https://hl7.org/fhir/R4/http.html#mime-type

JSON and XML, in UTF-8, as FHIR 4.0 or as FHIR 3.0 (https://hl7.org/fhir/R4/http.html#version-parameter). `_format`
overrules Accept (https://hl7.org/fhir/R4/http.html#parameters).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from hilum.problems import Malformed, NotAcceptable, UnsupportedMediaType

JSON = frozenset({"application/fhir+json", "application/json", "application/json+fhir", "text/json"})
"""Media types that mean FHIR JSON; `application/json+fhir` is DSTU2's spelling, which R4 lets servers accept."""
XML = frozenset({"application/fhir+xml", "application/xml", "application/xml+fhir", "text/xml"})
"""The same for FHIR XML."""

JSON_PATCH = "application/json-patch+json"
XML_PATCH = "application/xml-patch+xml"
FORM = "application/x-www-form-urlencoded"


class Form(NamedTuple):
    """How a resource is written."""

    xml: bool = False
    version: str = "4.0"


PLAIN: Final = Form()
"""FHIR 4.0 in JSON: what everything behind the edge reads and writes."""

VERSIONS: Final = {"4.0": "4.0", "4.0.1": "4.0", "3.0": "3.0", "3.0.0": "3.0", "3.0.1": "3.0", "3.0.2": "3.0"}
"""fhirVersion as it may be given -> the version that is meant."""

_OWN: Final = ("fhir+json", "fhir+xml", "json+fhir", "xml+fhir")
_SERVED = "hilum serves application/fhir+json and application/fhir+xml (fhirVersion 4.0 and 3.0)"
_HTML: Final = frozenset({"text/html", "application/xhtml+xml"})


class _Range(NamedTuple):
    """One part of an Accept header. `version`: None where it names none, "" where it names one that is not served."""

    media: str
    quality: float
    version: str | None


def _ranges(accept: bytes) -> list[_Range]:
    found = []
    for part in accept.decode("latin-1").lower().split(","):
        media, parameters = _split(part)
        version = parameters.get("fhirversion")
        found.append(_Range(media, _quality(parameters), None if version is None else VERSIONS.get(version, "")))
    return found


def _meant(ranges: list[_Range]) -> list[_Range]:
    """Without XML where a browser asks, which means no FHIR by it."""
    if any(one.media in _HTML and one.quality > 0 for one in ranges):
        return [one for one in ranges if one.media not in ("application/xml", "text/xml")]
    return ranges


class Wish(NamedTuple):
    """What a client asks for: the form, whether its version is named, and whether XML is as good as JSON."""

    form: Form
    named: bool = False
    either: bool = False


@lru_cache(maxsize=256)
def accepted(accept: bytes) -> Wish | None:
    """What an Accept header asks for; None: nothing that there is.

    The range that names a format most exactly says how much it is wanted; of equals JSON is given.
    https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
    """
    ranges = _meant(_ranges(accept))
    best, found = 0.0, None
    for version in ("4.0", "3.0"):
        for is_xml, names in ((False, JSON), (True, XML)):
            quality, named = _wanted(ranges, names, version)
            if quality > best:
                best, found = quality, Wish(Form(is_xml, version), named)
            elif quality == best and found is not None and found.form.version == version:
                found = found._replace(either=True)
    return found


def _wanted(ranges: list[_Range], names: frozenset[str], version: str) -> tuple[float, bool]:
    """How much a format in a version is wanted, and whether the range that says so names the version."""
    exactness, quality, named = 0, 0.0, False
    for one in ranges:
        if one.version != version and (one.version is not None or version != "4.0"):
            continue
        exact = 3 if one.media in names else 2 if one.media == "application/*" else 1 if one.media == "*/*" else 0
        if exact and (exact, one.quality) > (exactness, quality):
            exactness, quality, named = exact, one.quality, one.version is not None
    return quality, named


def acceptable(accept: bytes) -> bool:
    """Whether an Accept header allows anything that hilum writes."""
    return accepted(accept) is not None


def kind(content_type: bytes) -> str:
    """A media type without its parameters, in lower case."""
    return _split(content_type.decode("latin-1").lower())[0]


@lru_cache(maxsize=256)
def native(accept: bytes, media: str) -> bool | None:
    """Whether content of this media type is asked for rather than the FHIR resource that holds it; None: neither.

    Of both the more wanted one; where they are wanted alike, the one that is named, and of two names that of the
    content. `application/json` and `application/xml` mean the content where that is of this type.
    https://hl7.org/fhir/R4/binary.html#rest, https://www.rfc-editor.org/rfc/rfc9110#section-12.5.1
    """
    fhir, content, named = 0.0, 0.0, -1
    places = ("*/*", f"{media.partition('/')[0]}/*", media)
    for one in _meant(_ranges(accept)):
        if one.media in JSON | XML and (one.media.endswith(_OWN) or one.media != media):
            if one.version != "":
                fhir = max(fhir, one.quality)
        elif one.media in places and places.index(one.media) > named:
            content, named = one.quality, places.index(one.media)
    if fhir <= 0 and content <= 0:
        return None
    return content > fhir or (content == fhir and named == 2)


def negotiate(accept: bytes | None, format_: str | None, sent: Form | None = None) -> Form:
    """How the answer is written, where the body was `sent` so (None: no resource).

    Raises NotAcceptable when the client takes nothing that there is, and Malformed for two versions in one interaction.
    """
    if format_ is None and not accept:  # an empty one asks for nothing, as none does
        return PLAIN if sent is None else sent
    wish = _asked(accept, format_)
    if sent is None:
        return wish.form
    if wish.named and sent.version != wish.form.version:
        raise Malformed("The body is of another fhirVersion than the answer that is asked for: both must be the same.")
    return Form(sent.xml if wish.either else wish.form.xml, sent.version)


def _asked(accept: bytes | None, format_: str | None) -> Wish:
    """What a request asks for. Raises NotAcceptable."""
    found = accepted(accept) if accept else None
    if format_ is None:
        if found is None:
            raise NotAcceptable(f"Nothing in the Accept header is available: {_SERVED}.")
        return found
    media, parameters = _split(format_.lower())
    is_xml = media == "xml" or media in XML
    version = parameters.get("fhirversion")
    if (not is_xml and media != "json" and media not in JSON) or (version is not None and version not in VERSIONS):
        raise NotAcceptable(f"The _format asked for is not available: {_SERVED}; use _format=json or _format=xml.")
    if version is not None:
        return Wish(Form(is_xml, VERSIONS[version]), True)
    if found is not None and found.named:
        return Wish(Form(is_xml, found.form.version), True)
    return Wish(Form(is_xml))


def supposed(accept: bytes | None, format_: str | None, sent: Form | None = None) -> Form:
    """How the answer to a request is written that is refused before it is understood: whatever comes nearest."""
    try:
        return negotiate(accept, format_, sent)
    except (NotAcceptable, Malformed):
        return PLAIN


@lru_cache(maxsize=256)
def sent(header: bytes | None, accept: bytes | None, format_: str | None, type_: str | None) -> Form | None:
    """How a body is written, by its Content-Type; None when it is no resource, as a patch or a form.

    Its version is the answer's where it names none: it is that of the whole interaction. `type_`: where it is sent to.
    A Binary may be any XML or JSON, so that there only FHIR's own media types mean FHIR. Raises UnsupportedMediaType.
    """
    if header is None:
        return None
    media, parameters = _split(header.decode("latin-1").lower())
    is_xml = media in XML
    if (not is_xml and media not in JSON) or (type_ == "Binary" and not media.endswith(_OWN)):
        return None
    given = parameters.get("fhirversion")
    version = supposed(accept, format_).version if given is None else VERSIONS.get(given)
    if version is None:
        raise UnsupportedMediaType("The body's fhirVersion must be 4.0 or 3.0.")
    _utf8(parameters)
    return Form(is_xml, version)


@lru_cache(maxsize=256)
def content(header: bytes | None, expected: frozenset[str]) -> str:
    """The media type of a body, which is FHIR 4.0 by now.

    Raises UnsupportedMediaType when it is none of `expected`, or not UTF-8, or another version.
    """
    wanted = ", ".join(sorted(expected - {"application/json+fhir", "text/json"}))
    if "application/fhir+json" in expected:
        wanted = wanted.replace("application/fhir+json", "application/fhir+json, application/fhir+xml")
    if header is None:
        raise UnsupportedMediaType(f"The body has no Content-Type; expected {wanted}.")
    media, parameters = _split(header.decode("latin-1").lower())
    if media not in expected:
        raise UnsupportedMediaType(f"The body's Content-Type is not one that is read here; expected {wanted}.")
    _utf8(parameters)
    if VERSIONS.get(parameters.get("fhirversion", "4.0")) != "4.0":
        raise UnsupportedMediaType("The body's fhirVersion must be 4.0.")
    return media


def _utf8(parameters: dict[str, str]) -> None:
    if parameters.get("charset", "utf-8") not in ("utf-8", "utf8"):
        raise UnsupportedMediaType("The body's charset must be UTF-8.")


def _split(text: str) -> tuple[str, dict[str, str]]:
    media, *rest = text.split(";")
    pairs = (part.partition("=") for part in rest)
    return media.strip().replace(" ", "+"), {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def _quality(parameters: dict[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
