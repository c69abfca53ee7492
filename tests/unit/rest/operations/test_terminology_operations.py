"""The operations on codes, by the router: what they answer, and whom."""

from __future__ import annotations

import re
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from hilum.access.granting import of_scopes
from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir import json
from hilum.interactions import build
from hilum.interactions.answering import answer
from hilum.interactions.door import Door
from hilum.interactions.terminology import closing
from hilum.interactions.terminology.knowledge import natural
from hilum.interactions.update import update
from hilum.oauth.scopes import parse
from hilum.rest import router
from hilum.rest.links import Links
from hilum.rest.message import Request
from hilum.rest.operations import codes as operations
from hilum.rest.operations import inputs, validate_code
from hilum.rest.router import Router, Service
from hilum.rest.routes import ROUTES
from hilum.store.sqlite import open_sqlite
from hilum.terminology.questions import Question

BASE = "http://hilum.test/fhir"
OWNER = Principal("owner", "test", "", EVERYTHING, 1 << 62)
FHIR = b"application/fhir+json"
Body = dict[str, Any]

ANIMALS: Body = {
    "resourceType": "CodeSystem",
    "id": "animals",
    "url": "http://animals",
    "version": "1",
    "name": "Animals",
    "status": "active",
    "content": "complete",
    "caseSensitive": False,
    "property": [{"code": "legs", "type": "integer", "description": "How many legs it has"}],
    "concept": [
        {
            "code": "animal",
            "display": "Animal",
            "property": [{"code": "notSelectable", "valueBoolean": True}],
            "concept": [
                {
                    "code": "bird",
                    "display": "Bird",
                    "definition": "It has feathers.",
                    "designation": [{"language": "de", "value": "Vogel"}, {"language": "fr", "value": "Oiseau"}],
                    "property": [{"code": "legs", "valueInteger": 2}],
                    "concept": [
                        {"code": "owl", "display": "Barn owl", "property": [{"code": "legs", "valueInteger": 2}]},
                        {"code": "dodo", "display": "Dodo", "property": [{"code": "inactive", "valueBoolean": True}]},
                    ],
                },
                {"code": "cow", "display": "Cow", "property": [{"code": "legs", "valueInteger": 4}]},
                {"code": "eel", "display": "European eel"},
            ],
        }
    ],
}


def filtered(property: str, op: str, value: str) -> Body:
    return {"system": "http://animals", "filter": [{"property": property, "op": op, "value": value}]}


def value_set(id: str, *include: Body, **more: Any) -> Body:
    compose = {"include": list(include)} | ({"exclude": more.pop("exclude")} if "exclude" in more else {})
    return {
        "resourceType": "ValueSet",
        "id": id,
        "url": f"http://v/{id}",
        "status": "active",
        "compose": compose,
    } | more


SETS = (
    value_set("all", {"system": "http://animals"}),
    value_set("birds", filtered("concept", "is-a", "bird")),
    value_set("legs", filtered("legs", "=", "2")),
    value_set("no-legs", filtered("legs", "exists", "false")),
    value_set("e", filtered("code", "regex", ".*l")),
    value_set("children", filtered("parent", "=", "animal")),
    value_set(
        "listed",
        {
            "system": "http://animals",
            "concept": [
                {"code": "owl", "display": "Eule", "designation": [{"language": "la", "value": "Tyto alba"}]},
                {"code": "cow"},
            ],
        },
        {"system": "http://stones", "concept": [{"code": "flint", "display": "Flint"}]},
    ),
    value_set("but", {"system": "http://animals"}, exclude=[filtered("concept", "is-a", "bird")]),
    value_set("both", {"valueSet": ["http://v/birds", "http://v/legs"]}),
    value_set("stones", {"system": "http://stones"}),
    value_set("units", {"system": "http://unitsofmeasure.org"}),
)
MAP: Body = {
    "resourceType": "ConceptMap",
    "id": "to-stones",
    "url": "http://m/to-stones",
    "status": "active",
    "sourceUri": "http://v/all",
    "targetUri": "http://v/stones",
    "group": [
        {
            "source": "http://animals",
            "target": "http://stones",
            "element": [
                {
                    "code": "owl",
                    "target": [
                        {
                            "code": "flint",
                            "display": "Flint",
                            "equivalence": "wider",
                            "product": [{"property": "http://p", "system": "http://q", "value": "r"}],
                        }
                    ],
                },
                {
                    "code": "cow",
                    "target": [
                        {
                            "code": "marble",
                            "equivalence": "equal",
                            "dependsOn": [{"property": "http://p", "system": "http://q", "value": "white"}],
                        }
                    ],
                },
                {"code": "dodo", "target": [{"equivalence": "unmatched", "comment": "gone"}]},
            ],
            "unmapped": {"mode": "fixed", "code": "pebble", "display": "Pebble"},
        }
    ],
}


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    store = await open_sqlite(str(tmp_path / "store.db"))
    door = Door(store, BASE)
    for body in (ANIMALS, *SETS, MAP):
        await update(door, OWNER, body["resourceType"], body["id"], body)
    yield Service(door, Links(bytes(32)), Router(ROUTES))
    await store.close()


async def get(service: Service, path: str, who: Principal = OWNER, **given: Any) -> Body:
    pairs = [(name.replace("_", "-"), one) for name, value in given.items() for one in _each(value)]
    request = Request("GET", tuple(path.split("/")), urlencode(pairs), {}, b"", who)
    return await _answered(service, request)


def _each(value: Any) -> list[str]:
    some = value if isinstance(value, list) else [value]
    return [("true" if one else "false") if isinstance(one, bool) else str(one) for one in some]


async def post(service: Service, path: str, *listed: Body, who: Principal = OWNER) -> Body:
    body = {"resourceType": "Parameters"} | ({"parameter": list(listed)} if listed else {})
    headers = {b"content-type": FHIR}
    return await _answered(service, Request("POST", tuple(path.split("/")), "", headers, json.encode(body), who))


async def _answered(service: Service, request: Request) -> Body:
    found = await router.answer(service, request)
    body: Body = json.parse(found.body)
    if found.status != 200:
        issue = body["issue"][0]
        said = {"status": found.status, "code": issue["code"], "said": issue["diagnostics"]}
        return said | ({"place": issue["expression"]} if "expression" in issue else {})
    return body


