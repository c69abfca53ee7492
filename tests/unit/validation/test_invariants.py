"""Invariants: what is decided sooner or written by hand says what the FHIRPath says; none is left out unsaid."""

from __future__ import annotations

import copy
import gzip
import os
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.errors import errors
from tests.shared_data import DATA, needs_data
from tests.unit.validation.objects import Body, Object, objects, package

from hilum.fhir import definitions
from hilum.fhir import json as fhir_json
from hilum.fhirpath import condition, parse
from hilum.problems import Problem
from hilum.validation import invariants, laws, validate
from hilum.validation.presence import OPEN, weigh

FULL = os.environ.get("HILUM_FULL") == "1"
UCUM = "http://unitsofmeasure.org"


def all_invariants() -> Iterator[tuple[str, str, definitions.Invariant]]:
    for name in definitions.names():
        for path, some in definitions.type_(name).invariants.items():
            for one in some:
                yield name, path, one


def test_every_invariant_is_evaluated_or_has_its_reason() -> None:
    keys = {one.key for _, _, one in all_invariants()}
    assert len(keys) > 200
    listed = {*invariants.ELSEWHERE, *invariants.UNEVALUATED, *invariants.CORRECTED, *invariants.HARMLESS}
    assert listed - keys == {"ele-1", "ext-1"}  # which stand on every element
    for name, path, one in all_invariants():
        if one.key in invariants.ELSEWHERE or one.key in invariants.UNEVALUATED:
            continue
        if path and path not in definitions.type_(name).elements:
            assert one.key in LEAVES, one.key
            continue
        instead = invariants.CORRECTED.get(one.key, (None, ""))[0]
        condition(instead or one.expression, name, path)  # raises where the engine can't


LEAVES = {"org-2", "org-3", "eld-3", "ras-1", "sdf-10"} | {f"tst-{number}" for number in (6, 8, 9, 11, 13)}
"""Invariants of elements that are no objects of their own."""


def test_the_laws_written_by_hand_are_of_invariants_that_there_are() -> None:
    keys = {one.key for _, _, one in all_invariants()} | {f"{name}.{one.key}" for name, _, one in all_invariants()}
    assert set(laws.LAWS) <= keys


# --- they agree with the FHIRPath -------------------------------------------------------------------------------------


@cache
def corpus() -> list[Object]:
    """Objects that have invariants, of the core package and of two patients' records."""
    found: list[Object] = []
    bodies = list(package(1 if FULL else 25))
    folders = sorted((DATA / "synthea").iterdir())
    bodies += [fhir_json.parse(gzip.decompress(min(folder.glob("*.json.gz")).read_bytes())) for folder in folders]
    seen: Counter[tuple[str, str, frozenset[str]]] = Counter()
    for body in bodies:
        for one in objects(body):
            place = (one.type, one.path, frozenset(one.value))
            seen[place] += 1
            if definitions.type_(one.type).invariants.get(one.path) and seen[place] <= 3:
                found.append(one)
    return found


def judged(one: Object) -> set[str]:
    """The keys that our ways say are broken."""
    rules = invariants.of_object(one.type, one.path)
    elements = definitions.elements(one.type, one.path)
    bits = {element.name: 1 << number for number, element in enumerate(elements)}
    judge = invariants.Judge(rules, bits)
    present = 0
    for element in elements:
        names = [
            element.name + n[:1].upper() + n[1:] if element.choice else element.name for n in element.types or ("",)
        ]
        if any(name in one.value or f"_{name}" in one.value for name in names):
            present |= bits[element.name]
    verdict = judge.weigh(present)
    rules = tuple(rule for rule in rules if not rule.key.endswith("-0"))  # R4's regex lacks its anchors
    broken = {rule.key for rule in rules if rule.broken in verdict.found}
    for rule in verdict.open:
        found = rule.judge(one.value) or []
        if rule in rules and any(finding.later is None and finding.code == "invariant" for finding in found):
            broken.add(rule.key)
    return broken


OWN = {key for key, (instead, _) in invariants.CORRECTED.items() if instead is None} | {"dom-3"}
"""Ours differ from R4's expression, for the reasons in the table."""


def by_fhirpath(one: Object) -> set[str]:
    """The keys that the FHIRPath says are broken, of those that need nothing around."""
    broken = set()
    for invariant in definitions.type_(one.type).invariants.get(one.path, ()):
        key = invariant.key
        if key in invariants.ELSEWHERE or key in invariants.UNEVALUATED or key in OWN or key.endswith("-0"):
            continue
        tree = parse(invariants.CORRECTED.get(key, (None, ""))[0] or invariant.expression)
        if invariants.calls(tree, "resolve"):
            continue
        if one.path and set(invariants.constants(tree)) & {"resource", "rootResource"}:
            continue
        holds = condition(invariants.CORRECTED.get(key, (None, ""))[0] or invariant.expression, one.type, one.path)
        try:
            result = holds(
                one.value, resource=one.value if not one.path and "resourceType" in one.value else one.resource
            )
        except Problem:
            continue
        if result is False or (result is None and key not in invariants.UNDECIDED and not key.endswith("-0")):
            broken.add(key)
    return broken


