"""What of a value is searched and what sorted by: names, MIME types by their base part; full text, kept or not."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.contract.writing import commit, put

from hilum.access.policy import EVERYTHING, Principal
from hilum.interactions.door import Door
from hilum.interactions.search import search
from hilum.problems import Invalid, Unprocessable
from hilum.search.parse import parse_query
from hilum.store.interface import Store, Write
from hilum.store.plan import phrases
from hilum.store.postgres import open_postgres
from hilum.store.sqlite import open_sqlite

OWNER = Principal("owner", "test", "", EVERYTHING, 1 << 62)
_schemas = itertools.count(1)
Open = Callable[..., Awaitable[Store]]


@pytest.fixture(params=["sqlite", "postgresql"])
def again(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens one and the same durable store, with options."""
    if request.param == "sqlite":
        return lambda **options: open_sqlite(str(tmp_path / "store.sqlite"), **options)
    url, schema = request.getfixturevalue("postgres_url"), f"whole_{next(_schemas)}"
    return lambda **options: open_postgres(url, schema=schema, **options)


async def found(store: Store, url: str) -> list[str]:
    """The ids that a search in a URL finds, in their order."""
    type, _, query = url.partition("?")
    pairs = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&"))]
    parsed = parse_query(type, pairs, base="http://x", full_text=store.full_text)
    return [one.id for one in (await search(Door(store, "http://x"), OWNER, parsed)).resources]


def person(family: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": family}], **more}


def document(mime: str) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": mime, "url": "http://x"}}],
    }


async def test_later_words_of_a_family_name_are_searched_and_not_sorted_by(store: Store) -> None:
    await store.commit(commit(put(person("Cole"), "c"), put(person("van den Berg"), "v"), put(person("Dunn"), "d")))
    assert await found(store, "Patient?family=berg") == ["v"]
    assert await found(store, "Patient?name=den berg") == ["v"]
    for key in ("family", "name"):
        assert await found(store, f"Patient?_sort={key}") == ["c", "d", "v"]
        assert await found(store, f"Patient?_sort=-{key}") == ["v", "d", "c"]


async def test_mime_types_have_their_system_and_are_found_below_their_base_part(store: Store) -> None:
    writes = [put(document(mime), id) for id, mime in (("x", "Text/XML; charset=UTF-8"), ("p", "image/png"))]
    await store.commit(commit(*writes))
    assert await found(store, "DocumentReference?contenttype:below=text/xml") == ["x"]
    assert await found(store, "DocumentReference?contenttype:below=text") == ["x"]
    assert await found(store, "DocumentReference?contenttype:below=text/") == ["x"]
    assert await found(store, "DocumentReference?contenttype:below=text/x") == []
    assert await found(store, "DocumentReference?contenttype=urn:ietf:bcp:13|image/png") == ["p"]
    with pytest.raises(Invalid, match="base part"):
        await found(store, "DocumentReference?contenttype:below=text/xml;charset=UTF-8")


def diagnosis(id: str, said: str, *, note: str = "", code: str = "") -> Write:
    body: dict[str, Any] = {
        "resourceType": "Condition",
        "text": {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{said}</div>'},
        "subject": {"reference": "Patient/1"},
    }
    body |= {"note": [{"text": note}]} if note else {}
    body |= {"code": {"text": code}} if code else {}
    return put(body, id)


async def test_phrases_are_words_side_by_side_in_one_text(store: Store) -> None:
    await store.commit(
        commit(
            diagnosis("a", "Cancer of the <b>bone</b> marrow, stage 2"),
            diagnosis("b", "marrow of the bone; Bone-Marrow is well"),
            diagnosis("c", "marrow bone", note="bone", code="marrow"),
            diagnosis("d", "well", note="a bone marrow aspiration", code="bone"),
            diagnosis("long", " ".join(f"w{n}" for n in range(20_000)) + " bone marrow", note="fine"),
        )
    )
    table = {
        'Condition?_text="bone marrow"': ["long", "b", "a"],
        'Condition?_content="Bone Marrow"': ["long", "d", "b", "a"],
        'Condition?_content="bone marrow" fine': ["long"],
        'Condition?_content="bone marrow" NOT "marrow aspiration"': ["long", "b", "a"],
        'Condition?_content="marrow of","bone marrow aspiration"': ["d", "b"],
        'Condition?_content="w16382 w16383 w16384"': ["long"],
        'Condition?_content="w16384 w16383"': [],
        'Condition?_content="marrow bone"': ["c"],
        'Condition?_content=NOT "bone marrow"': ["c"],
        'Condition?_content="bone marrow"&_sort=_id': ["a", "b", "d", "long"],
        'Condition?_text=marrow bone': ["long", "c", "b", "a"],
        'Condition?_text=cancer,well': ["d", "b", "a"],
        'Patient?_has:Condition:patient:_content="stage 2"': [],
    }  # fmt: skip
    assert {url: await found(store, url) for url in table} == table


async def test_a_phrase_of_words_that_are_everywhere_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phrases, "MOST", 2)
    await store.commit(commit(*[diagnosis(f"c{n}", "bone marrow") for n in range(3)]))
    if store.__class__.__name__ == "MemoryStore":
        return  # it reads everything for every search
    with pytest.raises(Unprocessable, match="All words of a phrase occur in more than 2 resources"):
        await found(store, 'Condition?_text="bone marrow"')


async def test_symbols_part_words_in_every_store_alike(store: Store) -> None:
    await store.commit(commit(put(person("5+3 <b>bold</b> 37°C µg"), "a")))
    for words, ids in (("5", ["a"]), ("5%2B3".replace("%2B", "+"), ["a"]), ("<b>", ["a"]), ("53", []), ("37 c", ["a"])):
        assert await found(store, f"Patient?_content={words}") == ids, words


async def test_a_store_that_was_used_without_full_text_has_none_until_it_is_migrated(again: Open) -> None:
    store = await again()
    await store.commit(commit(put(person("Before"), "b")))
    assert store.full_text
    await store.close()

    store = await again(full_text=False)
    await store.commit(commit(put(person("Meanwhile"), "m"), to=store))
    with pytest.raises(Invalid, match="full_text"):
        await found(store, "Patient?_content=before")
    await store.close()

    store = await again()
    assert not store.full_text
    with pytest.raises(Invalid, match="full_text"):
        await found(store, "Patient?_content=meanwhile")
    await store.close()

    store = await again(migrate=True)
    assert store.full_text
    await store.commit(commit(put(person("After"), "a"), to=store))
    for word, id in (("before", "b"), ("meanwhile", "m"), ("after", "a")):
        assert await found(store, f"Patient?_content={word}") == [id]
    await store.close()
    store = await again()
    assert store.full_text
    await store.close()