def codes(body: Body) -> list[str]:
    def walk(contains: list[Body]) -> list[str]:
        return [code for one in contains for code in (one["code"], *walk(one.get("contains", [])))]

    return walk(body["expansion"].get("contains", []))


def plain(body: Body) -> dict[str, Any]:
    """Parameters as a dictionary; what is there several times as a list."""
    found: dict[str, Any] = {}
    for one in body["parameter"]:
        value = next((v for k, v in one.items() if k.startswith("value")), None)
        if "part" in one:
            value = plain({"parameter": one["part"]})
            found.setdefault(one["name"], []).append(value)
        else:
            found[one["name"]] = value
    return found


# --- $expand ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("all", ["animal", "bird", "owl", "dodo", "cow", "eel"]),
        ("birds", ["bird", "owl", "dodo"]),
        ("legs", ["bird", "owl"]),
        ("no-legs", ["animal", "dodo", "eel"]),
        ("e", ["animal", "owl", "eel"]),
        ("children", ["bird", "cow", "eel"]),
        ("listed", ["owl", "cow", "flint"]),
        ("but", ["animal", "cow", "eel"]),
        ("both", ["bird", "owl"]),
    ],
)
async def test_a_value_set_is_expanded_by_url_and_by_instance(service: Service, name: str, expected: list[str]) -> None:
    by_url = await get(service, "ValueSet/$expand", url=f"http://v/{name}")
    by_id = await get(service, f"ValueSet/{name}/$expand")
    assert codes(by_url) == codes(by_id) == expected
    assert by_url["expansion"]["total"] == len(expected)
    assert "compose" not in by_url
    assert (await get(service, f"ValueSet/{name}/$expand", includeDefinition=True))["compose"]


async def test_an_expansion_says_what_is_inactive_abstract_and_of_which_version(service: Service) -> None:
    body = await get(service, "ValueSet/all/$expand")
    by = {one["code"]: one for one in body["expansion"]["contains"]}
    assert by["animal"] == {
        "system": "http://animals", "abstract": True, "version": "1", "code": "animal", "display": "Animal",
    }  # fmt: skip
    assert by["dodo"]["inactive"] is True
    assert body["expansion"]["parameter"] == [{"name": "version", "valueUri": "http://animals|1"}]
    active = await get(service, "ValueSet/all/$expand", activeOnly=True, excludeNotForUI=True)
    assert codes(active) == ["bird", "owl", "cow", "eel"]


async def test_pages_and_filters_agree_with_the_whole(service: Service) -> None:
    whole = codes(await get(service, "ValueSet/all/$expand"))
    pages = [await get(service, "ValueSet/all/$expand", offset=n, count=2) for n in range(0, 6, 2)]
    assert [code for page in pages for code in codes(page)] == whole
    assert {page["expansion"]["total"] for page in pages} == {6}
    assert [page["expansion"]["offset"] for page in pages] == [0, 2, 4]
    assert codes(await get(service, "ValueSet/all/$expand", count=0)) == []
    for text, found in (
        ("e", ["eel"]),
        ("OWL bar", ["owl"]),
        ("vog", ["bird"]),
        ("cow", ["cow"]),
        ("x", []),
        (".", []),
    ):
        body = await get(service, "ValueSet/all/$expand", filter=text)
        assert (codes(body), body["expansion"]["total"]) == (found, len(found)), text
    assert codes(await get(service, "ValueSet/listed/$expand", filter="fli")) == ["flint"]


async def test_a_nested_expansion_follows_the_hierarchy(service: Service) -> None:
    body = await get(service, "ValueSet/all/$expand", excludeNested=False)
    (animal,) = body["expansion"]["contains"]
    assert [one["code"] for one in animal["contains"]] == ["bird", "cow", "eel"]
    assert [one["code"] for one in animal["contains"][0]["contains"]] == ["owl", "dodo"]


async def test_a_nested_expansion_keeps_code_systems_apart(service: Service) -> None:
    oak = {"code": "oak"}
    await update(service.door, OWNER, "CodeSystem", "plants", {
        "resourceType": "CodeSystem", "id": "plants", "url": "http://plants", "status": "active", "content": "complete",
        "concept": [{"code": "plant", "concept": [{"code": "tree", "concept": [oak]}, {"code": "moss"}]}],
    })  # fmt: skip
    both = value_set("alive", {"system": "http://animals"}, {"system": "http://plants"})
    body = await post(
        service, "ValueSet/$expand",
        {"name": "valueSet", "resource": both}, {"name": "excludeNested", "valueBoolean": False},
    )  # fmt: skip
    assert [one["code"] for one in body["expansion"]["contains"]] == ["animal", "plant"]
    assert codes(body) == ["animal", "bird", "owl", "dodo", "cow", "eel", "plant", "tree", "oak", "moss"]


async def test_inactive_codes_are_left_out_where_the_value_set_says_so(service: Service) -> None:
    body = value_set("living", filtered("concept", "is-a", "bird"))
    body["compose"]["inactive"] = False
    await update(service.door, OWNER, "ValueSet", "living", body)
    assert codes(await get(service, "ValueSet/living/$expand")) == ["bird", "owl"]
    asked = {"url": "http://v/living", "system": "http://animals"}
    assert plain(await get(service, "ValueSet/$validate-code", code="owl", **asked))["result"] is True
    assert plain(await get(service, "ValueSet/$validate-code", code="dodo", **asked))["result"] is False


async def test_versions_of_a_code_system_are_told_apart(service: Service) -> None:
    for version, some in (("1", "ab"), ("2", "bc")):
        await update(service.door, OWNER, "CodeSystem", f"x{version}", {
            "resourceType": "CodeSystem", "id": f"x{version}", "url": "http://x", "version": version,
            "status": "active", "content": "complete", "concept": [{"code": code} for code in some],
        })  # fmt: skip
    one, two = ({"system": "http://x", "version": version} for version in "12")
    a, c = ({**system, "concept": [{"code": code}]} for system, code in ((one, "a"), (two, "c")))
    for body in (value_set("listed-x", a, c), value_set("both-x", one, two)):
        await update(service.door, OWNER, "ValueSet", body["id"], body)
    names = ["http://v/both-x", "http://v/listed-x"]
    for include, expected in (
        ({"valueSet": names}, ["a", "c"]),
        ({"system": "http://x", "valueSet": names[1:]}, ["c"]),
    ):
        sent = {"name": "valueSet", "resource": value_set("y", include)}
        assert codes(await post(service, "ValueSet/$expand", sent)) == expected, include
    asked = {"url": "http://v/listed-x", "system": "http://x", "code": "a"}
    for version, result in (("1", True), ("2", False), ("9", False)):
        found = await get(service, "ValueSet/$validate-code", systemVersion=version, **asked)
        assert plain(found)["result"] is result, version


