"""Validation against the R4 snapshots, compiled once per type to closures.

Properties, cardinality, JSON types, formats, choice[x], empty values, primitive extensions, bindings, references,
invariants, contained resources and narrative. https://hl7.org/fhir/R4/json.html, https://hl7.org/fhir/R4/element.html

A checker answers None or findings (findings.py). One for an object holds a table from JSON property to the checker of
its value; nothing else is looked up while a resource is read. Invariants follow from the elements that were met.
"""

from __future__ import annotations

from threading import Lock
from typing import Any, Final

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPE_NUMBER, Element
from hilum.validation import bindings, bundles, extensions, invariants, narrative, references
from hilum.validation.containers import Container
from hilum.validation.findings import (
    NULL,
    OF_BUNDLE,
    OF_CONTAINER,
    OF_RESOURCE,
    Check,
    Finding,
    Found,
    Kept,
    nameable,
    one,
    refused,
    settle,
    under,
    wrong,
)
from hilum.validation.invariants import NO_VERDICT, Judge
from hilum.validation.primitives import CHECKS

DEEPEST: Final = 64
"""So many elements may stand within each other; deeper nesting is a finding, not a crash."""


# --- resources -------------------------------------------------------------------------------------------------------


def resource(value: Any, depth: int, thorough: bool = False) -> Found:
    """Any resource, wherever one may stand: its resourceType chooses the checker.

    `thorough`: with questions to whoever asked, which a write does without.
    """
    found = _resource(value, depth, thorough)
    if found is not None:
        found = settle(found, OF_CONTAINER, Container(value))
    if type(value) is dict and value.get("resourceType") == "Bundle":
        entries = bundles.Entries(value)
        found = bundles.judged(entries, found)
        if found is not None:
            found = settle(found, OF_BUNDLE, entries)
    return found


def _thorough(value: Any, depth: int) -> Found:
    return resource(value, depth, True)


def _resource(value: Any, depth: int, thorough: bool) -> Found:
    if type(value) is not dict:
        return wrong(value, "a resource")
    if not value:
        return one("structure", 'is empty: it must say what it is, such as "resourceType": "Patient"')
    name = value.get("resourceType")
    if type(name) is not str:
        if "resourceType" in value:
            return under(".resourceType", wrong(name, "a string"))
        return one("structure", 'must say what it is, such as "resourceType": "Patient"', ".resourceType")
    if name not in TYPE_NUMBER:
        return one("structure", "is not a resource type of R4 (types are case-sensitive)", ".resourceType")
    check = _resources.get((name, thorough)) or _compile(name, thorough)
    return check(value, depth)


_resources: dict[tuple[str, bool], Check] = {}
_compiling = Lock()


def _compile(name: str, thorough: bool) -> Check:
    """The checker of a resource type, published only when it is complete."""
    with _compiling:
        _object("Element", alone="")  # what an underscore property holds, see _extended
        _resources[name, thorough] = check = _object(name, thorough=thorough)
    return check


def _contained(thorough: bool) -> Check:
    """A resource inside another one. https://hl7.org/fhir/R4/references.html#contained"""

    def contained(value: Any, depth: int) -> Found:
        found = _resource(value, depth, thorough)
        if found is not None:
            # What is part of another resource is told in that one's narrative.
            found = settle(
                [one_ for one_ in found if one_.path or one_.text[:17] != _BEST], OF_RESOURCE, Container(value)
            )
        if type(value) is dict:
            if "contained" in value:
                found = (found or []) + one("structure", "is not allowed in a contained resource (dom-2)", ".contained")
            if "id" not in value:
                found = (found or []) + one("required", "is required in a contained resource", ".id")
        return found

    return contained


_BEST: Final = "should keep dom-6"


def _all_contained(check: Check) -> Check:
    """The array of contained resources: each has another id."""

    def array(value: Any, depth: int) -> Found:
        kept = Kept()
        kept.add(check(value, depth) or ())
        seen: set[str] = set()
        for index, item in enumerate(value if type(value) is list else ()):
            id_ = item.get("id") if type(item) is dict else None
            if type(id_) is str:
                if id_ in seen:
                    kept.add(one("duplicate", "has the id of another contained resource", f"[{index}]"))
                    if kept.full:
                        break
                seen.add(id_)
        return kept.found or None

    return array


# --- one object ------------------------------------------------------------------------------------------------------


class _Table:
    """What one kind of object may hold.

    `checks`: property -> (checker of the value, bit). The bit is 0 unless presence matters: a required element has a
    bit of its own, all properties of a choice share one. `required`: bit -> what to say when the element is missing;
    `choices`: bit -> name of the choice.
    `choice_of`: property -> bit of its choice. `primitives`: properties that may be written with a leading underscore
    as well, and whether they are arrays.
    """

    def __init__(self) -> None:
        self.checks: dict[str, tuple[Check, int]] = {}
        self.required: dict[int, Finding] = {}
        self.choices: dict[int, str] = {}
        self.choice_of: dict[str, int] = {}
        self.primitives: dict[str, bool] = {}

    def step(self, name: str) -> str:
        """The path step of a property: without an underscore, and a choice without its type."""
        if not nameable(name):
            return ""
        name = name.removeprefix("_")
        bit = self.choice_of.get(name)
        return f".{name}" if bit is None else f".{self.choices[bit]}"


