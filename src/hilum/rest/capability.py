"""The CapabilityStatement, made from the route table and the search parameters, so that it can't lie.

https://hl7.org/fhir/R4/capabilitystatement.html
"""

from __future__ import annotations

import hashlib
from typing import Any

from hilum import __version__
from hilum.fhir import json
from hilum.fhir.definitions import FHIR_VERSION, TYPES, compartments
from hilum.interactions.guides import offered
from hilum.interactions.shelf import NO_GUIDES, Offered
from hilum.oauth.endpoints import CAPABILITIES, PATHS
from hilum.problems import Malformed
from hilum.rest import media, searching, stu3, subset
from hilum.rest.conditions import etag
from hilum.rest.message import FHIR_JSON, Request, Response
from hilum.rest.operations.table import OPERATIONS
from hilum.rest.paging import once
from hilum.rest.router import Route, Service
from hilum.search.parameters import Registry
from hilum.terminology import grammars

DATE = "2026-11-22"
"""When what this file says last changed."""

INTERACTIONS = {
    "instance": frozenset({"read", "vread", "update", "patch", "delete", "history-instance"}),
    "type": frozenset({"history-type", "create", "search-type"}),
    "system": frozenset({"transaction", "batch", "search-system", "history-system"}),
}
"""The codes of https://hl7.org/fhir/R4/valueset-type-restful-interaction.html and system-restful-interaction."""


async def capabilities(service: Service, request: Request) -> Response:
    """`GET metadata`, with the `mode` of https://hl7.org/fhir/R4/http.html#capabilities

    `normative` may leave out what is not normative, and leaves out nothing: nothing marks a part of a
    CapabilityStatement as trial use but the standard that it is about.
    """
    mode = once(request.parameters).get("mode", "full")
    make = _MODES.get(mode)
    if make is None:
        raise Malformed(f"mode must be one of {', '.join(_MODES)}.")
    catalogue = await service.door.store.learn()
    loaded = await offered(service.door)
    digest = hashlib.sha256(repr(loaded).encode()).hexdigest()
    name = f"{make.__name__} {catalogue.generation} {' '.join(service.opened.types)} {digest}"
    body = service.documents.get(name)
    if body is None:
        body = json.encode(make(service, loaded))
        for old in [key for key in service.documents if key.startswith(f"{make.__name__} ")]:
            del service.documents[old]
        service.documents[name] = body
    if request.form is not None and request.form.version == "3.0":
        body = json.encode(stu3.capabilities(json.parse(body)))
    if not request.shown.whole:
        body = json.encode(subset.subset(json.parse(body), request.shown))
    tag = hashlib.sha256(body).hexdigest()[:16]
    headers = [FHIR_JSON, (b"cache-control", b"no-cache"), (b"etag", etag(tag).encode())]
    if tag in (request.header(b"if-none-match") or ""):
        return Response(304, headers[1:])
    return Response(200, headers, body)


def statement(service: Service, loaded: Offered = NO_GUIDES) -> dict[str, Any]:
    """The CapabilityStatement of this server. `loaded`: what its guides say that it supports."""
    routes = service.router.routes
    registry = service.door.store.catalogue.searchable
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "publisher": "hilum",
        "kind": "instance",
        "software": {"name": "hilum", "version": __version__},
        "implementation": {"description": f"hilum, {service.environment}", "url": service.door.base},
        "fhirVersion": FHIR_VERSION,
        "format": ["json", "xml", "application/fhir+json", "application/fhir+xml"],
        "patchFormat": [media.JSON_PATCH, media.XML_PATCH, "application/fhir+json", "application/fhir+xml"],
        **({"implementationGuide": list(loaded.guides)} if loaded.guides else {}),
        "rest": [
            {
                "mode": "server",
                "documentation": "A transaction happens whole or not at all, whatever its size up to the byte limit.",
                "security": _security(service),
                "resource": [
                    _resource(type_, routes, registry, service.door.base, loaded.profiles.get(type_, ()))
                    for type_ in TYPES
                ],
                "interaction": [{"code": code} for code in _codes(routes, "system")],
                "searchParam": searching.general(full_text=service.door.store.full_text),
                "operation": _operations(service.door.base),
                "compartment": [f"http://hl7.org/fhir/CompartmentDefinition/{name.lower()}" for name in compartments()],
            }
        ],
    }