async def test_displays_and_designations_are_those_of_the_language_and_of_the_value_set(service: Service) -> None:
    body = await get(service, "ValueSet/birds/$expand", displayLanguage="de")
    assert [one["display"] for one in body["expansion"]["contains"]] == ["Vogel", "Barn owl", "Dodo"]
    listed = await get(service, "ValueSet/listed/$expand", includeDesignations=True)
    first = listed["expansion"]["contains"][0]
    assert (first["display"], first["designation"]) == ("Eule", [{"language": "la", "value": "Tyto alba"}])
    for language in ("de-AT", "es, de-CH-1901;q=0.9"):
        of_region = await get(service, "ValueSet/birds/$expand", displayLanguage=language)
        assert of_region["expansion"]["contains"] == body["expansion"]["contains"], language
    some = await get(service, "ValueSet/birds/$expand", designation="urn:ietf:bcp:47|fr")
    assert some["expansion"]["contains"][0]["designation"] == [{"language": "fr", "value": "Oiseau"}]


async def test_a_value_set_that_is_sent_along_is_expanded(service: Service) -> None:
    sent = {"name": "valueSet", "resource": value_set("x", filtered("concept", "is-a", "bird"))}
    count = {"name": "count", "valueInteger": 1}
    assert codes(await post(service, "ValueSet/$expand", sent, count)) == ["bird"]
    wrong = await post(
        service, "ValueSet/$expand", {"name": "valueSet", "resource": {"resourceType": "ValueSet", "compose": 1}}
    )
    assert wrong["status"] in (400, 422)


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"url": "http://v/nothing"}, 404, "send it along"),
        ({"url": "http://v/all|9"}, 404, "of another version"),
        ({"url": "http://v/stones"}, 400, "not listed here"),
        ({"url": "http://v/units"}, 400, "not listed here"),
        ({}, 400, "Name one value set"),
        ({"url": "http://v/all", "offset": -1}, 400, "0 or more"),
        ({"url": "http://v/all", "system_version": "http://animals"}, 400, r"\[system\]"),
        ({"url": "http://v/all", "force_system_version": "http://animals|9"}, 400, "not listed here"),
    ],
)
async def test_what_can_not_be_expanded_is_said(service: Service, given: Body, status: int, said: str) -> None:
    body = await get(service, "ValueSet/$expand", **given)
    assert (body["status"], re.search(said, body["said"]) is not None) == (status, True), body


@pytest.mark.parametrize(("many", "op", "value"), [(1100, "is-a", "bird"), (21, "regex", "o.*")])
async def test_the_work_of_a_value_set_that_is_sent_along_is_bounded(
    service: Service, many: int, op: str, value: str
) -> None:
    for number, status in ((many, 400), (2, None)):
        sent = value_set("x", *[filtered("code", op, value)] * number)
        body = await post(service, "ValueSet/$expand", {"name": "valueSet", "resource": sent})
        assert body.get("said", "composed of").find("composed of") >= 0
        assert (body["status"] if "said" in body else None) == status


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("http://hl7.org/fhir/StructureDefinition/Patient#Patient.gender", ["male", "female", "other", "unknown"]),
        ("http://p/owls#Observation.code", ["bird", "owl", "dodo"]),
        ("http://p/owls#Observation.interpretation", ["bird", "owl"]),
    ],
)
async def test_a_value_set_is_named_by_the_element_that_is_bound_to_it(
    service: Service, context: str, expected: list[str]
) -> None:
    base = "http://hl7.org/fhir/StructureDefinition/Observation"
    bound = {"strength": "required", "valueSet": "http://v/birds"}
    code = {"id": "Observation.code", "path": "Observation.code", "binding": bound}
    other: Body = {"id": "Observation.interpretation", "path": "Observation.interpretation"}
    other["binding"] = bound | {"valueSet": "http://v/legs"}
    profile = {"resourceType": "StructureDefinition", "id": "owls", "url": "http://p/owls", "name": "Owls",
               "status": "active", "kind": "resource", "abstract": False, "type": "Observation",
               "baseDefinition": base, "derivation": "constraint",
               "differential": {"element": [code, other]}}  # fmt: skip
    await update(service.door, OWNER, "StructureDefinition", "owls", profile)
    more = {"contextDirection": "incoming"}
    assert codes(await get(service, "ValueSet/$expand", context=context, **more)) == expected
    found = await get(service, "ValueSet/$validate-code", context=context, code=expected[0])
    assert plain(found)["result"] is True
    for wrong in ("http://nowhere#x", "http://p/owls#Observation.id", "http://p/owls"):
        assert (await get(service, "ValueSet/$expand", context=wrong))["status"] == 404


@pytest.mark.parametrize(
    ("path", "given"),
    [
        ("ValueSet/$expand", {"url": "http://v/birds"}),
        ("ValueSet/$validate-code", {"url": "http://v/birds", "code": "owl"}),
        ("CodeSystem/$validate-code", {"url": "http://animals", "code": "owl"}),
        ("CodeSystem/$lookup", {"system": "http://animals", "code": "owl"}),
    ],
)
async def test_what_is_so_now_is_told_and_what_was_so_is_not(service: Service, path: str, given: Body) -> None:
    plainly = await get(service, path, **given)
    for date in ("2999-01-01", "2999"):
        found = await get(service, path, **given, date=date)
        assert found.get("parameter") == plainly.get("parameter")
        assert "status" not in found or found["status"] == "active"
    refused = await get(service, path, **given, date="2020-01-01")
    assert (refused["status"], refused["code"]) == (422, "not-supported")


async def test_r4s_own_value_sets_are_always_there(service: Service) -> None:
    body = await get(service, "ValueSet/$expand", url="http://hl7.org/fhir/ValueSet/administrative-gender")
    assert codes(body) == ["male", "female", "other", "unknown"]


async def test_the_next_request_sees_what_was_written(service: Service) -> None:
    assert len(codes(await get(service, "ValueSet/all/$expand"))) == 6
    await update(service.door, OWNER, "CodeSystem", "animals", ANIMALS | {"concept": [{"code": "cat"}]})
    other = Service(Door(service.door.store, BASE), Links(bytes(32)), Router(ROUTES))
    for one in (service, other):
        assert codes(await get(one, "ValueSet/all/$expand")) == ["cat"]


