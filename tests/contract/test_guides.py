"""Implementation guides in every store: all of a package or nothing, seen by every process, enforced at every write."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.contract.test_parameters import BASE, WHO, found, through
from tests.contract.writing import AUDIT, put
from tests.packages import PROFILE, package, parameter, profile, value_set

from hilum.fhir import json
from hilum.fhir.resource import draft
from hilum.interactions import guides
from hilum.interactions.conforming import require
from hilum.interactions.create import create
from hilum.interactions.delete import conditional_delete, delete
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry
from hilum.interactions.patch import parse_json_patch, patch
from hilum.interactions.shelf import LOOK_SECONDS, Shelf
from hilum.interactions.terminology.importing import removed, stored
from hilum.interactions.transaction import transaction
from hilum.interactions.update import update
from hilum.problems import Conflict, Invalid, NotFound, Unprocessable
from hilum.search.query import Query
from hilum.store.interface import Commit, Page, Store

FIT = {"resourceType": "Patient", "name": [{"family": "Doe"}]}
UNFIT = {"resourceType": "Patient", "name": [{"given": ["Kim"]}]}
CLAIMING = {**UNFIT, "meta": {"profile": [PROFILE]}}


async def test_a_package_comes_in_as_resources_with_ids_of_their_own(store: Store) -> None:
    door = Door(store, BASE)
    report = await guides.add(door, WHO, package(profile(), value_set(), parameter()))
    assert dict(report.created) == {
        "ImplementationGuide": 1,
        "SearchParameter": 1,
        "StructureDefinition": 1,
        "ValueSet": 1,
    }
    one = await store.read("StructureDefinition", "example.ig-1.0.0-named-patient")
    assert one is not None and one.body["url"] == PROFILE
    assert one.body["meta"]["tag"] == [{"system": "urn:hilum:package", "code": "example.ig#1.0.0"}]
    (guide,) = await guides.guides(door)
    assert (guide.label, guide.title) == ("example.ig#1.0.0", "An example")
    assert guide.types == {"ImplementationGuide": 1, "SearchParameter": 1, "StructureDefinition": 1, "ValueSet": 1}


async def test_to_add_it_again_changes_what_differs_and_nothing_else(store: Store) -> None:
    door = Door(store, BASE)
    await guides.add(door, WHO, package(profile(), value_set(), parameter()))
    again = await guides.add(door, WHO, package(profile(), value_set(), parameter()))
    assert (sum(again.unchanged.values()), again.created, again.updated, again.removed) == (4, {}, {}, {})
    other = await guides.add(door, WHO, package(profile(), value_set("colours", "1.0.0", "red", "blue")))
    assert (dict(other.updated), dict(other.removed)) == (
        {"ImplementationGuide": 1, "ValueSet": 1},
        {"SearchParameter": 1},
    )
    gone = await store.read("SearchParameter", "example.ig-1.0.0-tribe")
    assert gone is not None and gone.deleted
    assert all(not one.indexed for one in (await store.learn()).defined)


async def test_versions_lie_side_by_side_and_the_latest_is_meant_without_one(store: Store) -> None:
    door = Door(store, BASE)
    for version in ("1.10.0", "1.9.0"):
        await guides.add(door, WHO, package(profile(version=version), parameter(version=version), version=version))
    structures = await door.shelf.definitions(store)
    assert [structures.structure(name)["version"] for name in (PROFILE, f"{PROFILE}|1.9.0", f"{PROFILE}|1.9")] == [
        *("1.10.0", "1.9.0", "1.9.0"),
    ]
    assert structures.structure(f"{PROFILE}|2.0.0") is None
    assert structures.why_not(f"{PROFILE}|2.0.0") == "is not known here in that version, but in 1.9.0, 1.10.0"
    for name, version in (("example.ig", "2.0.0"), ("other", "")):
        with pytest.raises(NotFound, match=r"There is: example\.ig#1\.10\.0, example\.ig#1\.9\.0\.$"):
            await guides.remove(door, WHO, name, version)
    await guides.remove(door, WHO, "example.ig", "1.10.0")
    assert [one.label for one in await guides.guides(door)] == ["example.ig#1.9.0"]
    assert (await door.shelf.definitions(store)).structure(PROFILE)["version"] == "1.9.0"


async def test_a_search_parameter_of_a_guide_is_searchable_and_goes_with_the_last_version(store: Store) -> None:
    door = Door(store, BASE)
    extension = [{"url": "http://example.org/ig/tribe", "valueCode": "x"}]
    made = (await create(door, WHO, "Patient", {"resourceType": "Patient", "extension": extension})).resource
    first = await guides.add(door, WHO, package(parameter()))
    second = await guides.add(door, WHO, package(parameter(version="2.0.0"), version="2.0.0"))
    assert (first.searchable, second.searchable, second.unsearchable) == (
        {"Patient": ["tribe"]},
        {"Patient": ["tribe"]},
        [],
    )
    await through(door)
    assert await found(store, tribe="x") == [made.id]
    await guides.remove(door, WHO, "example.ig", "1.0.0")
    await through(door)
    assert await found(store, tribe="x") == [made.id]
    await guides.remove(door, WHO, "example.ig", "2.0.0")
    await through(door)
    with pytest.raises(Invalid):
        await found(store, tribe="x")


async def test_a_search_parameter_that_collides_is_stored_and_said_to_be_unsearchable(store: Store) -> None:
    door = Door(store, BASE)
    clash = {**parameter("gender"), "expression": "Patient.maritalStatus"}
    report = await guides.add(door, WHO, package(clash, parameter("_count") | {"id": "count"}, parameter()))
    assert [code for code, _ in report.unsearchable] == ["_count", "gender"]
    assert report.searchable == {"Patient": ["tribe"]}
    assert (await store.read("SearchParameter", "example.ig-1.0.0-gender")) is not None


async def test_what_is_not_valid_is_left_out_and_named(store: Store) -> None:
    door = Door(store, BASE)
    wrong = {"resourceType": "ValueSet", "id": "wrong", "url": "http://x/v", "status": "perhaps"}
    others = ({"resourceType": "Patient", "id": "example"}, {"resourceType": "Account", "id": "example"})
    report = await guides.add(door, WHO, package(profile(), wrong, *others))
    assert [(one.file, one.why[:22]) for one in report.skipped] == [
        ("Account-example.json", "is no definition, but "),
        ("Patient-example.json", "is no definition, but "),
        ("ValueSet-wrong.json", "is no valid ValueSet: "),
    ]
    assert await store.read("ValueSet", "example.ig-1.0.0-wrong") is None


async def test_nothing_comes_in_when_the_commit_fails(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    door = Door(store, BASE)
    real = store.commit

    async def fails(commit: Commit) -> Any:
        await real(Commit(commit.writes, commit.audit, (), commit.generation + 7, commit.defined))

    monkeypatch.setattr(store, "commit", fails)
    monkeypatch.setattr("hilum.interactions.retrying.LONGEST", 0.0)
    with pytest.raises(Exception, match=r".*"):
        await guides.add(door, WHO, package(profile(), value_set(), parameter()))
    monkeypatch.setattr(store, "commit", real)
    assert (await guides.guides(door), (await store.counts()).types) == ([], {})


async def test_what_is_missing_is_named_and_what_others_need_stays(store: Store) -> None:
    door = Door(store, BASE)
    report = await guides.add(
        door, WHO, package(name="above", dependencies={"example.ig": "1.0.x", "hl7.fhir.r4.core": "4.0.1"})
    )
    assert report.missing == ["example.ig#1.0.x"]
    await guides.add(door, WHO, package(profile()))
    await guides.add(door, WHO, package(profile(version="1.0.1"), version="1.0.1"))
    with pytest.raises(Conflict, match=r"above#1\.0\.0 depends on example\.ig"):
        await guides.remove(door, WHO, "example.ig")
    assert await guides.remove(door, WHO, "example.ig", "1.0.1") == ["example.ig#1.0.1"]  # 1.0.0 will do
    assert await guides.remove(door, WHO, "example.ig", force=True) == ["example.ig#1.0.0"]
    with pytest.raises(NotFound, match="There is: above#1"):
        await guides.remove(door, WHO, "example.ig")


async def test_r4_itself_is_no_guide_to_add(store: Store) -> None:
    with pytest.raises(Invalid, match="nothing to add"):
        await guides.add(Door(store, BASE), WHO, package(profile(), name="hl7.fhir.r4.core", version="4.0.1"))


async def test_a_resource_of_somebody_else_is_not_overwritten(store: Store) -> None:
    door = Door(store, BASE)
    id = "example.ig-1.0.0-colours"
    await update(door, WHO, "ValueSet", id, {"resourceType": "ValueSet", "id": id, "status": "draft"})
    with pytest.raises(Conflict, match="is there already"):
        await guides.add(door, WHO, package(value_set()))


async def test_every_process_knows_a_profile_within_a_second(store: Store, other: Store) -> None:
    mine, theirs = Door(store, BASE), Door(other, BASE)
    assert (await theirs.shelf.definitions(other)).structure(PROFILE) is None
    await guides.add(mine, WHO, package(profile()))
    before = await mine.shelf.definitions(store)
    assert before.structure(PROFILE) is not None
    await asyncio.sleep(LOOK_SECONDS + 0.1)
    known = await theirs.shelf.definitions(other)
    assert known.structure(PROFILE) is not None
    await create(mine, WHO, "Patient", FIT)
    assert await theirs.shelf.definitions(other, fresh=True) is known  # what defines nothing changes nothing
    body = profile(id="x") | {"id": "x"}
    await update(mine, WHO, "StructureDefinition", "x", body)
    await update(mine, WHO, "ValueSet", "v", value_set("v"))
    mine.shelf.forget()
    now = await theirs.shelf.definitions(other, fresh=True)
    assert now.generation != known.generation
    assert now.structure(body["url"]) is not None and now.value_set("http://example.org/ig/ValueSet/v") is not None
    await guides.remove(mine, WHO, "example.ig")
    gone = await theirs.shelf.definitions(other, fresh=True)
    assert gone.structure(PROFILE) is None and gone.structure(body["url"]) is not None


async def test_what_is_known_after_small_steps_is_what_is_known_after_one_look(store: Store) -> None:
    door, shelf = Door(store, BASE), Shelf()
    for n in range(6):
        await guides.add(door, WHO, package(profile(version=f"{n}.0"), value_set(), version=f"{n}.0"))
        if n % 2:
            await guides.remove(door, WHO, "example.ig", f"{n - 1}.0")
        stepwise = await shelf.definitions(store, fresh=True)
        whole = await Shelf().definitions(store)
        assert dict(stepwise.entries) == dict(whole.entries)


async def test_what_changes_no_definition_changes_nothing_of_what_is_known(store: Store) -> None:
    door = Door(store, BASE)
    await guides.add(door, WHO, package(profile(), value_set()))
    known = await door.shelf.definitions(store, fresh=True)
    made = known.structure(PROFILE)
    await create(door, WHO, "ConceptMap", {"resourceType": "ConceptMap", "status": "draft"})
    assert await door.shelf.definitions(store, fresh=True) is known
    await create(door, WHO, "ValueSet", {"resourceType": "ValueSet", "status": "draft", "url": "http://x/new"})
    now = await door.shelf.definitions(store, fresh=True)
    assert now.generation != known.generation and now.value_set("http://x/new") is not None
    assert now.structure(PROFILE) is made


async def test_a_profile_without_a_snapshot_is_given_one_and_one_that_makes_no_sense_says_why(store: Store) -> None:
    door = Door(store, BASE)
    ring = [
        profile("a", baseDefinition="http://example.org/ig/StructureDefinition/b"),
        profile("b", baseDefinition="http://example.org/ig/StructureDefinition/a"),
    ]
    wrong = profile("wrong", "1.0.0", {"id": "Patient.nome", "path": "Patient.nome"})
    await guides.add(door, WHO, package(profile(), wrong, *ring))
    structures = await door.shelf.definitions(store)
    made = structures.structure(PROFILE)
    assert next(one for one in made["snapshot"]["element"] if one["id"] == "Patient.name.family")["min"] == 1
    for id in ("a", "wrong"):
        assert structures.structure(f"http://example.org/ig/StructureDefinition/{id}") is None
    assert "nome" in structures.why_not("http://example.org/ig/StructureDefinition/wrong")
    assert structures.why_not("http://example.org/nothing") == "is not known here"


async def test_r4s_own_types_are_not_for_a_guide_to_redefine(store: Store) -> None:
    door = Door(store, BASE)
    url = "http://hl7.org/fhir/StructureDefinition/Patient"
    await guides.add(door, WHO, package(profile(url=url, version="9.9.9")))
    assert (await door.shelf.definitions(store)).structure(url)["version"] == "4.0.1"


async def test_a_claim_is_checked_and_one_that_is_not_known_is_a_warning(store: Store) -> None:
    door = Door(store, BASE)
    assert [
        one.severity for one in (await create(door, WHO, "Patient", CLAIMING)).issues if "claims" in one.diagnostics
    ] == ["warning"]
    await guides.add(door, WHO, package(profile()))
    with pytest.raises(Unprocessable) as refused:
        await create(door, WHO, "Patient", CLAIMING)
    assert "Patient.name[0]" in str([one.expression for one in refused.value.issues])
    await create(door, WHO, "Patient", {**FIT, "meta": {"profile": [PROFILE]}})
    await create(door, WHO, "Patient", UNFIT)
    await create(Door(store, BASE, claims=False), WHO, "Patient", CLAIMING)


async def test_what_is_required_holds_for_every_way_of_writing(store: Store) -> None:
    door = Door(store, BASE)
    was = (await create(door, WHO, "Patient", FIT)).resource
    await guides.add(door, WHO, package(profile()))
    assert await require(store, await door.shelf.definitions(store), "Patient", PROFILE) == {"Patient": (PROFILE,)}
    door.shelf.forget()
    removal = parse_json_patch(
        b'[{"op": "remove", "path": "/name/0/family"}, {"op": "add", "path": "/name/0/text", "value": "x"}]'
    )
    entry = Entry("POST", "Patient", UNFIT, None, index=0)
    ways = {
        "create": create(door, WHO, "Patient", UNFIT),
        "update": update(door, WHO, "Patient", was.id, {**UNFIT, "id": was.id}),
        "update as create": update(door, WHO, "Patient", "new", {**UNFIT, "id": "new"}),
        "patch": patch(door, WHO, "Patient", was.id, removal),
        "transaction": transaction(door, WHO, [entry]),
    }
    for way, attempt in ways.items():
        with pytest.raises(Unprocessable) as refused:
            await attempt
        where = [str(one.expression) for one in refused.value.issues]
        begin = "Bundle.entry[0].resource.name[0]" if way == "transaction" else "Patient.name[0]"
        assert any(one.startswith(begin) for one in where), (way, where)
    assert (await store.counts()).types["Patient"] == 1
    await create(door, WHO, "Patient", FIT)
    await create(door, WHO, "Observation", {"resourceType": "Observation", "status": "final", "code": {"text": "x"}})


async def test_what_is_required_is_shared_and_keeps_its_guide(store: Store, other: Store) -> None:
    mine, theirs = Door(store, BASE), Door(other, BASE)
    await guides.add(mine, WHO, package(profile()))
    structures = await mine.shelf.definitions(store)
    with pytest.raises(NotFound, match="hilum ig add"):
        await require(store, structures, "Patient", "http://example.org/nothing")
    with pytest.raises(Invalid, match="a profile of Patient"):
        await require(store, structures, "Observation", PROFILE)
    await create(theirs, WHO, "Patient", UNFIT)
    await require(store, structures, "Patient", PROFILE)
    await asyncio.sleep(LOOK_SECONDS + 0.1)
    with pytest.raises(Unprocessable):
        await create(theirs, WHO, "Patient", UNFIT)
    with pytest.raises(Conflict, match="required"):
        await guides.remove(mine, WHO, "example.ig", force=True)
    assert await require(store, structures, "Patient", PROFILE, remove=True) == {}
    theirs.shelf.forget()
    await create(theirs, WHO, "Patient", UNFIT)
    await guides.remove(mine, WHO, "example.ig")


async def test_a_profile_is_written_and_required_while_others_write(store: Store, other: Store) -> None:
    """Two processes: one adds and removes versions, the other writes; nobody is told a defect."""
    mine, theirs = Door(store, BASE), Door(other, BASE)

    async def adds() -> None:
        for n in range(4):
            await guides.add(mine, WHO, package(profile(version=f"{n}"), parameter(), version=f"{n}"))
            if n:
                await guides.remove(mine, WHO, "example.ig", f"{n - 1}")

    async def writes() -> None:
        for _ in range(20):
            await create(theirs, WHO, "Patient", {**FIT, "meta": {"profile": [PROFILE]}})

    await asyncio.gather(adds(), writes())
    await through(mine)
    assert [one.label for one in await guides.guides(theirs)] == ["example.ig#3"]


FORGED = {
    "resourceType": "ImplementationGuide",
    "meta": {
        "tag": [{"system": system, "code": "p#1"} for system in ("urn:hilum:package", "urn:hilum:package-record")]
    },
    "url": "http://example.org/forged",
    "name": "Forged",
    "status": "active",
    "packageId": "p",
    "fhirVersion": ["4.0.1"],
    "dependsOn": [{"uri": "http://example.org/other"}],
    "definition": {"resource": [{"reference": {"display": "nothing"}}]},
}


async def test_the_tags_of_packages_are_left_out_of_what_others_write(store: Store) -> None:
    door = Door(store, BASE)
    await create(door, WHO, "ImplementationGuide", FORGED)
    await update(door, WHO, "ImplementationGuide", "p-1-package", FORGED | {"id": "p-1-package"})
    await transaction(door, WHO, [Entry("POST", "ImplementationGuide", FORGED, None, index=0)])
    plain = (await create(door, WHO, "ImplementationGuide", {**FORGED, "meta": {"tag": [{"code": "x"}]}})).resource
    tag = json.encode([{"op": "add", "path": "/meta/tag/-", "value": one} for one in FORGED["meta"]["tag"]])
    patched = (await patch(door, WHO, "ImplementationGuide", plain.id, parse_json_patch(tag))).resource
    assert patched.body["meta"]["tag"] == [{"code": "x"}]
    assert await guides.guides(door) == []
    assert (await guides.offered(door)).guides == ()


async def test_what_a_package_brought_is_changed_and_deleted_with_it_alone(store: Store) -> None:
    door = Door(store, BASE)
    await guides.add(door, WHO, package(profile(), value_set(), parameter()))
    names = [("ValueSet", "colours"), ("StructureDefinition", "named-patient"), ("SearchParameter", "tribe")]
    for type, own in (*names, ("ImplementationGuide", "package")):
        id = f"example.ig-1.0.0-{own}"
        was = await store.read(type, id)
        assert was is not None
        edited = {**was.body, "title": "Mine"} if type != "SearchParameter" else {**was.body, "name": "Mine"}
        title = parse_json_patch(b'[{"op": "add", "path": "/publisher", "value": "Me"}]')
        ways = (
            delete(door, WHO, type, id),
            conditional_delete(door, WHO, type, f"_id={id}", False),
            update(door, WHO, type, id, edited),
            update(door, WHO, type, id, {**edited, "meta": {"tag": [{"code": "x"}]}}),
            patch(door, WHO, type, id, title),
            transaction(door, WHO, [Entry("DELETE", f"{type}/{id}")]),
            transaction(door, WHO, [Entry("PUT", f"{type}/{id}", edited)]),
        )
        for way in ways:
            with pytest.raises(Conflict, match=r"hilum ig remove example\.ig#1\.0\.0"):
                await way
        assert await store.read(type, id) == was
        assert not (await update(door, WHO, type, id, was.body)).changed
    await guides.remove(door, WHO, "example.ig")
    await update(door, WHO, "ValueSet", "example.ig-1.0.0-colours", value_set() | {"id": "example.ig-1.0.0-colours"})
    await delete(door, WHO, "ValueSet", "example.ig-1.0.0-colours")


async def test_what_is_imported_lies_beside_what_a_package_brought(store: Store) -> None:
    door = Door(store, BASE)
    url = "http://example.org/ig/colour"
    system = {"resourceType": "CodeSystem", "id": "colour", "url": url, "version": "1", "status": "active",
              "content": "complete", "concept": [{"code": "red"}]}  # fmt: skip
    await guides.add(door, WHO, package(system, value_set()))
    was = await store.read("CodeSystem", "example.ig-1.0.0-colour")
    for body in (system, {**system, "concept": [{"code": "blue"}]}, value_set()):
        written, _ = await stored(door, WHO, body, lambda done: None)
        assert written.resource.id == body["id"]
    assert await removed(door, WHO, url, None) == ["1"]
    assert await store.read("CodeSystem", "example.ig-1.0.0-colour") == was
    with pytest.raises(Conflict, match="hilum ig remove"):
        await removed(door, WHO, url, None)


async def test_a_profile_of_ones_own_that_is_required_stays_what_it_is(store: Store) -> None:
    door = Door(store, BASE)
    base = profile("base")
    for one in (base, profile(baseDefinition=base["url"])):
        await update(door, WHO, one["resourceType"], one["id"], one)
    await require(store, await door.shelf.definitions(store, fresh=True), "Patient", PROFILE)
    name = ("StructureDefinition", "named-patient")
    lost = (
        delete(door, WHO, *name),
        delete(door, WHO, "StructureDefinition", "base"),
        update(door, WHO, *name, profile(url="http://example.org/other", baseDefinition=base["url"])),
        update(door, WHO, *name, profile(baseDefinition="http://example.org/nothing")),
        transaction(door, WHO, [Entry("DELETE", "/".join(name))]),
    )
    for way in lost:
        with pytest.raises(Conflict, match=rf"hilum ig require Patient '{PROFILE}' --remove"):
            await way
    await update(door, WHO, *name, profile(baseDefinition=base["url"], title="Another title"))
    await require(store, await door.shelf.definitions(store), "Patient", PROFILE, remove=True)
    await delete(door, WHO, *name)


async def test_the_version_that_is_required_stays_when_others_are_there(store: Store) -> None:
    door = Door(store, BASE)
    for version in ("1.0.0", "2.0.0"):
        await guides.add(door, WHO, package(profile(version=version), version=version))
    structures = await door.shelf.definitions(store)
    await require(store, structures, "Patient", f"{PROFILE}|1.0.0")
    with pytest.raises(Conflict, match=r"named-patient\|1\.0\.0' --remove"):
        await guides.remove(door, WHO, "example.ig", "1.0.0")
    with pytest.raises(Conflict, match="required of Patient"):  # a package that has it no more
        await guides.add(door, WHO, package(value_set()))
    await require(store, structures, "Patient", PROFILE)
    assert await guides.remove(door, WHO, "example.ig", "2.0.0") == ["example.ig#2.0.0"]


async def test_a_record_that_somebody_wrote_or_edited_is_in_nobodys_way(store: Store) -> None:
    """As older versions have let them be written."""
    door = Door(store, BASE)
    await store.commit(Commit((put(FORGED, "anything"), put(FORGED, "p-1-package")), AUDIT))
    (one,) = await guides.guides(door)
    assert (one.label, one.dependencies, one.types) == ("p#1", {}, {"": 1, "ImplementationGuide": 1})
    assert (await guides.offered(door)).guides == ("http://example.org/forged|1",)


async def test_what_guides_offer_is_looked_up_twice_a_second_however_often_it_is_asked(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    door = Door(store, BASE, shelf=Shelf(lambda: now[0]))
    await guides.add(door, WHO, package(profile()))
    searches: list[str] = []
    real = store.search

    async def counted(query: Query, *more: Any, **named: Any) -> Page:
        searches.append(query.parts[0].type)
        return await real(query, *more, **named)

    monkeypatch.setattr(store, "search", counted)
    first = await guides.offered(door)
    once = len(searches)
    many = await asyncio.gather(*(guides.offered(door) for _ in range(50)))
    assert (once > 0, len(searches), all(one is first for one in many)) == (True, once, True)
    now[0] += LOOK_SECONDS + 0.1
    await asyncio.gather(*(guides.offered(door) for _ in range(50)))
    assert len(searches) <= 2 * once
    await guides.remove(door, WHO, "example.ig")
    assert (first.guides, (await guides.offered(door)).guides) == (
        *(("http://example.org/ig/ImplementationGuide/example.ig|1.0.0",), ()),
    )


async def test_of_several_versions_of_a_profile_each_that_has_one_is_offered_by_it(store: Store) -> None:
    door = Door(store, BASE)
    await guides.add(door, WHO, package(profile()))
    unnamed = {name: value for name, value in profile("mine", url=PROFILE).items() if name != "version"}
    await update(door, WHO, "StructureDefinition", "mine", unnamed)
    door.shelf.forget()
    assert (await guides.offered(door)).profiles == {"Patient": (PROFILE, f"{PROFILE}|1.0.0")}


async def test_copies_of_what_a_package_has_stay_when_it_is_added_again_and_removed(store: Store) -> None:
    door = Door(store, BASE)
    await guides.add(door, WHO, package(value_set(), value_set("shapes")))
    one = await store.read("ValueSet", "example.ig-1.0.0-colours")
    assert one is not None
    copy = {**one.body, "id": "mine", "url": "http://example.org/mine"}
    made = (await update(door, WHO, "ValueSet", "mine", copy)).resource
    assert "tag" not in made.body.get("meta", {})
    tagged = [put({**copy, "id": "older"}, "older"), put({**profile("older"), "meta": one.body["meta"]}, "older")]
    await store.commit(Commit(tuple(tagged), AUDIT))  # tagged, as they were once
    assert [bodies for _, bodies in await guides.profiles(door, "example.ig")] == [[]]
    again = await guides.add(door, WHO, package(value_set()))
    assert dict(again.removed) == {"ValueSet": 1}
    await guides.remove(door, WHO, "example.ig")
    for id, there in (("mine", True), ("older", True), ("example.ig-1.0.0-colours", False)):
        kept = await store.read("ValueSet", id)
        assert kept is not None and kept.deleted is not there, id


def test_a_draft_keeps_the_tags() -> None:
    body = profile() | {"meta": {"tag": [{"system": "urn:hilum:package", "code": "a#1"}]}}
    assert json.stored(draft(body, "x").stamp(1, 0))["meta"]["tag"] == body["meta"]["tag"]