def mutated(one: Object, dice: random.Random) -> Object:
    """Some of its elements are gone, some are there twice."""
    value = copy.deepcopy(one.value)
    for name in list(value):
        if name != "resourceType" and dice.random() < 0.3:
            del value[name]
        elif type(value[name]) is list and dice.random() < 0.2:
            value[name] = value[name] * 2
    return one._replace(value=value, resource=value if one.value is one.resource else one.resource)


@needs_data
def test_presence_and_laws_say_what_the_fhirpath_says() -> None:
    dice = random.Random(5)
    some = corpus()
    assert len(some) > 500
    kinds: Counter[str] = Counter()
    for one in some:
        for case in (one, mutated(one, dice), mutated(one, dice)):
            ours, theirs = judged(case) - OWN, by_fhirpath(case)
            assert ours == theirs, (case.type, case.path, ours ^ theirs, list(case.value))
            kinds.update(theirs)
    assert len(kinds) > 20, "mutations break something"


_PATHS = [None, "Patient", "Patient.name", "Patient.name.given", "Patientx", "Patientx.name", "Person", "Person.name"]


@given(
    paths=st.lists(st.sampled_from(_PATHS), max_size=4),
    kind=st.sampled_from(["logical", "resource"]),
    part=st.sampled_from(["snapshot", "differential"]),
)
@settings(max_examples=300, deadline=None)
def test_paths_of_definitions_are_judged_as_r4_writes_it(paths: list[str | None], kind: str, part: str) -> None:
    elements: list[Body] = [{"id": "x"} if path is None else {"path": path} for path in paths]
    value: Body = {"element": elements} if elements else {"id": "x"}
    body = {"resourceType": "StructureDefinition", "kind": kind, "type": "Patient", part: value}
    key = {"snapshot": "sdf-8", "differential": "sdf-8a"}[part]
    (one,) = (one for one in definitions.type_("StructureDefinition").invariants[part] if one.key == key)
    asked = (one.expression, invariants.CORRECTED[key][0] or "")
    ours, theirs = (condition(text, "StructureDefinition", part)(value, resource=body) for text in asked)
    assert ours is theirs


_CODINGS: st.SearchStrategy[list[Body]] = st.lists(
    st.fixed_dictionaries({"code": st.sampled_from("ab")}, optional={"system": st.just("urn:a"), "extension": st.just(
        [{"url": "urn:x", "valueDecimal": Decimal("1.0")}]
    )}),
    max_size=3,
)  # fmt: skip


@given(own=_CODINGS, theirs=_CODINGS)
@settings(deadline=None)
def test_codes_of_components_are_judged_as_r4_writes_it(own: list[Body], theirs: list[Body]) -> None:
    body = observation(code={"coding": own}, valueInteger=1, component=[{"code": {"coding": theirs}}])
    (one,) = (one for one in definitions.type_("Observation").invariants[""] if one.key == "obs-7")
    assert laws.LAWS["obs-7"](body) is condition(one.expression, "Observation")(body, resource=body)


_DAYS = ("2019", "2020", "2020-01", "2020-02", "2020-01-31", "2020-02-01")
_TIMES = ("10:00:00Z", "10:00:00.5Z", "12:00:00+02:00", "12:00:01+02:00", "23:30:00-11:00")
_DATES = st.sampled_from([*_DAYS, *(f"2020-01-31T{time}" for time in _TIMES), "2020-02-01T00:30:00+14:00"])


@given(start=_DATES, end=_DATES)
@settings(max_examples=300, deadline=None)
def test_what_begins_after_it_ends_is_what_fhirpath_says_it_is(start: str, end: str) -> None:
    value = {"start": start, "end": end}
    result = condition("start <= end", "Period")(value, resource={"resourceType": "Basic"})
    if ("T" in start and "T" in end) or len(start) == len(end):
        assert laws.ordered(start, end) == (result is not False)
    else:  # a date has no zone: only what is later anywhere is later
        assert laws.ordered(start, end) or result is False


_NUMBERS = st.sampled_from([0, 1, 2, Decimal("1.0"), Decimal("1.50"), None])
_UNITS = st.sampled_from([{}, {"system": UCUM, "code": "mg"}, {"system": UCUM, "code": "g"}])


@given(low=_NUMBERS, high=_NUMBERS, one=_UNITS, other=_UNITS)
def test_a_range_is_judged_where_its_ends_are_in_one_unit(
    low: Any, high: Any, one: dict[str, Any], other: dict[str, Any]
) -> None:
    value = {"low": {"value": low, **one}, "high": {"value": high, **other}}
    expected = one != other or low is None or high is None or low <= high
    assert laws.LAWS["rng-2"](value) is expected


_ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["entry", "type", "contained", "id", "meta", "low", "high", "start", "end", "code", "coding"]
            )
            | st.sampled_from(
                ["component", "category", "concept", "item", "snapshot", "element", "fullUrl", "resource"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(
    value=st.dictionaries(st.sampled_from(["entry", "contained", "code", "component", "category"]), _ANYTHING)
    | _ANYTHING
)
@settings(deadline=None)
def test_no_law_raises_whatever_it_is_given(value: Any) -> None:
    if type(value) is dict:
        for law in laws.LAWS.values():
            assert law(value) in (True, False)


@pytest.mark.parametrize("key", ["bdl-3", "obs-7", "con-4", "que-2"])
def test_what_presence_can_not_tell_is_left_open(key: str) -> None:
    one = next(invariant for _, _, invariant in all_invariants() if invariant.key == key)
    assert weigh(parse(one.expression), lambda _: True) is OPEN


# --- and they are found where they should be --------------------------------------------------------------------------

C = {"text": "x"}


def patient(**more: Any) -> Body:
    return {"resourceType": "Patient", **more}


def observation(**more: Any) -> Body:
    return {"resourceType": "Observation", "status": "final", "code": C, **more}


def organization(id_: str, **more: Any) -> Body:
    return {"resourceType": "Organization", "id": id_, "name": "x", **more}


BROKEN: list[tuple[str, str, Body]] = [
    ("pat-1", "Patient.contact[0]", patient(contact=[{"gender": "male"}])),
    ("per-1", "Patient.name[0].period", patient(name=[{"period": {"start": "2020", "end": "2019"}}])),
    ("cpt-2", "Patient.telecom[0]", patient(telecom=[{"value": "x"}])),
    ("att-1", "Patient.photo[0]", patient(photo=[{"data": "QUJD"}])),
    ("obs-6", "Observation", observation(valueString="x", dataAbsentReason=C)),
    ("obs-3", "Observation.referenceRange[0]", observation(referenceRange=[{"type": C}])),
    ("qty-3", "Observation.value", observation(valueQuantity={"value": 1, "code": "mg"})),
    ("rng-2", "Observation.value", observation(valueRange={"low": {"value": 2}, "high": {"value": 1}})),
    ("rat-1", "Observation.value", observation(valueRatio={"numerator": {"value": 1}})),
    ("sqy-1", "Observation.referenceRange[0].low.comparator", observation(
        referenceRange=[{"low": {"value": 1, "comparator": "<"}}]
    )),
    ("dom-3", "Patient.contained[0]", patient(contained=[organization("o")])),
    ("dom-4", "Patient", patient(
        contained=[organization("o", meta={"versionId": "1"})], managingOrganization={"reference": "#o"}
    )),
    ("dom-5", "Patient", patient(
        contained=[organization("o", meta={"security": [{"code": "R"}]})], managingOrganization={"reference": "#o"}
    )),
    ("ref-1", "Patient.managingOrganization", patient(managingOrganization={"reference": "#o"})),
    ("org-1", "Organization", {"resourceType": "Organization", "active": True}),
    ("org-3", "Organization.telecom[0]", organization("o", telecom=[{"system": "phone", "use": "home"}])),
    ("bdl-7", "Bundle", {"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520", "resource": patient()}
    ] * 2}),
    ("bdl-8", "Bundle.entry[0]", {"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": "http://x/Patient/1/_history/2", "resource": patient()}
    ]}),
    ("bdl-11", "Bundle", {"resourceType": "Bundle", "type": "document", "timestamp": "2020-01-01T00:00:00Z",
        "identifier": {"system": "http://x", "value": "1"}, "entry": [{"fullUrl": "http://x/Patient/1",
        "resource": patient(id="1")}]}),
    ("bdl-12", "Bundle", {"resourceType": "Bundle", "type": "message", "entry": [{"resource": patient()}]}),
    ("ctm-1", "CareTeam.participant[0]", {"resourceType": "CareTeam", "contained": [patient(id="p")], "participant": [
        {"member": {"reference": "#p"}, "onBehalfOf": {"reference": "Organization/1"}}
    ]}),
    ("eld-3", "StructureDefinition.differential.element[0].max", {"resourceType": "StructureDefinition",
        "url": "http://x", "name": "X", "status": "draft", "kind": "resource", "abstract": False, "type": "Patient",
        "baseDefinition": "http://x", "differential": {"element": [
        {"id": "Patient", "path": "Patient", "max": "many"}]}}),
]  # fmt: skip


@pytest.mark.parametrize(("key", "path", "body"), BROKEN, ids=[key for key, _, _ in BROKEN])
def test_a_broken_invariant_is_found_at_its_element(key: str, path: str, body: Body) -> None:
    found = [issue for issue in errors(body) if key in issue.diagnostics or key == "sqy-1"]
    assert [issue.expression for issue in found] == [path]


def test_best_practice_is_a_warning_and_not_asked_of_contained_resources() -> None:
    body = patient(contained=[organization("o")], managingOrganization={"reference": "#o"})
    assert [(issue.severity, issue.expression) for issue in validate(body)] == [("warning", "Patient")]


def test_many_warnings_hide_no_error() -> None:
    entries: list[dict[str, Any]] = [{"resource": patient()} for _ in range(1500)]
    entries.append({"resource": patient(gender="x")})
    found = validate({"resourceType": "Bundle", "type": "collection", "entry": entries})
    assert (found[0].severity, found[0].expression) == ("error", "Bundle.entry[1500].resource.gender")
    assert found[-1].code == "informational"
