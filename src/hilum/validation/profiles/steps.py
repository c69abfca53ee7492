"""The checks that one element definition asks of one value. https://hl7.org/fhir/R4/elementdefinition.html

Types, fixed values and patterns, ranges and lengths, bindings, invariants, profiles of types, targets of references.
Each is a function made once; what R4's own definition of the type asks for as well is left to R4's rules.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from hilum.validation.profiles import codes, constraints, narratives, references, values
from hilum.validation.profiles.element_types import profiles_of, type_codes
from hilum.validation.profiles.running import Found, Scope, error, noted
from hilum.validation.profiles.shapes import RESOURCES, Item, is_a
from hilum.validation.profiles.tree import Def

if TYPE_CHECKING:
    from hilum.validation.profiles.compiled import Profile

Step = Callable[[Scope, Item, int], Found]


def steps(profile: Profile, of: Def) -> tuple[Step, ...]:
    """The checks, in the order in which their findings are told."""
    element = of.element
    where = f"{of.label}, profile {profile.name}"
    made: list[Step | None] = [
        *(_value(key, fixed, where) for key, fixed in element.items()),
        _length(element.get("maxLength"), where),
        _extended(of, where),
        narratives.controlled(of, where),
        codes.bound(profile.body, element, where),
        _profiles(of, where),
        references.targets(of, where),
        constraints.step(profile, of, where),
    ]
    return tuple(one for one in made if one is not None)


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if type(one) is dict] if type(value) is list else []


def types(of: Def, where: str) -> Callable[[list[Item]], Found] | None:
    """A choice, or a resource, of some types only: told at the value where there is one, else where it stands."""
    allowed = type_codes(of.element)
    name = str(of.element.get("path")).rpartition(".")[2]
    abstract = {"Resource", "DomainResource", "Element", "BackboneElement", "*"}
    choice = name.endswith("[x]")
    if not allowed or abstract & set(allowed) or "." not in str(of.element.get("path")):
        return None
    if not choice and not set(allowed) & RESOURCES:
        return None
    said = " or ".join(allowed)

    def judged(values_: list[Item]) -> Found:
        out: Found = None
        for item in values_:
            if not any(item.kind.name == one or (not item.kind.path and is_a(item.kind, one)) for one in allowed):
                text = f"must be {said}, but is {item.kind.name} ({where})"
                out = (out or []) + error("structure", text, item.step if len(allowed) == 1 or not choice else "")
        return out

    return judged


def _value(key: str, expected: Any, where: str) -> Step | None:
    if key.startswith("fixed") and len(key) > 5:
        return _required(expected, True, where)
    if key.startswith("pattern") and len(key) > 7:
        return _required(expected, False, where)
    if key.startswith("minValue") and len(key) > 8:
        return _limit(expected, key[8:9].lower() + key[9:], -1, where)
    if key.startswith("maxValue") and len(key) > 8:
        return _limit(expected, key[8:9].lower() + key[9:], 1, where)
    return None


def _required(expected: Any, exact: bool, where: str) -> Step:
    test = values.same if exact else values.matches
    word = "exactly what is fixed" if exact else "what the pattern asks for"

    def required(_: Scope, item: Item, __: int) -> Found:
        if item.value is None and item.extra is not None:
            return error("value", f"must have {word}, but has no value ({where})")
        if test(item.value, expected):
            return None
        paths = values.differences(item.value, expected, exact)
        return [one for path in paths for one in error("value", f"must be {word} ({where})", path)]

    return required


def _limit(limit: Any, kind: str, wrong: int, where: str) -> Step:
    word = "less than the minimum" if wrong < 0 else "more than the maximum"

    def within(_: Scope, item: Item, __: int) -> Found:
        if item.value is None:
            return None
        if values.compared(item.value, limit, kind) == wrong:
            return error("invalid", f"is {word} ({where})")
        return None

    return within


def _length(longest: Any, where: str) -> Step | None:
    if type(longest) is not int:
        return None

    def short(_: Scope, item: Item, __: int) -> Found:
        if type(item.value) is str and len(item.value) > longest:
            return error("too-long", f"may have at most {longest} characters, but has {len(item.value)} ({where})")
        return None

    return short


_EXTENDED: Final = {
    "http://hl7.org/fhir/StructureDefinition/minLength": "minLength",
    "http://hl7.org/fhir/StructureDefinition/maxSize": "maxSize",
    "http://hl7.org/fhir/StructureDefinition/maxDecimalPlaces": "maxDecimalPlaces",
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.mustHaveValue": "mustHaveValue",
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.valueAlternatives": "valueAlternatives",
}
"""What R4's ElementDefinition has no element for, but an extension. https://hl7.org/fhir/R4/elementdefinition-extras.html"""


def _extended(of: Def, where: str) -> Step | None:
    said: dict[str, list[Any]] = {}
    for one in _list(of.element.get("extension")):
        name = _EXTENDED.get(str(one.get("url")))
        value = next((held for key, held in one.items() if key.startswith("value")), None)
        if name is not None and value is not None:
            said.setdefault(name, []).append(value)
    if not said:
        return None
    alternatives = {str(url) for url in said.get("valueAlternatives", ())}

    def extended(_: Scope, item: Item, __: int) -> Found:
        value = item.value
        if value is None:
            extensions = _list(item.extra.get("extension")) if type(item.extra) is dict else []
            if alternatives and not any(one.get("url") in alternatives for one in extensions):
                return error("invalid", f"must have a value, or an extension that stands for it ({where})")
            return error("invalid", f"must have a value ({where})") if said.get("mustHaveValue") == [True] else None
        for limit in said.get("minLength", ()):
            if type(value) is str and len(value) < limit:
                return error("invalid", f"must have at least {limit} characters ({where})")
        for limit in said.get("maxSize", ()):
            data = value.get("data") if type(value) is dict else value
            if type(data) is str and len("".join(data.split()).rstrip("=")) * 3 // 4 > limit:
                return error("structure", f"may have at most {limit} bytes ({where})")
        for limit in said.get("maxDecimalPlaces", ()):
            if isinstance(value, Decimal) and -int(value.as_tuple().exponent) > limit:
                return error("structure", f"may have at most {limit} decimal places ({where})")
        return None

    return extended


def _profiles(of: Def, where: str) -> Step | None:
    """Values of a type must conform to one of the profiles that its definition names."""
    wanted: dict[str, list[str]] = {}
    for one in _list(of.element.get("type")):
        named = profiles_of(one)
        if named and type(one.get("code")) is str:
            wanted.setdefault(one["code"], []).extend(named)
    if not wanted or "." not in str(of.element.get("path")):
        return None

    if set(wanted) == {"Extension"}:
        return None  # extensions are held against their definitions wherever they stand

    def profiled(scope: Scope, item: Item, depth: int) -> Found:
        named = wanted.get(item.kind.name)
        if named is None:
            named = next((urls for code, urls in wanted.items() if is_a(item.kind, code)), None)
        if named is None:
            return None
        inside = scope.inside(item.value) if item.kind.name in RESOURCES else scope
        tried: list[str] = []
        told: Found = None
        for url in named:
            good, found = scope.run.library.conforms(inside, item, url, depth)
            if good is None:
                severity = scope.run.rules.unknown_profiles
                text = f"can't be checked against {url}, which is not known here ({where})"
                told = (told or []) + noted(severity, "not-found", text)
            elif good:
                return found
            else:
                tried.append(url)
                if len(named) == 1:
                    return found
        if tried and told is None:
            return error("structure", f"conforms to none of the profiles {', '.join(tried)} ({where})")
        return told

    return profiled
