"""Bindings: which codes may stand in an element. https://hl7.org/fhir/R4/terminologies.html#binding

Whether a code is in a value set is asked of `Answers`. What nobody knows here is no error: it is told as a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hilum.terminology.questions import Question, Verdict
from hilum.validation.profiles import contained_sets
from hilum.validation.profiles.running import Found, Scope, noted
from hilum.validation.profiles.shapes import Item

_MAX: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
_MIN: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-minValueSet"
_ADDITIONAL: Final = (
    "http://hl7.org/fhir/tools/StructureDefinition/additional-binding",
    "http://hl7.org/fhir/StructureDefinition/additional-binding",
)
CODED: Final = frozenset(("code", "Coding", "CodeableConcept", "Quantity", "string", "uri"))

Step = Callable[[Scope, Item, int], Found]


def bound(profile: Mapping[str, Any], element: Mapping[str, Any], where: str) -> Step | None:
    """The check of an element's binding, and of those added to it; None when it asks for nothing."""
    binding = element.get("binding")
    if type(binding) is not dict:
        return None
    sets = [(binding.get("valueSet"), binding.get("strength"))]
    extensions = _dicts(binding.get("extension"))
    sets += [(e.get("valueCanonical") or e.get("valueUri"), "required") for e in extensions if e.get("url") == _MAX]
    sets = [(url, ERRATA.get((str(element.get("path")), str(url)), strength)) for url, strength in sets]
    added = [_extended(e) for e in extensions if e.get("url") in _ADDITIONAL] + _dicts(binding.get("additional"))
    asked: list[tuple[str, str, list[dict[str, Any]]]] = [
        (url, str(strength), [])
        for url, strength in sets
        if type(url) is str and strength in ("required", "extensible")
    ]
    asked += [
        (one["valueSet"], _PURPOSES[one["purpose"]], _dicts(one.get("usage")))
        for one in added
        if type(one.get("valueSet")) is str and str(one.get("purpose")) in _PURPOSES
    ]
    if not asked:
        return None
    own = {url: contained_sets.contained(profile, url) for url, _, _ in asked if url.startswith("#")}

    def coded(scope: Scope, item: Item, _: int) -> Found:
        if item.value is None or not (item.kind.name in CODED or item.kind.name.endswith("uantity")):
            return None
        out: Found = None
        for url, strength, usage in asked:
            if usage and not all(_used(scope.body, one) for one in usage):
                continue
            found = _judged(scope, item, url, strength, where, own.get(url))
            if found:
                out = (out or []) + found
        return out

    return coded


ERRATA: Final = {
    ("Observation.component.value[x]", "http://hl7.org/fhir/ValueSet/ucum-vitals-common|4.0.1"): "extensible",
}
"""R4's vital signs bind units to values of every type; HL7's own tools read that as extensible (as of 2026-08)."""

_PURPOSES: Final = {"maximum": "required", "required": "required", "extensible": "extensible"}


def _extended(extension: dict[str, Any]) -> dict[str, Any]:
    """An additional binding written as R4 writes it: as an extension."""
    parts = _dicts(extension.get("extension"))
    values = {one.get("url"): one for one in parts}
    return {
        "valueSet": values.get("valueSet", {}).get("valueCanonical"),
        "purpose": values.get("purpose", {}).get("valueCode"),
        "usage": [one.get("valueUsageContext") for one in parts if one.get("url") == "usage"],
    }


def _used(body: Mapping[str, Any], usage: dict[str, Any]) -> bool:
    """Whether a usage is that of the resource: an element of it, named by its path, has that code.

    https://hl7.org/fhir/R5/elementdefinition-definitions.html#ElementDefinition.binding.additional.usage
    """
    code = usage.get("code")
    path = code.get("code") if type(code) is dict else None
    concept = usage.get("valueCodeableConcept")
    if type(path) is not str or type(concept) is not dict:
        return False
    head, *steps = path.split(".")
    found: list[Any] = [body] if head == body.get("resourceType") else []
    for step in steps:
        after: list[Any] = []
        for one in found:
            part = one.get(step) if type(one) is dict else None
            after += part if type(part) is list else [part]
        found = after
    wanted = {(one.get("system"), one.get("code")) for one in _dicts(concept.get("coding"))}
    given = {(c.get("system"), c.get("code")) for one in found if type(one) is dict for c in _dicts(one.get("coding"))}
    return bool(wanted & given)


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if type(one) is dict] if type(value) is list else []


def codings(item: Item) -> list[Mapping[str, Any]]:
    """The codes in a value, as Codings."""
    value = item.value
    if type(value) is str:
        return [{"code": value}]
    if type(value) is not dict:
        return []
    if item.kind.name == "CodeableConcept":
        return [*_dicts(value.get("coding"))]
    return [value]


def ask(scope: Scope, value_set: str, coding: Mapping[str, Any], bare: bool) -> Verdict:
    """Whether a coding is in a value set. A coding without a system is in none; a `code` has none to begin with."""
    code, system, version = coding.get("code"), coding.get("system"), coding.get("version")
    if type(code) is not str:
        return Verdict(False, "unknown-code")
    if bare:
        return scope.run.answers.ask(Question(value_set, None, code))
    if type(system) is not str:
        return Verdict(False, "not-in-value-set")
    return scope.run.answers.ask(Question(value_set, system, code, None, version if type(version) is str else None))


def member(scope: Scope, item: Item, value_set: str, own: Mapping[str, Any] | None = None) -> bool | None:
    """Whether any code of a value is in the value set, or in a profile's `own`; None when that is not known."""
    if own is not None:
        known = [contained_sets.has(own, one, scope.run.answers) for one in codings(item)]
        return True if True in known else None if None in known else False
    verdicts = [ask(scope, value_set, one, type(item.value) is str) for one in codings(item)]
    if any(one.valid for one in verdicts):
        return True
    return None if any(one.valid is None for one in verdicts) else False


def _judged(
    scope: Scope, item: Item, url: str, strength: str, where: str, own: Mapping[str, Any] | None = None
) -> Found:
    given = codings(item)
    severity = "error" if strength == "required" else "warning"
    if item.kind.name.endswith("uantity") and "code" not in item.value:
        return None
    if not given:
        if "extension" in item.value:
            return None
        if strength == "required" or "text" not in item.value:
            return noted(severity, "code-invalid", f"has no code, and needs one of {url} ({where})")
        return None
    if url.startswith("#") and own is None:
        return None
    known = member(scope, item, url, own)
    if known is False:
        text = "has no code of" if len(given) > 1 else "is no code of"
        return noted(severity, "code-invalid", f"{text} {url}, which is {strength} ({where})")
    if known is None and strength == "required" and not scope.run.answers.missing:
        return noted("warning", "not-found", f"can't be judged: not all codes of {url} are known here ({where})")
    return None
