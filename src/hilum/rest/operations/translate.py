"""`ConceptMap/$translate` and `$closure`.

https://hl7.org/fhir/R4/conceptmap-operation-translate.html, https://hl7.org/fhir/R4/conceptmap-operation-closure.html
"""

from __future__ import annotations

from typing import Final

from hilum.interactions import read
from hilum.interactions.permit import permits
from hilum.interactions.terminology import closing
from hilum.interactions.terminology.translating import Asked, Match, fits, translated
from hilum.problems import Malformed, NotFound
from hilum.rest.message import Request
from hilum.rest.operations.codes import codings, given, instance, known
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.operations.outputs import Body, Returned, parts, resource, value
from hilum.rest.router import Service

_MOST_CONCEPTS: Final = 1000


async def translate(service: Service, request: Request, inputs: Inputs) -> Returned:
    """What a code is elsewhere."""
    codes = await known(service, request, "ConceptMap")
    some = codings(inputs, inputs.text("system"), inputs.text("version") or "")
    if any(not one.system for one in some):
        raise Malformed("Each code needs its system.")
    body, inline, url = await instance(service, request), await given(request, inputs, "conceptMap"), inputs.text("url")
    reverse = bool(inputs.flag("reverse"))
    if body is not None or inline is not None:
        maps = [one for one in (body, inline) if one is not None]
    elif url is not None:
        version = inputs.text("conceptMapVersion")
        maps = (await codes.resources("ConceptMap", f"{url}|{version}" if version else url))[:1]
        if not maps:
            raise NotFound("No ConceptMap of this url (and version) is known here.")
    else:
        systems = dict.fromkeys(one.system or "" for one in some)
        found = {str(map["id"]): map for one in systems for map in await codes.mapping(one, reverse=reverse)}
        maps = list(found.values())
    source, target = [await _value_set(service, request, inputs.text(side)) for side in ("source", "target")]
    # "This parameter reverses the meaning of the source and target parameters": the definition of `reverse`.
    fitting = [map for map in maps if (fits(map, target, source) if reverse else fits(map, source, target))]
    versions = frozenset((one.system or "", one.version) for one in some if one.version)
    asked = Asked(inputs.text("targetsystem") or "", _dependencies(inputs), reverse, versions=versions)
    matches = await translated(codes, fitting, [(one.system or "", one.code) for one in some], asked)
    result = any(one.found for one in matches)
    shown = [value("result", "boolean", result)]
    if not result:
        shown.append(value("message", "string", _why(maps, fitting)))
    return Returned((*shown, *(_match(one) for one in matches)))


def _why(maps: list[Body], fitting: list[Body]) -> str:
    if not maps:
        return "No concept map is known for this code system: store the ConceptMap."
    if not fitting:
        return "The concept maps of this code are from another value set than source, or to another one than target."
    return "No map leads from the code to another."


async def _value_set(service: Service, request: Request, name: str | None) -> str:
    """The canonical of a value set that is named by it, or by its address here."""
    local = (name or "").removeprefix(service.door.base + "/")
    if not local.startswith("ValueSet/"):
        return name or ""
    body = (await read.read(service.door, request.who, "ValueSet", local.removeprefix("ValueSet/"))).body
    return str(body.get("url") or name)


def _dependencies(inputs: Inputs) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
    found = []
    for one in inputs.parts("dependency"):
        concept = one.body("concept") or {}
        pairs = [(str(c.get("system", "")), str(c.get("code", ""))) for c in concept.get("coding", ())]
        found.append((one.text("element") or "", tuple(pairs)))
    return tuple(found)


def _match(one: Match) -> Body:
    below = [value("equivalence", "code", one.equivalence)]
    if one.concept.get("code"):
        below.append(value("concept", "Coding", one.concept))
    below += [
        parts("product", [value("element", "uri", property), value("concept", "Coding", coding)])
        for property, coding in one.products
    ]
    if one.source:
        below.append(value("source", "uri", one.source))
    return parts("match", below)


