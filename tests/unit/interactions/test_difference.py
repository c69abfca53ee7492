"""apply(difference(a, b), a) is b: of whatever is changed, added or taken away anywhere in a resource."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hilum.demo.population import population
from hilum.fhir import json
from hilum.interactions import difference as differing
from hilum.interactions.difference import difference, same
from hilum.interactions.fhirpath_patch import parse_fhirpath_patch
from hilum.problems import Unprocessable
from hilum.validation import validate

Body = dict[str, Any]
META = {"versionId": "1", "lastUpdated": "2026-01-01T00:00:00Z"}


def applied(old: Body, new: Body, *, meta: bool = True) -> Body:
    """What the difference makes of the old one, all over the wire."""
    patch = json.parse(json.encode(difference(old, new, meta=meta)))
    return parse_fhirpath_patch(patch).applied(json.encode(old))


def operations(old: Body, new: Body, **more: Any) -> list[tuple[str, ...]]:
    found = difference({"resourceType": "Patient"} | old, {"resourceType": "Patient"} | new, **more)
    values = lambda part: next(value for name, value in part.items() if name.startswith("value"))  # noqa: E731
    return [
        tuple(str(values(part)) for part in one["part"] if part["name"] != "value" or "part" not in part)
        for one in found.get("parameter", ())
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ({}, {}, []),
        ({}, {"active": True}, [("add", "Patient", "active", "True")]),
        ({"active": True}, {}, [("delete", "Patient.active")]),
        ({"active": True}, {"active": False}, [("replace", "Patient.active", "False")]),
        (
            {"name": [{"given": ["A", "B"], "family": "X"}]},
            {"name": [{"given": ["A", "C", "B"], "family": "Y"}]},
            [
                ("replace", "Patient.name[0].family", "Y"),
                ("insert", "Patient.name[0].given", "1", "C"),
            ],
        ),
        ({"name": [{"given": ["A", "B", "C"]}]}, {"name": [{"given": ["A", "C"]}]},
         [("delete", "Patient.name[0].given[1]")]),
        ({"name": [{"family": "X"}]}, {"name": [{"text": "X"}]},
         [("add", "Patient.name[0]", "text", "X"), ("delete", "Patient.name[0].family")]),
        ({"deceasedBoolean": True}, {"deceasedDateTime": "2026"}, [("replace", "Patient.deceased", "2026")]),
        ({"text": {"status": "empty", "div": "<div>a</div>"}}, {"text": {"status": "empty", "div": "<div>b</div>"}},
         [("replace", "Patient.text.`div`", "<div>b</div>")]),
        ({"id": "a", "meta": META}, {"id": "b", "meta": META | {"versionId": "2", "source": "urn:x"}}, []),
    ],
)  # fmt: skip
def test_what_is_told(old: Body, new: Body, said: list[tuple[str, ...]]) -> None:
    assert operations(old, new) == said


def test_meta_is_told_on_demand_but_for_what_the_server_stamps() -> None:
    new = {"meta": META | {"versionId": "2", "tag": [{"code": "x"}]}}
    assert operations({"meta": META}, new, meta=True) == [("add", "Patient.meta", "tag", "{'code': 'x'}")]


def test_decimals_differ_by_their_digits() -> None:
    assert not same(Decimal("1.10"), Decimal("1.1"))
    assert not same(1, True)
    assert same({"a": [1, {"b": None}], "c": "x"}, {"c": "x", "a": [1, {"b": None}]})
    old, new = ({"resourceType": "Observation", "id": "a", "status": "final", "code": {"text": "x"}, "meta": META,
                 "valueQuantity": {"value": Decimal(text)}} for text in ("1.10", "1.1"))  # fmt: skip
    assert same(aligned(applied(old, new)), aligned(new))


def test_more_than_a_patch_may_hold_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differing, "MOST_OPERATIONS", 2)
    with pytest.raises(Unprocessable, match="more than") as caught:
        operations({}, {"name": [{"text": "1"}, {"text": "2"}, {"text": "3"}]})
    assert caught.value.issues[0].code == "too-costly"


# --- the law ----------------------------------------------------------------------------------------------------------

ABSENT = {"extension": [{"url": "urn:absent", "valueCode": "unknown"}]}
RICH: tuple[Body, ...] = (
    {
        "resourceType": "Patient",
        "contained": [{"resourceType": "Organization", "id": "o", "name": "x"}],
        "extension": [{"url": "urn:e", "valueQuantity": {"value": Decimal("1.0")}}, {"url": "urn:f", "valueCode": "x"}],
        "name": [
            {"given": ["A", None, "C"], "_given": [None, {"extension": [{"url": "urn:g", "valueDate": "2026"}]}, None]}
        ],
        "_birthDate": {"extension": [{"url": "urn:h", "valueBoolean": True}]},
        "contact": [{"name": {"family": "X"}, "telecom": [{"system": "phone", "value": "1"}]}, {"gender": "male"}],
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">a</div>'},
    },
    {
        "resourceType": "Patient",
        "name": [{"given": ["A", "C", "D"], "_given": [{"id": "a"}, None, {"id": "d"}]}, {"given": ["A"]}],
        "birthDate": "2026",
        "contact": [{"name": {"_family": ABSENT}}],
    },
    {
        "resourceType": "Patient",
        "name": [{"_given": [ABSENT]}, {"given": ["A", "B"], "_given": [None, {"id": "b"}]}],
        "birthDate": "2026",
        "_birthDate": {"id": "x"},
        "contained": [{"resourceType": "Practitioner", "id": "o"}],
    },
    {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Basic", "id": "b", "code": {"text": "x"}},
             "request": {"method": "PUT", "url": "Basic/b"}},
            {"request": {"method": "GET", "url": "Patient"}},
        ],
    },
    {
        "resourceType": "ValueSet",
        "status": "draft",
        "expansion": {"timestamp": "2026-01-01", "contains": [{"code": "a", "contains": [{"code": "b"}]}]},
        "compose": {"include": [{"system": "urn:x", "concept": [{"code": "a", "designation": [{"value": "A"}]}]}]},
    },
    {
        "resourceType": "StructureDefinition",
        "url": "urn:s",
        "name": "S",
        "status": "draft",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        "differential": {"element": [{"path": "Patient", "type": [{"code": "x"}], "fixedCode": "y", "min": 1}]},
    },
)  # fmt: skip
MADE = [entry["resource"] for entry in list(population(1, seed=7))[1]["entry"]][::7]
BODIES = [one | {"id": "x", "meta": META} for one in (*RICH, *MADE)]


def _fixed(name: Any, value: Any) -> bool:
    """Lists that run in parallel stay as they are."""
    return name == "meta" or str(name)[0] == "_" or (isinstance(value, list) and None in value)


@st.composite
def changed(draw: st.DrawFn, body: Body) -> Body:
    """The body, changed in some places: items and elements taken away, doubled, moved, other texts, other kinds."""
    found = copy.deepcopy(body)
    for _ in range(draw(st.integers(1, 4))):
        value: Any = found
        for _ in range(draw(st.integers(0, 6))):
            names = list(value) if isinstance(value, dict) else list(range(len(value)))
            inner = [name for name in names if isinstance(value[name], dict | list) and not _fixed(name, value[name])]
            if not inner:
                break
            value = value[draw(st.sampled_from(inner))]
        if isinstance(value, list):
            place = draw(st.integers(0, len(value) - 1))
            match draw(st.sampled_from(("double", "drop", "move"))):
                case "double":
                    value.insert(place, copy.deepcopy(value[draw(st.integers(0, len(value) - 1))]))
                case "drop" if len(value) > 1:
                    del value[place]
                case "move":
                    value.insert(0, value.pop(place))
        else:
            names = [name for name in value if name not in ("resourceType", "id", "meta") and name[0] != "_"]
            if not names:
                continue
            name = draw(st.sampled_from(names))
            if isinstance(value[name], str) and not value[name][0].isdigit():
                value[name] += "x"
            elif isinstance(value[name], bool):
                value[name] = not value[name]
            elif value.keys() - {name, f"_{name}", "resourceType"}:
                value.pop(name)
                value.pop(f"_{name}", None)
    return found


def aligned(value: Any) -> Any:
    """The same without the nulls at the end of an array: the array beside it may be longer."""
    if isinstance(value, dict):
        return {name: aligned(inner) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    some = [aligned(inner) for inner in value]
    while some and some[-1] is None:
        some.pop()
    return some


def _sound(old: Body, new: Body) -> bool:
    """Whether what is told holds values that R4 allows: a change may have taken what another element needs."""
    return not any(issue.severity == "error" for issue in validate(difference(old, new, meta=True)))


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(st.data())
def test_the_difference_makes_the_one_into_the_other(data: st.DataObject) -> None:
    old = data.draw(st.sampled_from(BODIES))
    new = data.draw(changed(old))
    assume(_sound(old, new) and _sound(new, old))
    assert same(aligned(applied(old, new)), aligned(new))
    assert same(aligned(applied(new, old)), aligned(old))
    assert difference(old, copy.deepcopy(old), meta=True) == {"resourceType": "Parameters"}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_of_any_two_of_a_type(data: st.DataObject) -> None:
    old = data.draw(st.sampled_from(BODIES))
    new = data.draw(st.sampled_from([one for one in BODIES if one["resourceType"] == old["resourceType"]]))
    assert same(aligned(applied(old, new)), aligned(new))
