"""Which brands and endpoints are published, and which brand is the server's own.

https://hl7.org/fhir/smart-app-launch/brands.html#conformance-overview
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hilum.fhir.resource import Resource
from hilum.smart.apps import brandrules
from hilum.smart.apps.brandrules import Wrong

if TYPE_CHECKING:
    from hilum.smart.site import SiteSettings

URI: Final = "urn:ietf:rfc:3986"

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Compiled:
    """`brands` and `endpoints` as they are published, the primary brand first. `primary` None: it can't be told which
    brand it is. `unfit`: what can't be published, and why. `default`: nothing was written yet.
    """

    brands: tuple[Body, ...]
    endpoints: tuple[Body, ...]
    primary: Body | None
    identifier: dict[str, str] | None = None
    unfit: tuple[tuple[Body, tuple[Wrong, ...]], ...] = ()
    default: bool = False


def composed(organizations: Sequence[Resource], endpoints: Sequence[Resource], settings: SiteSettings) -> Compiled:
    """What of these is published: what is active and as the profiles have it."""
    fit, unfit = _fit([one.body for one in endpoints if one.body.get("status") == "active"], {})
    reached = {f"Endpoint/{one['id']}": one for one in fit}
    active = [one.body for one in organizations if one.body.get("active", True)]
    shown, wrong = _fit(active, reached)
    if not shown:
        brand, endpoint = default(settings)
        return Compiled((brand,), (endpoint,), brand, brand["identifier"][0], (*unfit, *wrong), default=True)
    primary, identifier = _primary(shown, settings.brand)
    used = sorted({reference for one in shown for reference in _references(one)})
    if primary is not None:  # it names all endpoints of the bundle, as the guide has it
        more = [{"reference": one} for one in used if one not in _references(primary)]
        own = primary | {"endpoint": [*primary.get("endpoint", []), *more], "meta": _unstamped(primary)}
        shown = [own if more else primary, *(one for one in shown if one is not primary)]
        primary = shown[0]
    return Compiled(tuple(shown), tuple(reached[one] for one in used), primary, identifier, (*unfit, *wrong))


def default(settings: SiteSettings) -> tuple[Body, Body]:
    """The brand, and its endpoint, of a server for which nobody has written one."""
    origin, name = settings.origin, settings.organization
    reference = {"reference": "Endpoint/this-server"}
    parts = [
        {"url": "portalName", "valueString": name},
        {"url": "portalUrl", "valueUrl": f"{origin}/auth/account"},
        {"url": "portalEndpoint", "valueReference": reference},
    ]
    brand = {
        "resourceType": "Organization",
        "id": "this-server",
        "meta": {"profile": [brandrules.BRAND]},
        "extension": [{"url": brandrules.PORTAL, "extension": parts}],
        "identifier": [{"system": URI, "value": web_origin(origin)}],
        "active": True,
        "name": name,
        "telecom": [{"system": "url", "value": origin}],
        "endpoint": [reference],
    }
    return brand, endpoint("this-server", settings)


def endpoint(id: str, settings: SiteSettings) -> Body:
    """This server as an Endpoint of a brand."""
    return {
        "resourceType": "Endpoint",
        "id": id,
        "meta": {"profile": [brandrules.ENDPOINT]},
        "extension": [{"url": brandrules.VERSION, "valueCode": "4.0.1"}],
        "status": "active",
        "connectionType": dict(brandrules.REST),
        "name": f"FHIR R4 of {settings.organization}",
        "contact": [{"system": "url", "value": settings.origin}],
        "payloadType": [{"coding": [dict(brandrules.NO_PAYLOAD)]}],
        "address": settings.base,
    }


def web_origin(url: str) -> str:
    """What the guide recommends as identifier: where the brand is on the web, without `www.` and path."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].removeprefix('www.')}"


def _fit(bodies: list[Body], endpoints: dict[str, Body]) -> tuple[list[Body], list[tuple[Body, tuple[Wrong, ...]]]]:
    fit, unfit = [], []
    for body in bodies:
        wrong = brandrules.of(body)
        if not wrong and body["resourceType"] == "Organization":
            says = "names no active Endpoint that is fit to be published."
            wrong = tuple(Wrong("Organization.endpoint", says) for one in _references(body) if one not in endpoints)[:1]
        if wrong:
            unfit.append((body, wrong))
        else:
            fit.append(body)
    return fit, unfit


def _unstamped(body: Body) -> Body:
    """What is said of a resource that is not shown as it is stored: it is as old as the bundle."""
    return {name: value for name, value in body["meta"].items() if name != "lastUpdated"}


def _references(body: Body) -> list[str]:
    return [one["reference"] for one in body.get("endpoint", [])]


def _primary(shown: Sequence[Body], setting: str) -> tuple[Body | None, dict[str, str] | None]:
    """The brand of this server and the identifier that is no other's: the one of the setting, or the only one that is
    part of no other. None where that can't be told.
    """
    named = [(one, _pair(identifier)) for one in shown for identifier in one.get("identifier", [])]
    if setting:
        found = [(one, pair) for one, pair in named if "|".join(pair) == setting]
        return (found[0][0], _said(found[0][1])) if len(found) == 1 else (None, None)
    ids = {f"Organization/{one['id']}" for one in shown}
    roots = [one for one in shown if one.get("partOf", {}).get("reference") not in ids]
    if len(roots) != 1:
        return None, None
    pairs = [pair for _, pair in named]
    own = next((pair for one, pair in named if one is roots[0] and pairs.count(pair) == 1), None)
    return roots[0], None if own is None else _said(own)


def _pair(identifier: dict[str, Any]) -> tuple[str, str]:
    return str(identifier.get("system", "")), str(identifier["value"])


def _said(pair: tuple[str, str]) -> dict[str, str]:
    return {name: text for name, text in zip(("system", "value"), pair, strict=True) if text}
