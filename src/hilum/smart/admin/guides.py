"""The pages of implementation guides: which are loaded, what their profiles ask for, and a package put in or taken out.

What is written is written as the administrator, within their roles. A package comes as multipart/form-data, and is read
only when it is clear who sends it. https://www.rfc-editor.org/rfc/rfc7578
"""

from __future__ import annotations

import asyncio
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from hilum.guides import documents, naming
from hilum.guides.package import DEFINITIONS, read
from hilum.interactions import guides
from hilum.interactions.guides import Guide
from hilum.interactions.shelf import required
from hilum.oauth.scopes import Scope
from hilum.problems import Conflict, Forbidden, Invalid, Malformed, TooLarge
from hilum.smart import looking
from hilum.smart.admin.gate import Admin, admin
from hilum.smart.multipart import parsed
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.access.policy import Principal
    from hilum.smart.site import Site

NAME: Final = "guides"
PATH: Final = "/admin/guides"
REACH: Final = tuple(Scope("user", type, frozenset("cruds")) for type in sorted(DEFINITIONS))
LARGEST: Final = 32 * 1024 * 1024
"""Bytes of an upload. Larger packages are for `hilum ig add`."""


async def overview(site: Site, asked: Asked) -> Answer:
    """GET /admin/guides"""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    return await _overview(site, asked, who)


async def _overview(
    site: Site, asked: Asked, who: Admin, message: str = "", report: guides.Report | None = None, status: int = 422
) -> Answer:
    found = await guides.guides(site.door)
    return who.page(
        "admin-guides.html",
        status if message else 200,
        guides=[(one, naming.record_of(one.label)) for one in found],
        needed=await required(site.door.store),
        message=message,
        report=report,
        done="The guide is removed." if "removed" in asked.query else "",
        csrf=who.csrf(PATH),
        largest=LARGEST >> 20,
    )


async def upload(site: Site, asked: Asked) -> Answer:
    """POST /admin/guides: a package."""
    looks = await admin(site, replace(asked, method="GET"), NAME, change=True)
    if isinstance(looks, Answer):  # who is nobody may not send large bodies
        return looks
    form = parsed(asked.header(b"content-type"), await asked.more())
    asked.form = form.form
    who = await admin(site, asked, NAME, change=True, back=PATH)
    if isinstance(who, Answer):
        return who
    try:
        package = await asyncio.to_thread(read, io.BytesIO(form.files.get("package", b"")))
        await who.tell("setting", {"guide": package.label})
        report = await guides.add(site.door, _principal(site, who), package)
    except (Malformed, Invalid, Conflict, TooLarge) as problem:
        return await _overview(site, asked, who, str(problem))
    return await _overview(site, asked, who, report=report)


async def guide(site: Site, asked: Asked, id: str) -> Answer:
    """GET /admin/guides/{id}: one guide, with its profiles."""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    one = await _of(site, id)
    return await _none(site, asked, who) if one is None else await _guide(site, who, one)


async def _guide(site: Site, who: Admin, one: Guide, message: str = "", status: int = 422) -> Answer:
    ((_, bodies),) = await guides.profiles(site.door, one.name, one.version)
    musts = await asyncio.to_thread(lambda: [sum(e.must for e in documents.elements(body)) for body in bodies])
    needed = await _needed(site)
    rows = [(body, must, _name(body) in needed) for body, must in zip(bodies, musts, strict=True)]
    id = naming.record_of(one.label)
    return who.page(
        "admin-guide.html",
        status if message else 200,
        guide=one,
        profiles=[row for row in rows if row[0].get("type") != "Extension"],
        extensions=[row for row in rows if row[0].get("type") == "Extension"],
        id=id,
        message=message,
        action=f"{PATH}/{id}/remove",
        csrf=who.csrf(f"{PATH}/{id}/remove"),
    )


async def remove(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/guides/{id}/remove: where somebody has said that it is meant."""
    who = await admin(site, asked, NAME, change=True, back=f"{PATH}/{id}")
    if isinstance(who, Answer):
        return who
    one = await _of(site, id)
    if one is None:
        return await _none(site, asked, who)
    if asked.form.get("sure") != "yes":
        return await _guide(site, who, one, "Nothing is removed yet: tick the box to say that it is meant.")
    try:
        await who.tell("setting", {"guide removed": one.label})
        await guides.remove(site.door, _principal(site, who), one.name, one.version)
    except Conflict as problem:
        return await _guide(site, who, one, str(problem))
    return see_other(f"{PATH}?removed=1")


async def profile(site: Site, asked: Asked, id: str, profile: str) -> Answer:
    """GET /admin/guides/{id}/{profile}: what a profile says, element by element."""
    who = await admin(site, asked, NAME)
    if isinstance(who, Answer):
        return who
    one = await _of(site, id)
    if one is None:
        return await _none(site, asked, who)
    ((_, bodies),) = await guides.profiles(site.door, one.name, one.version)
    body = next((body for body in bodies if body["id"] == profile), None)
    if body is None:
        return await _guide(site, who, one, "The guide has no profile at this address. These are its profiles.", 404)
    elements, rules = await asyncio.to_thread(lambda: (documents.elements(body), documents.rules(body)))
    required = _name(body) in await _needed(site)
    return who.page(
        "admin-profile.html", guide=one, id=id, profile=body, elements=elements, rules=rules, required=required
    )


async def _of(site: Site, id: str) -> Guide | None:
    return next((one for one in await guides.guides(site.door) if naming.record_of(one.label) == id), None)


async def _none(site: Site, asked: Asked, who: Admin) -> Answer:
    text = "No guide is loaded under this address; perhaps it was removed. The list has those that are loaded."
    return await _overview(site, asked, who, text, status=404)


async def _needed(site: Site) -> frozenset[tuple[str, str]]:
    """Url and version of the profiles that are required: without a version the latest is meant."""
    structures = await site.door.shelf.definitions(site.door.store)
    named = [url for urls in (await required(site.door.store)).values() for url in urls]
    return frozenset(_name(body) for body in map(structures.structure, named) if body is not None)


def _name(body: documents.Body) -> tuple[str, str]:
    return str(body.get("url", "")), str(body.get("version", ""))


def _principal(site: Site, who: Admin) -> Principal:
    """Raises Forbidden where the roles don't let one write definitions."""
    found = looking.principal(site, who.visitor.account, REACH)
    if not found.policy.permits("StructureDefinition", "c"):
        raise Forbidden("Your roles do not let you write definitions.")
    return found


ROUTES: Final = (
    Route("GET", PATH, overview),
    Route("POST", PATH, upload, most=LARGEST),
    Route("GET", f"{PATH}/{{id}}", guide),
    Route("POST", f"{PATH}/{{id}}/remove", remove),
    Route("GET", f"{PATH}/{{id}}/{{profile}}", profile),
)