def _object(type_: str, path: str = "", *, without: str = "", alone: str = "id", thorough: bool = False) -> Check:
    """The checker of a type, or of the backbone element at `path` of it; compiled on first use, under the lock.

    `without` leaves out an element. `alone` is a property that says nothing by itself (ele-1).
    """
    key = (type_, path, without, alone, thorough)
    if key in _compiled:
        return _compiled[key]
    table = _Table()
    get = table.checks.get
    required = 0
    judge: Judge | None = None
    decided: dict[int, invariants.Verdict] = {}

    def check(value: Any, depth: int) -> Found:
        if type(value) is not dict:
            return wrong(value, "an object")
        if depth > DEEPEST:
            return one("structure", f"is nested too deeply: at most {DEEPEST} elements may stand within each other")
        depth += 1
        present = again = 0
        out: Found = None
        for name, child in value.items():
            entry = get(name)
            if entry is None:
                found, bit = _other(table, name, value, depth)
            else:
                item, bit = entry
                found = item(child, depth)
            if found is not None:
                out = _collect(table, name, value, found, out)
            if bit:
                again |= present & bit
                present |= bit
        if len(value) < 2 and (not value or alone in value):
            return one("invariant", "ele-1: is empty, it must have a value or children")
        if present & required != required:
            out = (out or []) + [missing for bit, missing in table.required.items() if not present & bit]
        if again:
            out = _doubled(table, value, again, out)
        if judge is not None:
            verdict = decided.get(present) or judge.weigh(present)
            if verdict is not NO_VERDICT:
                return invariants.judged(verdict, value, out)
        return out

    # Known before its table is filled, since types refer to each other in circles.
    _compiled[key] = check
    rules = invariants.of_object(type_, path)
    bits = _fill(table, type_, path, without, invariants.needed(rules), thorough)
    required = sum(table.required)
    if rules:
        judge = Judge(rules, bits)
        decided = judge.verdicts
    return check


_compiled: dict[tuple[str, str, str, str, bool], Check] = {}


def _fill(table: _Table, type_: str, path: str, without: str, needed: frozenset[str], thorough: bool) -> dict[str, int]:
    """Fill the table; the bits of elements, of those that are `needed` at least."""
    if not path and type_ in TYPE_NUMBER:
        table.checks["resourceType"] = (_known, 0)
    bit = 1
    bits: dict[str, int] = {}
    for element in definitions.elements(type_, path):
        if element.max == "0" or element.name == without:
            continue
        own = bit if element.min or element.choice or element.name in needed else 0
        bit += bit if own else 0
        if own:
            bits[element.name] = own
        if element.min:
            table.required[own] = Finding(f".{element.name}", "required", "is required")
        if element.choice:
            table.choices[own] = element.name
        for name in element.types or ("",):
            property_ = element.name + name[:1].upper() + name[1:] if element.choice else element.name
            check = _check(type_, path, element, name, thorough)
            if name in CHECKS and not _attribute(type_, element):
                table.primitives[property_] = element.many
            if element.choice:
                table.choice_of[property_] = own
            table.checks[property_] = (_array(check) if element.many else check, own)
    if "contained" in table.checks:
        table.checks["contained"] = (_all_contained(table.checks["contained"][0]), table.checks["contained"][1])
    if type_ == "Extension":
        # ext-1, value xor extensions: like a choice of which one must be there.
        value = next(bit for bit, name in table.choices.items() if name == "value")
        table.required[value] = Finding(".value", "required", "is required, unless there are extensions (ext-1)")
        table.checks["extension"] = (table.checks["extension"][0], value)
    return bits


def _check(type_: str, path: str, element: Element, name: str, thorough: bool) -> Check:
    """The checker of one value of that element with that type; `name` is "" for a reference to other elements."""
    below = f"{path}.{element.name}".lstrip(".")
    if not name:
        other = element.ref or ""
        rules = invariants.of_element(type_, below, type_, other)
        check = _object(type_, other, thorough=thorough)
        return _ruled(check, rules) if rules and below != other else check
    if name in ("BackboneElement", "Element") and below in definitions.type_(type_).elements:
        return _object(type_, below, thorough=thorough)
    check = _typed(type_, element, name, thorough)
    rules = invariants.of_element(type_, below, name, "")
    return _ruled(check, rules) if rules else check


