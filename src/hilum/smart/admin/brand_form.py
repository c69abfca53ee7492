"""The forms of a brand and of its endpoints: what a resource says, as fields, and back.

https://hl7.org/fhir/smart-app-launch/brands.html#must-support-definition-ms-and-data-absent-reasons. What a form has no
field for stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hilum.smart.admin.lists import lines
from hilum.smart.apps import brandrules
from hilum.smart.apps.brandrules import ABSENT, CATEGORIES, CATEGORY, DETAILS, PARTS, PORTAL, REASONS, VERSION
from hilum.web.message import Form

Body = dict[str, Any]

ADDRESS: Final = {"city": "City", "state": "State or region", "postalCode": "Postal code", "country": "Country (US)"}
SINGLE: Final = {
    "name": "portalName",
    "url": "portalUrl",
    "description": "portalDescription",
    "logo": "portalLogo",
    "license": "portalLogoLicense",
}
"""Fields of a portal -> the members of its extension."""
LISTS: Final = {"logo": "brandLogo", "license": "brandLogoLicense", "bundle": "brandBundle"}
STATUSES: Final = ("active", "suspended", "error", "off", "test")
"""https://hl7.org/fhir/R4/valueset-endpoint-status.html, but for what was entered in error."""
MOST: Final = 50


def shown(body: Body) -> dict[str, Any]:
    """A brand as the fields of its form."""
    telecom = (body.get("telecom") or [{}])[0]
    portals = [portal(one) for one in _extensions(body, PORTAL)]
    in_portals = {reference for one in portals for reference in one["endpoints"]}
    references = [str(one.get("reference", "")) for one in body.get("endpoint", [])]
    found = {
        "name": body.get("name", ""),
        "alias": "\n".join(body.get("alias", [])),
        "website": telecom.get("value", ""),
        "website_absent": _reason(telecom, "value"),
        "identifiers": "\n".join(f"{one.get('system', '')}|{one.get('value', '')}" for one in _identifiers(body)),
        "categories": [code for code in CATEGORIES if code in _categories(body)],
        "part_of": body.get("partOf", {}).get("reference", ""),
        "active": bool(body.get("active", True)),
        "addresses": [_address(one) for one in body.get("address", [])],
        "portals": portals,
        "endpoints": [one for one in references if one not in in_portals],
    }
    details = _extensions(body, DETAILS)
    for field, name in LISTS.items():
        found[field] = "\n".join(str(one.get("valueUrl", "")) for all in details for one in _members(all, name))
    return found


def organization(form: Form, old: Body) -> Body:
    """The brand that was sent, in place of `old`."""
    portals = [one for one in (_sent_portal(form, number, old) for number in range(MOST)) if one is not None]
    endpoints = [*form.all("endpoint"), *(text for one in portals for text in _endpoints(one))]
    known = {str(one.get("reference")): one for one in old.get("endpoint", [])}
    details = {
        "url": DETAILS,
        "extension": [
            *({"url": name, "valueUrl": url} for field, name in LISTS.items() for url in lines(form.get(field))),
            *(one for all in _extensions(old, DETAILS) for one in _others(all)),
        ],
    }
    others = [one for one in old.get("extension", []) if one.get("url") not in PARTS]
    website, reason = form.get("website").strip(), form.get("website_absent")
    new = old | {
        "resourceType": "Organization",
        "meta": _meta(old, brandrules.BRAND),
        "extension": [*([details] if details["extension"] else []), *portals, *others],
        "identifier": [_identifier(line, old) for line in lines(form.get("identifiers"))],
        "active": "active" in form,
        "type": _types(form, old),
        "name": form.get("name").strip(),
        "alias": list(lines(form.get("alias"))),
        "telecom": [{"system": "url", **_said("value", website, reason)}] if website or reason in REASONS else [],
        "address": [one for one in (_sent_address(form, number, old) for number in range(MOST)) if one],
        "endpoint": [known.get(text, {"reference": text}) for text in dict.fromkeys(endpoints)],
    }
    if form.get("part_of") != old.get("partOf", {}).get("reference", ""):
        new["partOf"] = {"reference": form.get("part_of")} if form.get("part_of") else []
    return {name: value for name, value in new.items() if value not in ([], "")}


def shown_endpoint(body: Body) -> dict[str, Any]:
    """An endpoint as the fields of its form."""
    return {
        "name": body.get("name", ""),
        "address": body.get("address", ""),
        "status": body.get("status", "active"),
        "versions": "\n".join(str(one.get("valueCode", "")) for one in _extensions(body, VERSION)),
        "sites": "\n".join(str(one.get("value", "")) for one in body.get("contact", []) if one.get("system") == "url"),
    }


