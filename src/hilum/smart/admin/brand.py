"""The page on which an organization says what people know it by: its brands, their portals and endpoints.

https://hl7.org/fhir/smart-app-launch/brands.html#conformance-overview: every element that the profiles mark can be set.
What is written is written as the administrator, within their roles.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hilum.fhir.resource import Resource
from hilum.interactions.create import create
from hilum.interactions.update import update
from hilum.oauth import scopes
from hilum.problems import Conflict, Invalid, NotFound, PreconditionFailed
from hilum.smart import looking
from hilum.smart.admin import brand_form
from hilum.smart.admin.gate import Admin, admin
from hilum.smart.apps import brandrules, brands, composing
from hilum.smart.apps.brandrules import CATEGORIES, REASONS, Wrong
from hilum.web.message import Answer, Asked, Form, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.access.policy import Principal
    from hilum.smart.site import Site

NAME: Final = "brand"
PATH: Final = "/admin/brand"
NEW: Final = "new"
HERE: Final = "Endpoint/this-server"
"""Stands for the Endpoint of this server while there is none."""
REACH: Final = scopes.parse("user/Organization.crus user/Endpoint.crus")
DONE: Final = {"kept": "The changes are kept, and published.", "hidden": "The changes are kept. It is not published."}
Body = dict[str, Any]

LABELS: Final = (
    ("Organization.name", "Name"),
    ("Organization.telecom", "Website"),
    ("Organization.type", "Categories"),
    ("Organization.identifier", "Identifiers"),
    ("Organization.endpoint", "Endpoints"),
    ("Endpoint.address", "Address"),
    ("Endpoint.contact", "Website for developers"),
    ("Endpoint.extension(endpoint-fhir-version)", "FHIR versions"),
)
PART_LABELS: Final = {
    "brandLogo": "Logo",
    "brandLogoLicense": "Terms of the logo",
    "brandBundle": "More about the brand",
    "portalName": "Portal: name",
    "portalUrl": "Portal: website",
    "portalDescription": "Portal: description",
    "portalLogo": "Portal: logo",
    "portalLogoLicense": "Portal: terms of the logo",
    "portalEndpoint": "Portal: endpoints",
}


class Choice(NamedTuple):
    """A resource that a form can refer to."""

    reference: str
    title: str


async def overview(site: Site, asked: Asked) -> Answer:
    """GET /admin/brand: what is published, and what can't be."""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    found = (await brands.published(site, now=True)).compiled
    return who.page(
        "admin-brand.html",
        found=found,
        organizations=await brands.stored(site, "Organization"),
        endpoints=await brands.stored(site, "Endpoint"),
        published={(one["resourceType"], one["id"]) for one in (*found.brands, *found.endpoints)},
        unfit=[(body, told(wrong)) for body, wrong in found.unfit],
        url=site.settings.origin + brands.PATH,
        done=DONE.get(asked.query.get("done"), ""),
    )


async def organization(site: Site, asked: Asked, id: str) -> Answer:
    """GET and POST /admin/brand/organization/{id}: a brand, or with the id `new` another one. Raises NotFound."""
    who = await admin(site, asked, NAME, change=True, back=asked.path)
    if isinstance(who, Answer):
        return who
    current = await _current(site, who, "Organization", id)
    endpoints = await _endpoints(site)
    old = current.body if current is not None else await _first(site, endpoints)
    messages: Sequence[str] = ()
    if asked.method == "POST":
        new = brand_form.organization(asked.form, old if current is not None else {})
        messages = told(brandrules.of(new)) or await _refused(_organization(site, who, asked.form, current, new))
        if not messages:
            return _done(new["active"])
        old = new
    others = [
        Choice(f"Organization/{one.id}", one.body.get("name", one.id))
        for one in await brands.stored(site, "Organization")
        if one.id != id
    ]
    fields = brand_form.shown(old)
    fields["addresses"].append(dict.fromkeys(("line", *brand_form.ADDRESS), ""))
    fields["portals"].append(brand_form.portal({}))
    return _form(
        who, "admin-brand-form.html", asked, current, messages,
        fields=fields, endpoints=endpoints, others=others, categories=CATEGORIES, parts_of_address=brand_form.ADDRESS,
    )  # fmt: skip


async def endpoint(site: Site, asked: Asked, id: str) -> Answer:
    """GET and POST /admin/brand/endpoint/{id}: an endpoint, or with the id `new` another one. Raises NotFound."""
    who = await admin(site, asked, NAME, change=True, back=asked.path)
    if isinstance(who, Answer):
        return who
    current = await _current(site, who, "Endpoint", id)
    old = current.body if current is not None else {}
    messages: Sequence[str] = ()
    if asked.method == "POST":
        new = brand_form.endpoint(asked.form, old)
        messages = told(brandrules.of(new)) or await _refused(_written(site, who, asked.form, current, new))
        if not messages:
            return _done(new["status"] == "active")
        old = new
    return _form(
        who, "admin-brand-endpoint.html", asked, current, messages,
        fields=brand_form.shown_endpoint(old), statuses=brand_form.STATUSES,
    )  # fmt: skip