# --- $validate-code ---------------------------------------------------------------------------------------------------


_NOT_IN = "The code is not in the value set."
_ABSTRACT = "The code is abstract: it stands for those under it, and can't be chosen."
_OTHER_NAME = "The display is none that the code has; it has 'Barn owl'."
_UNKNOWN = "Nothing can be said: the code system (and version) is not known here. Store or import it."
_NO_CODE = "The code system has no such code."
UNITS = "http://unitsofmeasure.org"


@pytest.mark.parametrize(
    ("name", "system", "code", "more", "result", "said"),
    [
        ("birds", "http://animals", "owl", {}, True, None),
        ("birds", None, "owl", {}, True, None),
        ("birds", "http://animals", "OWL", {}, True, None),
        ("birds", "http://animals", "dodo", {}, True, "The code is inactive."),
        ("birds", "http://animals", "cow", {}, False, _NOT_IN),
        ("birds", "http://animals", "x", {}, False, _NO_CODE),
        ("birds", "http://stones", "x", {}, False, _NOT_IN),
        ("all", None, "animal", {}, False, _ABSTRACT),
        ("all", None, "animal", {"abstract": True}, True, None),
        ("birds", None, "owl", {"display": "barn  OWL"}, True, None),
        ("birds", None, "bird", {"display": "Oiseau"}, True, None),
        ("birds", None, "owl", {"display": "Owl"}, False, _OTHER_NAME),
        ("stones", "http://stones", "flint", {}, False, _UNKNOWN),
        ("units", UNITS, "mg", {}, True, None),
        ("units", UNITS, "meter", {}, False, _NO_CODE),
    ],
)
async def test_whether_a_code_is_in_a_value_set(
    service: Service, name: str, system: str | None, code: str, more: Body, *, result: bool, said: str | None
) -> None:
    given = {"url": f"http://v/{name}", "code": code} | ({"system": system} if system else {}) | more
    found = plain(await get(service, "ValueSet/$validate-code", **given))
    assert (found["result"], found.get("message")) == (result, said)


_STONES: Body = {"system": "http://stones"}
_UNITS: Body = {"system": UNITS}
_BUT_MG = value_set("but-mg", _UNITS, exclude=[{"system": UNITS, "concept": [{"code": "mg"}, {"code": "kg"}]}])
_BUT_G = value_set("but-g", _UNITS, exclude=[{"system": UNITS, "concept": [{"code": "g"}, {"code": "kg"}]}])


@pytest.mark.parametrize(
    ("sent", "members", "others"),
    [
        (_BUT_MG, ["g", "m"], ["mg", "kg"]),
        (value_set("x", {"valueSet": ["http://v/but-mg"]}, {"valueSet": ["http://v/but-g"]}), ["g", "mg"], ["kg"]),
        (value_set("x", {"valueSet": ["http://v/but-mg", "http://v/but-g"]}), ["m"], ["g", "mg", "kg"]),
        (value_set("x", _UNITS, exclude=[{"valueSet": ["http://v/but-mg"]}]), ["mg", "kg"], ["g"]),
        (value_set("x", {"valueSet": ["http://v/but-mg"]}, exclude=[{"valueSet": ["http://v/but-g"]}]), ["g"], ["mg"]),
        (value_set("x", {"valueSet": ["http://v/but-mg"]}, _UNITS), ["mg", "g"], []),
        (
            value_set("x", {"valueSet": ["http://v/but-mg"]}, {"system": UNITS, "concept": [{"code": "mg"}]}),
            ["mg", "g"],
            ["kg"],
        ),
        (
            value_set("x", _UNITS | {"concept": [{"code": "mg"}, {"code": "g"}], "valueSet": ["http://v/but-mg"]}),
            ["g"],
            ["mg"],
        ),
    ],
)
async def test_all_codes_of_a_system_but_some(
    service: Service, sent: Body, members: list[str], others: list[str]
) -> None:
    for body in (_BUT_MG, _BUT_G):
        await update(service.door, OWNER, "ValueSet", body["id"], body)
    for code in (*members, *others):
        coding = {"name": "coding", "valueCoding": {"system": UNITS, "code": code}}
        body = await post(service, "ValueSet/$validate-code", {"name": "valueSet", "resource": sent}, coding)
        assert plain(body)["result"] is (code in members), (code, body)


async def test_all_codes_but_some_of_a_fragment(service: Service) -> None:
    await update(service.door, OWNER, "CodeSystem", "animals", ANIMALS | {"content": "fragment"})
    gone = [{"system": "http://animals", "concept": [{"code": "owl"}, {"code": "yak"}]}]
    sent = {"name": "valueSet", "resource": value_set("x", {"system": "http://animals"}, exclude=gone)}
    for code, result, said in (
        ("cow", True, None),
        ("owl", False, _NOT_IN),
        ("yak", False, _NOT_IN),
        ("gnu", False, "Nothing can be said: what is known here of the code system is not complete."),
    ):
        coding = {"name": "coding", "valueCoding": {"system": "http://animals", "code": code}}
        found = plain(await post(service, "ValueSet/$validate-code", sent, coding))
        assert (found["result"], found.get("message")) == (result, said), code


async def test_what_is_known_of_a_fragment_is_expanded_and_said_to_be_one(service: Service) -> None:
    await update(service.door, OWNER, "CodeSystem", "animals", ANIMALS | {"content": "fragment"})
    body = await get(service, "ValueSet/$expand", url="http://v/but")
    assert codes(body) == ["animal", "cow", "eel"]
    content = {"name": "http://animals#CodeSystem.content", "valueCode": "fragment"}
    assert content in body["expansion"]["parameter"]