async def closure(service: Service, request: Request, inputs: Inputs) -> Returned:
    """Begin a closure table, add to it, or tell again what was added since a version."""
    permits(request.who, "ConceptMap", "u")
    codes = await known(service, request, "ConceptMap", "CodeSystem")
    store, client, name, version = service.door.store, request.who.client, inputs.text("name"), inputs.text("version")
    if not name:
        raise Malformed("name must say which table.", expression=inputs.place("name"))
    concepts = inputs.each("concept")
    if version is not None and concepts:
        raise Malformed("Give concepts to add, or a version to hear what came after it: not both.")
    if len(concepts) > _MOST_CONCEPTS:
        raise Malformed(f"Up to {_MOST_CONCEPTS} concepts are added at once.")
    if version is not None:
        found = await closing.since(store, client, name, version)
    elif concepts:
        some = [(one.get("system", ""), one.get("code", "")) for one in concepts]
        found = await closing.extended(store, codes, client, name, some)
    else:
        found = await closing.begun(store, client, name)
    return Returned((resource("return", found),))


TRANSLATE: Final = Operation(
    code="translate",
    name="ConceptMap-translate",
    title="What a code is in another code system.",
    text="By the map that is named, or by all maps from its code system; of these by those that are from `source` and "
    "to `target`, where these are given and the map says it (`url|version`: of that version, where the map names one). "
    "`unmapped` is followed (provided, fixed, other-map), and `dependsOn` must be met by "
    "`dependency`. With `reverse` the maps are read backwards. The token must allow to read all ConceptMaps.",
    levels=("type", "instance"),
    types=("ConceptMap",),
    parameters=(
        Parameter("url", "uri", "The canonical url of the map."),
        Parameter("conceptMap", "ConceptMap", "A map that is sent along."),
        Parameter("conceptMapVersion", "string", "Of url."),
        Parameter("code", "code", "The code."),
        Parameter("system", "uri", "Its code system."),
        Parameter("version", "string", "The version of the code system."),
        Parameter("source", "uri", "The value set that the code is from: `url`, `url|version` or `ValueSet/[id]`."),
        Parameter("coding", "Coding", "Instead of code and system."),
        Parameter("codeableConcept", "CodeableConcept", "Instead of code and system: each of its codings."),
        Parameter("target", "uri", "The value set of the translation, named likewise."),
        Parameter("targetsystem", "uri", "The code system of the translation."),
        Parameter(
            "dependency", "", "What is known besides.", max="*",
            parts=(
                Parameter("element", "uri", "The property."),
                Parameter("concept", "CodeableConcept", "Its value."),
            ),
        ),
        Parameter("reverse", "boolean", "From the target of the map to its source."),
        Parameter("result", "boolean", "Whether there is a translation.", 1, use="out"),
        Parameter("message", "string", "Why there is none.", use="out"),
        Parameter(
            "match", "", "A translation, or that there is none.", max="*", use="out",
            parts=(
                Parameter("equivalence", "code", "How it stands to the code.", use="out"),
                Parameter("concept", "Coding", "The translation.", use="out"),
                Parameter(
                    "product", "", "What has to be said besides.", max="*", use="out",
                    parts=(
                        Parameter("element", "uri", "The property.", use="out"),
                        Parameter("concept", "Coding", "Its value.", use="out"),
                    ),
                ),
                Parameter("source", "uri", "The map.", use="out"),
            ),
        ),
    ),
    hl7=True,
    needs="r",
    large=True,
    run=translate,
)  # fmt: skip

CLOSURE: Final = Operation(
    code="closure",
    name="ConceptMap-closure",
    title="Which of the concepts that were sent so far are under which.",
    text="A call with a name alone begins a table. A call with concepts adds them and answers with the pairs that are "
    "new; a call with a version answers with all that came after it. Tables are the client's own, up to "
    f"{closing.MOST_TABLES} of {closing.MOST:,} concepts and {closing.MOST_PAIRS:,} pairs; 422 when a code system has "
    "changed, and the table must be begun anew. The token must allow to update ConceptMap, and to read all ConceptMaps "
    "and CodeSystems.",
    levels=("system", "type"),
    types=("ConceptMap",),
    parameters=(
        Parameter("name", "string", "The table.", 1),
        Parameter("concept", "Coding", "A concept to add.", max="*"),
        Parameter("version", "string", "Tell what came after this version."),
        Parameter("return", "ConceptMap", "The new pairs.", 1, use="out"),
    ),
    hl7=True,
    affects_state=True,
    needs="u",
    run=closure,
)
