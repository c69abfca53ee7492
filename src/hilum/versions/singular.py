"""What changed at one place only, between FHIR 3.0 and 4.0: shapes that no other row of `tables.py` has.

https://hl7.org/fhir/R4/r3maps.html
"""

from __future__ import annotations

from typing import Any, Final

from hilum.versions.items import Item, Items
from hilum.versions.schema import BACKBONE
from hilum.versions.shapes import Group, Values


def _first(items: Items) -> Any:
    return items[0].value if items else None


# --- Coverage.class: in 3.0 an element of its own for each kind ------------------------------------------------------

_COVERAGE_CLASS: Final = "http://terminology.hl7.org/CodeSystem/coverage-class"
_GROUPING: Final = {
    "group": "group",
    "subgroup": "subGroup",
    "plan": "plan",
    "subplan": "subPlan",
    "class": "class",
    "subclass": "subClass",
}
"""Code of Coverage.class.type -> element of Coverage.grouping; its name is in the element of that name and Display."""


def _class_down(values: Values) -> dict[str, Items]:
    grouping: dict[str, Any] = {}
    sequence: Items = []
    for item in values["class"]:
        code = _kind(item.value.get("type", {}))
        name = _GROUPING.get(code)
        if "value" not in item.value:
            continue
        if name is not None and name not in grouping:
            grouping[name] = item.value["value"]
            if "name" in item.value:
                grouping[f"{name}Display"] = item.value["name"]
        elif code == "sequence" and not sequence:
            sequence = [Item("string", item.value["value"])]
    return {"grouping": [Item(BACKBONE, grouping)] if grouping else [], "sequence": sequence}


def _kind(concept: dict[str, Any]) -> str:
    found = (one.get("code") for one in concept.get("coding", ()) if one.get("system") == _COVERAGE_CLASS)
    return str(next(found, ""))


def _class_up(values: Values) -> dict[str, Items]:
    found = _first(values["grouping"]) or {}
    out = []
    for code, name in _GROUPING.items():
        if name in found:
            display = {"name": found[f"{name}Display"]} if f"{name}Display" in found else {}
            out.append(_class(code, found[name]) | display)
    if values["sequence"]:
        out.append(_class("sequence", _first(values["sequence"])))
    return {"class": [Item(BACKBONE, one) for one in out]}


def _class(code: str, value: Any) -> dict[str, Any]:
    return {"type": {"coding": [{"system": _COVERAGE_CLASS, "code": code}]}, "value": value}


COVERAGE_CLASS: Final = Group(("class",), ("grouping", "sequence"), _class_down, _class_up)

# --- HealthcareService.eligibility: several with a comment each, in 3.0 one ------------------------------------------


def _eligibility_down(values: Values) -> dict[str, Items]:
    first = _first(values["eligibility"]) or {}
    return {
        "eligibility": [Item("CodeableConcept", first["code"])] if "code" in first else [],
        "eligibilityNote": [Item("string", first["comment"])] if "comment" in first else [],
    }


def _eligibility_up(values: Values) -> dict[str, Items]:
    found = {}
    if values["eligibility"]:
        found["code"] = _first(values["eligibility"])
    if _first(values["eligibilityNote"]) is not None:
        found["comment"] = _first(values["eligibilityNote"])
    return {"eligibility": [Item(BACKBONE, found)] if found else []}


ELIGIBILITY: Final = Group(("eligibility",), ("eligibility", "eligibilityNote"), _eligibility_down, _eligibility_up)

# --- Media.duration: a decimal, in 3.0 whole seconds -----------------------------------------------------------------


def _whole(values: Values) -> dict[str, Items]:
    return {"duration": [item for item in values["duration"] if item.value is None or isinstance(item.value, int)]}


WHOLE_DURATION: Final = Group(("duration",), ("duration",), _whole, lambda values: {"duration": values["duration"]})

# --- Questionnaire.item ----------------------------------------------------------------------------------------------


def _when_down(values: Values) -> dict[str, Items]:
    """3.0 knows these operators, and one of several conditions must be met: of others nothing can be told."""
    if len(values["enableWhen"]) > 1 and _first(values["enableBehavior"]) != "any":
        return {"enableWhen": []}
    out = []
    for item in values["enableWhen"]:
        rest = {name: value for name, value in item.value.items() if name != "operator"}
        operator = item.value.get("operator")
        if operator == "exists" and "answerBoolean" in rest:
            rest["hasAnswer"] = rest.pop("answerBoolean")
        elif operator != "=":
            return {"enableWhen": []}
        out.append(item._replace(value=rest))
    return {"enableWhen": out}


def _when_up(values: Values) -> dict[str, Items]:
    out = []
    for item in values["enableWhen"]:
        rest, operator = dict(item.value), "="
        if "hasAnswer" in rest:
            rest["answerBoolean"], operator = rest.pop("hasAnswer"), "exists"
        if not _ANSWERS & set(rest) or ("answerBoolean" in item.value and operator == "exists"):
            return {"enableWhen": [], "enableBehavior": []}
        out.append(item._replace(value={**rest, "operator": operator}))
    return {"enableWhen": out, "enableBehavior": [Item("code", "any")] if len(out) > 1 else []}


_KINDS: Final = "Boolean Decimal Integer Date DateTime Time String Coding Quantity Reference"
_ANSWERS: Final = frozenset(f"answer{kind}" for kind in _KINDS.split())

ENABLE_WHEN: Final = Group(("enableWhen", "enableBehavior"), ("enableWhen",), _when_down, _when_up)


def _initial_down(values: Values) -> dict[str, Items]:
    for name, value in (_first(values["initial"]) or {}).items():
        kind = name.removeprefix("value")
        if kind != name:
            return {"initial": [Item(kind if kind in _COMPLEX else kind[:1].lower() + kind[1:], value)]}
    return {"initial": []}


def _initial_up(values: Values) -> dict[str, Items]:
    found = [item for item in values["initial"] if item.value is not None]
    return {"initial": [Item(BACKBONE, {f"value{one.type[:1].upper()}{one.type[1:]}": one.value}) for one in found]}


_COMPLEX: Final = frozenset({"Attachment", "Coding", "Quantity", "Reference"})

INITIAL: Final = Group(("initial",), ("initial",), _initial_down, _initial_up)

# --- RiskAssessment.reason: several of either kind, in 3.0 one of one kind -------------------------------------------


def _reason_down(values: Values) -> dict[str, Items]:
    return {"reason": [*values["reasonCode"], *values["reasonReference"]][:1]}


def _reason_up(values: Values) -> dict[str, Items]:
    return {
        "reasonCode": [item for item in values["reason"] if item.type == "CodeableConcept"],
        "reasonReference": [item for item in values["reason"] if item.type == "Reference"],
    }


REASON: Final = Group(("reasonCode", "reasonReference"), ("reason",), _reason_down, _reason_up)

# --- Task.definition: one element for each, in 3.0 one of either -----------------------------------------------------


def _definition_down(values: Values) -> dict[str, Items]:
    found = [Item("Reference", {"reference": item.value}) for item in values["instantiatesCanonical"] if item.value]
    return {"definition": [*found, *values["instantiatesUri"]][:1]}


def _definition_up(values: Values) -> dict[str, Items]:
    named = [item.value.get("reference") for item in values["definition"] if item.type == "Reference"]
    return {
        "instantiatesCanonical": [Item("canonical", one) for one in named if isinstance(one, str)],
        "instantiatesUri": [item for item in values["definition"] if item.type == "uri"],
    }


DEFINITION: Final = Group(
    ("instantiatesCanonical", "instantiatesUri"), ("definition",), _definition_down, _definition_up
)