async def test_a_search_for_all_codes_but_some(service: Service) -> None:
    mine = value_set(
        "mine", {"valueSet": ["http://v/but-mg"]}, {"system": "http://animals", "concept": [{"code": "owl"}]}
    )
    back = value_set("back", {"valueSet": ["http://v/but-mg"]}, _UNITS | {"concept": [{"code": "kg"}]})
    for body in (_BUT_MG, mine, back):
        await update(service.door, OWNER, "ValueSet", body["id"], body)
    some = {"g": (UNITS, "g"), "mg": (UNITS, "mg"), "kg": (UNITS, "kg"), "owl": ("http://animals", "owl"),
            "other": ("http://animals", "g")}  # fmt: skip
    for id, (system, code) in some.items():
        coding = {"coding": [{"system": system, "code": code}]}
        observation = {"resourceType": "Observation", "id": id, "status": "final", "code": coding}
        await update(service.door, OWNER, "Observation", id, observation)
    for modifier, name, expected in (
        ("in", "but-mg", {"g"}),
        ("in", "mine", {"g", "owl"}),
        ("in", "back", {"g", "kg"}),
        ("not-in", "but-mg", {"mg", "kg", "owl", "other"}),
    ):
        found = await get(service, "Observation", **{f"code:{modifier}": f"http://v/{name}"})
        assert {one["resource"]["id"] for one in found.get("entry", [])} == expected, (modifier, name)


@pytest.mark.parametrize(("language", "display"), [("fr", "Oiseau"), ("de-AT", "Vogel"), ("it", "Bird"), ("", "Bird")])
async def test_the_display_of_a_valid_code_is_in_the_language_that_is_asked_for(
    service: Service, language: str, display: str
) -> None:
    more = {"displayLanguage": language} if language else {}
    for path, url in (("ValueSet", "http://v/birds"), ("CodeSystem", "http://animals")):
        found = plain(await get(service, f"{path}/$validate-code", url=url, code="bird", **more))
        assert found == {"result": True, "display": display}
    bird = ANIMALS["concept"][0]["concept"][0]
    sent = {"name": "codeSystem", "resource": ANIMALS | {"id": "x", "concept": [bird]}}
    some = [{"name": name, "valueCode": value} for name, value in ({"code": "bird"} | more).items()]
    assert plain(await post(service, "CodeSystem/$validate-code", sent, *some)) == {"result": True, "display": display}


async def test_nothing_is_said_of_a_version_that_is_not_known(service: Service) -> None:
    given = {"url": "http://v/birds", "system": "http://animals", "code": "owl"}
    assert plain(await get(service, "ValueSet/$validate-code", **given, systemVersion="1"))["result"] is True
    found = plain(await get(service, "ValueSet/$validate-code", **given, systemVersion="9"))
    assert (found["result"], found["message"]) == (False, _UNKNOWN)
    flint = {
        "url": "http://v/listed",
        "system": "http://stones",
        "code": "flint",
    }  # of a system that is not here at all
    assert plain(await get(service, "ValueSet/$validate-code", **flint, systemVersion="9"))["result"] is True
    wrong = {"name": "coding", "valueCoding": {"system": "http://animals"}}
    body = await post(service, "ValueSet/$validate-code", {"name": "url", "valueUri": "http://v/birds"}, wrong)
    assert (body["status"], body["place"]) == (400, ["Parameters.parameter[1]"])


async def test_one_of_several_codings_is_enough(service: Service) -> None:
    concept = {"coding": [{"system": "http://x", "code": "y"}, {"system": "http://animals", "code": "owl"}]}
    body = await post(
        service, "ValueSet/birds/$validate-code", {"name": "codeableConcept", "valueCodeableConcept": concept}
    )
    assert plain(body) == {"result": True, "display": "Barn owl"}
    body = await post(service, "ValueSet/birds/$validate-code", {"name": "coding", "valueCoding": concept["coding"][0]})
    assert plain(body)["result"] is False


@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"url": "http://animals", "code": "owl"}, True),
        ({"url": "http://animals", "code": "stone"}, False),
        ({"url": "http://animals", "code": "owl", "version": "1"}, True),
        ({"url": "http://animals", "code": "owl", "version": "2"}, False),
        ({"url": "http://unitsofmeasure.org", "code": "mg/dL"}, True),
        ({"url": "urn:ietf:bcp:47", "code": "not a language"}, False),
        ({"url": "urn:iso:std:iso:4217", "code": "EUR", "display": "Euro"}, True),
    ],
)
async def test_whether_a_code_system_has_a_code(service: Service, given: Body, *, result: bool) -> None:
    assert plain(await get(service, "CodeSystem/$validate-code", **given))["result"] is result


async def test_a_code_system_that_is_sent_along_is_asked(service: Service) -> None:
    sent = {"name": "codeSystem", "resource": ANIMALS | {"id": "x", "concept": [{"code": "cat", "display": "Cat"}]}}
    for code, result in (("cat", True), ("owl", False)):
        body = await post(service, "CodeSystem/$validate-code", sent, {"name": "code", "valueCode": code})
        assert plain(body)["result"] is result


# --- $lookup, $subsumes -----------------------------------------------------------------------------------------------


async def test_all_that_is_known_of_a_code(service: Service) -> None:
    found = plain(await get(service, "CodeSystem/$lookup", system="http://animals", code="bird"))
    assert (found["name"], found["version"], found["display"]) == ("Animals", "1", "Bird")
    assert found["designation"] == [{"language": "de", "value": "Vogel"}, {"language": "fr", "value": "Oiseau"}]
    said = [(one["code"], one["value"]) for one in found["property"]]
    assert said == [
        ("definition", "It has feathers."), ("inactive", False), ("legs", 2), ("parent", "animal"), ("child", "owl"),
        ("child", "dodo"),
    ]  # fmt: skip
    assert found["property"][2]["description"] == "How many legs it has"
    some = plain(
        await get(
            service,
            "CodeSystem/$lookup",
            system="http://animals",
            code="bird",
            property=["child", "lang.fr"],
            displayLanguage="fr",
        )
    )
    assert [one["code"] for one in some["property"]] == ["child", "child"]
    assert (some["display"], some["designation"]) == ("Oiseau", [{"language": "fr", "value": "Oiseau"}])


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        ({"system": "http://animals", "code": "x"}, 404, "has no such code"),
        ({"system": "http://nowhere", "code": "x"}, 404, "store a CodeSystem of this url"),
        ({"system": "http://unitsofmeasure.org", "code": "mg"}, 404, r"made by a rule.*CodeSystem/\$validate-code"),
        ({"system": "http://animals", "code": "\0"}, 400, ""),
        ({"system": "http://animals", "code": "owl", "version": "7"}, 404, "without a version, 1 is meant"),
        ({"code": "owl"}, 400, "its system"),
        ({}, 400, "Give a code"),
    ],
)
async def test_a_lookup_of_what_is_not_there(service: Service, given: Body, status: int, said: str) -> None:
    found = await get(service, "CodeSystem/$lookup", **given)
    assert (found["status"], re.search(said, found["said"]) is not None) == (status, True), found


