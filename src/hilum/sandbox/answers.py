"""What a vendor says when it refuses, and the Bundles of its searches. https://hl7.org/fhir/R4/operationoutcome.html"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final
from uuid import uuid4

import msgspec

from hilum.fhir import json
from hilum.sandbox.exchange import FHIR_JSON, HTML, JSON, NO_STORE, Reply, json_reply
from hilum.sandbox.profile import Profile

NOT_FOUND_PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>404</title></head><body><h2>404</h2></body></html>\n"
BROKEN_PAGE: Final = b"<!DOCTYPE html>\n<html><head><title>500</title></head><body><h2>500</h2></body></html>\n"
_CHALLENGE: Final = b'Bearer error="invalid_token", error_description="The access token is not valid"'


class Entry(msgspec.Struct, omit_defaults=True):
    """An entry as hilum wrote it; the resource is passed on byte for byte."""

    resource: msgspec.Raw
    fullUrl: str = ""
    search: dict[str, str] = {}

    @property
    def is_match(self) -> bool:
        """Whether it was searched for."""
        return self.search.get("mode") == "match"


class Link(msgspec.Struct):
    """A link of a Bundle."""

    relation: str
    url: str


class Bundle(msgspec.Struct, omit_defaults=True):
    """A Bundle of search results."""

    resourceType: str
    type: str
    id: str = ""
    total: int | None = None
    link: list[Link] = []
    entry: list[Entry] = []


_READ: Final = msgspec.json.Decoder(Bundle)
_WRITE: Final = msgspec.json.Encoder()


def bundle(reply: Reply) -> Bundle:
    """The Bundle that hilum answered with."""
    return _READ.decode(reply.body)


def written(found: Bundle) -> bytes:
    """A Bundle as bytes. Without entries it has none: FHIR knows no empty list."""
    return _WRITE.encode(found)


def outcome(profile: Profile, names: Iterable[str]) -> dict[str, Any]:
    """An OperationOutcome of these issues of the profile."""
    return {"resourceType": "OperationOutcome", "issue": [_issue(profile, name) for name in names]}


def _issue(profile: Profile, name: str) -> dict[str, Any]:
    found = profile.issues[name]
    details: dict[str, Any] = {"text": found.text}
    if found.coding:
        details = {"coding": [{"system": profile.codes, "code": found.coding, "display": found.text}], **details}
    return {"severity": found.severity, "code": found.code, "details": details}


def note(profile: Profile, names: Sequence[str]) -> Entry:
    """An entry of mode outcome, beside results."""
    resource = msgspec.Raw(json.encode(outcome(profile, names)))
    return Entry(resource, f"urn:uuid:{uuid4()}", {"mode": "outcome"})


def refusal(profile: Profile, name: str) -> Reply:
    """An answer that is one issue and nothing else."""
    return Reply(profile.issues[name].status, [FHIR_JSON, NO_STORE], json.encode(outcome(profile, (name,))))


def unauthorized(profile: Profile) -> Reply:
    """401: no token, or one that does not hold."""
    body = b'""' if profile.unauthorized == "string" else b""
    return Reply(401, [JSON, NO_STORE, (b"www-authenticate", _CHALLENGE)], body)


def not_found_page() -> Reply:
    """404 of a web server that knows nothing of FHIR."""
    return Reply(404, [HTML], NOT_FOUND_PAGE)


def broken(profile: Profile) -> Reply:
    """500: as an OperationOutcome where the vendor is known to send one, else a page."""
    return refusal(profile, "broken") if "broken" in profile.issues else Reply(500, [HTML], BROKEN_PAGE)


def translated(profile: Profile, reply: Reply) -> Reply:
    """An error of hilum's as this vendor says it."""
    if reply.status == 401 and profile.unauthorized:
        return unauthorized(profile)
    if reply.status == 403 and profile.forbidden == "insufficient-scope":
        message = 'error="insufficient_scope", subcode="no_scope_for_resource_path"'
        return json_reply(403, {"code": 403, "message": message})
    name = profile.errors.get(reply.status)
    return reply if name is None else refusal(profile, name)
