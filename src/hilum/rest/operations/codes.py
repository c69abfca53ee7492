"""What the operations on codes have in common: who may ask, the definitions as they are now, which code is meant.

https://hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

import time
from typing import Any, Final, NamedTuple

from hilum.interactions import read
from hilum.interactions.build import apart
from hilum.interactions.permit import permits, unlimited
from hilum.interactions.terminology.knowledge import Codes, codes
from hilum.problems import Forbidden, Invalid, Issue, Malformed, NotFound, Unprocessable
from hilum.rest.message import Request
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Parameter
from hilum.rest.router import Service
from hilum.search.dates import interval
from hilum.validation import validate

Body = dict[str, Any]

MOST_CODINGS: Final = 100
"""Codings of a CodeableConcept."""
_DAY: Final = 86_400_000_000
"""Microseconds: where it is today, nobody says."""
DATE: Final = Parameter("date", "dateTime", "As of when: today, or later. What was so before can't be told.")
CONTEXT: Final = Parameter("context", "uri", "Instead of url: what an element is bound to, `[profile]#[element]`.")
LANGUAGE: Final = Parameter("displayLanguage", "code", "The language of the display; `de` is any German.")
RESULT: Final = (
    Parameter("result", "boolean", "Whether the code is valid.", 1, use="out"),
    Parameter("message", "string", "Why it is not, or what is to be said of it.", use="out"),
    Parameter("display", "string", "The display that the code has.", use="out"),
)


class Coded(NamedTuple):
    """One code that is asked about."""

    system: str | None
    code: str
    version: str
    display: str | None


async def known(service: Service, request: Request, *types: str) -> Codes:
    """The definitions as they are now, for who may read all of these types: an answer tells of any of them.

    Raises Forbidden.
    """
    for type in types:
        if not unlimited(permits(request.who, type, "r")):
            raise Forbidden(
                f"The token lets only some {type} resources be read; this operation may tell of any of them."
            )
    door = service.door
    return await codes(door.store, door.base, door.codes)


async def instance(service: Service, request: Request) -> Body | None:
    """The resource whose instance is asked, as a read of it; None at the level of the type."""
    if len(request.path) < 3:
        return None
    return (await read.read(service.door, request.who, request.path[0], request.path[1])).body


async def given(request: Request, inputs: Inputs, name: str) -> Body | None:
    """A resource that came along, if it is sound. Raises Invalid."""
    body = inputs.body(name)
    if body is None:
        return None
    found = await apart(request.size, validate, body)
    issues = tuple(one for one in found if one.severity in ("error", "fatal"))
    if issues:
        raise Invalid(issues=issues)
    return body


def as_of_now(inputs: Inputs) -> None:
    """Raises Unprocessable where definitions are asked for as they were on another day.

    "or return an error if this is not possible": https://hl7.org/fhir/R4/valueset-operation-expand.html
    """
    date = inputs.text("date")
    if date is not None and interval(date)[1] < time.time_ns() // 1000 - _DAY:
        text = "Only what is so now can be told, and not what was so on a day before: leave date out."
        raise Unprocessable(issues=(Issue("error", "not-supported", text, inputs.place("date")),))


async def _bound(service: Service, request: Request, context: str, place: str) -> str:
    """The value set that an element of a profile is bound to. Raises NotFound."""
    if not unlimited(permits(request.who, "StructureDefinition", "r")):
        raise Forbidden("The token lets only some StructureDefinition resources be read, and context names one.")
    profile, _, element = context.partition("#")
    structures = await service.door.shelf.definitions(service.door.store, fresh=True)
    body = structures.structure(profile)
    if body is None:
        raise NotFound(f"The profile {profile[:200]} {structures.why_not(profile)}.", expression=place)
    for one in body["snapshot"]["element"]:
        if element in (one.get("id"), one.get("path"), one.get("sliceName")) and "binding" in one:
            value_set: str | None = one["binding"].get("valueSet")
            if value_set is not None:
                return value_set
    raise NotFound(f"No element {element[:200]!r} of {profile[:200]} is bound to a value set.", expression=place)


async def value_set(service: Service, request: Request, inputs: Inputs, found: Codes) -> tuple[str, Body]:
    """The ValueSet that is meant, and the name by which what follows from it is remembered ("": not at all)."""
    body = await instance(service, request)
    url, inline, context = inputs.text("url"), await given(request, inputs, "valueSet"), inputs.text("context")
    if sum(one is not None for one in (body, url, inline, context)) != 1:
        raise Malformed("Name one value set: by its instance, by url, by context, or by valueSet.")
    if context is not None:
        url = await _bound(service, request, context, inputs.place("context"))
    if inline is not None:
        return "", inline
    if body is not None:
        return f"ValueSet/{request.path[1]}", body
    version = inputs.text("valueSetVersion")
    name = f"{url}|{version}" if version else str(url)
    known = await found.value_set(name)
    if known is None:
        other = name.partition("|")[0]
        found_other = other != name and await found.value_set(other) is not None
        raise NotFound(
            "No ValueSet of this url and version is known here, but one of another version: leave the version out."
            if found_other
            else "No ValueSet of this url (and version) is known here: store it, or send it along as valueSet."
        )
    return name, known


def codings(inputs: Inputs, system: str | None, version: str) -> list[Coded]:
    """The codes that are asked about, as code, coding or codeableConcept. Raises Malformed."""
    code, coding, concept = inputs.text("code"), inputs.body("coding"), inputs.body("codeableConcept")
    if sum(one is not None for one in (code, coding, concept)) != 1:
        raise Malformed("Give one of code, coding and codeableConcept.")
    if code is not None:
        return [Coded(system, code, version, inputs.text("display"))]
    some = [coding] if coding is not None else (concept or {}).get("coding", [])
    if len(some) > MOST_CODINGS:
        raise Malformed(f"codeableConcept has more than {MOST_CODINGS} codings.")
    found = [
        Coded(one.get("system", system), one["code"], str(one.get("version", version)), one.get("display"))
        for one in some
        if isinstance(one.get("code"), str)
    ]
    if not found:
        where = inputs.place("coding" if coding is not None else "codeableConcept")
        raise Malformed("There is no coding with a code to judge.", expression=where)
    return found
