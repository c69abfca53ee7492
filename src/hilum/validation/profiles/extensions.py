"""Extensions by their definitions: where they may stand, and what they may hold. https://hl7.org/fhir/R4/extensibility.html"""

from __future__ import annotations

import re
from typing import Any, Final

from hilum.fhirpath import Surroundings, condition, locate
from hilum.problems import Problem
from hilum.validation.profiles.compiled import Profile, against
from hilum.validation.profiles.constraints import around
from hilum.validation.profiles.definitions import ordered
from hilum.validation.profiles.discriminators import extension_urls
from hilum.validation.profiles.running import Found, error, noted
from hilum.validation.profiles.shapes import RESOURCES, Item, Kind
from hilum.validation.profiles.walking import Here

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:.+")
_CROSS_VERSION = re.compile(r"http://hl7\.org/fhir/[1-9]\.0/StructureDefinition/extension-.+")
_EXAMPLES: Final = ("example.org", "acme.com", "nema.org")
_TOOLS: Final = "http://hl7.org/fhir/tools/StructureDefinition/"

_ERRATA: Final[dict[str, list[dict[str, Any]]]] = {
    f"http://hl7.org/fhir/StructureDefinition/{name}": [{"type": "element", "expression": context}]
    for name, context in (
        ("structuredefinition-fhir-type", "ElementDefinition.type"),  # R4's own snapshots have them there
        ("regex", "ElementDefinition.type"),
        ("capabilitystatement-expectation", "Element"),  # so HL7 has it since, and US Core needed it before
    )
}
"""Extension -> contexts that its definition has forgotten."""

ANYWHERE: Final = frozenset(("Element", "Any"))
CANONICAL: Final = frozenset(("CanonicalResource", "MetadataResource"))
CANONICAL_TYPES: Final = frozenset(
    [
        "ActivityDefinition",
        "CapabilityStatement",
        "ChargeItemDefinition",
        "CodeSystem",
        "CompartmentDefinition",
        "ConceptMap",
        "EffectEvidenceSynthesis",
        "EventDefinition",
        "Evidence",
        "EvidenceVariable",
        "ExampleScenario",
        "GraphDefinition",
        "ImplementationGuide",
        "Library",
        "Measure",
        "MessageDefinition",
        "NamingSystem",
        "OperationDefinition",
        "PlanDefinition",
        "Questionnaire",
        "ResearchDefinition",
        "ResearchElementDefinition",
        "RiskEvidenceSynthesis",
        "SearchParameter",
        "StructureDefinition",
        "StructureMap",
        "TerminologyCapabilities",
        "TestScript",
        "ValueSet",
    ]
)


def extension(here: Here, depth: int = 0) -> Found:
    """What is wrong with one extension, seen from itself."""
    value = here.item.value
    url = value.get("url") if type(value) is dict else None
    if type(url) is not str or here.above is None or here.of is None:
        return None  # that there must be a url is a rule of R4's
    modifier = here.of.element == "modifierExtension"
    parent = _parent(here)
    if not _ABSOLUTE.fullmatch(url):
        if parent is None:
            return error("invalid", "must have an absolute url")
        return _part(here, parent, url)
    library = here.scope.run.library
    bare = url.partition("|")[0]
    found = library.profile(bare)
    out: Found = None
    if bare != url:
        out = error("invalid", "has a url with a version: a definition is named without")
    if not isinstance(found, Profile):
        return (out or []) + (_unknown(here, bare, modifier, found) or []) or None
    if found.type != "Extension":
        return (out or []) + error("structure", f"is named by {bare}, which defines no extension")
    is_modifier = found.tree.element.get("isModifier") is True
    if modifier and not is_modifier:
        out = (out or []) + error("structure", f"is no modifier: {bare} must stand in `extension`")
    elif is_modifier and not modifier:
        out = (out or []) + error("structure", f"is a modifier: {bare} must stand in `modifierExtension`")
    wrong = against(found, here.scope, here.item, depth)
    out = (out or []) + (wrong or [])
    return out or None


def misplaced(here: Here) -> Found:
    """What is wrong with where an extension stands, seen from the element that holds it."""
    url = here.item.value.get("url") if type(here.item.value) is dict else None
    if type(url) is not str or here.above is None:
        return None
    found = here.scope.run.library.known(url.partition("|")[0])
    if found is None or found.type != "Extension":
        return None
    if any(_EXAMPLE.search(name) for name in here.above.names):
        return None  # what an element definition shows, fixes or asks for may have extensions of the element's own
    late = _version(found.body)
    if late is not None:
        return error("business-rule", f"must not have the extension {found.name}, which is for {late}")
    contexts = [one for one in _dicts(found.body.get("context")) if _version(one) is None]
    contexts += _ERRATA.get(found.url, []) if contexts else []
    closed = bool(found.body.get("context"))
    if closed and not any(_allows(one, here, here.above) for one in contexts):
        places = ", ".join(str(one.get("expression")) for one in contexts)
        return error("structure", f"must not have the extension {found.name}, which is for {places}")
    out: Found = None
    for expression in found.body.get("contextInvariant") or ():
        if type(expression) is str and _invariant(expression, here, here.above) is False:
            out = (out or []) + error("structure", f"must not have the extension {found.name} here: {expression}")
    return out


