"""Contract: what codes mean is the same on every store, for a second process at once, and against a slow evaluator."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.contract.conftest import Open

from hilum.access.policy import EVERYTHING, Principal
from hilum.interactions.answering import answer
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.terminology.expanding import Asked, expansion, found_by
from hilum.interactions.terminology.importing import imported, removed
from hilum.interactions.terminology.knowledge import codes
from hilum.interactions.terminology.members import members, members_of
from hilum.interactions.update import update
from hilum.store.interface import Store
from hilum.terminology import bits
from hilum.terminology.questions import Question, Verdict
from hilum.terminology.resource import Resource
from hilum.terminology.words import words

BASE = "http://hilum.test/fhir"
OWNER = Principal("owner", "test", "", EVERYTHING, 1 << 62)
Body = dict[str, Any]


def system(concepts: list[Body], **more: Any) -> Body:
    return {
        "resourceType": "CodeSystem",
        "id": "s",
        "url": "http://s",
        "status": "active",
        "content": "complete",
        "concept": concepts,
    } | more


def value_set(*includes: Body, **more: Any) -> Body:
    compose = {"include": list(includes)} | more
    return {"resourceType": "ValueSet", "id": "v", "url": "http://v", "status": "active", "compose": compose}


async def put(door: Door, body: Body) -> None:
    await update(door, OWNER, body["resourceType"], body["id"], body)


async def expanded(door: Door, body: Body | str, **more: Any) -> list[str]:
    known = await codes(door.store, door.base, door.codes)
    found = await (members(known, body) if isinstance(body, str) else members_of(known, body))
    return [one["code"] for one in (await expansion(found, Asked(**more))).get("contains", [])]


async def test_what_one_process_writes_the_next_question_of_another_one_hears(store: Store, other: Store) -> None:
    here, there = Door(store, BASE), Door(other, BASE)
    question = Question("http://v", "http://s", "b")
    assert (await answer(there, [question]))[question] == Verdict(None, "unknown-value-set")
    await put(here, value_set({"system": "http://s"}))
    assert (await answer(there, [question]))[question].reason == "unknown-system"
    await put(here, system([{"code": "a"}]))
    assert (await answer(there, [question]))[question].reason == "unknown-code"
    await put(here, system([{"code": "a"}, {"code": "b", "display": "Bee"}]))
    found = Verdict(True, display="Bee", system="http://s")
    assert (await answer(there, [question]))[question] == found
    assert (await answer(here, [question]))[question] == found
    await delete(here, OWNER, "CodeSystem", "s")
    assert (await answer(there, [question]))[question].reason == "unknown-system"
    await delete(here, OWNER, "ValueSet", "v")
    assert (await answer(there, [question]))[question].reason == "unknown-value-set"


async def test_an_import_is_seen_whole_replaces_itself_and_goes(store: Store, other: Store) -> None:
    here, there = Door(store, BASE), Door(other, BASE)
    about = {"url": "http://s", "version": "1", "name": "S"}
    for some in (["a", "b"], ["b", "c", "d"]):
        source = Resource({"concept": [{"code": code} for code in some]})
        written, size = await imported(here, OWNER, about, source, lambda _: None)
        assert (written.resource.body["count"], size) == (len(some), len(some))
        assert await expanded(there, value_set({"system": "http://s"})) == some
    assert await removed(here, OWNER, "http://s", None) == ["1"]
    question = Question(None, "http://s", "b")
    assert (await answer(there, [question]))[question].reason == "unknown-system"


async def test_a_resource_with_its_own_concepts_comes_before_what_is_imported_by_its_version(store: Store) -> None:
    door = Door(store, BASE)
    await imported(
        door, OWNER, {"url": "http://s", "version": "1.9"}, Resource({"concept": [{"code": "a"}]}), print_not
    )
    await put(door, system([{"code": "b"}], version="1.10"))
    assert await expanded(door, value_set({"system": "http://s"})) == ["b"]
    assert await expanded(door, value_set({"system": "http://s", "version": "1.9"})) == ["a"]
    await put(door, system([{"code": "b"}], version="1.10", status="retired"))
    assert await expanded(door, value_set({"system": "http://s"})) == ["a"]


def print_not(_: int) -> None:
    """Tells nobody."""


@pytest.mark.parametrize("seed", range(2))
async def test_filters_agree_with_a_walk_over_the_concepts(opened: Open, seed: int) -> None:
    dice = random.Random(seed)
    named = ["heart", "Herz", "left", "acute", "Ménière", "disease", "of", "the", "hearth"]
    some = []
    for n in range(40):
        properties: list[Body] = [{"code": "size", "valueInteger": dice.randint(0, 3)}]
        properties += [{"code": "parent", "valueCode": f"c{p}"} for p in range(n) if dice.random() < 0.06]
        if dice.random() < 0.2:
            properties.append({"code": "inactive", "valueBoolean": True})
        if dice.random() < 0.5:
            properties.append({"code": "colour", "valueCode": dice.choice(["red", "blue"])})
        display = " ".join(dice.choices(named, k=3))
        some.append({"code": f"c{n}", "display": display, "property": properties})
    door = Door(await opened(), BASE)
    await put(door, system(some))
    values = {one["code"]: _values(one) for one in some}

    def below(code: str) -> set[str]:
        found = {code}
        while more := {c for c, v in values.items() if found & set(v.get("parent", ()))} - found:
            found |= more
        return found

    for _ in range(8):
        code = f"c{dice.randrange(40)}"
        expected = {
            ("concept", "is-a", code): below(code),
            ("concept", "descendent-of", code): below(code) - {code},
            ("concept", "is-not-a", code): set(values) - below(code),
            ("concept", "generalizes", code): {one for one in values if code in below(one)},
            ("parent", "=", code): {one for one, v in values.items() if code in v.get("parent", ())},
            ("child", "=", code): set(values[code].get("parent", ())),
            ("size", "=", "2"): {one for one, v in values.items() if "2" in v["size"]},
            ("colour", "in", "red,green"): {one for one, v in values.items() if "red" in v.get("colour", ())},
            ("colour", "not-in", "red"): {one for one, v in values.items() if "red" not in v.get("colour", ())},
            ("colour", "exists", "true"): {one for one, v in values.items() if "colour" in v},
            ("colour", "regex", "b.*"): {one for one, v in values.items() if "blue" in v.get("colour", ())},
        }
        chosen = dice.sample(sorted(expected), 2)
        filters = [dict(zip(("property", "op", "value"), one, strict=True)) for one in chosen]
        both = expected[chosen[0]] & expected[chosen[1]]
        body = value_set({"system": "http://s", "filter": filters})
        assert set(await expanded(door, body)) == both
        active = {one for one in both if "inactive" not in values[one]}
        assert set(await expanded(door, body, active=True)) == active
        text = " ".join(dice.choices(["he", "her", "men", "d", "left"], k=dice.randint(1, 2)))
        hit = {
            one["code"]
            for one in some
            if all(any(word.startswith(start) for word in words(one["display"])) for start in words(text))
        }
        assert set(await expanded(door, body, filter=text)) == both & hit
        page = [code for at in range(0, 40, 7) for code in await expanded(door, body, offset=at, count=7)]
        assert page == await expanded(door, body)
    held = await (await codes(door.store, door.base, door.codes)).system("http://s")
    assert held is not None
    assert bits.has(await found_by(held, "c7"), (await held.of(["c7"]))["c7"].n)


def _values(concept: Body) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in concept["property"]:
        (value,) = (value for name, value in one.items() if name != "code")
        found.setdefault(one["code"], []).append(str(value))
    return found
