"""Bindings: which codes may stand in an element. https://hl7.org/fhir/R4/terminologies.html#binding

Whether a code is in a value set is asked of `Answers`. What nobody knows here is no error: it is told as a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from hilum.terminology.questions import Question, Verdict
from hilum.validation.profiles.running import Found, Scope, error, noted
from hilum.validation.profiles.shapes import Item

_MAX: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
_MIN: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-minValueSet"
_ADDITIONAL: Final = (
    "http://hl7.org/fhir/tools/StructureDefinition/additional-binding",
    "http://hl7.org/fhir/StructureDefinition/additional-binding",
)
CODED: Final = frozenset(("code", "Coding", "CodeableConcept", "Quantity", "string", "uri"))

Step = Callable[[Scope, Item, int], Found]


def bound(element: Mapping[str, Any], where: str) -> Step | None:
    """The check of an element's binding, and of those added to it; None when it asks for nothing."""
    binding = element.get("binding")
    if type(binding) is not dict:
        return None
    sets = [(binding.get("valueSet"), binding.get("strength"))]
    extensions = _dicts(binding.get("extension"))
    sets += [(e.get("valueCanonical") or e.get("valueUri"), "required") for e in extensions if e.get("url") == _MAX]
    sets += [_additional(e) for e in extensions if e.get("url") in _ADDITIONAL]
    sets += [
        (added.get("valueSet"), _PURPOSES.get(str(added.get("purpose"))))
        for added in _dicts(binding.get("additional"))
        if not added.get("usage")
    ]
    sets = [(url, _ERRATA.get((str(element.get("path")), str(url)), strength)) for url, strength in sets]
    asked = [
        (url, str(strength)) for url, strength in sets if type(url) is str and strength in ("required", "extensible")
    ]
    if not asked:
        return None

    def coded(scope: Scope, item: Item, _: int) -> Found:
        if item.value is None or not (item.kind.name in CODED or item.kind.name.endswith("uantity")):
            return None
        out: Found = None
        for url, strength in asked:
            found = _judged(scope, item, url, strength, where)
            if found:
                out = (out or []) + found
        return out

    return coded


_ERRATA: Final = {
    ("Observation.component.value[x]", "http://hl7.org/fhir/ValueSet/ucum-vitals-common|4.0.1"): "extensible",
}
"""R4's vital signs bind units to values of every type; HL7's own tools read that as extensible (as of 2026-08)."""

_PURPOSES: Final = {"maximum": "required", "required": "required", "extensible": "extensible"}


def _additional(extension: dict[str, Any]) -> tuple[Any, Any]:
    """An additional binding that holds everywhere; one for certain uses only is left out."""
    parts = {one.get("url"): one for one in _dicts(extension.get("extension"))}
    if "usage" in parts:
        return None, None
    purpose = _PURPOSES.get(str(parts.get("purpose", {}).get("valueCode")))
    return parts.get("valueSet", {}).get("valueCanonical"), purpose


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


def member(scope: Scope, item: Item, value_set: str) -> bool | None:
    """Whether any code of a value is in the value set; None when that is not known."""
    verdicts = [ask(scope, value_set, one, type(item.value) is str) for one in codings(item)]
    if any(one.valid for one in verdicts):
        return True
    return None if any(one.valid is None for one in verdicts) else False


def _judged(scope: Scope, item: Item, url: str, strength: str, where: str) -> Found:
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
    known = member(scope, item, url)
    if known is False:
        text = "has no code of" if len(given) > 1 else "is no code of"
        return noted(severity, "code-invalid", f"{text} {url}, which is {strength} ({where})")
    return None


__all__ = ["ask", "bound", "codings", "error", "member"]
