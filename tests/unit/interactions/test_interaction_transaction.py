"""transaction: order, references, criteria, all or nothing."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from tests.unit.interactions.bodies import MRN, Body, content, observation, patient
from tests.unit.interactions.conftest import BASE, principal

from hilum.access.policy import Principal
from hilum.fhir import json
from hilum.interactions.create import create
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry, EntryOutcome
from hilum.interactions.read import read
from hilum.interactions.transaction import transaction
from hilum.interactions.update import update
from hilum.problems import (
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    MultipleMatches,
    NotFound,
    PreconditionFailed,
    Problem,
)

P = "urn:uuid:11111111-1111-4111-8111-111111111111"
O = "urn:uuid:22222222-2222-4222-8222-222222222222"  # noqa: E741 - P and O, as in the bundle


def post(body: Body, full_url: str | None = None, **more: Any) -> Entry:
    return Entry("POST", body["resourceType"], body, full_url, **more)


def put(body: Body, **more: Any) -> Entry:
    return Entry("PUT", f"{body['resourceType']}/{body['id']}", body, **more)


def drop(url: str, **more: Any) -> Entry:
    return Entry("DELETE", url, **more)


async def run(door: Door, who: Principal, *entries: Entry) -> tuple[EntryOutcome, ...]:
    from dataclasses import replace

    return await transaction(door, who, tuple(replace(entry, index=i) for i, entry in enumerate(entries)))


async def refused(door: Door, who: Principal, *entries: Entry) -> tuple[type[Problem], list[str | None]]:
    before = (await door.store.counts()).seq
    with pytest.raises(Problem) as caught:
        await run(door, who, *entries)
    assert (await door.store.counts()).seq == before
    return caught.type, [issue.expression for issue in caught.value.issues]


async def test_outcomes_stand_in_the_order_of_the_request(door: Door, owner: Principal) -> None:
    for name in ("a", "b"):
        await update(door, owner, "Patient", name, patient(name, id=name))
    found = await run(
        door,
        owner,
        put(patient("new", id="a")),
        post(patient("1")),
        drop("Patient/b"),
        drop("Patient/nobody"),
        put(patient("c", id="c")),
        post(patient("2"), if_none_exist=f"identifier={MRN}|a"),
    )
    assert [(one.index, one.method, one.created, one.changed) for one in found] == [
        (0, "PUT", False, True),
        (1, "POST", True, True),
        (2, "DELETE", False, True),
        (3, "DELETE", False, False),
        (4, "PUT", True, True),
        (5, "POST", False, False),
    ]
    assert found[3].resource is None
    assert found[5].resource is not None
    assert found[5].resource.id == "a"
    assert found[2].resource is not None
    assert found[2].resource.deleted
    with pytest.raises(Gone):
        await read(door, owner, "Patient", "b")


async def test_an_empty_transaction_does_nothing(door: Door, owner: Principal) -> None:
    assert await transaction(door, owner, ()) == ()
    assert (await door.store.counts()).seq == 0


async def test_all_is_one_commit(door: Door, owner: Principal) -> None:
    found = await run(door, owner, *(post(patient(str(i))) for i in range(200)))
    times = [one.resource.last_updated for one in found if one.resource]
    assert times == list(range(times[0], times[0] + 200))


# --- references -------------------------------------------------------------------------------------------------------


async def test_full_urls_become_identities_in_both_directions(door: Door, owner: Principal) -> None:
    text = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{O}">o</a> <a href=\'http://x\'>x</a></div>'
    found = await run(
        door,
        owner,
        post(
            observation(P, derivedFrom=[{"reference": O}], note=[{"text": P}]),
            O,
        ),
        post(
            patient(
                None,
                identifier=[{"system": "urn:ietf:rfc:3986", "value": P}, {"system": P, "value": "x"}],
                text={"status": "generated", "div": text},
                extension=[{"url": "http://x", "valueUri": O}, {"url": "http://x", "valueCanonical": O}],
                contained=[observation(P, id="in", note=[{"text": "x"}], hasMember=[{"reference": "#in"}])],
            ),
            P,
        ),
    )
    o, p = found[0].resource, found[1].resource
    assert o is not None
    assert p is not None
    here = f"Patient/{p.id}"
    assert content(o) == observation(here, derivedFrom=[{"reference": f"Observation/{o.id}"}], note=[{"text": P}])
    said = content(p)
    assert said["identifier"] == [{"system": "urn:ietf:rfc:3986", "value": P}, {"system": here, "value": "x"}]
    assert said["extension"][0]["valueUri"] == f"Observation/{o.id}"
    assert said["extension"][1]["valueCanonical"] == O
    assert said["contained"][0]["subject"]["reference"] == here
    assert said["text"]["div"] == text.replace(O, f"Observation/{o.id}")


async def test_restful_full_urls_are_matched_absolute_and_relative(door: Door, owner: Principal) -> None:
    there = "http://other.example/fhir"
    found = await run(
        door,
        owner,
        post(patient("1", id="7"), f"{there}/Patient/7"),
        post(observation("Patient/7"), f"{there}/Observation/8"),
        post(observation(f"{there}/Patient/7"), O),
        post(observation("Patient/7"), "http://third.example/Observation/9"),
    )
    id = found[0].resource.id if found[0].resource else ""
    subjects = [one.resource.body["subject"]["reference"] for one in found[1:] if one.resource]
    assert subjects == [f"Patient/{id}", f"Patient/{id}", "Patient/7"]


async def test_version_specific_references_stay_version_specific(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    there = "http://other.example/fhir/Patient/a"
    found = await run(
        door, owner, put(patient("1", id="a"), full_url=there), post(observation(f"{there}/_history/77"), O)
    )
    assert found[0].resource is not None
    assert found[0].resource.version == 2
    assert found[1].resource is not None
    assert found[1].resource.body["subject"]["reference"] == "Patient/a/_history/2"


async def test_references_to_the_own_base_and_elsewhere(door: Door, owner: Principal) -> None:
    found = await run(door, owner, post(observation(f"{BASE}/Patient/1")), post(observation("http://x/Patient/1")))
    subjects = [one.resource.body["subject"]["reference"] for one in found if one.resource]
    assert subjects == ["Patient/1", "http://x/Patient/1"]


async def test_a_full_url_that_means_two_resources_is_refused(door: Door, owner: Principal) -> None:
    assert await refused(door, owner, post(patient("1"), P), post(patient("2"), P)) == (
        Invalid,
        ["Bundle.entry[1].fullUrl"],
    )


async def test_bodies_that_were_handed_in_are_not_changed(door: Door, owner: Principal) -> None:
    body = observation(P, performer=[{"reference": P}])
    before = json.encode(body)
    await run(door, owner, post(body, O), post(patient("1"), P))
    assert json.encode(body) == before


# --- conditional references -------------------------------------------------------------------------------------------


async def test_a_conditional_reference_becomes_the_one_match(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    await create(door, owner, "Patient", patient("2"))
    wanted = f"Patient?identifier={MRN}|1"
    found = await run(
        door,
        owner,
        post(observation(wanted, focus=[{"reference": wanted}])),
        post(observation(f"{BASE}/Patient?identifier=1")),
    )
    assert found[0].resource is not None
    assert content(found[0].resource) == observation(f"Patient/{made.id}", focus=[{"reference": f"Patient/{made.id}"}])
    assert found[1].resource is not None
    assert found[1].resource.body["subject"]["reference"] == f"Patient/{made.id}"


async def test_no_match_several_or_bad_criteria_fail_naming_the_place(door: Door, owner: Principal) -> None:
    for _ in range(2):
        await create(door, owner, "Patient", patient("1"))
    good = post(patient("9"))
    by = [{"reference": "Patient/x"}, {"reference": "Patient?identifier=2"}]
    assert await refused(door, owner, good, post(observation("Patient/x", performer=by))) == (
        PreconditionFailed,
        ["Bundle.entry[1].resource.performer[1]"],
    )
    assert await refused(door, owner, good, post(observation("Patient?identifier=1"))) == (
        MultipleMatches,
        ["Bundle.entry[1].resource.subject"],
    )
    assert await refused(door, owner, good, post(observation("Patient?colour=red"))) == (
        Invalid,
        ["Bundle.entry[1].resource.subject"],
    )


async def test_a_conditional_reference_to_what_is_deleted_here_fails(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    found = await refused(door, owner, drop("Patient/a"), post(observation("Patient?identifier=1")))
    assert found == (PreconditionFailed, ["Bundle.entry[1].resource.subject"])


async def test_a_conditional_reference_finds_only_what_may_be_searched(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    who = principal("patient/*.cruds", "b")
    assert (await refused(door, who, post(observation("Patient?identifier=1"))))[0] is PreconditionFailed


# --- criteria and order -----------------------------------------------------------------------------------------------


async def test_conditional_entries(door: Door, owner: Principal) -> None:
    for i in range(4):
        await update(door, owner, "Patient", f"p{i}", patient(str(i), id=f"p{i}"))
    steps = base64.b64encode(b'[{"op":"add","path":"/active","value":true}]').decode()
    binary = {"resourceType": "Binary", "contentType": "application/json-patch+json", "data": steps}
    part = [
        {"name": "type", "valueCode": "add"},
        {"name": "path", "valueString": "Patient"},
        {"name": "name", "valueString": "active"},
        {"name": "value", "valueBoolean": True},
    ]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}
    found = await run(
        door,
        owner,
        post(patient("0"), P, if_none_exist=f"identifier={MRN}|0"),
        Entry("PUT", "Patient?identifier=1", patient("1", active=True)),
        Entry("PATCH", "Patient?identifier=2", binary),
        Entry("DELETE", "Patient?identifier=3"),
        Entry("PATCH", f"{BASE}/Patient/p0", parameters),
        Entry("PUT", "/Patient?identifier=new", patient("new")),
        post(observation(P)),
    )
    got = [(one.resource.id if one.resource else None, one.created, one.changed) for one in found]
    assert got[:5] == [
        ("p0", False, False),
        ("p1", False, True),
        ("p2", False, True),
        ("p3", False, True),
        ("p0", False, True),
    ]
    assert got[5][1:] == (True, True)
    assert found[6].resource is not None
    assert found[6].resource.body["subject"] == {"reference": "Patient/p0"}
    for id in ("p0", "p1", "p2"):
        assert (await read(door, owner, "Patient", id)).body["active"] is True
    with pytest.raises(Gone):
        await read(door, owner, "Patient", "p3")


async def test_what_is_deleted_here_is_no_match_for_a_create(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    found = await run(door, owner, post(patient("1"), if_none_exist="identifier=1"), drop("Patient/a"))
    assert [(one.created, one.changed) for one in found] == [(True, True), (False, True)]
    assert (await door.store.counts()).types == {"Patient": 1}


async def test_a_deletion_does_not_hide_that_several_match(door: Door, owner: Principal) -> None:
    for name in ("a", "b", "c"):
        await update(door, owner, "Patient", name, patient("1", id=name))
    create_one = post(patient("1"), if_none_exist="identifier=1")
    for name in ("a", "b", "c"):
        assert (await refused(door, owner, create_one, drop(f"Patient/{name}")))[0] is MultipleMatches
    found = await run(door, owner, create_one, drop("Patient/a"), drop("Patient/b"))
    assert found[0].resource is not None
    assert (found[0].resource.id, found[0].created) == ("c", False)


async def test_the_order_of_deletions_makes_no_difference(door: Door, owner: Principal) -> None:
    for name in ("a", "b"):
        await update(door, owner, "Patient", name, patient("1", id=name))
    both = (drop("Patient/a"), Entry("DELETE", "Patient?identifier=1"))
    for entries in (both, reversed(both)):
        assert (await refused(door, owner, *entries))[0] is MultipleMatches
    await run(door, owner, drop("Patient/b"))
    for entries in (both, reversed(both)):
        assert (await refused(door, owner, *entries))[0] is Invalid


async def test_equal_criteria_create_once(door: Door, owner: Principal) -> None:
    found = await run(
        door,
        owner,
        post(patient("1"), P, if_none_exist="identifier=1"),
        post(patient("1"), "urn:uuid:3", if_none_exist="identifier=1"),
        post(observation("urn:uuid:3"), O),
    )
    assert [(one.created, one.changed) for one in found] == [(True, True), (False, False), (True, True)]
    ids = [one.resource.id for one in found if one.resource]
    assert ids[0] == ids[1]
    assert found[2].resource is not None
    assert found[2].resource.body["subject"] == {"reference": f"Patient/{ids[0]}"}


async def test_two_entries_for_one_resource_are_refused(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    one = put(patient("1", id="a"))
    for other in (
        put(patient("2", id="a")),
        drop("Patient/a"),
        Entry("DELETE", "Patient?identifier=1"),
        Entry("PUT", "Patient?identifier=1", patient("3")),
    ):
        kind, where = await refused(door, owner, one, other)
        assert kind is Invalid
        assert where in (["Bundle.entry[1]"], ["Bundle.entry[0]"])


# --- what is wrong ----------------------------------------------------------------------------------------------------


async def test_all_findings_of_all_entries_come_at_once(door: Door, owner: Principal) -> None:
    kind, where = await refused(
        door,
        owner,
        post(patient("1", gender="mail", name=[{"family": 7}])),
        post(patient("2")),
        put(patient("3", id="a"), if_none_exist="identifier=1"),
        Entry("PUT", "Patient/a", patient("3", id="b")),
        Entry("POST", "Patient/a", patient("1")),
        Entry("PUT", "Patient", patient("1")),
        Entry("PUT", "Patients/1", patient("1")),
        Entry("POST", "Observation", patient("1")),
        Entry("POST", "Patient"),
        Entry("GET", "Patient/1"),
        drop("Patient/1/2"),
        drop("Patient/a_b"),
        Entry("PATCH", "Patient/a", patient("1")),
        put(patient("3", id="a"), if_none_match="*"),
    )
    assert kind is Invalid
    assert sorted(where, key=_number) == [
        "Bundle.entry[0].resource.gender",
        "Bundle.entry[0].resource.name[0].family",
        "Bundle.entry[2].request.ifNoneExist",
        "Bundle.entry[3].resource.id",
        "Bundle.entry[4].request.url",
        "Bundle.entry[5].request.url",
        "Bundle.entry[6].request.url",
        "Bundle.entry[7].resource.resourceType",
        "Bundle.entry[8].resource",
        "Bundle.entry[9].request.method",
        "Bundle.entry[10].request.url",
        "Bundle.entry[11].request.url",
        "Bundle.entry[12].resource",
        "Bundle.entry[13].request",
    ]


def _number(path: str | None) -> tuple[int, str]:
    assert path is not None
    return int(path[path.index("[") + 1 : path.index("]")]), path


async def test_nothing_is_written_when_one_entry_fails(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    good = post(patient("9"))
    for bad, kind in (
        (put(patient("2", id="a"), if_match='W/"7"'), PreconditionFailed),
        (drop("Patient/a", if_match="7"), PreconditionFailed),
        (Entry("PATCH", "Patient/nobody", _patch("Patient.active")), NotFound),
        (Entry("PATCH", "Patient?identifier=none", _patch("Patient.active")), NotFound),
    ):
        assert (await refused(door, owner, good, bad)) == (kind, ["Bundle.entry[1]"])
    with_criteria = post(patient("1"), if_none_exist="colour=red")
    assert (await refused(door, owner, good, with_criteria))[0] is Invalid


def _patch(path: str) -> Body:
    part = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": path}]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}


async def test_each_entry_needs_its_own_permission(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    who = principal("system/Patient.c")
    assert len(await run(door, who, post(patient("1")))) == 1
    for entry in (put(patient("2", id="a")), drop("Patient/a"), post(observation("Patient/a"))):
        assert await refused(door, who, post(patient("1")), entry) == (Forbidden, ["Bundle.entry[1]"])


async def test_a_patch_needs_to_read_whether_or_not_there_is_anything(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    who = principal("system/Patient.cus")
    for url in ("Patient/a", "Patient/nobody", "Patient?identifier=1", "Patient?identifier=none"):
        entry = Entry("PATCH", url, _patch("Patient.active"))
        assert await refused(door, who, post(patient("9")), entry) == (Forbidden, ["Bundle.entry[1]"]), url


async def test_a_patient_scope_keeps_to_its_compartment(door: Door, owner: Principal) -> None:
    for name in ("a", "b"):
        await update(door, owner, "Patient", name, patient(name, id=name))
    theirs = (await create(door, owner, "Observation", observation("Patient/b"))).resource
    who = principal("patient/*.cruds", "a")
    good = post(observation("Patient/a"))
    assert (await run(door, who, good))[0].created
    assert (await refused(door, who, good, post(observation("Patient/b"))))[0] is Forbidden
    assert (await refused(door, who, good, post(patient("9"), P), post(observation(P))))[0] is Forbidden
    assert (await refused(door, who, good, put(observation("Patient/a", id=theirs.id))))[0] is NotFound
    assert (await refused(door, who, good, put(observation("Patient/a", id="free"))))[0] is NotFound
    hidden = await run(door, who, good, drop(f"Observation/{theirs.id}"))
    assert (hidden[1].resource, hidden[1].changed) == (None, False)
    assert await read(door, owner, "Observation", theirs.id) == theirs


async def test_with_integrity_the_transaction_counts_as_a_whole(strict: Door, owner: Principal) -> None:
    found = await run(strict, owner, post(observation(P), O), post(patient("1"), P))
    p = f"Patient/{found[1].resource.id}" if found[1].resource else ""
    o = f"Observation/{found[0].resource.id}" if found[0].resource else ""
    assert (await refused(strict, owner, post(observation("Patient/nobody"))))[0] is Conflict
    assert (await refused(strict, owner, drop(p)))[0] is Conflict
    assert (await refused(strict, owner, drop(p), drop(o), post(observation(p))))[0] is Conflict
    assert len(await run(strict, owner, drop(p), drop(o))) == 2


# --- races ------------------------------------------------------------------------------------------------------------


async def test_of_many_transactions_at_once_with_the_same_criteria_one_creates(door: Door, owner: Principal) -> None:
    found = await asyncio.gather(
        *(
            run(door, owner, post(patient("1"), P, if_none_exist="identifier=1"), post(observation(P), O))
            for _ in range(24)
        )
    )
    assert sum(one[0].created for one in found) == 1
    assert len({one[0].resource.id for one in found if one[0].resource}) == 1
    assert (await door.store.counts()).types == {"Patient": 1, "Observation": 24}


async def test_transactions_over_the_same_resources_are_never_torn(door: Door, owner: Principal) -> None:
    async def one(i: int) -> None:
        both = [put(patient(str(i), id=name)) for name in ("a", "b")]
        await run(door, owner, *(both if i % 2 else reversed(both)))

    await asyncio.gather(*(one(i) for i in range(24)))
    a, b = [await read(door, owner, "Patient", name) for name in ("a", "b")]
    assert content(a) == content(b)
    assert (a.version, b.version) == (24, 24)


async def test_with_integrity_a_hidden_target_is_as_one_that_does_not_exist(strict: Door, owner: Principal) -> None:
    me = (await create(strict, owner, "Patient", patient("1"))).resource
    hidden = (
        await create(strict, owner, "ResearchStudy", {"resourceType": "ResearchStudy", "status": "active"})
    ).resource
    who = principal("patient/*.cruds", me.id)
    said = []
    for target in (f"ResearchStudy/{hidden.id}", "ResearchStudy/none"):
        entry = post(observation(f"Patient/{me.id}", focus=[{"reference": target}]))
        with pytest.raises(Conflict) as caught:
            await run(strict, who, entry)
        said.append(str(caught.value).replace(target, "it"))
    assert said[0] == said[1]
    made = await run(
        strict,
        who,
        post(observation(f"Patient/{me.id}"), O),
        post(observation(f"Patient/{me.id}", hasMember=[{"reference": O}])),
    )
    assert [outcome.created for outcome in made] == [True, True]


async def test_a_given_id_that_is_taken_is_a_conflict_and_not_a_matter_of_patience(
    door: Door, owner: Principal
) -> None:
    """Two loads of one file give the same ids; the second must not try until time is up, which would be Busy."""
    await run(door, owner, post(patient("first"), new_id="made"))
    assert await refused(door, owner, post(observation("Patient/1")), post(patient("second"), new_id="made")) == (
        Conflict,
        [None],
    )
    stands = await door.store.read("Patient", "made")
    assert stands is not None
    assert (stands.version, content(stands)) == (1, patient("first"))