_EXAMPLE = re.compile(r"^ElementDefinition\.(?:example|fixed|pattern|defaultValue)")
_VERSIONS: Final = "http://hl7.org/fhir/StructureDefinition/version-specific-use"
_OURS: Final = "4.0"


def _version(one: dict[str, Any]) -> str | None:
    """The versions of FHIR that a definition, or a context of it, is for, where R4 is none of them."""
    for extension in _dicts(one.get("extension")):
        if extension.get("url") != _VERSIONS:
            continue
        said = {part.get("url"): part.get("valueCode") for part in _dicts(extension.get("extension"))}
        first, last = said.get("startFhirVersion"), said.get("endFhirVersion")
        if type(first) is str and ordered(first)[0][:2] > ordered(_OURS)[0]:
            return f"FHIR {first} and later"
        if type(last) is str and ordered(last)[0][:2] < ordered(_OURS)[0]:
            return f"FHIR {last} and earlier"
    return None


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if type(one) is dict] if type(value) is list else []


def _parent(here: Here) -> Here | None:
    """The extension that this one is a part of."""
    above = here.above
    return above if above is not None and above.item.kind.name == "Extension" else None


def _part(here: Here, parent: Here, url: str) -> Found:
    """A part of a complex extension, named within it: its definition must know the name."""
    named = parent.item.value.get("url") if type(parent.item.value) is dict else None
    found = here.scope.run.library.known(named.partition("|")[0]) if type(named) is str else None
    if found is None:
        return None
    group = found.tree.groups.get("extension")
    known = {name for one in (group.slices if group is not None else ()) for name in extension_urls(found, one)}
    if url in known:
        return None
    return error("invalid", f"is a part that the extension {found.name} does not have")


def _unknown(here: Here, url: str, modifier: bool, why: str) -> Found:
    if why != "unknown":
        return noted("warning", "not-found", f"can't be checked: {url} {why}")
    if _CROSS_VERSION.fullmatch(url) or url.startswith(_TOOLS):
        return None
    if modifier:
        severity = "error"
    elif any(name in url for name in _EXAMPLES):
        severity = "information"
    else:
        own = url.startswith(
            "http://hl7.org/fhir/StructureDefinition/"
        )  # HL7 publishes more of its own between releases
        severity = "warning" if own else here.scope.run.rules.unknown_extensions
    return noted(severity, "structure", f"is an extension that is not known here: {url}")


def _allows(context: dict[str, Any], here: Here, holder: Here) -> bool:
    kind, expression = context.get("type"), context.get("expression")
    if type(expression) is not str:
        return False
    if kind == "extension":
        at = holder if holder.item.kind.name == "Extension" else holder.above
        value = at.item.value if at is not None else None
        return type(value) is dict and value.get("url") == expression
    if kind == "fhirpath":
        return _selected(expression, holder)
    profile, hash_, name = expression.rpartition("#")
    if name in ANYWHERE:
        return True
    resource = holder.item.kind.name in RESOURCES and not holder.item.kind.path
    if name in CANONICAL and resource and holder.item.kind.name in CANONICAL_TYPES:
        return True
    if not holder.is_called(name):
        return False
    if not hash_:
        return True
    whole = holder.scope.body
    item = Item("", whole, None, Kind(str(whole.get("resourceType"))))
    return holder.scope.run.library.conforms(holder.scope, item, profile)[0] is not False


def _selected(expression: str, holder: Here) -> bool:
    """Whether the expression, on the resource, selects the element."""
    body = holder.scope.body
    try:
        nodes = locate(expression, str(body.get("resourceType")))(body)
    except Problem:
        return True  # nothing can be said
    value = holder.item.value if holder.item.value is not None else holder.item.extra
    return any(node.value is value or (node.extra is not None and node.extra is holder.item.extra) for node in nodes)


def _invariant(expression: str, here: Here, holder: Here) -> bool | None:
    kind = holder.item.kind
    given = around(holder.scope)
    surroundings = Surroundings(
        resolve=given.resolve,
        member_of=given.member_of,
        conforms_to=given.conforms_to,
        variables={"extension": here.item.value},
    )
    try:
        return condition(expression, kind.name, kind.path)(
            holder.item.value,
            extra=holder.item.extra,
            resource=holder.scope.body,
            root=holder.scope.root,
            around=surroundings,
        )
    except Problem:
        return None
