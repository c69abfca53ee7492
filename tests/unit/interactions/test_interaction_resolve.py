"""What a search needs the store for: value sets, hierarchies of codes and of places, lists; and who may see what."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.interactions.bodies import Body, observation, patient
from tests.unit.interactions.conftest import principal

from hilum.access.policy import Grant, Policy, Principal
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.history import history
from hilum.interactions.read import read
from hilum.interactions.search import search
from hilum.interactions.terminology import knowledge, members
from hilum.interactions.update import update
from hilum.problems import Forbidden, Gone, Invalid, NotFound
from hilum.search.limits import TooCostly
from hilum.search.parse import parse_query

LAB = (("category", "laboratory"),)


async def put(door: Door, owner: Principal, type: str, id: str, **more: Any) -> None:
    await update(door, owner, type, id, {"resourceType": type, "id": id} | more)


async def found(door: Door, who: Principal, type: str, name: str, value: str) -> list[str]:
    page = await search(door, who, parse_query(type, [(name, value)], base=door.base))
    return sorted(resource.id for resource in page.resources)


def coded(system: str, code: str) -> Body:
    return {"coding": [{"system": system, "code": code}]}


async def animals(door: Door, owner: Principal) -> None:
    """Observations named as their codes, and a code system in which owls and ducks are birds."""
    for code in ("bird", "owl", "duck", "eel"):
        await put(door, owner, "Observation", code, status="final", code=coded("http://animals", code))
    await put(door, owner, "Observation", "stone", status="final", code=coded("http://stones", "owl"))
    birds = [{"code": "owl"}, {"code": "duck"}]
    await put(
        door,
        owner,
        "CodeSystem",
        "animals",
        url="http://animals",
        status="active",
        content="complete",
        concept=[{"code": "bird", "concept": birds}, {"code": "eel"}],
    )


async def values(door: Door, owner: Principal, id: str, *includes: Body, **more: Any) -> None:
    await put(
        door,
        owner,
        "ValueSet",
        id,
        url=f"http://v/{id}",
        status="active",
        **more,
        compose={"include": list(includes)},
    )


# --- codes ------------------------------------------------------------------------------------------------------------


async def test_below_and_above_follow_the_code_system(door: Door, owner: Principal) -> None:
    await animals(door, owner)
    assert await found(door, owner, "Observation", "code:below", "http://animals|bird") == ["bird", "duck", "owl"]
    assert await found(door, owner, "Observation", "code:above", "http://animals|owl") == ["bird", "owl"]
    assert await found(door, owner, "Observation", "code:below", "http://animals|owl,http://animals|eel") == [
        "eel",
        "owl",
    ]
    with pytest.raises(Invalid, match="holds no CodeSystem"):
        await found(door, owner, "Observation", "code:below", "http://nowhere|owl")


async def test_in_and_not_in_a_value_set_named_by_url_version_or_address(door: Door, owner: Principal) -> None:
    await animals(door, owner)
    under = {"property": "concept", "op": "descendent-of", "value": "bird"}
    await values(door, owner, "birds", {"system": "http://animals", "filter": [under]}, version="2")
    for name in ("http://v/birds", "http://v/birds|2", "ValueSet/birds", f"{door.base}/ValueSet/birds"):
        assert await found(door, owner, "Observation", "code:in", name.replace("|", "\\|")) == ["duck", "owl"]
    assert await found(door, owner, "Observation", "code:not-in", "http://v/birds") == ["bird", "eel", "stone"]
    for name in ("http://v/birds\\|3", "ValueSet/nothing", "http://nowhere"):
        with pytest.raises(Invalid, match="not known here"):
            await found(door, owner, "Observation", "code:in", name)
    await delete(door, owner, "ValueSet", "birds")
    with pytest.raises(Invalid, match="not known here"):
        await found(door, owner, "Observation", "code:in", "ValueSet/birds")


async def test_a_value_set_of_r4_is_known_without_being_stored(door: Door, owner: Principal) -> None:
    await put(door, owner, "Patient", "m", gender="male")
    await put(door, owner, "Patient", "x")
    assert await found(door, owner, "Patient", "gender:in", "http://hl7.org/fhir/ValueSet/administrative-gender") == [
        "m"
    ]


async def test_an_empty_value_set_finds_nothing_and_its_opposite_everything(door: Door, owner: Principal) -> None:
    await put(door, owner, "Patient", "m", gender="male")
    await values(door, owner, "none", {"valueSet": ["http://v/few"]})
    one = {"system": "http://s", "concept": [{"code": "a"}]}
    await put(
        door,
        owner,
        "ValueSet",
        "few",
        url="http://v/few",
        status="active",
        compose={"include": [one], "exclude": [one]},
    )
    assert await found(door, owner, "Patient", "gender:in", "http://v/none") == []
    assert await found(door, owner, "Patient", "gender:not-in", "http://v/none") == ["m"]


async def test_a_value_set_with_too_many_codes_is_too_costly(door: Door, owner: Principal) -> None:
    await values(door, owner, "all", {"system": "http://s", "concept": [{"code": f"c{n}"} for n in range(5001)]})
    with pytest.raises(TooCostly):
        await found(door, owner, "Patient", "gender:in", "http://v/all")


async def test_codes_are_resolved_in_chains_has_and_filters(door: Door, owner: Principal) -> None:
    await animals(door, owner)
    await put(door, owner, "Patient", "p")
    owl = observation("Patient/p", id="o", code=coded("http://animals", "owl"))
    await update(door, owner, "Observation", "o", owl)
    await put(
        door,
        owner,
        "DiagnosticReport",
        "d",
        status="final",
        code={"text": "x"},
        result=[{"reference": "Observation/o"}],
    )
    bird = "http://animals|bird"
    assert await found(door, owner, "DiagnosticReport", "result.code:below", bird) == ["d"]
    assert await found(door, owner, "Patient", "_has:Observation:patient:code:below", bird) == ["p"]
    assert await found(door, owner, "Observation", "_filter", f"code ss {bird} and not(code eq duck)") == [
        "bird",
        "o",
        "owl",
    ]


async def test_value_sets_are_read_with_the_servers_own_authority(door: Door, owner: Principal) -> None:
    await animals(door, owner)
    await values(door, owner, "owls", {"system": "http://animals", "concept": [{"code": "owl"}]})
    assert await found(door, principal("system/Observation.s"), "Observation", "code:in", "http://v/owls") == ["owl"]


# --- places -----------------------------------------------------------------------------------------------------------


async def places(door: Door, owner: Principal) -> None:
    """ward is part of floor, floor of house; a procedure at each, named as it."""
    await put(door, owner, "Location", "house")
    for name, over in (("floor", "house"), ("ward", "floor")):
        await put(door, owner, "Location", name, partOf={"reference": f"Location/{over}"})
    for name in ("house", "floor", "ward"):
        where = {"reference": f"Location/{name}"}
        await put(
            door, owner, "Procedure", name, status="completed", subject={"reference": "Patient/p"}, location=where
        )


async def test_below_and_above_follow_the_hierarchy_of_places(door: Door, owner: Principal) -> None:
    await places(door, owner)
    assert await found(door, owner, "Procedure", "location:below", "floor") == ["floor", "ward"]
    assert await found(door, owner, "Procedure", "location:above", "Location/floor") == ["floor", "house"]
    assert await found(door, owner, "Procedure", "location:below", "nowhere") == []


async def test_a_hierarchy_that_goes_round_ends(door: Door, owner: Principal) -> None:
    await places(door, owner)
    await put(door, owner, "Location", "house", partOf={"reference": "Location/ward"})
    for modifier in ("below", "above"):
        assert await found(door, owner, "Procedure", f"location:{modifier}", "floor") == ["floor", "house", "ward"]


async def test_places_that_the_asker_may_not_search_tell_nothing(door: Door, owner: Principal) -> None:
    await places(door, owner)
    assert await found(door, principal("system/Procedure.s"), "Procedure", "location:below", "floor") == ["floor"]


# --- lists ------------------------------------------------------------------------------------------------------------


async def test_a_list_finds_its_entries_and_needs_to_be_readable(door: Door, owner: Principal) -> None:
    for name in ("a", "b", "c"):
        await put(door, owner, "Patient", name)
    entries = [{"item": {"reference": f"Patient/{name}"}} for name in ("a", "b")]
    await put(door, owner, "List", "l", status="current", mode="working", entry=entries)
    assert await found(door, owner, "Patient", "_list", "l") == ["a", "b"]
    assert await found(door, owner, "Patient", "_list", "nothing") == []
    assert await found(door, principal("system/Patient.s patient/List.r", "a"), "Patient", "_list", "l") == []
    with pytest.raises(Forbidden):
        await found(door, principal("system/Patient.s system/List.s"), "Patient", "_list", "l")


# --- policies ---------------------------------------------------------------------------------------------------------


def limited(letters: str, *grants: Grant) -> Principal:
    lab = Grant("Observation", frozenset(letters), None, LAB)
    return Principal("agent", "client", "jti", Policy((lab, *grants)), 1 << 62)


async def observations(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "p", patient("1", id="p"))
    for name in ("laboratory", "vital-signs"):
        body = observation("Patient/p", id=name, category=[{"coding": [{"code": name}]}])
        await update(door, owner, "Observation", name, body)


async def test_search_constraints_hide_from_searches_chains_and_has(door: Door, owner: Principal) -> None:
    await observations(door, owner)
    who = limited("rs", Grant("Patient", frozenset("rs")))
    assert await found(door, who, "Observation", "status", "final") == ["laboratory"]
    assert await found(door, who, "Observation", "category", "vital-signs") == []
    assert await found(door, who, "Patient", "_has:Observation:patient:category", "laboratory") == ["p"]
    assert await found(door, who, "Patient", "_has:Observation:patient:category", "vital-signs") == []
    page = await search(door, who, parse_query("Patient", [("_revinclude", "Observation:patient")]))
    assert [one.id for one in page.included] == ["laboratory"]
    total = parse_query("Observation", [("_total", "accurate")])
    assert (await search(door, who, total)).total == 1


async def test_search_constraints_hide_from_reads(door: Door, owner: Principal) -> None:
    await observations(door, owner)
    who = limited("r")
    assert (await read(door, who, "Observation", "laboratory")).id == "laboratory"
    with pytest.raises(NotFound):
        await read(door, who, "Observation", "vital-signs")
    for name, answer in (("laboratory", Gone), ("vital-signs", NotFound)):
        await delete(door, owner, "Observation", name)
        with pytest.raises(answer):
            await read(door, who, "Observation", name)


async def test_search_constraints_hide_from_history_version_by_version(door: Door, owner: Principal) -> None:
    await observations(door, owner)
    body = observation("Patient/p", id="laboratory", category=[{"coding": [{"code": "vital-signs"}]}])
    await update(door, owner, "Observation", "laboratory", body)
    who = limited("rs")
    for id in ("laboratory", None):
        page = await history(door, who, "Observation", id, count=1)
        assert [(one.id, one.version) for one in page.resources] == [("laboratory", 1)]
        assert page.total == 1
    with pytest.raises(NotFound):
        await history(door, who, "Observation", "vital-signs")


async def test_search_constraints_judge_writes_before_and_after(door: Door, owner: Principal) -> None:
    await observations(door, owner)
    who = limited("ru")
    category = {name: [{"coding": [{"code": name}]}] for name in ("laboratory", "vital-signs")}

    async def write(id: str, into: str) -> None:
        await update(
            door, who, "Observation", id, observation("Patient/p", id=id, category=category[into], status="amended")
        )

    await write("laboratory", "laboratory")
    with pytest.raises(Forbidden):
        await write("laboratory", "vital-signs")
    with pytest.raises(NotFound):
        await write("vital-signs", "laboratory")


async def test_a_write_within_search_constraints_may_enter_any_compartment(door: Door, owner: Principal) -> None:
    await observations(door, owner)
    await update(door, owner, "Patient", "q", patient("2", id="q"))
    who = limited("u", Grant("Observation", frozenset("u"), (("Patient", "p"),)))
    moved = observation("Patient/q", id="laboratory", category=[{"coding": [{"code": "laboratory"}]}])
    assert (await update(door, who, "Observation", "laboratory", moved)).resource.version == 2
    moved = observation("Patient/q", id="vital-signs", category=[{"coding": [{"code": "vital-signs"}]}])
    with pytest.raises(Forbidden):
        await update(door, who, "Observation", "vital-signs", moved)


async def test_an_expansion_is_made_once_for_each_version_of_what_it_depends_on(
    door: Door, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    named, load = members._named, knowledge.load
    monkeypatch.setattr(members, "_named", lambda work, name, within: made.append(name) or named(work, name, within))
    monkeypatch.setattr(knowledge, "load", lambda to, head, plan: made.append(head.source) or load(to, head, plan))
    await animals(door, owner)
    await values(door, owner, "inner", {"system": "http://animals", "concept": [{"code": "owl"}]})
    await values(door, owner, "outer", {"valueSet": ["http://v/inner"]})
    assert await found(door, owner, "Observation", "code:below", "http://animals|bird") == ["bird", "duck", "owl"]
    for _ in range(3):
        assert await found(door, owner, "Observation", "code:in", "http://v/outer") == ["owl"]
        assert await found(door, owner, "Observation", "code:below", "http://animals|bird") == ["bird", "duck", "owl"]
    assert made == ["CodeSystem/animals", "http://v/outer", "http://v/inner"]

    await values(door, owner, "inner", {"system": "http://animals", "concept": [{"code": "eel"}]})
    assert await found(door, owner, "Observation", "code:in", "http://v/outer") == ["eel"]
    await put(
        door, owner, "CodeSystem", "animals", url="http://animals", status="active", content="complete",
        concept=[{"code": "bird"}, {"code": "owl"}],
    )  # fmt: skip
    assert await found(door, owner, "Observation", "code:below", "http://animals|bird") == ["bird"]
    await delete(door, owner, "ValueSet", "inner")
    with pytest.raises(Invalid, match="not known here"):
        await found(door, owner, "Observation", "code:in", "http://v/outer")


async def test_few_answers_are_remembered(door: Door, owner: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knowledge, "KEPT", 2)
    await animals(door, owner)
    for code in ("owl", "duck", "eel"):
        await values(door, owner, code, {"system": "http://animals", "concept": [{"code": code}]})
    for code in ("owl", "duck", "eel"):
        assert await found(door, owner, "Observation", "code:in", f"http://v/{code}") == [code]
    assert list(door.codes.sets) == ["http://v/duck", "http://v/eel"]
    assert len(door.codes.answers) == 2
