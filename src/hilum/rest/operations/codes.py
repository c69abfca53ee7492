"""What the operations on codes have in common: who may ask, the definitions as they are now, which code is meant.

https://hl7.org/fhir/R4/terminology-service.html
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from hilum.interactions import read
from hilum.interactions.build import apart
from hilum.interactions.permit import permits, unlimited
from hilum.interactions.terminology.knowledge import Codes, codes
from hilum.problems import Forbidden, Invalid, Malformed, NotFound
from hilum.rest.message import Request
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Parameter
from hilum.rest.router import Service
from hilum.validation import validate

Body = dict[str, Any]

MOST_CODINGS: Final = 100
"""Codings of a CodeableConcept."""
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


async def value_set(service: Service, request: Request, inputs: Inputs, found: Codes) -> tuple[str, Body]:
    """The ValueSet that is meant, and the name by which what follows from it is remembered ("": not at all)."""
    body = await instance(service, request)
    url, inline = inputs.text("url"), await given(request, inputs, "valueSet")
    if sum(one is not None for one in (body, url, inline)) != 1:
        raise Malformed("Name one value set: by its instance, by url, or by valueSet.")
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
        raise Malformed("There is no coding with a code to judge.", expression=inputs.place("codeableConcept"))
    return found