def terminology(service: Service, _: Offered = NO_GUIDES) -> dict[str, Any]:
    """The TerminologyCapabilities, as far as they do not depend on what is loaded: everybody may read them.

    https://hl7.org/fhir/R4/terminologycapabilities.html
    """
    (expand,) = (one for one in OPERATIONS if one.name == "ValueSet-expand")
    return {
        "resourceType": "TerminologyCapabilities",
        "version": __version__,
        "status": "active",
        "date": DATE,
        "publisher": "hilum",
        "description": "R4's own code systems and value sets, those that are stored here as CodeSystem and ValueSet, "
        "and those that were imported: search CodeSystem for which. Of the code systems listed here a rule says which "
        "codes there are. No other server is asked.",
        "kind": "instance",
        "software": {"name": "hilum", "version": __version__},
        "implementation": {"description": f"hilum, {service.environment}", "url": service.door.base},
        "codeSystem": [{"uri": url, "subsumption": False} for url in grammars.systems()],
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": one.name, "documentation": one.text} for one in expand.inputs],
            "textFilter": "Every word must begin a word of a display or designation; case and accents do not count.",
        },
        "codeSearch": "explicit",
        "validateCode": {"translations": True},
        "translation": {"needsMap": True},
        "closure": {"translation": False},
    }


_MODES = {"full": statement, "normative": statement, "terminology": terminology}


_REGISTRY = "http://fhir-registry.smarthealthit.org/StructureDefinition"


def _security(service: Service) -> dict[str, Any]:
    """Where tokens come from, in words and, where there is an authorization server, for older SMART clients, too.

    http://hl7.org/fhir/smart-app-launch/1.0.0/conformance/index.html#using-cs
    """
    if not service.token_needed:
        text = "This server runs with --auth off: no token is needed. It listens on loopback only."
        return {"cors": False, "description": text}
    text = "Every request but this one needs a bearer token (RFC 6750) with SMART scopes; `hilum token` makes one."
    if not service.issuer:
        return {"cors": False, "description": text}
    opened = service.opened.types
    but = f", or read and search of {', '.join(opened)}," if opened else ""
    places = [{"url": name, "valueUri": service.issuer + path} for name, path in PATHS.items()]
    code = {
        "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
        "code": "SMART-on-FHIR",
        "display": "SMART-on-FHIR",
    }
    return {
        "extension": [
            {"url": f"{_REGISTRY}/oauth-uris", "extension": places},
            *({"url": f"{_REGISTRY}/capabilities", "valueCode": one} for one in CAPABILITIES),
        ],
        "cors": True,
        "service": [
            {"coding": [code], "text": "OAuth2 using SMART-on-FHIR profile (see http://docs.smarthealthit.org)"}
        ],
        "description": f"Every request but this one{but} needs a bearer token (RFC 6750) with SMART scopes: see "
        f"{service.door.base}/.well-known/smart-configuration",
    }


def _resource(
    type_: str, routes: tuple[Route, ...], registry: Registry, base: str, profiles: tuple[str, ...]
) -> dict[str, Any]:
    conditional = {route.interaction for route in routes if route.criteria}
    out: dict[str, Any] = {
        "type": type_,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{type_}",
        **({"supportedProfile": list(profiles)} if profiles else {}),
        "interaction": [{"code": code} for code in [*_codes(routes, "instance"), *_codes(routes, "type")]],
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": "create" in conditional,
        "conditionalRead": "full-support",
        "conditionalUpdate": "update" in conditional,
        "conditionalDelete": "multiple" if "delete" in conditional else "not-supported",
        "referencePolicy": ["literal", "logical", "local"],
        **searching.of_type(type_, registry),
    }
    out["operation"] = _operations(base, type_)
    return out


def _operations(base: str, type_: str = "") -> list[dict[str, str]]:
    """The operations of the system, or of one type, its instances among them."""
    own = [one for one in OPERATIONS if not one.reserved and (one.of(type_) if type_ else "system" in one.levels)]
    listed = sorted(own, key=lambda one: (one.code, one.name))
    return [{"name": one.code, "definition": one.canonical(base)} for one in listed]


def _codes(routes: tuple[Route, ...], level: str) -> list[str]:
    """The codes of interactions at one level, in the order of the table, each once."""
    found = (route.interaction for route in routes if route.level == level and route.interaction[:1] != "$")
    return [code for code in dict.fromkeys(found) if code in INTERACTIONS[level]]
