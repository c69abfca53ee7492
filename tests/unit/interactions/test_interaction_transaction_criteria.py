"""transaction: what criteria and conditional references mean, given everything else that is in the bundle.

https://hl7.org/fhir/R4/http.html#transaction
"""

from __future__ import annotations

import asyncio
import itertools
from typing import Any
from urllib.parse import quote

import pytest
from tests.unit.interactions.bodies import Body, observation, patient
from tests.unit.interactions.conftest import principal
from tests.unit.interactions.test_interaction_transaction import O, P, drop, post, put, refused, run

from hilum.access.policy import Principal
from hilum.interactions import delete as deleting
from hilum.interactions.create import create
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry, EntryOutcome
from hilum.interactions.read import read
from hilum.interactions.update import update
from hilum.problems import Forbidden, Invalid, Malformed, MultipleMatches, PreconditionFailed, Problem

ONE = "Patient?identifier=1"


def subject(outcome: EntryOutcome) -> str:
    assert outcome.resource is not None
    return str(outcome.resource.body["subject"]["reference"])


def name(outcome: EntryOutcome) -> str:
    assert outcome.resource is not None
    return f"{outcome.resource.type}/{outcome.resource.id}"


def patch(op: str, path: str, **value: Any) -> Body:
    part = [{"name": "type", "valueCode": op}, {"name": "path", "valueString": path}]
    part += [{"name": key, **item} for key, item in value.items()]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": part}]}


# --- conditional references to what is written here -------------------------------------------------------------------


async def test_a_reference_finds_what_is_created_here_whatever_the_order(door: Door, owner: Principal) -> None:
    first = await run(door, owner, post(observation(ONE)), post(patient("1")))
    assert subject(first[0]) == name(first[1])
    second = await run(door, owner, post(patient("2")), post(observation("Patient?identifier=2")))
    assert subject(second[1]) == name(second[0])


async def test_a_reference_finds_what_is_made_by_put_update_or_patch_here(door: Door, owner: Principal) -> None:
    for id in ("old", "patched"):
        await update(door, owner, "Patient", id, patient(id, id=id))
    value = {"valueIdentifier": {"value": "3"}}
    found = await run(
        door,
        owner,
        post(observation("Patient?identifier=1")),
        post(observation("Patient?identifier=2")),
        post(observation("Patient?identifier=3")),
        post(observation("Patient?_id=new")),
        put(patient("1", id="new")),
        put(patient("2", id="old")),
        Entry("PATCH", "Patient/patched", patch("add", "Patient", name={"valueString": "identifier"}, value=value)),
    )
    assert [subject(one) for one in found[:4]] == ["Patient/new", "Patient/old", "Patient/patched", "Patient/new"]


