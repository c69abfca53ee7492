"""patch, with JSON Patch and FHIRPath Patch; the languages' own cases are in tests/conformance/test_patch.py."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from tests.unit.interactions.bodies import content, observation
from tests.unit.interactions.bodies import patient as person
from tests.unit.interactions.conftest import principal

from hilum.access.policy import Grant, Policy, Principal
from hilum.fhir import json
from hilum.fhirpath import Work
from hilum.fhirpath.types import Type
from hilum.interactions.build import findings
from hilum.interactions.create import create
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.fhirpath_patch import parse_fhirpath_patch
from hilum.interactions.json_patch import parse_json_patch
from hilum.interactions.patch import conditional_patch, patch
from hilum.interactions.places import Place, by_key
from hilum.interactions.read import read
from hilum.problems import (
    Forbidden,
    Gone,
    Invalid,
    Malformed,
    MultipleMatches,
    NotFound,
    PreconditionFailed,
    Problem,
    Unprocessable,
)

Body = dict[str, Any]


def operations(*found: Body) -> Any:
    return parse_json_patch(json.encode(list(found)))


def set_to(path: str, value: Any) -> Any:
    return operations({"op": "add", "path": path, "value": value})


def parameters(*found: Body) -> Any:
    """FHIRPath Patch operations, each as part name -> value[x] property and value."""
    keys = {"type": "valueCode", "index": "valueInteger", "source": "valueInteger", "destination": "valueInteger"}
    written = [
        {
            "name": "operation",
            "part": [
                {"name": name} | (value if isinstance(value, dict) else {keys.get(name, "valueString"): value})
                for name, value in one.items()
            ],
        }
        for one in found
    ]
    return parse_fhirpath_patch({"resourceType": "Parameters"} | ({"parameter": written} if written else {}))


async def test_a_patch_makes_the_next_version(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", person("1"))).resource
    found = await patch(door, owner, "Patient", made.id, set_to("/active", True))
    assert (found.created, found.changed, found.resource.version, found.resource.method) == (False, True, 2, "PATCH")
    assert content(found.resource) == person("1", active=True)
    page = await door.store.read("Patient", made.id)
    assert page == found.resource


async def test_a_patch_that_changes_nothing_makes_no_version(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", person("1"))).resource
    for steps in (operations(), operations({"op": "test", "path": "/id", "value": made.id}), parameters()):
        found = await patch(door, owner, "Patient", made.id, steps)
        assert (found.changed, found.resource) == (False, made)


async def test_decimals_keep_their_digits_and_compare_by_value(door: Door, owner: Principal) -> None:
    body = observation("Patient/1", valueQuantity={"value": Decimal("1.10")})
    made = (await create(door, owner, "Observation", body)).resource
    steps = parse_json_patch(
        b'[{"op":"test","path":"/valueQuantity/value","value":1.1},'
        b'{"op":"copy","from":"/valueQuantity","path":"/referenceRange","x":0},'
        b'{"op":"replace","path":"/referenceRange","value":[{"low":{"value":0.50}}]}]'
    )
    found = await patch(door, owner, "Observation", made.id, steps)
    assert b'"valueQuantity":{"value":1.10}' in found.resource.raw
    assert b'"low":{"value":0.50}' in found.resource.raw


async def test_the_result_is_validated(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", person("1"))).resource
    with pytest.raises(Invalid) as caught:
        await patch(door, owner, "Patient", made.id, set_to("/gender", "mail"))
    assert caught.value.issues[0].expression == "Patient.gender"
    assert await read(door, owner, "Patient", made.id) == made


@pytest.mark.parametrize(
    "steps",
    [
        set_to("/id", "other"),
        operations({"op": "remove", "path": "/id"}),
        set_to("/resourceType", "Person"),
        set_to("", {"resourceType": "Patient"}),
        set_to("", []),
        parameters({"type": "replace", "path": "Patient.id", "value": {"valueId": "other"}}),
        parameters({"type": "delete", "path": "Patient.id"}),
    ],
)
async def test_identity_does_not_change(door: Door, owner: Principal, steps: Any) -> None:
    made = (await create(door, owner, "Patient", person("1"))).resource
    with pytest.raises(Invalid):
        await patch(door, owner, "Patient", made.id, steps)


async def test_version_and_time_are_the_servers(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", person("1"))).resource
    steps = operations({"op": "replace", "path": "/meta", "value": {"versionId": "9", "tag": [{"code": "x"}]}})
    found = (await patch(door, owner, "Patient", made.id, steps)).resource
    assert found.body["meta"]["versionId"] == "2"
    assert found.body["meta"]["tag"] == [{"code": "x"}]


async def test_absent_hidden_and_deleted(door: Door, owner: Principal) -> None:
    steps = set_to("/active", True)
    me = (await create(door, owner, "Patient", person("1"))).resource
    other = (await create(door, owner, "Patient", person("2"))).resource
    with pytest.raises(NotFound):
        await patch(door, owner, "Patient", "nobody", steps)
    with pytest.raises(NotFound):
        await patch(door, principal("patient/*.cruds", me.id), "Patient", other.id, steps)
    with pytest.raises(Forbidden):
        await patch(door, principal("patient/*.rs", me.id), "Patient", me.id, steps)
    await delete(door, owner, "Patient", other.id)
    with pytest.raises(Gone):
        await patch(door, owner, "Patient", other.id, steps)


async def test_a_patch_needs_to_read_what_it_patches(door: Door, owner: Principal) -> None:
    """What a patch can be applied to tells what there is."""
    steps = set_to("/active", True)
    made = (await create(door, owner, "Patient", person("1", gender="male"))).resource

    def reading(*some: Grant) -> Principal:
        return Principal("a", "c", "j", Policy((Grant("Patient", frozenset("us")), *some)), 1 << 62)

    blind = reading()
    women, men = (reading(Grant("Patient", frozenset("r"), None, (("gender", one),))) for one in ("female", "male"))
    by_criteria = "identifier=1"
    for way, name in ((patch, made.id), (conditional_patch, by_criteria)):
        with pytest.raises(Forbidden, match="does not allow to read Patient"):
            await way(door, blind, "Patient", name, steps)
    with pytest.raises(NotFound):
        await patch(door, women, "Patient", made.id, steps)
    with pytest.raises(Forbidden, match="does not allow to update and read"):
        await conditional_patch(door, women, "Patient", by_criteria, steps)
    assert (await read(door, owner, "Patient", made.id)).version == 1
    assert (await patch(door, men, "Patient", made.id, steps)).resource.version == 2


async def test_a_patch_moves_nothing_out_of_the_compartment(door: Door, owner: Principal) -> None:
    me = (await create(door, owner, "Patient", person("1"))).resource
    mine = (await create(door, owner, "Observation", observation(f"Patient/{me.id}"))).resource
    with pytest.raises(Forbidden):
        steps = set_to("/subject/reference", "Patient/other")
        await patch(door, principal("patient/*.cruds", me.id), "Observation", mine.id, steps)


async def test_if_match_and_failed_tests(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", person("1"))).resource
    with pytest.raises(PreconditionFailed):
        await patch(door, owner, "Patient", made.id, set_to("/active", True), "2")
    with pytest.raises(Unprocessable, match=r"Operation \[0\]"):
        await patch(door, owner, "Patient", made.id, operations({"op": "test", "path": "/active", "value": True}))


async def test_patches_at_once_are_all_applied(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", person("1", name=[{"family": "x"}]))).resource
    steps = [
        operations({"op": "add", "path": "/name/-", "value": {"family": f"n{i}"}})
        if i % 2
        else parameters(
            {"type": "add", "path": "Patient", "name": "name", "value": {"valueHumanName": {"family": f"n{i}"}}}
        )
        for i in range(24)
    ]
    await asyncio.gather(*(patch(door, owner, "Patient", made.id, one) for one in steps))
    found = await read(door, owner, "Patient", made.id)
    assert found.version == 25
    assert sorted(name["family"] for name in found.body["name"]) == sorted(["x", *(f"n{i}" for i in range(24))])


async def test_a_conditional_patch(door: Door, owner: Principal) -> None:
    steps = set_to("/active", True)
    with pytest.raises(NotFound):
        await conditional_patch(door, owner, "Patient", "identifier=1", steps)
    await create(door, owner, "Patient", person("1"))
    found = await conditional_patch(door, owner, "Patient", "identifier=1", steps, "1")
    assert content(found.resource) == person("1", active=True)
    await create(door, owner, "Patient", person("1"))
    with pytest.raises(MultipleMatches):
        await conditional_patch(door, owner, "Patient", "identifier=1", steps)


# --- the languages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[1]",
        b'[{"op":"add"}]',
        b'[{"op":"add","path":"/a"}]',
        b'[{"op":"spin","path":"/a"}]',
        b'[{"op":"add","path":"a","value":1}]',
        b'[{"op":"add","path":"/~2","value":1}]',
        b'[{"op":"move","from":"/a","path":"/a/b"}]',
        b'[{"op":"move","path":"/a/b"}]',
        b'[], "x": 1',
        b'[{"op":"test","op":"add","path":"/a","value":1}]',
        b"[" * 5000 + b"]" * 5000,
        b"[" + b",".join([b'{"op":"copy","from":"/a","path":"/b"}'] * 101) + b"]",
    ],
)
def test_what_is_no_json_patch_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse_json_patch(raw)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": ""},
        {"op": "remove", "path": "/b"},
        {"op": "remove", "path": "/a/2"},
        {"op": "remove", "path": "/a/-"},
        {"op": "replace", "path": "/b", "value": 1},
        {"op": "add", "path": "/a/3", "value": 1},
        {"op": "add", "path": "/a/01", "value": 1},
        {"op": "add", "path": "/a/0/b", "value": 1},
        {"op": "test", "path": "/a/0", "value": True},
        {"op": "test", "path": "/a/0", "value": "1"},
        {"op": "test", "path": "/a", "value": [1]},
    ],
)
def test_json_patch_operations_that_do_not_apply(operation: Body) -> None:
    with pytest.raises(Unprocessable):
        operations(operation).operations[0]({"a": [1, 2]}, Work())


def test_copies_of_copies_stay_bounded() -> None:
    raw = json.encode({"resourceType": "Patient", "id": "a", "a": [0]})
    with pytest.raises(Unprocessable) as caught:
        operations(*({"op": "copy", "from": "/a", "path": "/a/-"} for _ in range(100))).applied(raw)
    assert caught.value.issues[0].code == "too-costly"


def test_json_patch_paths_have_a_depth_and_a_sum_that_are_bounded() -> None:
    add = {"op": "add", "path": "/a" * 201, "value": 1}
    with pytest.raises(Malformed, match="more than 200 steps"):
        operations(add)
    raw = json.encode({"resourceType": "Patient", "id": "a"})
    deep = [{"op": "add", "path": "/a" * depth, "value": {}} for depth in range(1, 200)]
    climbing = operations(*deep, *({"op": "test", "path": "/a" * 198, "value": {"a": {}}} for _ in range(9000)))
    with pytest.raises(Unprocessable) as caught:
        climbing.applied(raw)
    assert caught.value.issues[0].code == "too-costly"


@pytest.mark.parametrize(
    "path",
    [
        "Patient.name.given.select(%context.name.given.select(%context.name.given))",
        "Patient.name.given.where(%context.name.given.exists(%context.name.given.exists($this.id.exists())))",
        "(Patient.name | Patient.name).given.all(%context.name.given.all(%context.name.given.distinct().exists()))",
        "Patient.name.given.where(lower() = upper())",
    ],
)
def test_a_path_that_visits_too_much_is_too_costly(path: str) -> None:
    body = {"resourceType": "Patient", "id": "a", "name": [{"given": ["x" * 90_000 if "lower" in path else "x"] * 600}]}
    patch = parameters({"type": "replace", "path": path, "value": "x"})
    with pytest.raises(Unprocessable) as caught:
        patch.applied(json.encode(body))
    assert caught.value.issues[0].code == "too-costly"


def test_the_operations_of_a_fhirpath_patch_share_one_allowance() -> None:
    raw = json.encode({"resourceType": "Patient", "id": "a", "name": [{"given": ["x"] * 1000}]})
    one = {"type": "replace", "path": "Patient.name.given[999]", "value": "y"}
    assert parameters(*[one] * 20).applied(raw)["name"][0]["given"][999] == "y"
    with pytest.raises(Unprocessable) as caught:
        parameters(*[one] * 1000).applied(raw)
    assert caught.value.issues[0].code == "too-costly"


def test_a_fhirpath_patch_may_add_thousands_to_one_list_without_looking_at_the_others_each_time() -> None:
    raw = json.encode({"resourceType": "Patient", "id": "a", "name": [{"given": ["x"], "_given": [{"id": "1"}]}]})
    one = {"type": "add", "path": "Patient.name[0]", "name": "given", "value": "y"}
    found = parameters(*[one] * 10_000).applied(raw)["name"][0]
    assert found == {"given": ["x"] + ["y"] * 10_000, "_given": [{"id": "1"}] + [None] * 10_000}


def test_what_is_added_keeps_values_and_extensions_in_step() -> None:
    body: Body = {"given": ["a"]}
    name = Type("HumanName")
    place = Place(body, "given", by_key(name)["given"][1], name, None)
    place.append(("b", None))
    place.append((None, {"id": "c"}))
    place.append(("d", {"id": "d"}))
    assert body == {"given": ["a", "b", None, "d"], "_given": [None, None, {"id": "c"}, {"id": "d"}]}


def test_a_path_of_thousands_of_steps_is_refused() -> None:
    with pytest.raises(Malformed):
        parameters({"type": "delete", "path": "Patient" + ".name" * 2000})
    raw = json.encode({"resourceType": "Patient", "id": "a"})
    with pytest.raises(Malformed, match="too many steps"):
        parameters({"type": "delete", "path": "Patient" + ".name" * 1900}).applied(raw)


def test_depth_stays_bounded() -> None:
    deep = b'{"a":' * 400 + b"1" + b"}" * 400
    raw = json.encode({"resourceType": "Patient", "id": "a"})
    for steps in (
        b'[{"op":"add","path":"/x","value":%b}]' % deep,
        b'[{"op":"add","path":"/x","value":%b},{"op":"add","path":"/x%b","value":%b},{"op":"copy","from":"/x","path":"/y"}]'
        % (deep[: 5 * 100] + b"1" + b"}" * 100, b"/a" * 100, deep[: 5 * 300] + b"1" + b"}" * 300),
        b'[{"op":"test","path":"/id","value":%b}]' % deep,
    ):
        try:
            refused = findings("Patient", parse_json_patch(steps).applied(raw))
        except Problem:
            continue
        assert refused


def test_a_patch_can_be_applied_twice() -> None:
    steps = operations(
        {"op": "add", "path": "/name", "value": [{"family": "x"}]},
        {"op": "add", "path": "/name/-", "value": {"family": "y"}},
        {"op": "replace", "path": "/name", "value": [{"family": "z"}]},
        {"op": "add", "path": "/name/-", "value": {"family": "w"}},
    )
    for _ in range(2):
        body: Any = {}
        for step in steps.operations:
            body = step(body, Work())
        assert body == {"name": [{"family": "z"}, {"family": "w"}]}
    added = operations(*({"op": "add", "path": f"/name{end}", "value": [{}]} for end in ("", "/0", "/0/0/x")))
    for _ in range(2):
        body = {}
        for step in added.operations:
            body = step(body, Work())
        assert body == {"name": [[{"x": [{}]}], {}]}


def fhirpath(body: Body, *found: Body) -> Body:
    out: Body = json.parse(json.encode(body))
    for step in parameters(*found).operations:
        out = step(out, Work())
    return out


NAMED: Body = {
    "resourceType": "Patient",
    "birthDate": "1970",
    "_birthDate": {"id": "b"},
    "name": [{"given": ["A", "B"], "_given": [None, {"id": "g"}]}],
    "deceasedBoolean": False,
    "contact": [{"name": {"text": "c"}}],
}


def test_primitives_keep_their_extensions_in_step() -> None:
    names = {"type": "insert", "path": "Patient.name.given", "index": 0, "value": "X"}
    assert fhirpath(NAMED, names)["name"] == [{"given": ["X", "A", "B"], "_given": [None, None, {"id": "g"}]}]
    move = {"type": "move", "path": "Patient.name.given", "source": 1, "destination": 0}
    assert fhirpath(NAMED, move)["name"] == [{"given": ["B", "A"], "_given": [{"id": "g"}, None]}]
    drop = {"type": "delete", "path": "Patient.name.given[1]"}
    assert fhirpath(NAMED, drop)["name"] == [{"given": ["A"]}]
    assert "_birthDate" not in fhirpath(NAMED, {"type": "delete", "path": "Patient.birthDate"})
    replaced = fhirpath(NAMED, {"type": "replace", "path": "Patient.birthDate", "value": {"valueDate": "1971"}})
    assert (replaced["birthDate"], "_birthDate" in replaced) == ("1971", False)


def test_extensions_of_primitives_can_be_reached() -> None:
    extension = {"url": "http://x", "valueString": "y"}
    add = {"type": "add", "path": "Patient.birthDate", "name": "extension", "value": {"valueExtension": extension}}
    with pytest.raises(Problem):  # Extension is no open type; the parts form is
        fhirpath(NAMED, add)
    parts = {"part": [{"name": "url", "valueUri": "http://x"}, {"name": "value", "valueString": "y"}]}
    add = {"type": "add", "path": "Patient.birthDate", "name": "extension", "value": parts}
    found = fhirpath(NAMED, add)
    assert found["_birthDate"] == {"id": "b", "extension": [extension]}
    gone = fhirpath(found, {"type": "delete", "path": "Patient.birthDate.extension('http://x')"})
    assert gone["_birthDate"] == {"id": "b"}
    bare = {"resourceType": "Patient", "birthDate": "1970"}
    made = fhirpath(bare, add)
    assert made == bare | {"_birthDate": {"extension": [extension]}}
    assert fhirpath(made, {"type": "delete", "path": "Patient.birthDate.extension"}) == bare


def test_a_choice_changes_its_type() -> None:
    value = {"valueDateTime": "2020"}
    found = fhirpath(NAMED, {"type": "replace", "path": "Patient.deceased", "value": value})
    assert found["deceasedDateTime"] == "2020"
    assert "deceasedBoolean" not in found


def test_a_delete_leaves_nothing_empty_behind() -> None:
    found = fhirpath(NAMED, {"type": "delete", "path": "Patient.contact.name.text"})
    assert "contact" not in found


def test_deleting_what_is_not_there_is_no_error() -> None:
    assert fhirpath(NAMED, {"type": "delete", "path": "Patient.gender"}) == NAMED


@pytest.mark.parametrize(
    "operation",
    [
        {"type": "add", "path": "Patient", "name": "birthDate", "value": {"valueDate": "1971"}},
        {"type": "add", "path": "Patient", "name": "deceased", "value": {"valueDateTime": "1971"}},
        {"type": "add", "path": "Patient", "name": "colour", "value": "red"},
        {"type": "add", "path": "Patient", "name": "name", "value": {"valueAddress": {"city": "x"}}},
        {"type": "add", "path": "Patient", "name": "active", "value": "true"},
        {"type": "add", "path": "Patient.name.given", "name": "id", "value": "x"},
        {"type": "delete", "path": "Patient.name.given"},
        {"type": "delete", "path": "Patient"},
        {"type": "replace", "path": "Patient.gender", "value": {"valueCode": "male"}},
        {"type": "replace", "path": "Patient.name.given", "value": "x"},
        {"type": "insert", "path": "Patient.name.given", "index": 3, "value": "x"},
        {"type": "insert", "path": "Patient.name.given", "index": -1, "value": "x"},
        {"type": "insert", "path": "Patient.birthDate", "index": 0, "value": {"valueDate": "1971"}},
        {"type": "insert", "path": "Patient.photo", "index": 0, "value": {"valueAttachment": {"title": "x"}}},
        {"type": "move", "path": "Patient.name.given", "source": 0, "destination": 2},
        {"type": "move", "path": "Patient.name.given", "source": -1, "destination": 0},
        {"type": "replace", "path": "Patient.colour", "value": "x"},
        {"type": "replace", "path": "Patient.name.count()", "value": {"valueInteger": 1}},
        {"type": "replace", "path": "Patient.managingOrganization.resolve().name", "value": "x"},
        {"type": "add", "path": "Patient", "name": "contained", "value": {"part": [{"name": "id", "valueId": "c"}]}},
        {"type": "delete", "path": "Patient.``"},
        {"type": "delete", "path": "9" * 5000},
        {"type": "spin", "path": "Patient"},
        {"type": "delete"},
        {"type": "delete", "path": "Patient.name["},
        {"type": "delete", "path": "Patient.name", "value": "x"},
    ],
)
def test_fhirpath_patch_operations_that_do_not_apply(operation: Body) -> None:
    with pytest.raises(Problem) as caught:
        fhirpath(NAMED, operation)
    assert caught.type in (Unprocessable, Invalid, Malformed)


def test_a_fhirpath_patch_can_be_applied_twice() -> None:
    steps = parameters(
        {"type": "add", "path": "Patient", "name": "name", "value": {"valueHumanName": {"family": "x"}}},
        {"type": "add", "path": "Patient.name[0]", "name": "given", "value": "y"},
    )
    for _ in range(2):
        body: Body = {"resourceType": "Patient"}
        for step in steps.operations:
            body = step(body, Work())
        assert body == {"resourceType": "Patient", "name": [{"family": "x", "given": ["y"]}]}


def test_what_is_no_fhirpath_patch_is_invalid() -> None:
    for body in (
        {"resourceType": "Patient"},
        {"resourceType": "Parameters", "parameter": [{"name": "operation"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "other", "part": []}]},
        {"resourceType": "Parameters", "parameter": "x"},
    ):
        with pytest.raises(Invalid):
            parse_fhirpath_patch(body)
