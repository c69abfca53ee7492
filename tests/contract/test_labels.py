"""`$meta` of types and the system: exactly what is in use on what the asker may search, on every store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilum.access.granting import of_scopes
from hilum.access.policy import EVERYTHING, Principal
from hilum.fhir.definitions import TYPES
from hilum.interactions import labels as labelling
from hilum.interactions.create import create
from hilum.interactions.door import Door
from hilum.interactions.labels import adding, labels, removing
from hilum.interactions.patch import patch
from hilum.interactions.update import update
from hilum.oauth.scopes import parse
from hilum.problems import Forbidden, Unprocessable
from hilum.store.interface import Store

OWNER = Principal("owner", "test", "", EVERYTHING, 1 << 62)
BASE = "http://hilum.test/fhir"


def bound(scope: str, patient: str | None = None) -> Principal:
    return Principal("agent", "client", "", of_scopes(parse(scope), patient), 1 << 62)


def observation(patient: str, **meta: Any) -> dict[str, Any]:
    body = {"resourceType": "Observation", "status": "final", "code": {"text": "x"},
            "subject": {"reference": f"Patient/{patient}"}}  # fmt: skip
    return body | ({"meta": meta} if meta else {})


async def test_what_is_in_use_is_told_once_and_only_of_what_may_be_searched(store: Store) -> None:
    door = Door(store, BASE)
    for name in ("a", "b"):
        await update(door, OWNER, "Patient", name, {"resourceType": "Patient", "id": name})
    tags = [{"system": "urn:t", "code": "one"}, {"system": "urn:t", "code": "two", "display": "Two"}, {"code": "one"}]
    await create(door, OWNER, "Observation", observation("a", tag=tags[:1], profile=["http://p/1|2", "http://p/2"]))
    await create(
        door, OWNER, "Observation", observation("a", tag=tags[:2], security=[{"system": "urn:s", "code": "R"}])
    )
    await create(door, OWNER, "Observation", observation("b", tag=tags[2:], profile=["http://p/1"]))
    old = {"resourceType": "Basic", "code": {"text": "x"}, "meta": {"tag": [{"code": "old"}]}}
    gone = await create(door, OWNER, "Basic", old)
    await patch(door, OWNER, "Basic", gone.resource.id, removing({"tag": [{"code": "old"}]}, "meta"))

    whole = {
        "profile": ["http://p/1", "http://p/1|2", "http://p/2"],
        "tag": [tags[2], tags[0], tags[1]],
        "security": [{"system": "urn:s", "code": "R"}],
    }
    assert (await labels(door, OWNER, None)).meta == whole
    assert (await labels(door, OWNER, "Observation")).meta == whole
    assert (await labels(door, OWNER, "Patient")).meta == {}
    assert (await labels(door, bound("patient/*.rs", "b"), None)).meta == {"profile": ["http://p/1"], "tag": [tags[2]]}
    assert (await labels(door, bound("system/Patient.rs"), None)).meta == {}
    with pytest.raises(Forbidden):
        await labels(door, bound("system/Observation.r"), "Observation")


async def test_many_labels_are_found_round_by_round(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(store, BASE)
    for n in range(0, 130, 10):
        tags = [{"system": f"urn:{m % 3}", "code": f"{m:03}"} for m in range(n, n + 10)]
        await create(door, OWNER, "Observation", observation("a", tag=tags))
    monkeypatch.setattr(labelling, "_AT_ONCE", 3)
    found = (await labels(door, OWNER, "Observation")).meta["tag"]
    assert sorted(one["code"] for one in found) == [f"{m:03}" for m in range(130)]
    monkeypatch.setattr(labelling, "MOST", 100)
    with pytest.raises(Unprocessable) as caught:
        await labels(door, OWNER, "Observation")
    assert caught.value.issues[0].code == "too-costly"


async def test_tags_of_no_code_hide_no_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "_AT_ONCE", 2)
    door = Door(store, BASE)
    await create(door, OWNER, "Observation", observation("a", tag=[{"system": "urn:t", "code": "first"}]))
    for _ in range(7):
        await create(door, OWNER, "Observation", observation("a", tag=[{"system": "urn:junk"}]))
    found = (await labels(door, OWNER, "Observation")).meta["tag"]
    assert found == [{"system": "urn:junk"}, {"system": "urn:t", "code": "first"}]


KEYS = st.sampled_from([("urn:a", "x"), ("urn:a", "y"), ("urn:b", "x"), ("", "x")])
METAS = st.fixed_dictionaries({
    "tag": st.lists(KEYS, max_size=3, unique=True),
    "security": st.lists(KEYS, max_size=3, unique=True),
    "profile": st.lists(st.sampled_from(["http://p/1", "http://p/1|2", "http://p/2"]), max_size=3, unique=True),
})  # fmt: skip


def coded(some: dict[str, list[Any]]) -> dict[str, Any]:
    found = {}
    for name, listed in some.items():
        if name == "profile":
            values: list[Any] = list(listed)
        else:
            values = [({"system": system} if system else {}) | {"code": code} for system, code in listed]
        if values:
            found[name] = values
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(METAS, st.lists(st.tuples(st.booleans(), METAS), max_size=4))
async def test_labels_are_sets(store: Store, first: dict[str, Any], changes: list[tuple[bool, dict[str, Any]]]) -> None:
    door = Door(store, BASE)
    made = await create(door, OWNER, "Observation", observation("a", **coded(first)))
    held = {name: set(listed) for name, listed in first.items()}
    version = made.resource.version
    for add, some in changes:
        meta = coded(some)
        if not meta:
            continue
        change = (adding if add else removing)(meta, "meta")
        found = (await patch(door, OWNER, "Observation", made.resource.id, change)).resource
        before = {name: set(listed) for name, listed in held.items()}
        for name, listed in some.items():
            held[name] = held[name] | set(listed) if add else held[name] - set(listed)
        version += held != before
        assert found.version == version
        after = found.body["meta"]
        for name in held:
            values = after.get(name, [])
            names = [one if name == "profile" else (one.get("system", ""), one["code"]) for one in values]
            assert len(names) == len(set(names))
            assert set(names) == held[name]
            assert name not in after or values


def test_every_type_has_the_parameters() -> None:
    assert all(labelling._part(type, code, (), ()) for type in TYPES for code in labelling.KINDS.values())