def _typed(type_: str, element: Element, name: str, thorough: bool) -> Check:
    """The checker of a value by its type, and by what the element says of such a value."""
    if name == "Resource":
        return _contained(thorough) if element.name == "contained" else _thorough if thorough else resource
    if name == "xhtml":
        return narrative.div
    if type_ == "Reference" and element.name == "reference":
        return references.text
    if element.profiles.get(name) == "SimpleQuantity":
        check = _object(name, without="comparator", thorough=thorough)
    else:
        check = CHECKS[name] if name in CHECKS else _object(name, thorough=thorough)
    if name == "Reference":
        return references.aimed(check, element.targets)
    if name == "Extension":
        return extensions.known(
            check, modifier=element.name == "modifierExtension", inner=type_ == "Extension", thorough=thorough
        )
    return bindings.bound(check, name, element, thorough)


def _ruled(check: Check, rules: tuple[invariants.Rule, ...]) -> Check:
    """With the invariants that an element has beside those of its type."""
    verdict = invariants.Verdict((), rules)

    def ruled(value: Any, depth: int) -> Found:
        found = check(value, depth)
        return found if found and refused(found) else invariants.judged(verdict, value, found)

    return ruled


def _attribute(type_: str, element: Element) -> bool:
    """Element.id, Resource.id and Extension.url are XML attributes: they can't have extensions."""
    return element.name == "id" or (type_ == "Extension" and element.name == "url")


def _known(_: Any, __: int) -> Found:
    """resourceType: it chose the checker that asks."""
    return None


def _array(check: Check) -> Check:
    def array(value: Any, depth: int) -> Found:
        if type(value) is not list:
            return wrong(value, "an array")
        if not value:
            return one("structure", "is an empty array: leave the property out instead")
        kept = Kept()
        for index, item in enumerate(value):
            found = check(item, depth)
            if found is not None:
                kept.add(under(f"[{index}]", found))
                if kept.full:
                    break
        return kept.found or None

    return array


# --- what only happens off the beaten track --------------------------------------------------------------------------


def _collect(table: _Table, name: str, value: dict[str, Any], found: list[Finding], out: Found) -> Found:
    """Add the findings on a property, without the nulls that keep an array aligned with its extensions."""
    if table.primitives.get(name) and f"_{name}" in value:
        found = [f for f in found if f[2] is not NULL or not f[0]]
    if not found:
        return out
    out = [] if out is None else out
    out += under(table.step(name), found)
    return out


def _doubled(table: _Table, value: dict[str, Any], again: int, out: Found) -> Found:
    """Choices of which more than one property is there; `again` has the bits that were met twice."""
    for bit, choice in table.choices.items():
        if again & bit:
            names = {n: None for n in (k.removeprefix("_") for k in value) if table.checks.get(n, (None, 0))[1] == bit}
            if "extension" in names:
                out = (out or []) + one("invariant", "ext-1: must have either a value or extensions, not both")
            elif len(names) > 1:
                text = f"may be given in one type only, but is there as {' and '.join(names)}"
                out = (out or []) + one("structure", text, f".{choice}")
    return out


def _other(table: _Table, name: str, value: dict[str, Any], depth: int) -> tuple[Found, int]:
    """A property that is not in the table: the extensions of a primitive, or unknown. (findings, bit)"""
    base = name[1:]
    if name[:1] == "_" and base in table.primitives:
        bit = table.checks[base][1]
        if table.primitives[base]:
            return _aligned(value[name], value.get(base), base, depth), bit
        return _extended(value[name], base in value, depth), bit
    if name in table.choices.values():
        some = [n for n, bit in table.choice_of.items() if table.choices[bit] == name][:3]
        return one("structure", f"can have several types: name one, such as {', '.join(some)}"), 0
    if base in table.checks:
        return one("structure", "is not a primitive that can have extensions: write it without the underscore"), 0
    if nameable(name):
        return one("structure", "is not an element here: the specification knows no such property"), 0
    return one("structure", "has a property whose name can't be one of FHIR's"), 0


def _extended(value: Any, has_value: bool, depth: int) -> Found:
    """id and extensions of one primitive. https://hl7.org/fhir/R4/json.html#primitive"""
    found = _object("Element", alone="")(value, depth)
    if found is None and not has_value and "extension" not in value:
        return one("invariant", "ele-1: must have a value or an extension")
    return found


def _aligned(value: Any, values: Any, name: str, depth: int) -> Found:
    """ids and extensions of an array of primitives, item by item beside the values, with nulls where there are none."""
    if type(value) is not list:
        return wrong(value, "an array")
    if not value:
        return one("structure", "is an empty array: leave the property out instead")
    beside = values if type(values) is list else [None] * len(value)
    if len(beside) != len(value):
        return one("structure", f"must have as many items in _{name} as in {name}: null stands for nothing")
    kept = Kept()
    for index, (item, other) in enumerate(zip(value, beside, strict=True)):
        if item is not None:
            kept.add(under(f"[{index}]", _extended(item, other is not None, depth) or []))
        elif other is None:
            kept.add(one("structure", "has neither a value nor an extension", f"[{index}]"))
        if kept.full:
            break
    return kept.found or None