@pytest.mark.parametrize(
    ("a", "b", "outcome"),
    [
        ("animal", "owl", "subsumes"),
        ("owl", "bird", "subsumed-by"),
        ("owl", "owl", "equivalent"),
        ("cow", "owl", "not-subsumed"),
    ],
)
async def test_how_two_codes_stand_to_each_other(service: Service, a: str, b: str, outcome: str) -> None:
    at_type = await get(service, "CodeSystem/$subsumes", system="http://animals", codeA=a, codeB=b)
    assert plain(at_type) == plain(await get(service, "CodeSystem/animals/$subsumes", codeA=a, codeB=b))
    assert plain(at_type) == {"outcome": outcome}


# --- $translate, $closure ---------------------------------------------------------------------------------------------


async def test_what_a_value_set_lists_and_its_code_system_does_not_have_is_no_member(service: Service) -> None:
    listed = {"system": "http://animals", "concept": [{"code": "owl"}, {"code": "yak"}]}
    await update(service.door, OWNER, "ValueSet", "old", value_set("old", listed))
    assert codes(await get(service, "ValueSet/old/$expand")) == ["owl"]
    found = plain(await get(service, "ValueSet/old/$validate-code", system="http://animals", code="yak"))
    assert (found["result"], found["message"]) == (False, _NO_CODE)
    await update(service.door, OWNER, "CodeSystem", "animals", ANIMALS | {"content": "fragment"})
    assert codes(await get(service, "ValueSet/old/$expand")) == ["owl", "yak"]


async def test_a_value_set_of_all_versions_of_a_code_system(service: Service) -> None:
    body = ANIMALS | {"id": "two", "version": "2", "concept": [{"code": "owl"}, {"code": "yak"}]}
    await update(service.door, OWNER, "CodeSystem", "two", body)
    sent = {"name": "valueSet", "resource": value_set("x", {"system": "http://animals", "version": "*"})}
    found = (await post(service, "ValueSet/$expand", sent))["expansion"]["contains"]
    assert {(one["version"], one["code"]) for one in found if one["code"] in ("owl", "yak", "cow")} == {
        ("1", "owl"), ("1", "cow"), ("2", "owl"), ("2", "yak"),
    }  # fmt: skip


async def test_a_code_system_is_asked_by_its_address(service: Service) -> None:
    plainly = await get(service, "CodeSystem/$lookup", system="http://animals", code="owl")
    assert await get(service, "CodeSystem/animals/$lookup", code="owl") == plainly
    coding = {"name": "coding", "valueCoding": {"system": "http://animals", "code": "owl"}}
    assert await post(service, "CodeSystem/animals/$lookup", coding) == plainly
    assert (await get(service, "CodeSystem/animals/$lookup", system="http://x", code="owl"))["status"] == 400
    assert (await get(service, "CodeSystem/nothing/$lookup", code="owl"))["status"] == 404


async def test_codes_of_several_versions_are_compared_in_the_one_that_is_named(service: Service) -> None:
    flat = [{"code": "bird"}, {"code": "owl"}]
    body = ANIMALS | {"id": "two", "version": "2", "concept": flat}
    await update(service.door, OWNER, "CodeSystem", "two", body)

    async def compared(*versions: str) -> Any:
        some = [
            {"name": f"coding{letter}", "valueCoding": {"system": "http://animals", "version": version, "code": code}}
            for letter, code, version in zip("AB", ("bird", "owl"), versions, strict=True)
        ]
        return await post(service, "CodeSystem/$subsumes", *some)

    assert plain(await compared("1", "1"))["outcome"] == "subsumes"
    assert plain(await compared("2", "2"))["outcome"] == "not-subsumed"
    assert (await compared("1", "2"))["status"] == 400


async def test_a_code_is_translated_by_the_group_of_its_version(service: Service) -> None:
    def group(version: str, code: str) -> Body:
        target = {"code": code, "equivalence": "equal"}
        own = {"source": "http://animals", "sourceVersion": version, "target": "http://stones", "targetVersion": "9"}
        return own | {"element": [{"code": "owl", "target": [target]}]}

    map = MAP | {"id": "versions", "url": "http://m/versions", "group": [group("1", "jade"), group("2", "opal")]}
    await update(service.door, OWNER, "ConceptMap", "versions", map)
    given = {"url": "http://m/versions", "system": "http://animals", "code": "owl"}

    async def found(**more: str) -> list[str]:
        body = plain(await get(service, "ConceptMap/$translate", **(given | more)))
        return [one["concept"]["code"] for one in body.get("match", [])]

    assert await found() == ["jade", "opal"]
    assert await found(version="2") == ["opal"]
    assert await found(version="3") == []
    back = {"system": "http://stones", "code": "opal", "reverse": "true"}
    assert (await found(**back, version="9"), await found(**back, version="8")) == (["owl"], [])


async def test_a_code_is_translated_by_the_map_that_is_named_and_by_all_that_fit(service: Service) -> None:
    product = {"element": "http://p", "concept": {"system": "http://q", "code": "r"}}
    flint = {"system": "http://stones", "code": "flint", "display": "Flint"}
    asked = {"system": "http://animals", "code": "owl"}
    for more in ({"url": "http://m/to-stones"}, {}, {"source": "http://v/all"}, {"targetsystem": "http://stones"}):
        found = plain(await get(service, "ConceptMap/$translate", **asked, **more))
        assert found == {
            "result": True,
            "match": [{"equivalence": "wider", "concept": flint, "product": [product], "source": "http://m/to-stones"}],
        }
    for more in ({"source": "http://v/else"}, {"targetsystem": "http://else"}):
        assert plain(await get(service, "ConceptMap/$translate", **asked, **more))["result"] is False
    back = plain(await get(service, "ConceptMap/$translate", system="http://stones", code="flint", reverse=True))
    assert (back["match"][0]["equivalence"], back["match"][0]["concept"]["code"]) == ("narrower", "owl")
    assert (await get(service, "ConceptMap/$translate", url="http://m/else", **asked))["status"] == 404


