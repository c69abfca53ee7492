"""What a brand, and an endpoint of one, must be to be published: the rules of the guide's profiles, by element.

https://hl7.org/fhir/smart-app-launch/StructureDefinition-user-access-brand.html,
https://hl7.org/fhir/smart-app-launch/StructureDefinition-user-access-endpoint.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from hilum.fhirpath.references import local
from hilum.oauth.redirects import LOOPBACK

_PROFILES: Final = "http://hl7.org/fhir/smart-app-launch/StructureDefinition"
_EXTENSIONS: Final = "http://hl7.org/fhir/StructureDefinition"
BRAND: Final = f"{_PROFILES}/user-access-brand"
ENDPOINT: Final = f"{_PROFILES}/user-access-endpoint"
BUNDLE: Final = f"{_PROFILES}/user-access-brands-bundle"
DETAILS: Final = f"{_EXTENSIONS}/organization-brand"
PORTAL: Final = f"{_EXTENSIONS}/organization-portal"
VERSION: Final = f"{_EXTENSIONS}/endpoint-fhir-version"
ABSENT: Final = f"{_EXTENSIONS}/data-absent-reason"

REASONS: Final[Mapping[str, str]] = {
    "asked-declined": "asked, and declined to say",
    "asked-unknown": "asked, and does not know",
}
"""The only reasons for which what is required may be missing -> what they say."""
CATEGORIES: Final[Mapping[str, str]] = {
    "prov": "Healthcare Provider",
    "ins": "Insurance Company",
    "laboratory": "Laboratory",
    "imaging": "Imaging Center",
    "pharmacy": "Pharmacy",
    "health-information-network": "Health Information Network",
    "health-data-aggregator": "Health Data Aggregator",
}
"""https://hl7.org/fhir/smart-app-launch/ValueSet-user-access-category.html"""
CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/organization-type"
REST: Final = {"system": "http://terminology.hl7.org/CodeSystem/endpoint-connection-type", "code": "hl7-fhir-rest"}
NO_PAYLOAD: Final = {"system": "http://terminology.hl7.org/CodeSystem/endpoint-payload-type", "code": "none"}

MANY: Final = 1 << 30
_URL: Final = re.compile(r"https?://[^\s/?#@]+(?:[/?#]\S*)?")
_FHIR_VERSION: Final = re.compile(r"\d+\.\d+\.\d+(?:-[A-Za-z0-9.]+)?")


class Part(NamedTuple):
    """A member of one of the two complex extensions: the property of its value, how many there may be, whether it is
    a URL, and of an image."""

    value: str
    most: int
    url: bool = False
    image: bool = False


PARTS: Final[Mapping[str, Mapping[str, Part]]] = {
    DETAILS: {
        "brandLogo": Part("valueUrl", MANY, True, True),
        "brandLogoLicense": Part("valueUrl", MANY, True),
        "brandBundle": Part("valueUrl", MANY, True),
    },
    PORTAL: {
        "portalName": Part("valueString", 1),
        "portalDescription": Part("valueMarkdown", 1),
        "portalUrl": Part("valueUrl", 1, True),
        "portalLogo": Part("valueUrl", 1, True, True),
        "portalLogoLicense": Part("valueUrl", 1, True),
        "portalEndpoint": Part("valueReference", MANY),
    },
}
"""Extension -> the members that the guide has for it."""


class Wrong(NamedTuple):
    """An element, and why it can't be so."""

    path: str
    says: str

    def __str__(self) -> str:
        return f"{self.path}: {self.says}"


def of(body: dict[str, Any]) -> tuple[Wrong, ...]:
    """All that is wrong with an Organization as a brand, or with an Endpoint as one of a brand."""
    judge = _brand if body["resourceType"] == "Organization" else _endpoint
    return (*judge(body), *_reasons(body, body["resourceType"]))


def is_url(text: Any, *, image: bool = False) -> bool:
    """Whether people can be sent there: https, or http to this very machine; `image`: data: as well."""
    if not isinstance(text, str):
        return False
    if image and text.startswith("data:image/"):
        return True
    if not _URL.fullmatch(text):
        return False
    return text.startswith("https:") or urlsplit(text).hostname in {host.strip("[]") for host in LOOPBACK}