async def test_a_reference_finds_what_is_rewritten_here_once(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    found = await run(door, owner, post(observation(ONE)), put(patient("1", id="a", active=True)))
    assert subject(found[0]) == "Patient/a"
    same = await run(door, owner, post(observation(ONE)), put(patient("1", id="a", active=True)))
    assert (subject(same[0]), same[1].changed) == ("Patient/a", False)


async def test_a_reference_does_not_find_what_no_longer_matches(door: Door, owner: Principal) -> None:
    for id in ("a", "b"):
        await update(door, owner, "Patient", id, patient("1", id=id))
    gone = await refused(
        door, owner, post(observation(ONE)), put(patient("2", id="a")), put(patient("3", id="b")), post(patient("4"))
    )
    assert gone == (PreconditionFailed, ["Bundle.entry[0].resource.subject"])
    found = await run(door, owner, post(observation(ONE)), put(patient("2", id="a")))
    assert subject(found[0]) == "Patient/b"


async def test_of_several_matches_all_but_one_may_be_replaced_here(door: Door, owner: Principal) -> None:
    for id in ("a", "b", "c"):
        await update(door, owner, "Patient", id, patient("1", id=id))
    found = await run(door, owner, post(observation(ONE)), drop("Patient/c"), drop("Patient/b"))
    assert subject(found[0]) == "Patient/a"
    found = await run(door, owner, post(observation(ONE)), drop("Patient/a"), post(patient("1")))
    assert subject(found[0]) == name(found[2])


async def test_stored_and_written_matches_together_are_several(door: Door, owner: Principal) -> None:
    refers = post(observation(ONE))
    several = (MultipleMatches, ["Bundle.entry[0].resource.subject"])
    assert await refused(door, owner, refers, post(patient("1")), post(patient("1"))) == several
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    assert await refused(door, owner, refers, post(patient("1"))) == several
    assert await refused(door, owner, refers, put(patient("1", id="b"))) == several


async def test_a_reference_may_need_another_to_be_resolved_first(door: Door, owner: Principal) -> None:
    report = observation("Patient/other", hasMember=[{"reference": "Observation?subject=Patient/p"}])
    last = observation("Patient/third", hasMember=[{"reference": "Observation?subject=Patient/other"}])
    entries = (post(last), post(report), post(observation(ONE)), put(patient("1", id="p")))
    found = await run(door, owner, *entries)
    members = [one.resource.body["hasMember"][0]["reference"] for one in found[:2] if one.resource]
    assert (members, subject(found[2])) == ([name(found[1]), name(found[2])], "Patient/p")


async def test_a_reference_to_itself_by_what_it_says(door: Door, owner: Principal) -> None:
    member = observation("Patient/q", hasMember=[{"reference": "Observation?status=final"}])
    (found,) = await run(door, owner, post(member))
    assert found.resource is not None
    assert found.resource.body["hasMember"] == [{"reference": name(found)}]


async def test_what_resolving_makes_a_second_match_is_refused(door: Door, owner: Principal) -> None:
    """The first reference finds one Observation about Patient/p, until the second is resolved."""
    member = observation("Patient/q", hasMember=[{"reference": "Observation?subject=Patient/p"}])
    entries = (post(member), post(observation("Patient/p")), post(observation(ONE)), put(patient("1", id="p")))
    assert await refused(door, owner, *entries) == (MultipleMatches, ["Bundle.entry[0].resource"])


async def test_a_reference_finds_only_what_the_token_may_search_here_too(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    who = principal("patient/Observation.cru patient/Patient.s", "a")
    query = "Observation?status=final"
    mine = observation("Patient/a", hasMember=[{"reference": query}])
    assert (await refused(door, who, post(mine)))[0] is Forbidden
    who = principal("patient/Observation.cruds", "a")
    found = await run(door, who, post(mine))
    assert found[0].resource is not None
    assert found[0].resource.body["hasMember"] == [{"reference": name(found[0])}]


async def test_what_may_be_written_but_not_searched_is_not_found_here(door: Door, owner: Principal) -> None:
    who = principal("system/Observation.cru patient/Observation.s", "a")
    mine, theirs = (
        observation(about, hasMember=[{"reference": f"Observation?subject={about}"}])
        for about in ("Patient/a", "Patient/b")
    )
    assert (await run(door, who, post(mine)))[0].created
    assert (await refused(door, who, post(theirs)))[0] is PreconditionFailed


async def test_criteria_of_every_kind_find_what_is_created_here(door: Door, owner: Principal) -> None:
    about = {"family": "Müller", "given": ["Änne"]}
    full = patient("1", name=[about, {"family": "Other"}], birthDate="1980-02-01", gender="female")
    full["identifier"].append({"system": "urn:only", "value": "4"})
    full |= {"generalPractitioner": [{"reference": "Practitioner/p"}], "meta": {"profile": ["http://x/p"]}}
    rest = [post(patient("2", name=[{"family": "Mull"}], birthDate="1981-02-01")), post(patient("3"))]
    for criteria in (
        "name=muller",
        "family=MULLE",
        "family:exact=Müller",
        "family:contains=ülle",
        "name=nobody,änne",
        "birthdate=1980",
        "birthdate=lt1981-01-01",
        "general-practitioner=Practitioner/p",
        "_profile=http://x/p",
        "gender=male,female",
        "gender:missing=false",
        "identifier=http://hospital.example/mrn|1",
        "identifier=urn:only|",
        "identifier=urn:nobody|9,urn:only|",
        "gender:not=male&birthdate=1980",
        "_lastUpdated=gt2020-01-01&gender=female",
    ):
        found = await run(door, owner, post(observation(f"Patient?{criteria}")), post(full), *rest)
        assert subject(found[0]) == name(found[1]), criteria
        drops = [drop(name(one)) for one in found[1:]]
        await run(door, owner, *drops)
    for criteria in ("family:exact=muller", "family=uller", "gender=male", "birthdate=1979", "_profile=http://x"):
        entries = (post(observation(f"Patient?{criteria}")), post(full), *rest)
        assert (await refused(door, owner, *entries))[0] is PreconditionFailed


async def test_of_many_transactions_that_refer_to_what_they_create_one_wins(door: Door, owner: Principal) -> None:
    async def one() -> type[Problem] | None:
        try:
            await run(door, owner, post(observation(ONE)), post(patient("1")))
        except Problem as problem:
            return type(problem)
        return None

    outcomes = await asyncio.gather(*(one() for _ in range(16)))
    assert sorted(outcomes, key=str) == [MultipleMatches] * 15 + [None]
    assert (await door.store.counts()).types == {"Patient": 1, "Observation": 1}


# --- no duplicates of what criteria say there is once -----------------------------------------------------------------

_IF_NONE = post(patient("1"), if_none_exist="identifier=1")
_COND_PUT = Entry("PUT", ONE, patient("1"))
_DOUBLES = {
    "a plain POST and a conditional PUT": (_COND_PUT, post(patient("1"))),
    "a plain POST and a conditional POST": (_IF_NONE, post(patient("1"))),
    "a PUT and a conditional POST": (_IF_NONE, put(patient("1", id="ov10"))),
    "a PUT and a conditional PUT": (_COND_PUT, put(patient("1", id="ov10"))),
    "conditional POST and PUT": (_IF_NONE, _COND_PUT),
    "conditional PUTs with the same criteria": (_COND_PUT, Entry("PUT", ONE, patient("1", active=True))),
    "conditional PUTs whose bodies don't have what they look for": (
        Entry("PUT", ONE, patient("7")),
        Entry("PUT", ONE, patient("8")),
    ),
    "conditional PUTs with other criteria for the same": (
        _COND_PUT,
        Entry("PUT", "Patient?identifier=http://hospital.example/mrn|1", patient("1")),
    ),
    "conditional POSTs with other criteria for the same": (
        _IF_NONE,
        post(patient("1"), if_none_exist="identifier=http://hospital.example/mrn|1"),
    ),
}


@pytest.mark.parametrize("entries", _DOUBLES.values(), ids=_DOUBLES.keys())
async def test_what_criteria_look_for_is_not_made_twice(
    door: Door, owner: Principal, entries: tuple[Entry, ...]
) -> None:
    for order in itertools.permutations(entries):
        kind, where = await refused(door, owner, *order)
        assert kind is Invalid
        assert where in (["Bundle.entry[0]"], ["Bundle.entry[1]"])


@pytest.mark.parametrize("conditional", [_IF_NONE, _COND_PUT], ids=["POST", "PUT"])
@pytest.mark.parametrize("plain", [post(patient("1")), put(patient("1", id="ov10"))], ids=["POST", "PUT"])
async def test_no_second_one_is_made_of_what_criteria_found(
    door: Door, owner: Principal, conditional: Entry, plain: Entry
) -> None:
    await create(door, owner, "Patient", patient("1"))
    assert await refused(door, owner, plain, conditional) == (Invalid, ["Bundle.entry[1]"])
    assert await refused(door, owner, conditional, plain) == (Invalid, ["Bundle.entry[0]"])


async def test_a_conditional_create_may_find_what_another_entry_updates(door: Door, owner: Principal) -> None:
    made = (await create(door, owner, "Patient", patient("1"))).resource
    update_it = Entry("PUT", ONE, patient("1", active=True))
    for entries in ((_IF_NONE, update_it), (update_it, _IF_NONE)):
        assert {name(one) for one in await run(door, owner, *entries)} == {f"Patient/{made.id}"}
    assert (await door.store.counts()).types == {"Patient": 1}


async def test_equal_criteria_in_another_order_create_once(door: Door, owner: Principal) -> None:
    found = await run(
        door,
        owner,
        post(patient("1", active=True), if_none_exist="identifier=1&active=true"),
        post(patient("1", active=True), if_none_exist="active=true&identifier=1"),
    )
    assert [one.created for one in found] == [True, False]
    assert name(found[0]) == name(found[1])


async def test_criteria_may_find_what_the_same_entry_writes(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    found = await run(
        door,
        owner,
        Entry("PUT", ONE, patient("1", active=True)),
        Entry("PUT", "Patient?identifier=2", patient("2")),
        post(patient("3"), if_none_exist="identifier=3"),
        post(patient("4"), if_none_exist="identifier=4"),
    )
    assert [one.created for one in found] == [False, True, True, True]


async def test_what_is_deleted_by_criteria_may_be_made_anew(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    found = await run(door, owner, post(patient("1")), Entry("DELETE", ONE))
    assert [(one.created, one.changed) for one in found] == [(True, True), (False, True)]


# --- one resource once ------------------------------------------------------------------------------------------------


async def test_a_conditional_update_of_what_is_deleted_here_is_refused(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "ov7", patient("1", id="ov7"))
    change = patch("add", "Patient", name={"valueString": "active"}, value={"valueBoolean": True})
    for writes in (_COND_PUT, Entry("PATCH", ONE, change)):
        for deletes in (drop("Patient/ov7"), Entry("DELETE", ONE), Entry("DELETE", f"{ONE}&_multiple=true")):
            for order in ((writes, deletes), (deletes, writes)):
                assert await refused(door, owner, *order) == (Invalid, [f"Bundle.entry[{order.index(writes)}]"])


async def test_a_duplicate_may_be_deleted_while_the_other_is_updated_by_criteria(door: Door, owner: Principal) -> None:
    for id in ("a", "b"):
        await update(door, owner, "Patient", id, patient("1", id=id))
    found = await run(door, owner, Entry("PUT", ONE, patient("1", active=True)), drop("Patient/b"))
    assert (name(found[0]), found[0].created) == ("Patient/a", False)


# --- _multiple --------------------------------------------------------------------------------------------------------


async def test_a_deletion_may_remove_all_that_its_criteria_match(door: Door, owner: Principal) -> None:
    for id in ("a", "b", "c"):
        await update(door, owner, "Patient", id, patient("1", id=id))
    await update(door, owner, "Patient", "d", patient("2", id="d"))
    for url in (ONE, f"{ONE}&_multiple=false"):
        assert (await refused(door, owner, Entry("DELETE", url)))[0] is MultipleMatches
    found = await run(door, owner, Entry("DELETE", f"{ONE}&_multiple=true"), post(patient("1")))
    assert (found[0].resource, found[0].changed, found[1].created) == (None, True, True)
    assert (await door.store.counts()).types == {"Patient": 2}
    again = await run(door, owner, Entry("DELETE", "Patient?_multiple=true&identifier=9"))
    assert (again[0].resource, again[0].changed) == (None, False)


async def test_what_a_deletion_of_several_removes_is_in_the_transaction_once(door: Door, owner: Principal) -> None:
    for id in ("a", "b"):
        await update(door, owner, "Patient", id, patient("1", id=id))
    many = Entry("DELETE", f"{ONE}&_multiple=true")
    for other in (put(patient("2", id="a")), drop("Patient/b"), Entry("DELETE", "Patient?_id=a,b&_multiple=true")):
        assert (await refused(door, owner, many, other))[0] is Invalid
    assert (await refused(door, owner, many, post(observation("Patient/x", performer=[{"reference": ONE}]))))[0] is (
        PreconditionFailed
    )


async def test_a_deletion_of_several_has_the_same_limits(
    door: Door, owner: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deleting, "MOST", 2)
    for id in ("a", "b", "c"):
        await update(door, owner, "Observation", id, observation("Patient/a", id=id))
    every = "Observation?status=final&_multiple=true"
    assert (await refused(door, owner, Entry("DELETE", every)))[0] is MultipleMatches
    await run(door, owner, drop("Observation/c"))
    await run(door, owner, Entry("DELETE", every))
    assert (await door.store.counts()).types.get("Observation", 0) == 0


async def test_a_deletion_of_several_needs_permission_for_each(door: Door, owner: Principal) -> None:
    for id in ("a", "b"):
        await update(door, owner, "Observation", id, observation(f"Patient/{id}", id=id))
    who = principal("user/Observation.s patient/Observation.d", "a")
    assert (await refused(door, who, Entry("DELETE", "Observation?status=final&_multiple=true")))[0] is Forbidden
    assert (await read(door, owner, "Observation", "a")).version == 1


@pytest.mark.parametrize(
    "url", [f"{ONE}&_multiple=yes", f"{ONE}&_multiple=true&_multiple=true", f"{ONE}&%5Fmultiple=1"]
)
async def test_multiple_is_true_or_false_once(door: Door, owner: Principal, url: str) -> None:
    assert await refused(door, owner, Entry("DELETE", url)) == (Malformed, ["Bundle.entry[0].request.url"])


async def test_multiple_needs_criteria_and_no_version(door: Door, owner: Principal) -> None:
    assert (await refused(door, owner, Entry("DELETE", "Patient?_multiple=true")))[0] is Invalid
    assert await refused(door, owner, Entry("DELETE", f"{ONE}&_multiple=true", if_match="1")) == (
        Invalid,
        ["Bundle.entry[0].request.ifMatch"],
    )


async def test_a_full_url_may_still_stand_for_what_is_found_by_criteria(door: Door, owner: Principal) -> None:
    found = await run(door, owner, post(observation(P), O), post(patient("1"), P, if_none_exist="identifier=1"))
    assert subject(found[0]) == name(found[1])


# --- criteria about other resources -----------------------------------------------------------------------------------

GROUP: Body = {"resourceType": "Group", "type": "person", "actual": True}
CHAIN = "Observation?subject:Patient.identifier=1"


def derived(reference: str) -> Body:
    return observation("Patient/a", derivedFrom=[{"reference": reference}])


async def test_criteria_of_words_find_what_is_stored_and_what_is_written(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "old", patient("1", id="old", name=[{"family": "Sea Gull"}]))
    new = patient("2", name=[{"text": "Gull of the Sea"}])

    async def finds(words: str, *more: Entry) -> str:
        reference = f"Patient?_content={quote(words)}"
        return subject((await run(door, owner, post(observation(reference)), *more))[0])

    assert await finds("sea gull") == "Patient/old"
    assert await finds('"sea gull"', post(patient("5", name=[{"text": "gull sea"}]))) == "Patient/old"
    made = await finds('"the sea"', post(new))
    assert made.startswith("Patient/")
    assert made != "Patient/old"
    assert await finds("sea NOT gull", put(patient("3", id="n", name=[{"text": "Sea"}]))) == "Patient/n"
    entry = post(observation("Patient?_content=gull"))
    assert (await refused(door, owner, entry, post(new)))[0] is MultipleMatches
    once = Entry("POST", "Patient", patient("9"), if_none_exist="_content=%22dry%20land%22")
    dry = post(patient("4", name=[{"text": "on dry land"}]))
    assert await refused(door, owner, once, dry) == (Invalid, ["Bundle.entry[0]"])


async def test_a_chain_finds_what_is_stored(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    await update(door, owner, "Observation", "o", observation("Patient/a", id="o"))
    (made, _) = await run(door, owner, post(derived(f"{CHAIN}&_id=o")), post(GROUP))
    assert made.resource is not None
    assert made.resource.body["derivedFrom"] == [{"reference": "Observation/o"}]


async def test_a_chain_through_what_the_transaction_writes_is_refused(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    await update(door, owner, "Observation", "o", observation("Patient/a", id="o"))
    refers = post(derived(f"{CHAIN}&_id=o"))
    where = (Invalid, ["Bundle.entry[0].resource.derivedFrom[0]"])
    assert await refused(door, owner, refers, put(patient("2", id="a"))) == where
    assert await refused(door, owner, refers, drop("Patient/a")) == where
    assert await refused(door, owner, post(derived("Observation?_has:Observation:derived-from:status=final"))) == where


async def test_criteria_with_a_chain_that_may_match_what_is_written_are_refused(door: Door, owner: Principal) -> None:
    await update(door, owner, "Patient", "a", patient("1", id="a"))
    create_once = Entry("POST", "Observation", observation("Patient/a"), if_none_exist=CHAIN[12:] + "&status=final")
    assert (await run(door, owner, create_once))[0].created
    await run(door, owner, drop("Observation?status=final"))
    assert await refused(door, owner, create_once, post(observation("Patient/a", status="final"))) == (
        Invalid,
        ["Bundle.entry[0]"],
    )
    assert (await run(door, owner, create_once, post(observation("Patient/a", status="amended"))))[0].created