@pytest.mark.parametrize("named", [{"url": "http://m/to-stones"}, {}])
@pytest.mark.parametrize(
    ("more", "result"),
    [
        ({"source": "http://v/all"}, True),
        ({"source": "http://v/all|1"}, True),
        ({"source": "http://v/all|2"}, False),
        ({"source": "http://v/al"}, False),
        ({"source": "ValueSet/all"}, True),
        ({"source": f"{BASE}/ValueSet/birds"}, False),
        ({"target": "http://v/stones|7"}, True),
        ({"source": "http://v/all", "target": "http://v/birds"}, False),
        ({"source": "http://v/stones", "reverse": True, "system": "http://stones", "code": "flint"}, True),
        ({"source": "http://v/all", "reverse": True, "system": "http://stones", "code": "flint"}, False),
    ],
)
async def test_maps_are_from_and_to_the_value_sets_that_are_named(
    service: Service, named: Body, more: Body, *, result: bool
) -> None:
    await update(service.door, OWNER, "ConceptMap", "to-stones", MAP | {"sourceUri": "http://v/all|1"})
    asked = {"system": "http://animals", "code": "owl"} | named | more
    found = plain(await get(service, "ConceptMap/$translate", **asked))
    assert found["result"] is result
    assert result or "than source" in found["message"]


async def test_codes_are_translated_in_any_case_where_it_does_not_count(service: Service) -> None:
    asked = {"url": "http://m/to-stones"}
    found = plain(await get(service, "ConceptMap/$translate", system="http://animals", code="OWL", **asked))
    assert found["match"][0]["concept"]["code"] == "flint"
    back = plain(
        await get(service, "ConceptMap/$translate", system="http://stones", code="FLINT", reverse=True, **asked)
    )
    assert back["result"] is False


async def test_what_a_map_depends_on_and_what_it_leaves_unmapped(service: Service) -> None:
    cow = {"name": "coding", "valueCoding": {"system": "http://animals", "code": "cow"}}
    concept = {"coding": [{"system": "http://q", "code": "white"}]}
    known = {"name": "dependency", "part": [
        {"name": "element", "valueUri": "http://p"}, {"name": "concept", "valueCodeableConcept": concept},
    ]}  # fmt: skip
    path = "ConceptMap/to-stones/$translate"
    assert plain(await post(service, path, cow, known))["match"][0]["concept"]["code"] == "marble"
    assert plain(await post(service, path, cow))["match"][0]["concept"]["code"] == "pebble"
    gone = plain(await get(service, path, system="http://animals", code="dodo"))
    assert (gone["result"], gone["match"][0]["equivalence"]) == (False, "unmatched")


def concept_map(id: str, *group: Body) -> Body:
    groups = [{"source": "http://animals", "target": "http://stones", **one} for one in group]
    return {"resourceType": "ConceptMap", "id": id, "url": f"http://m/{id}", "status": "active", "group": groups}


ASKED = ({"name": "code", "valueCode": "owl"}, {"name": "system", "valueUri": "http://animals"})


@pytest.mark.parametrize(("targets", "different", "found"), [(1000, 1000, 1000), (1001, 1001, 422), (30_000, 2, 2)])
async def test_translations_count_once_and_are_not_too_many(
    service: Service, targets: int, different: int, found: int
) -> None:
    target = [{"code": str(number % different), "equivalence": "equal"} for number in range(targets)]
    sent = concept_map("x", {"element": [{"code": "owl", "target": target}]})
    body = await post(service, "ConceptMap/$translate", {"name": "conceptMap", "resource": sent}, *ASKED)
    if found == 422:
        assert (body["status"], body["code"]) == (422, "too-costly")
    else:
        assert len(plain(body)["match"]) == found


async def test_maps_that_lead_to_each_other_are_counted(service: Service) -> None:
    element = [{"code": "eel", "target": [{"code": "flint", "equivalence": "equal"}]}]
    last = {"element": element, "unmapped": {"mode": "fixed", "code": "pebble"}}
    for number in range(10):
        for letter in "ab":
            urls = [f"http://m/{next}{number + 1}" for next in ("aab" if number < 9 else "")]
            onward = [{"element": element, "unmapped": {"mode": "other-map", "url": url}} for url in urls]
            body = concept_map(f"{letter}{number}", *(onward or [last]))
            await update(service.door, OWNER, "ConceptMap", body["id"], body)
    body = await post(service, "ConceptMap/a0/$translate", *ASKED)
    assert (body["status"], body["code"], "100" in body["said"]) == (422, "too-costly", True)
    found = plain(await post(service, "ConceptMap/a8/$translate", *ASKED))
    assert [(one["source"], one["concept"]["code"]) for one in found["match"]] == [
        ("http://m/a9", "pebble"),
        ("http://m/b9", "pebble"),
    ]


async def test_a_closure_table_grows_with_what_is_sent(service: Service) -> None:
    name = {"name": "name", "valueString": "mine"}

    def concept(code: str) -> Body:
        return {"name": "concept", "valueCoding": {"system": "http://animals", "code": code}}

    def pairs(body: Body) -> set[tuple[str, str]]:
        return {
            (one["code"], target["code"])
            for group in body.get("group", ())
            for one in group["element"]
            for target in one["target"]
        }

    assert (await post(service, "ConceptMap/$closure", name, concept("owl")))["status"] == 404
    assert (await post(service, "$closure", name))["version"] == "0"
    assert pairs(await post(service, "ConceptMap/$closure", name, concept("owl"), concept("cow"))) == set()
    second = await post(service, "ConceptMap/$closure", name, concept("animal"))
    assert pairs(second) == {("owl", "animal"), ("cow", "animal")}
    third = await post(service, "ConceptMap/$closure", name, concept("bird"), concept("owl"))
    assert (third["version"], pairs(third)) == ("3", {("owl", "bird"), ("bird", "animal")})
    again = await post(service, "ConceptMap/$closure", name, {"name": "version", "valueString": "1"})
    assert pairs(again) == pairs(second) | pairs(third)
    await update(service.door, OWNER, "CodeSystem", "animals", ANIMALS | {"version": "2"})
    assert (await post(service, "ConceptMap/$closure", name, concept("eel")))["status"] == 422


