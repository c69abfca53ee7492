"""References by canonical url, followed by chains, `_has` and includes. https://hl7.org/fhir/R4/references.html#canonical"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract.writing import commit, create, gone, put

from hilum.access.policy import EVERYTHING, Grant, Policy, Principal
from hilum.interactions.door import Door
from hilum.interactions.search import search
from hilum.search.parse import parse_query
from hilum.store.interface import Store
from hilum.store.plan import thresholds

OWNER = Principal("owner", "test", "", EVERYTHING, 1 << 62)
Body = dict[str, Any]


@pytest.fixture(params=["usual", "tiny"], autouse=True)
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A plan resolves the other end first, or, where it has many, probes it: with tiny limits everything is many."""
    if request.param == "tiny":
        monkeypatch.setattr(thresholds, "LIMITS", thresholds.Limits(few=1, looks=(1, 1), hopes=(1, 1), far=1))
    yield


async def ask(store: Store, url: str, who: Principal = OWNER) -> tuple[list[str], list[str]]:
    """The ids that a search finds, sorted, and the names of what comes along."""
    type, _, query = url.partition("?")
    pairs = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]
    page = await search(Door(store, "http://x"), who, parse_query(type, pairs, base="http://x"))
    return sorted(one.id for one in page.resources), [f"{one.type}/{one.id}" for one in page.included]


async def found(store: Store, url: str, who: Principal = OWNER) -> list[str]:
    return (await ask(store, url, who))[0]


def questionnaire(title: str, version: str | None = None, url: str = "http://q", **more: Any) -> Body:
    body: Body = {"resourceType": "Questionnaire", "url": url, "title": title, "status": "active", **more}
    return body if version is None else body | {"version": version}


def response(questionnaire: str, status: str = "completed") -> Body:
    return {"resourceType": "QuestionnaireResponse", "status": status, "questionnaire": questionnaire}


async def some(store: Store) -> None:
    """Three versions of one questionnaire (one without), another; and answers to them."""
    writes = [
        put(questionnaire("Alpha", "1"), "q1"),
        put(questionnaire("Beta", "1.1"), "q11"),
        put(questionnaire("Gamma"), "q"),
        put(questionnaire("Delta", "1", "http://other"), "o1"),
        put(response("http://q|1"), "r1"),
        put(response("http://q|1.1", "amended"), "r11"),
        put(response("http://q", "stopped"), "r"),
        put(response("http://other|2"), "nobody"),
        put(response("http://qq"), "longer"),
    ]
    await store.commit(commit(*writes))


async def test_a_chain_follows_a_url_with_its_version_to_that_and_without_to_every_version(store: Store) -> None:
    await some(store)
    table = {
        "questionnaire.title=alpha": ["r", "r1"],
        "questionnaire:Questionnaire.title=beta": ["r", "r11"],
        "questionnaire.title=gamma": ["r"],
        "questionnaire.title=delta": [],
        "questionnaire.version=1": ["r", "r1"],
        "questionnaire.url=http://q": ["r", "r1", "r11"],
        "questionnaire.title=nothing": [],
    }
    assert {query: await found(store, f"QuestionnaireResponse?{query}") for query in table} == table


async def test_a_canonical_of_any_type_leads_to_what_has_the_url(store: Store) -> None:
    plan = {
        "resourceType": "PlanDefinition",
        "status": "active",
        "action": [{"definitionCanonical": "http://q|1.1"}, {"definitionUri": "http://a"}],
        "library": ["http://l|3"],
        "relatedArtifact": [{"type": "depends-on", "resource": "http://m"}],
    }
    activity = {"resourceType": "ActivityDefinition", "url": "http://a", "status": "active", "title": "Walk"}
    library = {"resourceType": "Library", "url": "http://l", "version": "3", "status": "active", "title": "Words"}
    measure = {"resourceType": "Measure", "url": "http://m", "version": "9", "status": "draft", "title": "Height"}
    await some(store)
    writes = [(plan, "p"), (activity, "a"), (library | {"type": {"text": "x"}}, "l"), (measure, "m")]
    await store.commit(commit(*[put(body, id) for body, id in writes]))
    table = {
        "PlanDefinition?definition:Questionnaire.title=beta": ["p"],
        "PlanDefinition?definition:ActivityDefinition.title=walk": ["p"],
        "PlanDefinition?definition.title=alpha": [],
        "PlanDefinition?depends-on.title=words": ["p"],
        "PlanDefinition?depends-on:Measure.status=draft": ["p"],
        "Library?_has:PlanDefinition:depends-on:status=active": ["l"],
        "ActivityDefinition?_has:PlanDefinition:definition:_id=p": ["a"],
    }
    assert {url: await found(store, url) for url in table} == table
    _, brought = await ask(
        store, "PlanDefinition?_include=PlanDefinition:definition&_include=PlanDefinition:depends-on"
    )
    assert brought == ["ActivityDefinition/a", "Library/l", "Measure/m", "Questionnaire/q11"]


