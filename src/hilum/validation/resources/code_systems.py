"""CodeSystem: counts, properties and concepts agree with each other. https://hl7.org/fhir/R4/codesystem.html"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from hilum.terminology.questions import Question
from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here
from hilum.validation.resources.lists import dicts, numbered, text
from hilum.validation.resources.uris import absolute

CONCEPTS: Final = "http://hl7.org/fhir/concept-properties#"

KNOWN: Final = {
    "status": "code",
    "inactive": "boolean",
    "effectiveDate": "dateTime",
    "deprecationDate": "dateTime",
    "retirementDate": "dateTime",
    "notSelectable": "boolean",
    "parent": "code",
    "child": "code",
    "partOf": "code",
    "synonym": "code",
    "comment": "string",
    "itemWeight": "decimal",
}
"""The properties that FHIR defines, with their types. https://hl7.org/fhir/R4/codesystem.html#defined-props"""

_CONCEPT_OF_THE_SAME: Final = frozenset(("parent", "child", "partOf", "synonym"))


def walked(concepts: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
    """All concepts of a system with their paths."""
    for at, one in numbered(concepts, f"{path}.concept"):
        yield at, one
        if depth < 60:
            yield from walked(one.get("concept"), at, depth + 1)


def counts(here: Here) -> Found:
    """A complete system has as many concepts as it says; one without content has none."""
    value = here.item.value
    content, count = value.get("content"), value.get("count")
    concepts = value.get("concept")
    if content == "not-present" and type(concepts) is list and concepts:
        return error("invalid", "must not be there: the content is said to be not present", ".concept[0]")
    if content == "complete" and type(count) is int:
        found = sum(1 for _ in walked(concepts))
        if found != count:
            return error("invalid", f"says {count}, but the system, which is complete, has {found} concepts", ".count")
    return None


def properties(here: Here) -> Found:
    """Codes and uris of properties stand once, and FHIR's own mean what FHIR says."""
    value = here.item.value
    codes: set[str] = set()
    uris: set[str] = set()
    own = text(value.get("url")) or ""
    out: Found = None
    for path, one in numbered(value.get("property"), ".property"):
        code, uri, type_ = text(one.get("code")), text(one.get("uri")), text(one.get("type"))
        for wrong in _property(code, uri, type_, own, codes, uris):
            out = (out or []) + error("business-rule", wrong, path)
        codes.update([code] if code else [])
        uris.update([uri] if uri else [])
    return out


def _property(
    code: str | None, uri: str | None, type_: str | None, own: str, codes: set[str], uris: set[str]
) -> Iterator[str]:
    if uri is not None and not absolute(uri):
        yield "must have an absolute uri"
    if uri is not None and uri in uris:
        yield "has a uri that another property has already"
    if code is not None and code in codes:
        yield "has a code that another property has already"
    if uri is None or "://hl7.org/fhir" not in uri:
        return
    meant = uri.removeprefix(CONCEPTS) if uri.startswith(CONCEPTS) else ""
    if meant not in KNOWN:
        base = own.startswith("http://hl7.org/fhir/") and "/" not in own[20:]
        if not base and not (own and uri.startswith(own)):
            yield f"has a uri of FHIR's that means no property: {uri}"
        return
    if code in KNOWN and code != meant:
        yield f"has the uri of the property {meant}, but the code of another one of FHIR's"
    if type_ is not None and type_ != KNOWN[meant]:
        yield f"must be of type {KNOWN[meant]}, as FHIR's property {meant} is"


def concepts(here: Here) -> Found:
    """Codes stand once; values of properties are of the declared types, and codes of the same system are in it."""
    value = here.item.value
    declared: dict[str, dict[str, Any]] = {}
    for _, one in numbered(value.get("property"), ""):
        declared.setdefault(str(one.get("code")), one)
    everything = list(walked(value.get("concept")))
    all_codes = {one.get("code") for _, one in everything}
    seen: set[str] = set()
    out: Found = None
    for path, one in everything:
        here.scope.run.step()
        code = one.get("code")
        if type(code) is str:
            if code in seen:
                out = (out or []) + error("business-rule", "has a code that another concept has already", path)
            seen.add(code)
        for at, held in numbered(one.get("property"), ".property"):
            wrong = _held(held, declared, all_codes, value.get("content") == "supplement")
            wrong = wrong or _bound(here, held, declared)
            if wrong is not None:
                out = (out or []) + error(*wrong, path + at)
    return out


def _held(
    held: dict[str, Any], declared: dict[str, dict[str, Any]], codes: set[Any], supplement: bool
) -> tuple[str, str] | None:
    definition = declared.get(str(held.get("code")))
    key = next((key for key in held if key.startswith("value")), None)
    if definition is None or key is None:
        return None
    type_ = key[5:6].lower() + key[6:] if key[5:] != "Coding" else "Coding"
    if definition.get("type") not in (None, type_):
        return "business-rule", f"is of type {type_}, but the property is declared to be of another one"
    meant = str(definition.get("uri")).removeprefix(CONCEPTS)
    if meant in _CONCEPT_OF_THE_SAME and not supplement and held[key] not in codes:
        return "invalid", "names a concept that the system does not have"
    return None


_VALUE_SETS: Final = (
    "http://hl7.org/fhir/StructureDefinition/codesystem-property-valueset",
    "http://hl7.org/fhir/6.0/StructureDefinition/extension-CodeSystem.property.valueSet",
)


def _bound(here: Here, held: dict[str, Any], declared: dict[str, dict[str, Any]]) -> tuple[str, str] | None:
    """A code of a property whose codes are those of a value set."""
    code = held.get("valueCode")
    definition = declared.get(str(held.get("code")), {})
    for one in numbered(definition.get("extension"), ""):
        url = one[1].get("valueCanonical")
        if one[1].get("url") in _VALUE_SETS and type(url) is str and type(code) is str:
            verdict = here.scope.run.answers.ask(Question(url, None, code))
            if verdict.valid is False:
                return "invalid", f"has a code that is not in {url}"
    return None


def value_set(here: Here) -> Found:
    """The value set of all codes includes the system, all of it, and nothing else."""
    value = here.item.value
    url = value.get("valueSet")
    body = here.scope.run.definitions.value_set(url) if type(url) is str else None
    if body is None:
        return None
    compose = body.get("compose")
    includes = dicts(compose.get("include")) if type(compose) is dict else []
    if len(includes) != 1 or includes[0].get("system") != value.get("url"):
        return error("business-rule", f"has a value set of all codes that does not include just this system: {url}")
    if any(key in includes[0] for key in ("valueSet", "concept", "filter")):
        return error("business-rule", f"has a value set of all codes that does not include all of them: {url}")
    return None


def supplements(here: Here) -> Found:
    """A supplement says so, and what it adds to. https://hl7.org/fhir/R4/codesystem.html#supplements"""
    value = here.item.value
    named, content = value.get("supplements"), value.get("content")
    if content == "supplement" and named is None:
        return error("business-rule", "is supplement, but the system does not say what it supplements", ".content")
    if named is None:
        return None
    out: Found = None
    for path, one in walked(value.get("concept")):
        here.scope.run.step()
        verdict = here.scope.run.answers.ask(Question(None, str(named).partition("|")[0], str(one.get("code"))))
        if verdict.valid is False and verdict.reason == "unknown-code":
            out = (out or []) + error("business-rule", "has a code that the supplemented system does not have", path)
    if content is not None and content != "supplement":
        text_ = "must be supplement, as the system supplements another one"
        out = (out or []) + error("business-rule", text_, ".content")
    for name in ("caseSensitive", "hierarchyMeaning"):
        if name in value:
            text_ = "must not be there: the system that is supplemented says it"
            out = (out or []) + error("business-rule", text_, f".{name}")
    return out