async def test_no_client_has_the_closure_table_of_another(service: Service) -> None:
    name = {"name": "name", "valueString": "b/mine"}
    owl = {"name": "concept", "valueCoding": {"system": "http://animals", "code": "owl"}}
    await post(service, "$closure", name, who=replace(OWNER, client="a"))
    assert (await post(service, "$closure", name, owl, who=replace(OWNER, client="a")))["version"] == "1"
    name = {"name": "name", "valueString": "mine"}
    assert (await post(service, "$closure", name, owl, who=replace(OWNER, client="a/b")))["status"] == 404
    odd = replace(OWNER, client="https://app.example/#1 ü%")
    assert (await post(service, "$closure", name, who=odd))["version"] == "0"
    assert (await post(service, "$closure", name, owl, who=odd))["version"] == "1"


async def test_closure_tables_of_a_client_are_not_too_many_nor_too_large(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def concept(code: str) -> Body:
        return {"name": "concept", "valueCoding": {"system": "http://animals", "code": code}}

    monkeypatch.setattr(closing, "MOST_TABLES", 2)
    names = [{"name": "name", "valueString": name} for name in ("one", "two", "three")]
    for name in (*names[:2], names[0]):
        assert (await post(service, "$closure", name))["version"] == "0"
    found = await post(service, "$closure", names[2])
    assert (found["status"], found["code"], found["place"]) == (422, "too-costly", ["name"])
    assert (await post(service, "$closure", names[2], who=replace(OWNER, client="other")))["version"] == "0"
    for bound in ("MOST_PAIRS", "MOST_BYTES", "MOST"):
        with monkeypatch.context() as patched:
            patched.setattr(closing, bound, 1)
            found = await post(service, "$closure", names[0], concept("owl"), concept("bird"), concept("animal"))
            assert (found["status"], found["code"], found["place"]) == (422, "too-costly", ["concept"])
    assert (await post(service, "$closure", {"name": "name", "valueString": ""}))["status"] == 400


async def test_a_version_of_many_digits_is_none_that_a_closure_table_has_given(service: Service) -> None:
    name = {"name": "name", "valueString": "mine"}
    await post(service, "$closure", name)
    for version in ("9" * 5000, "\u0661", "1"):
        found = await post(service, "$closure", name, {"name": "version", "valueString": version})
        assert (found["status"], "version" in found["said"]) == (400, True)


async def test_a_code_system_may_have_a_version_of_many_digits(service: Service) -> None:
    await update(service.door, OWNER, "CodeSystem", "longest", ANIMALS | {"id": "longest", "version": "9" * 5000})
    found = plain(await get(service, "CodeSystem/$lookup", system="http://animals", code="owl"))
    assert (found["display"], found["version"]) == ("Barn owl", "9" * 5000)


def test_versions_are_in_the_order_of_their_numbers() -> None:
    versions = ["", "draft", "4.9", "4.10", "4.10-a", "04.11", "10", "9" * 5000]
    assert sorted(versions[3:] + versions[:3], key=natural) == versions
    days = ["12012025", "01052026", "20260106"]
    assert sorted(days[1:] + days[:1], key=natural) == days
    assert all(natural(one) < natural(next) for one, next in pairwise(versions))


@pytest.mark.parametrize("path", ["CodeSystem/$validate-code", "ValueSet/$expand", "ConceptMap/$translate"])
async def test_a_large_resource_that_is_sent_along_is_judged_on_a_thread(
    service: Service, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "LARGE", 100)
    seen: list[tuple[str, bool]] = []
    for module, name in ((inputs, "validate"), (operations, "validate"), (validate_code, "held_of")):
        real = getattr(module, name)

        def watched(body: Body, of: Any = real, name: str = name) -> Any:
            seen.append((name, threading.current_thread() is threading.main_thread()))
            return of(body)

        monkeypatch.setattr(module, name, watched)
    sent, code = {
        "CodeSystem/$validate-code": (("codeSystem", ANIMALS), (ASKED[0],)),
        "ValueSet/$expand": (("valueSet", SETS[1]), ()),
        "ConceptMap/$translate": (("conceptMap", MAP), ASKED),
    }[path]
    body = await post(service, path, {"name": sent[0], "resource": sent[1]}, *code)
    assert "said" not in body
    assert seen == [("validate", False)] * 2 + [("held_of", False)] * path.startswith("CodeSystem")


# --- what is remembered ---


async def test_what_has_a_long_name_is_not_remembered(service: Service) -> None:
    for number in range(3):
        asked = f"http://v/{number}/" + "x" * 100_000
        pins = {"name": "system-version", "valueUri": f"http://animals|{number}" + "x" * 100_000}
        for url in (asked, "http://v/stones"):
            await post(service, "ValueSet/$expand", {"name": "url", "valueUri": url}, pins)
        code = {"name": "code", "valueCode": "a"}
        await post(service, "CodeSystem/$validate-code", {"name": "url", "valueUri": asked}, code)
    known = service.door.codes
    assert list(known.sets) == ["http://v/stones"]
    assert sum(kept.weight for kept in (known.systems, known.sets, known.answers, known.few)) < 20_000


async def test_little_is_remembered_of_what_clients_pin_and_say(service: Service) -> None:
    for number in range(300):
        pin = f"http://animals|{number}"
        await post(service, "ValueSet/$expand", {"name": "url", "valueUri": "http://v/listed"}, {
            "name": "system-version", "valueUri": pin})  # fmt: skip
    before = len(service.door.codes.answers)
    questions = [Question(None, "http://animals", "owl", f"Owl {number}") for number in range(300)]
    assert len(await answer(service.door, questions)) == 300
    assert len(service.door.codes.few) == 200
    assert len(service.door.codes.answers) == before < 20


# --- who may ask ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "path", "status"),
    [
        ("system/ValueSet.r system/CodeSystem.r", "ValueSet/all/$expand", None),
        ("system/ValueSet.r", "ValueSet/all/$expand", 403),
        ("system/ValueSet.r?status=active system/CodeSystem.r", "ValueSet/all/$expand", 403),
        ("system/Patient.cruds", "ValueSet/all/$expand", 403),
        ("system/CodeSystem.r", "CodeSystem/animals/$subsumes", None),
        ("system/ValueSet.cruds", "CodeSystem/animals/$subsumes", 403),
    ],
)
async def test_an_operation_needs_leave_to_read_what_it_tells_of(
    service: Service, scopes: str, path: str, status: int | None
) -> None:
    who = Principal("w", "test", "", of_scopes(parse(scopes), None), 1 << 62)
    given = {"codeA": "owl", "codeB": "cow"} if path.endswith("subsumes") else {}
    found = await get(service, path, who, **given)
    assert (found["status"] if "said" in found else None) == status
