"""Where elements stand in JSON text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.fhir.places import Place, Places

TEXT = """{
  "resourceType": "Observation",
  "status": "final",
  "_status": {"extension": [{"url": "x",
    "valueString": "y"}]},
  "code": {"coding": [{"code": "1"}, {
      "code": "2"}]},
  "valueQuantity": {"value": 1.50, "unit": "a \\" ] } b"},
  "component": [
    {"code": {"text": "x"}, "valueString": "s"},
    {"code": {"text": "y"}, "_valueString": {"id": "z"}}
  ],
  "name": ["a", null, "c"],
  "_name": [null, {"id": "b"}, null],
  "contained": [{"resourceType": "Patient", "name": [{"given": ["A", "B"]}]}]
}"""


@pytest.mark.parametrize(
    ("expression", "line", "column"),
    [
        ("Observation", 1, 1),
        (None, 1, 1),
        ("Observation.status", 3, 3),
        ("Observation.status.extension[0]", 4, 29),
        ("Observation.status.extension[0].value", 5, 5),
        ("Observation.code.coding[1]", 6, 38),
        ("Observation.code.coding[1].code", 7, 7),
        ("Observation.value", 8, 3),
        ("Observation.value.unit", 8, 36),
        ("Observation.component[1]", 11, 5),
        ("Observation.component[0].value", 10, 29),
        ("Observation.component[1].value", 11, 29),
        ("Observation.component[1].value.id", 11, 46),
        ("Observation.name[2]", 13, 23),
        ("Observation.name[1].id", 14, 20),
        ("Observation.contained[0].name[0].given[1]", 15, 70),
        ("Observation.subject", 1, 1),
        ("Observation.component[1].referenceRange", 11, 5),
        ("Observation.component[7].code", 9, 3),
    ],
)
def test_a_path_leads_to_a_line_and_a_column(expression: str | None, line: int, column: int) -> None:
    assert Places(TEXT).find(expression) == Place(line, column)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_end(end: str) -> None:
    places = Places(TEXT.replace("\n", end))
    assert places.find("Observation.component[1].value.id") == Place(11, 46)
    assert places.find("Observation.code.coding[1].code") == Place(7, 7)


def test_tabs_and_letters_beyond_ascii_count_as_one() -> None:
    assert Places('{\t"a": "äö€😀",\t"b": 1}').find("X.b") == Place(1, 16)


def test_a_line_of_a_file_of_many_has_its_own_number() -> None:
    assert Places('{"a": 1}', 17).find("X.a") == Place(17, 2)


@given(st.text())
def test_nothing_makes_it_fail(text: str) -> None:
    Places(text).find("A.b[0].c")


def _values(value: Any, path: str = "X") -> list[tuple[str, Any]]:
    found = [(path, value)]
    items = value.items() if isinstance(value, dict) else ()
    for name, child in items:
        if isinstance(child, list):
            found += [one for index, item in enumerate(child) for one in _values(item, f"{path}.{name}[{index}]")]
        else:
            found += _values(child, f"{path}.{name}")
    return found


_NAMES = st.sampled_from(["aa", "bb", "cc", "dd"])
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.integers() | st.text() | st.booleans() | st.none(),
    lambda inner: st.dictionaries(_NAMES, inner | st.lists(inner, max_size=3), max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_NAMES, _JSON, max_size=4), st.sampled_from([None, 1, 3]))
def test_each_value_of_any_object_begins_where_it_is_said_to(body: dict[str, Any], indent: int | None) -> None:
    text = json.dumps(body, indent=indent, ensure_ascii=False)
    lines = text.split("\n")
    if "\r" in text:
        return
    for path, value in _values(body):
        place = Places(text).find(path)
        there = "\n".join([lines[place.line - 1][place.column - 1 :], *lines[place.line :]])
        if not path.endswith("]") and path != "X":
            name, size = json.JSONDecoder().raw_decode(there)
            assert name == path.rpartition(".")[2]
            there = there[size:].lstrip().removeprefix(":").lstrip()
        assert json.JSONDecoder().raw_decode(there)[0] == value
