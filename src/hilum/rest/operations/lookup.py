"""`CodeSystem/$lookup` and `CodeSystem/$subsumes`.

https://hl7.org/fhir/R4/codesystem-operation-lookup.html, https://hl7.org/fhir/R4/codesystem-operation-subsumes.html
"""

from __future__ import annotations

from typing import Any, Final

from hilum.interactions.terminology.knowledge import Codes, Held
from hilum.interactions.terminology.looking import looked_up, subsumption
from hilum.problems import Malformed, NotFound
from hilum.rest.message import Request
from hilum.rest.operations.codes import DATE, LANGUAGE, as_of_now, instance, known
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.operations.outputs import Body, Returned, parts, value
from hilum.rest.router import Service
from hilum.terminology import grammars


async def lookup(service: Service, request: Request, inputs: Inputs) -> Returned:
    """All that is known of a code."""
    codes = await known(service, request, "CodeSystem")
    as_of_now(inputs)
    code, coding = inputs.text("code"), inputs.body("coding")
    if (code is None) == (coding is None):
        raise Malformed("Give a code with its system, or a coding.")
    body = await instance(service, request)
    own: Body = {} if body is None else {"system": body.get("url"), "version": body.get("version")}
    named = coding or {"system": inputs.text("system"), "version": inputs.text("version"), "code": code}
    said: Body = own | {name: one for name, one in named.items() if one is not None}
    if own and said.get("system") != own["system"]:
        raise Malformed("The code is of another code system than the one that is asked.")
    if not said.get("system") or not said.get("code"):
        raise Malformed("Both the code and its system are needed.", expression=inputs.place("coding"))
    held = await _held(codes, said["system"], said.get("version"))
    language = inputs.text("displayLanguage") or ""
    found = await looked_up(held, said["code"], language, frozenset(inputs.each("property")))
    shown = [value("name", "string", found.name)]
    if found.version:
        shown.append(value("version", "string", found.version))
    shown.append(value("display", "string", found.display))
    for one in found.designations:
        below = [value("language", "code", one.language)] if one.language else []
        below += [value("use", "Coding", one.use)] if one.use else []
        shown.append(parts("designation", [*below, value("value", "string", one.value)]))
    if found.definition:
        shown.append(_property("definition", "string", found.definition, ""))
    shown += [
        _property(one.code, one.kind, one.value, found.descriptions.get(one.code, "")) for one in found.properties
    ]
    return Returned(tuple(shown))


def _property(code: str, kind: str, content: Any, description: str) -> Body:
    said = [value("description", "string", description)] if description else []
    return parts("property", [value("code", "code", code), value("value", kind, content), *said])


async def _held(codes: Codes, system: str, version: str | None) -> Held:
    held = await codes.system(system, version or "")
    if held is None:
        raise NotFound(await _missing(codes, system, version or ""))
    return held


async def _missing(codes: Codes, system: str, version: str) -> str:
    if grammars.known(system):
        return (
            f"The codes of {system} are made by a rule, and there is no list with their displays and hierarchy: "
            "CodeSystem/$validate-code says whether one is right."
        )
    other = await codes.system(system) if version else None
    if other is not None:
        return (
            f"Version {version[:64]!r} of the code system {system[:200]} is not known here; without a version, "
            f"{other.version or 'one that has none'} is meant."
        )
    return (
        f"The concepts of the code system {system[:200]!r} are not known here: store a CodeSystem of this url with "
        "them, or load it by `hilum ig add` or `hilum terminology import`."
    )


async def subsumes(service: Service, request: Request, inputs: Inputs) -> Returned:
    """How two codes stand to each other."""
    codes = await known(service, request, "CodeSystem")
    body = await instance(service, request)
    system = inputs.text("system") if body is None else str(body.get("url", ""))
    version = inputs.text("version") if body is None else str(body.get("version", ""))
    named, versions = [], {version} if version else set[str]()
    for letter in "AB":
        code, coding = inputs.text(f"code{letter}"), inputs.body(f"coding{letter}")
        if (code is None) == (coding is None):
            raise Malformed(f"Give one of code{letter} and coding{letter}.")
        named.append((system, code) if coding is None else (coding.get("system", system), coding.get("code")))
        versions.update({str(coding["version"])} if coding is not None and "version" in coding else ())
    (a, first), (b, second) = named
    if not a or not b or not first or not second:
        raise Malformed("Each code needs its system.")
    if a != b or (body is not None and a != system):
        raise Malformed("The codes are of different code systems: nothing is known to be between those.")
    if len(versions) > 1:
        raise Malformed("The codes are of different versions of the code system: name one version, or none.")
    outcome = await subsumption(await _held(codes, a, next(iter(versions), None)), first, second)
    return Returned((value("outcome", "code", outcome),))


_SYSTEM: Final = (
    Parameter("system", "uri", "The code system."),
    Parameter("version", "string", "Its version; without it the newest that is not retired."),
)

LOOKUP: Final = Operation(
    code="lookup",
    name="CodeSystem-lookup",
    title="What is known of a code: display, definition, other names, properties, parents and children.",
    text="All properties, or those that are asked for (`property`; `lang.de`: names in German). 404 when the code "
    "system or the code is not known. The token must allow to read all CodeSystems.",
    levels=("type", "instance"),
    types=("CodeSystem",),
    parameters=(
        Parameter("code", "code", "The code."),
        *_SYSTEM,
        Parameter("coding", "Coding", "Instead of code and system."),
        DATE,
        LANGUAGE,
        Parameter("property", "code", "A property to show.", max="*"),
        Parameter("name", "string", "Of the code system.", 1, use="out"),
        Parameter("version", "string", "Of the code system.", use="out"),
        Parameter("display", "string", "The display.", 1, use="out"),
        Parameter(
            "designation", "", "Another name.", max="*", use="out",
            parts=(
                Parameter("language", "code", "Its language.", use="out"),
                Parameter("use", "Coding", "What it is for.", use="out"),
                Parameter("value", "string", "The name.", 1, use="out"),
            ),
        ),
        Parameter(
            "property", "", "A property.", max="*", use="out",
            parts=(
                Parameter("code", "code", "Which.", 1, use="out"),
                Parameter("value", "Element", "Its value.", use="out"),
                Parameter("description", "string", "What the code system says about the property.", use="out"),
            ),
        ),
    ),
    hl7=True,
    needs="r",
    run=lookup,
)  # fmt: skip

SUBSUMES: Final = Operation(
    code="subsumes",
    name="CodeSystem-subsumes",
    title="Whether one code means all that another means.",
    text="By the hierarchy of the code system: `subsumes`, `subsumed-by`, `equivalent` or `not-subsumed`. 404 when the "
    "code system or a code is not known. The token must allow to read all CodeSystems.",
    levels=("type", "instance"),
    types=("CodeSystem",),
    parameters=(
        Parameter("codeA", "code", "The first code."),
        Parameter("codeB", "code", "The second code."),
        *_SYSTEM,
        Parameter("codingA", "Coding", "Instead of codeA."),
        Parameter("codingB", "Coding", "Instead of codeB."),
        Parameter("outcome", "code", "How the first stands to the second.", 1, use="out"),
    ),
    hl7=True,
    needs="r",
    run=subsumes,
)
