"""A compartment is not asked for where a reference says that the resource lies in it: and only there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.search.samples import SAMPLES

from hilum.fhir.definitions import TYPES, compartments
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    Clause,
    CompartmentClause,
    NotClause,
    ReferenceClause,
    TokenClause,
)
from hilum.search.index import index
from hilum.search.parameters import lookup
from hilum.search.rows import Rows
from hilum.store.plan.implied import needed, puts_into

P = ("Patient", "p")
IN_P = CompartmentClause((P,))
CODE = TokenClause(lookup("Observation", "code").numbers, ())


def refers(code: str, *values: tuple[str | None, str], type: str = "Observation") -> ReferenceClause:
    return ReferenceClause(lookup(type, code).numbers, values)


def left(*clauses: Clause, types: tuple[str, ...] = ("Observation",)) -> tuple[Clause, ...]:
    return tuple(needed(clauses, types))


@pytest.mark.parametrize("code", ["patient", "subject", "performer"])
def test_who_asks_for_a_reference_of_the_definition_asks_for_the_compartment(code: str) -> None:
    one = refers(code, P)
    assert left(one, CODE, IN_P) == (one, CODE)
    assert left(IN_P, one) == (one,)


@pytest.mark.parametrize(
    "one",
    [
        refers("patient", ("Patient", "other")),
        refers("patient", P, ("Patient", "other")),
        refers("patient", (None, "p")),
        refers("subject", ("Group", "p")),
        refers("performer", ("Practitioner", "p")),
        refers("focus", P),
        refers("encounter", P),
        ReferenceClause((*lookup("Observation", "patient").numbers, *lookup("Observation", "focus").numbers), (P,)),
        NotClause(refers("patient", P)),
        AnyClause((refers("patient", P), CODE)),
    ],
)
def test_nothing_else_does(one: Clause) -> None:
    assert left(one, IN_P) == (one, IN_P)


def test_it_has_to_be_that_very_compartment() -> None:
    one = refers("patient", P)
    both = CompartmentClause((P, ("Patient", "q")))
    assert left(one, both) == (one,)
    other = CompartmentClause((("Patient", "q"),))
    assert left(one, other, IN_P) == (one, other)
    device = CompartmentClause((("Device", "p"),))
    assert left(one, device) == (one, device)
    bound = AllClause((IN_P, CODE))
    assert left(one, bound) == (one, bound)


def test_of_several_types_all_is_asked() -> None:
    one = refers("patient", P)
    assert left(one, IN_P, types=("Condition", "Observation")) == (one, IN_P)


def test_another_type_s_number_says_nothing() -> None:
    one = refers("patient", P, type="Condition")
    assert left(one, IN_P) == (one, IN_P)


def implied(type: str, rows: Rows) -> set[tuple[str, str]]:
    into = puts_into(type)
    return {(row.type, row.id) for row in rows.references if row.type in into.get(row.parameter, ())}


@pytest.mark.parametrize("body", SAMPLES, ids=lambda one: one["resourceType"])
def test_what_refers_so_lies_there(body: dict[str, Any]) -> None:
    rows = index(body["resourceType"], body, "x")
    assert implied(body["resourceType"], rows) <= set(rows.compartments)


REFERENCES = {
    type: sorted({code for members in compartments().values() for code in members.get(type, ()) if code != "{def}"})
    for type in TYPES
}


def elements(type: str) -> list[tuple[tuple[str, bool], ...]]:
    """Where the References of the type's compartment parameters stand: keys, and whether it is an array there."""
    return [
        tuple((step.key, step.many) for step in leaf.path.steps if hasattr(step, "key") and hasattr(step, "many"))
        for code in REFERENCES[type]
        for selection in lookup(type, code).selections
        for leaf in selection.leaves
        if leaf.form == "reference"
    ]


@pytest.mark.parametrize("type", [type for type in TYPES if REFERENCES[type]])
@given(data=st.data())
def test_of_every_type_what_refers_so_lies_there(type: str, data: st.DataObject) -> None:
    body: dict[str, Any] = {"resourceType": type, "id": "x"}
    for path in data.draw(st.lists(st.sampled_from(elements(type)), max_size=4)):
        place: Any = body
        for n, (key, many) in enumerate(path):
            last = n == len(path) - 1
            owner = data.draw(st.sampled_from(["Patient", "Practitioner", "Device", "Encounter", "Group", "Location"]))
            value: Any = {"reference": f"{owner}/{data.draw(st.sampled_from('pq'))}"} if last else {}
            if key not in place:
                place[key] = [value] if many else value
            elif last and many:
                place[key].append(value)
            place = place[key][-1] if many else place[key]
    rows = index(type, body)
    assert implied(type, rows) <= set(rows.compartments)
