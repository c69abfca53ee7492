"""Contract: the largest queries that parsing lets through are answered, and rightly, whatever a database limits."""

from __future__ import annotations

import pytest
from tests.contract.writing import ALL, asking, create, delete, ids, observation, patient

from hilum.access.confine import confine
from hilum.access.policy import EVERYTHING
from hilum.search.clauses import Permit
from hilum.search.limits import MOST_ALTERNATIVES, MOST_PARAMETERS
from hilum.search.parse import parse_query
from hilum.search.query import Query
from hilum.store.interface import Store

Pairs = list[tuple[str, str]]
MRN = "urn:mrn"


def around(value: str, count: int = MOST_ALTERNATIVES, stem: str = "nobody{}") -> str:
    """`value` in the middle of a list of `count` alternatives."""
    others = [stem.format(n) for n in range(count - 1)]
    return ",".join([*others[: count // 2], value, *others[count // 2 :]])


def asked(type: str, pairs: Pairs, **more: object) -> Query:
    return confine(parse_query(type, pairs, **more).query, EVERYTHING)  # type: ignore[arg-type]


async def filled(store: Store) -> None:
    """Two patients and what was observed of them; the first of each is what the searches mean."""
    one = {
        "birthDate": "1970-05-01",
        "gender": "male",
        "link": [{"other": {"reference": "Patient/b"}, "type": "refer"}],
    }
    await create(store, patient("Windsor", "1", **one), "a")
    await create(store, patient("Chalmers", "2", birthDate="1980-05-01", gender="female"), "b")
    await create(store, observation("Patient/a", "1-1", effectiveDateTime="2020-01-01"), "oa")
    await create(store, observation("Patient/b", "2-2", effectiveDateTime="2021-01-01"), "ob")
    items = [{"item": {"reference": "Patient/a"}}]
    await create(store, {"resourceType": "List", "status": "current", "mode": "working", "entry": items}, "la")
    for id in ("va", "vb"):
        await create(store, {"resourceType": "ValueSet", "status": "active", "url": f"http://vs/{id}"}, id)


KINDS = {
    "token with system": ("Patient", [("identifier", around("urn:mrn|1", stem="urn:mrn|x{}"))], "a"),
    "token without": ("Patient", [("identifier", around("1"))], "a"),
    "system alone": ("Patient", [("identifier", around("urn:mrn|", stem="urn:x{}|"))], "b a"),
    "token of all forms": (
        "Patient",
        [("identifier", around("1", 400) + "," + around("|9", 300, "|z{}") + "," + around("urn:a|", 300, "urn:x{}|"))],
        "a",
    ),
    "negated token": ("Patient", [("identifier:not", around("1"))], "b"),
    "negated token with system": ("Patient", [("identifier:not", around("urn:mrn|1", stem="urn:mrn|x{}"))], "b"),
    "text": ("Patient", [("family", around("wind", 50))], "a"),
    "text exact": ("Patient", [("family:exact", around("Windsor", 50))], "a"),
    "text contains": ("Patient", [("family:contains", around("inds", 50))], "a"),
    "date": ("Patient", [("birthdate", around("1970-05", 50, "19{:02}-12-31"))], "a"),
    "dates of all prefixes": ("Patient", [("birthdate", around("le1971", 50, "sa30{:02}"))], "a"),
    "lastUpdated": ("Patient", [("_lastUpdated", around("ge2020", 50, "sa30{:02}"))], "b a"),
    "reference": ("Observation", [("subject", around("Patient/a", stem="Patient/x{}"))], "oa"),
    "reference by id": ("Observation", [("subject", around("a"))], "oa"),
    "reference to any type by id": ("List", [("item", around("a", 68))], "la"),
    "uri": ("ValueSet", [("url", around("http://vs/va", stem="http://vs/x{}"))], "va"),
    "id": ("Patient", [("_id", around("a"))], "a"),
    "ids that there are": ("Patient", [("_id", around("a,b", 999))], "b a"),
    "two long lists": ("Patient", [("identifier", around("1")), ("_id", around("a"))], "a"),
    "two long lists of which one is negated": (
        "Patient",
        [("identifier", around("1")), ("identifier:not", around("2"))],
        "a",
    ),
    "long list and text": ("Patient", [("identifier", around("1")), ("family", around("wind", 50))], "a"),
    "many dates": ("Patient", [("birthdate", "ge1969"), ("birthdate", "lt1971")] * (MOST_PARAMETERS // 2), "a"),
    "two long lists of dates": ("Patient", [("birthdate", around("1970-05", 50, "19{:02}-12-31"))] * 2, "a"),
    "many tokens": ("Patient", [("gender", "male"), ("identifier", "urn:mrn|1")] * (MOST_PARAMETERS // 2), "a"),
    "many lists": ("Patient", [("identifier", around("urn:mrn|1", 20, "urn:mrn|x{}"))] * MOST_PARAMETERS, "a"),
    "many lists without systems": ("Patient", [("identifier", around("1", 20))] * MOST_PARAMETERS, "a"),
    "many texts": ("Patient", [("family", "w")] * MOST_PARAMETERS, "a"),
    "many texts inside": ("Patient", [("family:contains", "w,i")] * 50, "a"),
    "many references": ("Observation", [("subject", "a"), ("patient", "a")] * (MOST_PARAMETERS // 2), "oa"),
    "many absences": ("Patient", [("address:missing", "true"), ("link:missing", "false")] * 50, "a"),
    "many of lastUpdated": ("Patient", [("_lastUpdated", "ge2020")] * MOST_PARAMETERS, "b a"),
}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_query_at_the_limits_is_answered(store: Store, kind: str) -> None:
    await filled(store)
    type, pairs, meant = KINDS[kind]
    for more in ([], [("_sort", "-_lastUpdated")], [("_total", "accurate")]):
        page = await store.search(asked(type, pairs[: MOST_PARAMETERS - len(more)] + more))
        assert " ".join(ids(page)) == meant
    assert page.total == len(meant.split())


async def test_a_query_on_all_types_at_the_limits(store: Store) -> None:
    await filled(store)
    page = await store.search(confine(parse_query(None, [("_id", around("oa", 68))]).query, EVERYTHING))
    assert ids(page) == ["oa"]


async def test_a_token_for_one_patient_walks_that_record(store: Store) -> None:
    await filled(store)
    gone = await create(store, observation("Patient/a"), "gone")
    await delete(store, gone)
    mine = (Permit((("Patient", "a"),)),)
    assert ids(await store.search(asking(types=("Observation",), permits=(mine,)))) == ["oa"]
    types = ("Patient", "Observation", "List")
    page = await store.search(asking(types=types, permits=(mine, mine, ALL), total="accurate"))
    assert (sorted(ids(page)), page.total) == (["a", "la", "oa"], 3)
    page = await store.search(asking(types=types, permits=(mine, mine, ()), count=1))
    assert (ids(page), page.next is not None) == (["a"], True)
    stranger = (Permit((("Patient", "never-seen"),)),)
    assert ids(await store.search(asking(types=("Observation",), permits=(stranger,)))) == []
    many = (Permit(tuple(("Patient", id) for id in (*(f"x{n}" for n in range(30)), "a", "b"))),)
    assert ids(await store.search(asking(types=("Observation",), permits=(many,)))) == ["ob", "oa"]
    assert ids(await store.search(asking(types=()))) == []
