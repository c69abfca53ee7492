"""Invariants of a profile, in FHIRPath. https://hl7.org/fhir/R4/conformance-rules.html#constraints

Those that the base type has as well belong to R4's own rules, and are not asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from hilum.fhirpath import Surroundings, condition
from hilum.problems import Problem
from hilum.validation import narrative
from hilum.validation.profiles import codes
from hilum.validation.profiles.running import Finding, Found, Scope, noted
from hilum.validation.profiles.shapes import Item, Kind
from hilum.validation.profiles.tree import Def

if TYPE_CHECKING:
    from hilum.fhirpath import Condition
    from hilum.validation.profiles.compiled import Profile

Step = Callable[[Scope, Item, int], Found]

_BEST_PRACTICE: Final = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice"
CORE: Final = "http://hl7.org/fhir/StructureDefinition/"


def step(profile: Profile, of: Def, where: str) -> Step | None:
    """The check of the constraints of one element; None when it has none of its own."""
    asked = []
    inherited = _inherited(profile, of)
    for one in of.element.get("constraint") or ():
        if type(one) is not dict:
            continue
        expression, key, severity = one.get("expression"), one.get("key"), one.get("severity")
        if type(expression) is not str or (key, expression) in inherited or key in _EVERYWHERE:
            continue
        extensions = one.get("extension")
        practice = any(
            type(e) is dict and e.get("url") == _BEST_PRACTICE and e.get("valueBoolean") is True
            for e in (extensions if type(extensions) is list else ())
        )
        asked.append(
            (
                str(key),
                "information" if practice else str(severity),
                str(one.get("human", "")),
                _ERRATA.get(expression, expression),
            )
        )
    if not asked:
        return None
    compiled: dict[tuple[str, Kind], Condition | str] = {}

    def constrained(scope: Scope, item: Item, _: int) -> Found:
        out: Found = None
        for key, severity, human, expression in asked:
            found = compiled.get((key, item.kind))
            if found is None:
                try:
                    found = condition(expression, item.kind.name, item.kind.path)
                except Problem as problem:
                    found = str(problem)
                compiled[key, item.kind] = found
            if isinstance(found, str):
                out = (out or []) + _unusable(key, where)
                continue
            unknown: list[str] = []
            near = around(scope, unknown)
            try:
                good = found(item.value, extra=item.extra, resource=scope.body, root=scope.root, around=near)
            except Problem:
                out = (out or []) + _unusable(key, where)
                continue
            if good is False or (good is None and not unknown):
                out = (out or []) + noted(severity, "invariant", f"breaks {key}: {human} ({where})")
        return out

    return constrained


_ERRATA: Final = {
    "($this as dateTime).toString().length() >= 8": (
        "($this is dateTime) implies (($this as dateTime).toString().length() >= 8)"
    ),
}
"""Expressions of R4's own profiles that say less than their texts: vs-1 is about dateTimes only, as R5 has it."""

_EVERYWHERE: Final = frozenset(("ele-1", "ext-1", "dom-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "dom-r4b"))


def _unusable(key: str, where: str) -> list[Finding]:
    return noted(
        "warning", "not-supported", f"could not be checked by {key}: its expression can't be evaluated ({where})"
    )


def _inherited(profile: Profile, of: Def) -> set[tuple[object, object]]:
    """(key, expression) of the constraints that the base types have at that place."""
    found: set[tuple[object, object]] = set()
    bases = [profile.library.base(profile.type)]
    bases += [profile.library.base(one.get("code", "")) for one in of.element.get("type") or () if type(one) is dict]
    from_ = of.element.get("base")
    path = from_.get("path") if type(from_) is dict else None
    if type(path) is str:
        bases.append(profile.library.base(path.partition(".")[0]))
    for base in bases:
        if base is not None and base is not profile:
            found |= _own(base.body)
    if profile.is_type:
        found |= _own(profile.body)
    return found


def _own(body: Mapping[str, Any]) -> set[tuple[object, object]]:
    elements = body.get("snapshot", {}).get("element", [])
    return {(c.get("key"), c.get("expression")) for one in elements for c in one.get("constraint") or ()}


def around(scope: Scope, unknown: list[str] | None = None) -> Surroundings:
    """What FHIRPath may ask for while it looks at something in that scope; what nobody knows is added to `unknown`."""
    unanswered = [] if unknown is None else unknown

    def resolve(reference: str) -> dict[str, Any] | None:
        found = scope.find(reference)
        return None if found is None else found[0]

    def member_of(value: Any, value_set: str) -> bool | None:
        concept = "CodeableConcept" if type(value) is dict and "coding" in value else "Coding"
        kind = "code" if type(value) is str else concept
        known = codes.member(scope, Item("", value, None, Kind(kind)), value_set)
        if known is None:
            unanswered.append(value_set)
        return known

    def conforms_to(value: dict[str, Any], url: str) -> bool | None:
        item = Item("", value, None, Kind(str(value.get("resourceType"))))
        known = scope.run.library.conforms(scope, item, url)[0]
        if known is None:
            unanswered.append(url)
        return known

    def html_checks(div: str) -> bool:
        return narrative.div(div, 0) is None

    return Surroundings(resolve=resolve, member_of=member_of, conforms_to=conforms_to, html_checks=html_checks)