async def test_has_finds_what_is_named(store: Store) -> None:
    await some(store)
    table = {
        "status=completed": ["q1"],
        "status=amended": ["q11"],
        "status=stopped": ["q", "q1", "q11"],
        "status=completed,amended": ["q1", "q11"],
        "status=in-progress": [],
        "_id=nobody": [],
    }
    name = "Questionnaire?_has:QuestionnaireResponse:questionnaire"
    assert {query: await found(store, f"{name}:{query}") for query in table} == table


async def test_includes_bring_what_is_named_and_what_names(store: Store) -> None:
    await some(store)
    table = {
        "QuestionnaireResponse?_id=r1&_include=QuestionnaireResponse:questionnaire": ["Questionnaire/q1"],
        "QuestionnaireResponse?_id=r&_include=QuestionnaireResponse:questionnaire:Questionnaire": [
            "Questionnaire/q", "Questionnaire/q1", "Questionnaire/q11",
        ],
        "QuestionnaireResponse?_id=r11&_include=*": ["Questionnaire/q11"],
        "QuestionnaireResponse?_id=r11&_include=QuestionnaireResponse:*": ["Questionnaire/q11"],
        "QuestionnaireResponse?_id=nobody,longer&_include=*": [],
        "Questionnaire?_id=q1&_revinclude=QuestionnaireResponse:questionnaire": [
            "QuestionnaireResponse/r", "QuestionnaireResponse/r1",
        ],
        "Questionnaire?_id=q&_revinclude=*": ["QuestionnaireResponse/r"],
        "Questionnaire?_id=o1&_revinclude=QuestionnaireResponse:questionnaire": [],
        "QuestionnaireResponse?_id=r1&_include=*&_revinclude:iterate=QuestionnaireResponse:questionnaire": [
            "Questionnaire/q1", "QuestionnaireResponse/r",
        ],
    }  # fmt: skip
    assert {url: (await ask(store, url))[1] for url in table} == table


async def test_urls_that_come_change_and_go_are_followed_as_they_are(store: Store) -> None:
    await create(store, response("http://q|2"), "r")
    assert await found(store, "QuestionnaireResponse?questionnaire.title=alpha") == []
    first = await create(store, questionnaire("Alpha", "1"), "q")
    assert await found(store, "QuestionnaireResponse?questionnaire.title=alpha") == []
    (second,) = await store.commit(commit(put(questionnaire("Alpha", "2"), "q", over=first)))
    assert await found(store, "QuestionnaireResponse?questionnaire.title=alpha") == ["r"]
    assert await found(store, "Questionnaire?_has:QuestionnaireResponse:questionnaire:_id=r") == ["q"]
    await store.commit(commit(gone(second)))
    assert await found(store, "QuestionnaireResponse?questionnaire.title=alpha") == []
    assert await ask(store, "QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire") == (["r"], [])


async def test_what_may_not_be_seen_is_not_there(store: Store) -> None:
    await some(store)
    own = (("status", "draft"),)
    letters = frozenset("rs")
    grants = (Grant("QuestionnaireResponse", letters), Grant("Questionnaire", letters, None, own))
    who = Principal("one", "test", "", Policy(grants), 1 << 62)
    assert await found(store, "QuestionnaireResponse?questionnaire.title=alpha", who) == []
    everything = "QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire"
    assert await ask(store, everything, who) == (["longer", "nobody", "r", "r1", "r11"], [])
    await create(store, questionnaire("Alpha", "1", status="draft"), "mine")
    assert await found(store, "QuestionnaireResponse?questionnaire.title=alpha", who) == ["r", "r1"]
    assert (await ask(store, everything, who))[1] == ["Questionnaire/mine"]


async def test_urls_of_any_length_and_their_beginnings_are_told_apart(store: Store) -> None:
    url = "http://" + "a" * 300
    writes = [
        put(questionnaire("Long", "1", url), "q"),
        put(questionnaire("Longer", "1", url + "b"), "qb"),
        put(response(url + "|1"), "r"),
        put(response(url + "b"), "rb"),
        put(response(url), "every"),
    ]
    await store.commit(commit(*writes))
    assert await found(store, "QuestionnaireResponse?questionnaire.title:exact=Long") == ["every", "r"]
    assert await found(store, "QuestionnaireResponse?questionnaire.title:exact=Longer") == ["rb"]
