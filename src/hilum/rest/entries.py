"""Reading Bundle.entry.request and what comes with it. https://hl7.org/fhir/R4/bundle-definitions.html#Bundle.entry.request"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from hilum.fhir import definitions
from hilum.problems import Invalid
from hilum.rest import media

Headers = dict[bytes, bytes]
_PATCHES = (media.JSON_PATCH, media.XML_PATCH)


def _names(path: str) -> frozenset[str]:
    names = {element.name for element in definitions.elements("Bundle", path)}
    return frozenset(names | {f"_{name}" for name in names} | ({"resourceType"} if not path else set()))


_KNOWN = {path: _names(path) for path in ("", "entry", "entry.request")}


def check_names(value: dict[str, Any], path: str, where: str) -> None:
    """Raises Invalid naming a property that Bundle, entry or entry.request has not; resources are judged later."""
    unknown = value.keys() - _KNOWN[path]
    if unknown:
        name = min(unknown)
        raise Invalid(f"There is no property {name[:64]!r} here in R4.", expression=f"{where}.{name[:64]}")


def asked(entry: dict[str, Any], where: str) -> dict[str, Any]:
    """entry.request. Raises Invalid naming the place when there is none, or when something unknown is beside it."""
    check_names(entry, "entry", where)
    request = entry.get("request")
    if type(request) is not dict:
        raise Invalid("An entry of a batch or transaction needs a request.", expression=f"{where}.request")
    check_names(request, "entry.request", f"{where}.request")
    return request


def text(request: dict[str, Any], name: str, where: str) -> str:
    """A property of entry.request. Raises Invalid when it is missing or not a string."""
    value = request.get(name)
    if type(value) is not str or not value:
        raise Invalid(f"request.{name} must be a text.", expression=f"{where}.request.{name}")
    return value


def given(request: dict[str, Any], name: str, where: str) -> str | None:
    """A property of entry.request, None without it. Raises Invalid when it is not a string."""
    return text(request, name, where) if name in request else None


def body_and_type(entry: dict[str, Any], headers: Headers, where: str) -> tuple[bytes, dict[str, Any] | None]:
    """(body bytes, parsed resource) of an entry, one of them; sets the content type in `headers`.

    A JSON Patch or an XML Patch comes as a Binary that holds it: https://hl7.org/fhir/R4/http.html#patch
    """
    resource = entry.get("resource")
    if resource is None:
        return b"", None
    if type(resource) is not dict:
        raise Invalid("entry.resource must be an object.", expression=f"{where}.resource")
    is_patch = asked(entry, where).get("method") == "PATCH"
    if is_patch and resource.get("resourceType") == "Binary" and resource.get("contentType") in _PATCHES:
        headers[b"content-type"] = resource["contentType"].encode()
        try:
            return base64.b64decode(resource.get("data", ""), validate=True), None
        except (binascii.Error, TypeError, ValueError):
            raise Invalid("The data of the Binary is not base64.", expression=f"{where}.resource.data") from None
    headers[b"content-type"] = b"application/fhir+json"
    return b"", resource