def endpoint(form: Form, old: Body) -> Body:
    """The endpoint that was sent, in place of `old`."""
    versions = [{"url": VERSION, "valueCode": text} for text in lines(form.get("versions"))]
    others = [one for one in old.get("extension", []) if one.get("url") != VERSION]
    sites = [{"system": "url", "value": text} for text in lines(form.get("sites"))]
    new = old | {
        "resourceType": "Endpoint",
        "meta": _meta(old, brandrules.ENDPOINT),
        "extension": [*versions, *others],
        "status": form.get("status") if form.get("status") in STATUSES else "active",
        "connectionType": dict(brandrules.REST),
        "name": form.get("name").strip(),
        "contact": [*sites, *(one for one in old.get("contact", []) if one.get("system") != "url")],
        "payloadType": [{"coding": [dict(brandrules.NO_PAYLOAD)]}],
        "address": form.get("address").strip(),
    }
    return {name: value for name, value in new.items() if value not in ([], "")}


def _extensions(body: Mapping[str, Any], url: str) -> list[Body]:
    return [one for one in body.get("extension", []) if one.get("url") == url]


def _members(extension: Body, name: str) -> list[Body]:
    return [one for one in extension.get("extension", []) if one.get("url") == name]


def _others(extension: Body) -> list[Body]:
    """Members that the forms don't know."""
    return [one for one in extension.get("extension", []) if one.get("url") not in PARTS[extension["url"]]]


def _reason(given: Mapping[str, Any], name: str) -> str:
    found = [one.get("valueCode", "") for one in given.get(f"_{name}", {}).get("extension", []) if one["url"] == ABSENT]
    return str(found[0]) if found and name not in given else ""


def _said(name: str, text: str, reason: str) -> Body:
    """A property, or the reason for which it is absent."""
    return {name: text} if text else {f"_{name}": {"extension": [{"url": ABSENT, "valueCode": reason}]}}


def _meta(old: Body, profile: str) -> Body:
    meta = old.get("meta", {})
    return {**meta, "profile": list(dict.fromkeys((*meta.get("profile", []), profile)))}


def _identifiers(body: Body) -> list[Body]:
    return [one for one in body.get("identifier", []) if one.get("value")]


def _identifier(line: str, old: Body) -> Body:
    system, bar, value = line.rpartition("|")
    wanted = {"system": system.strip(), "value": value.strip()} if bar and system.strip() else {"value": value.strip()}
    for one in _identifiers(old):
        if {name: one[name] for name in ("system", "value") if name in one} == wanted:
            return one
    return wanted


def _categories(body: Body) -> set[str]:
    return {
        str(coding.get("code"))
        for type in body.get("type", [])
        for coding in type.get("coding", [])
        if coding.get("system") == CATEGORY
    }


def _types(form: Form, old: Body) -> list[Body]:
    """The categories that are ticked, and what the organization is of besides."""
    others = [
        one for one in old.get("type", []) if not any(each.get("system") == CATEGORY for each in one.get("coding", []))
    ]
    ticked = [code for code in CATEGORIES if code in form.all("category")]
    made = [{"coding": [{"system": CATEGORY, "code": code, "display": CATEGORIES[code]}]} for code in ticked]
    return made + others


def _address(one: Body) -> dict[str, str]:
    return {"line": ", ".join(one.get("line", [])), **{name: one.get(name, "") for name in ADDRESS}}


def _sent_address(form: Form, number: int, old: Body) -> Body:
    fields = {name: form.get(f"address-{number}-{name}").strip() for name in ADDRESS}
    street = form.get(f"address-{number}-line").strip()
    if not street and not any(fields.values()):
        return {}
    before = dict(enumerate(old.get("address", []))).get(number, {})
    kept = {name: value for name, value in before.items() if name not in fields and name not in ("line", "text")}
    same = street == ", ".join(before.get("line", []))
    return (
        kept
        | ({"line": before["line"] if same else [street]} if street else {})
        | {k: v for k, v in fields.items() if v}
    )


def portal(extension: Body) -> dict[str, Any]:
    """A portal as the fields of its form."""
    found: dict[str, Any] = {"endpoints": _endpoints(extension)}
    for field, name in SINGLE.items():
        value = PARTS[PORTAL][name].value
        one = (_members(extension, name) or [{}])[0]
        found[field], found[f"{field}_absent"] = one.get(value, ""), _reason(one, value)
    return found


def _endpoints(portal: Body) -> list[str]:
    return [str(one.get("valueReference", {}).get("reference", "")) for one in _members(portal, "portalEndpoint")]


def _sent_portal(form: Form, number: int, old: Body) -> Body | None:
    """None where all its fields are empty."""
    members: list[Body] = []
    for field, name in SINGLE.items():
        text, reason = form.get(f"portal-{number}-{field}").strip(), form.get(f"portal-{number}-{field}_absent")
        if text or reason in REASONS:
            members.append({"url": name, **_said(PARTS[PORTAL][name].value, text, reason)})
    before = dict(enumerate(_extensions(old, PORTAL))).get(number, {"url": PORTAL})
    known = {
        reference: one for one, reference in zip(_members(before, "portalEndpoint"), _endpoints(before), strict=True)
    }
    members += [
        known.get(text, {"url": "portalEndpoint", "valueReference": {"reference": text}})
        for text in form.all(f"portal-{number}-endpoint")
    ]
    members += _others(before)
    return {"url": PORTAL, "extension": members} if members else None