def absent(given: Mapping[str, Any], name: str) -> bool:
    """Whether a reason stands in place of the property: `_valueUrl` for `valueUrl`."""
    return name not in given and any(one.get("url") == ABSENT for one in given.get(f"_{name}", {}).get("extension", []))


def _brand(body: dict[str, Any]) -> Iterator[Wrong]:
    if not body.get("name"):
        yield Wrong("Organization.name", "a brand has a name.")
    telecom = body.get("telecom", [])
    if len(telecom) != 1 or telecom[0].get("system") != "url":
        yield Wrong("Organization.telecom", "a brand has one website, and no other telecom: system url.")
    elif not absent(telecom[0], "value") and not is_url(telecom[0].get("value")):
        yield Wrong("Organization.telecom.value", "the website must be an https URL, or be absent for a reason.")
    for number, type in enumerate(body.get("type", [])):
        for coding in type.get("coding", []):
            if coding.get("system") == CATEGORY and coding.get("code") not in CATEGORIES:
                yield Wrong(f"Organization.type[{number}]", f"a category is one of {', '.join(CATEGORIES)}.")
    for number, one in enumerate(body.get("identifier", [])):
        if not one.get("value"):
            yield Wrong(f"Organization.identifier[{number}].value", "an identifier has a value.")
    known = [one.get("reference") for one in body.get("endpoint", [])]
    for number, reference in enumerate(known):
        if (local(str(reference)) or ("",))[0] != "Endpoint":
            yield Wrong(f"Organization.endpoint[{number}]", "must be relative, to an Endpoint: Endpoint/7.")
    for number, extension in enumerate(body.get("extension", [])):
        if extension.get("url") in PARTS:
            yield from _parts(extension, f"Organization.extension[{number}]", known)


def _parts(extension: dict[str, Any], path: str, endpoints: list[Any]) -> Iterator[Wrong]:
    table = PARTS[extension["url"]]
    found: dict[str, int] = {}
    for one in extension.get("extension", []):
        name = str(one.get("url"))
        part = table.get(name)
        if part is None:
            continue
        found[name] = found.get(name, 0) + 1
        if found[name] > part.most:
            yield Wrong(f"{path}.{name}", "there is one at most.")
        if part.url and not absent(one, part.value) and not is_url(one.get(part.value), image=part.image):
            yield Wrong(f"{path}.{name}", f"must be an https URL{' or data:image/' if part.image else ''}.")
        if not part.url and part.value not in one and not absent(one, part.value):
            yield Wrong(f"{path}.{name}", f"needs a {part.value}.")
        if name == "portalEndpoint" and one.get("valueReference", {}).get("reference") not in endpoints:  # uab-1
            yield Wrong(f"{path}.{name}", "an endpoint of a portal must be one of Organization.endpoint, too.")


def _endpoint(body: dict[str, Any]) -> Iterator[Wrong]:
    versions = [one.get("valueCode") for one in body.get("extension", []) if one.get("url") == VERSION]
    if not versions or not all(_FHIR_VERSION.fullmatch(str(one)) for one in versions):
        yield Wrong("Endpoint.extension(endpoint-fhir-version)", "an endpoint tells its FHIR version: 4.0.1.")
    if not REST.items() <= body.get("connectionType", {}).items():
        yield Wrong("Endpoint.connectionType", "must be hl7-fhir-rest.")
    sites = [one.get("value") for one in body.get("contact", []) if one.get("system") == "url"]
    if not sites or not all(is_url(one) for one in sites):
        yield Wrong("Endpoint.contact", "needs the https URL of a website for developers: system url.")
    payloads = body.get("payloadType", [])
    if len(payloads) != 1 or not any(NO_PAYLOAD.items() <= one.items() for one in payloads[0].get("coding", [])):
        yield Wrong("Endpoint.payloadType", "must be the one code none.")
    if not is_url(body.get("address")):
        yield Wrong("Endpoint.address", "must be the https URL of a FHIR base.")


def _reasons(value: Any, path: str) -> Iterator[Wrong]:
    """Reasons for what is absent, wherever they stand."""
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _reasons(one, f"{path}[{number}]")
    elif isinstance(value, dict):
        if value.get("url") == ABSENT and value.get("valueCode") not in REASONS:
            yield Wrong(path, f"what is absent is so for one of the reasons {', '.join(REASONS)}.")
        for name, one in value.items():
            yield from _reasons(one, f"{path}.{name}")
