"""`ValueSet/$expand`. https://hl7.org/fhir/R4/valueset-operation-expand.html"""

from __future__ import annotations

from typing import Final

from hilum.interactions.terminology.expanding import MOST, Asked, expansion
from hilum.interactions.terminology.members import Pins, members, members_of
from hilum.problems import Malformed
from hilum.rest.message import Request
from hilum.rest.operations.codes import CONTEXT, DATE, LANGUAGE, as_of_now, known, value_set
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.operations.outputs import Returned, resource
from hilum.rest.router import Service

_DEFINITION: Final = ("compose", "text", "contained")


async def expand(service: Service, request: Request, inputs: Inputs) -> Returned:
    """The value set with its expansion."""
    codes = await known(service, request, "ValueSet", "CodeSystem")
    as_of_now(inputs)
    asked = _asked(inputs)
    name, body = await value_set(service, request, inputs, codes)
    found = await (members(codes, name, asked.pins) if name else members_of(codes, body, asked.pins))
    shown = {
        key: value
        for key, value in body.items()
        if key != "expansion" and (key not in _DEFINITION or inputs.flag("includeDefinition"))
    }
    shown.setdefault("status", "active")
    return Returned((resource("return", shown | {"expansion": await expansion(found, asked)}),))


def _asked(inputs: Inputs) -> Asked:
    if inputs.text("contextDirection") not in (None, "incoming", "outgoing"):
        raise Malformed("contextDirection must be incoming or outgoing.", expression=inputs.place("contextDirection"))
    offset, count = inputs.number("offset") or 0, inputs.number("count")
    for name, number in (("offset", offset), ("count", count or 0)):
        if number < 0:
            raise Malformed(f"{name} must be 0 or more.", expression=inputs.place(name))
    return Asked(
        filter=inputs.text("filter") or "",
        offset=offset,
        count=count,
        active=bool(inputs.flag("activeOnly")),
        designations=bool(inputs.flag("includeDesignations")),
        designation=tuple(inputs.each("designation")),
        nested=inputs.flag("excludeNested") is False,
        selectable=bool(inputs.flag("excludeNotForUI")),
        language=inputs.text("displayLanguage") or "",
        pins=pins(inputs),
    )


def pins(inputs: Inputs) -> Pins:
    """The versions of code systems that are asked for. Raises Malformed."""
    return Pins(
        _versions(inputs, "system-version"),
        _versions(inputs, "check-system-version"),
        _versions(inputs, "force-system-version"),
        frozenset(str(one).partition("|")[0] for one in inputs.each("exclude-system")),
    )


def _versions(inputs: Inputs, name: str) -> tuple[tuple[str, str], ...]:
    found = []
    for number, one in enumerate(inputs.each(name)):
        url, bar, version = str(one).partition("|")
        if not (url and bar and version):
            raise Malformed(f"{name} must be [system]|[version].", expression=inputs.place(name, number))
        found.append((url, version))
    return tuple(found)


_VERSIONS: Final = tuple(
    Parameter(name, "canonical", text, max="*")
    for name, text in (
        ("exclude-system", "A code system whose codes are left out."),
        ("system-version", "`[system]|[version]`: the version where the value set names none."),
        ("check-system-version", "`[system]|[version]`: refuse when the value set names another."),
        ("force-system-version", "`[system]|[version]`: the version, whatever the value set names."),
    )
)

EXPAND: Final = Operation(
    code="expand",
    name="ValueSet-expand",
    title="The codes of a value set, or a page of them.",
    text="From the code systems that are loaded and from R4's own. Flat, in the order of the value set and down the "
    "hierarchy; nested with `excludeNested=false`, where neither filter nor pages are asked for. With `filter` every "
    "word must begin a word of a display or of another designation, without regard to case and accents. Up to "
    f"{MOST:,} codes at once; more are refused as too costly, with their number: ask for pages by `count` and "
    "`offset`. A value set that means all codes of a system which is not loaded, or is a rule (UCUM, languages), can't "
    "be expanded: `$validate-code` judges its codes. The token must allow to read all ValueSets and CodeSystems.",
    levels=("type", "instance"),
    types=("ValueSet",),
    parameters=(
        Parameter("url", "uri", "The canonical url, `|version` perhaps behind it."),
        Parameter("valueSet", "ValueSet", "A value set that is sent along."),
        Parameter("valueSetVersion", "string", "Of url."),
        CONTEXT,
        Parameter("contextDirection", "code", "`incoming` or `outgoing`: one value set is bound for both."),
        Parameter("filter", "string", "Words, or beginnings of words."),
        DATE,
        Parameter("offset", "integer", "How many codes to pass over."),
        Parameter("count", "integer", "How many to show; 0: only how many there are."),
        Parameter("includeDesignations", "boolean", "Show all names of each code."),
        Parameter("designation", "string", "Show these: by use, or `urn:ietf:bcp:47|de` by language.", max="*"),
        Parameter("includeDefinition", "boolean", "Show the compose of the value set, too."),
        Parameter("activeOnly", "boolean", "Leave out inactive codes."),
        Parameter("excludeNested", "boolean", "False: nested by the hierarchy of the code system."),
        Parameter("excludeNotForUI", "boolean", "Leave out abstract codes, which nobody may choose."),
        Parameter("excludePostCoordinated", "boolean", "There are none here."),
        LANGUAGE,
        *_VERSIONS,
        Parameter("return", "ValueSet", "With its expansion.", 1, use="out"),
    ),
    hl7=True,
    needs="r",
    large=True,
    run=expand,
)
