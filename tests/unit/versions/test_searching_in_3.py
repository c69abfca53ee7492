"""Search parameters of FHIR 3.0 by their names. https://hl7.org/fhir/STU3/searchparameter-registry.html"""

from __future__ import annotations

import pytest

from hilum.search.parameters import R4
from hilum.versions import TYPES
from hilum.versions.searching import NAMES, renamed


def test_every_name_leads_to_a_parameter_of_4_and_stays_there() -> None:
    for type, names in NAMES.items():
        assert type in TYPES
        codes = {parameter.code for parameter in R4.parameters(type)}
        assert set(names.values()) <= codes
        assert not set(names) & set(names.values())
        assert set(names) & codes <= {"asserted-date"}, "what 4.0 calls so, too, can't be asked for in 3.0"


@pytest.mark.parametrize(
    ("type", "old", "new"),
    [
        ("Condition", ("asserted-date", "ge2020"), ("recorded-date", "ge2020")),
        ("Condition", ("recorded-date", "ge2020"), ("recorded-date", "ge2020")),
        ("Condition", ("context:missing", "true"), ("encounter:missing", "true")),
        ("Condition", ("context.class", "AMB"), ("encounter.class", "AMB")),
        ("Condition", ("context:Encounter.class", "AMB"), ("encounter:Encounter.class", "AMB")),
        ("Condition", ("_sort", "-asserted-date,code"), ("_sort", "-recorded-date,code")),
        ("Condition", ("_include", "Condition:context:Encounter"), ("_include", "Condition:encounter:Encounter")),
        ("Encounter", ("_revinclude", "Condition:context"), ("_revinclude", "Condition:encounter")),
        ("Condition", ("_include:iterate", "Condition:context"), ("_include:iterate", "Condition:encounter")),
        ("Encounter", ("_has:Condition:context:asserted-date", "2020"),
         ("_has:Condition:encounter:recorded-date", "2020")),
        ("Patient", ("_has:Encounter:patient:_has:Condition:context:asserted-date", "2020"),
         ("_has:Encounter:patient:_has:Condition:encounter:recorded-date", "2020")),
        ("Patient", ("context", "1"), ("context", "1")),
        ("Condition", ("_include", "*"), ("_include", "*")),
        ("Condition", ("_has:x", "y"), ("_has:x", "y")),
    ],
)  # fmt: skip
def test_names_of_3_become_those_of_4(type: str, old: tuple[str, str], new: tuple[str, str]) -> None:
    assert renamed(type, [old]) == [new]