def told(wrong: Iterable[Wrong]) -> list[str]:
    """What is wrong, by the names that the forms have for it."""
    return [f"{label(one.path)}: {one.says}" for one in wrong]


def label(path: str) -> str:
    """What the forms call an element."""
    found = PART_LABELS.get(path.rpartition(".")[2])
    return found or next((text for start, text in LABELS if path.startswith(start)), path)


async def _current(site: Site, who: Admin, type: str, id: str) -> Resource | None:
    """What is to be changed; None: a new one. Raises NotFound."""
    if id == NEW:
        return None
    found = await looking.read(site, who.visitor.account, type, id, REACH)
    if found is None or brands.PROFILES[type] not in found.body.get("meta", {}).get("profile", []):
        raise NotFound("There is no such brand or endpoint.")
    return found


async def _endpoints(site: Site) -> list[Choice]:
    """Those that a brand can have: this server's own is among them, written or not."""
    found = await brands.stored(site, "Endpoint")
    choices = [Choice(f"Endpoint/{one.id}", one.body.get("name") or one.body.get("address", one.id)) for one in found]
    if not any(_is_here(site, one) for one in found):
        choices.insert(0, Choice(HERE, f"This server, {site.settings.base}"))
    return choices


def _is_here(site: Site, endpoint: Resource) -> bool:
    return bool(endpoint.body.get("address") == site.settings.base)


async def _first(site: Site, endpoints: Sequence[Choice]) -> Body:
    """What the form of a new brand begins with: of the first one, what is published without any."""
    found = (await brands.published(site, now=True)).compiled
    if found.default:
        return composing.default(site.settings)[0]
    primary = found.primary or {}
    parent = {"partOf": {"reference": f"Organization/{primary['id']}"}} if primary else {}
    return {"resourceType": "Organization", "endpoint": [{"reference": endpoints[0].reference}], **parent}


async def _organization(site: Site, who: Admin, form: Form, current: Resource | None, new: Body) -> None:
    """Write the brand; the Endpoint of this server first, where it has to be made."""
    if HERE in [one.get("reference") for one in new.get("endpoint", [])]:
        known = [one.id for one in await brands.stored(site, "Endpoint") if _is_here(site, one)]
        if not known:  # else a form of before, or one that was sent twice
            body = composing.endpoint("this-server", site.settings)
            known = [(await create(site.door, _principal(site, who), "Endpoint", body)).resource.id]
        new = _renamed(new, f"Endpoint/{known[0]}")
    await _written(site, who, form, current, new)


async def _written(site: Site, who: Admin, form: Form, current: Resource | None, new: Body) -> None:
    principal, type = _principal(site, who), new["resourceType"]
    if current is None:
        await create(site.door, principal, type, {name: value for name, value in new.items() if name != "id"})
    else:
        await update(site.door, principal, type, current.id, new, f'W/"{form.get("version", "0")}"')


async def _refused(writing: Any) -> list[str]:
    """Why it could not be written; nothing when it was."""
    try:
        await writing
    except PreconditionFailed:
        return ["It was changed by somebody else meanwhile. Look at it again, and say once more what is to be changed."]
    except (Invalid, Conflict) as problem:
        return [str(problem)]
    return []


def _renamed(value: Any, reference: str) -> Any:
    """With that in place of HERE."""
    if isinstance(value, dict):
        return {name: _renamed(one, reference) for name, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, reference) for one in value]
    return reference if value == HERE else value


def _principal(site: Site, who: Admin) -> Principal:
    return looking.principal(site, who.visitor.account, REACH)


def _done(shown: bool) -> Answer:
    return see_other(f"{PATH}?done={'kept' if shown else 'hidden'}")


def _form(
    who: Admin, template: str, asked: Asked, current: Resource | None, messages: Sequence[str], **values: Any
) -> Answer:
    return who.page(
        template,
        422 if messages else 200,
        messages=messages,
        action=asked.path,
        csrf=who.csrf(asked.path),
        version=asked.form.get("version") if asked.method == "POST" else current.version if current else "",
        new=current is None,
        reasons=REASONS,
        back=PATH,
        **values,
    )


ROUTES: Final = (
    Route("GET", PATH, overview),
    Route("GET", f"{PATH}/organization/{{id}}", organization),
    Route("POST", f"{PATH}/organization/{{id}}", organization),
    Route("GET", f"{PATH}/endpoint/{{id}}", endpoint),
    Route("POST", f"{PATH}/endpoint/{{id}}", endpoint),
)
