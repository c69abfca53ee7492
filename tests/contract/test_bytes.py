"""Contract: a store keeps bytes. Whatever a resource holds is served as it was stamped, and found by what it says."""

from __future__ import annotations

import pytest
from tests.contract.writing import asking, chronicle, create, ids, mrn, numbers, observation, patient, replace, token

from hilum.search.clauses import StringClause
from hilum.store.interface import Store

ODD = [
    'quote " backslash \\ slash / and </script>',
    "tab\tnewline\nreturn\r bell\x07 escape\x1b delete\x7f",
    "nul\x00in the middle",
    "Zoë Ångström Ñandú Żółć İstanbul ŉ ﬁ",
    "田中太郎 محمد שלום Ελληνικά हिन्दी",
    "family 👨‍👩‍👧‍👦 flag 🏴󠁧󠁢󠁥󠁮󠁧󠁿 last plane \U0010ffff",
    "right‮to left​zero width\ufeffmark\u2028line",
    "? $1 %s :name '; DROP TABLE resource; --",
    " leading, trailing and     many spaces ",
    "x" * 5000,
]


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
async def test_text_is_kept_and_found(store: Store, text: str) -> None:
    made = await create(store, patient(text, mrn=text), "a")
    await create(store, patient("Someone", mrn="else"), "b")
    assert await store.read("Patient", "a") == made
    assert made.body["name"][0]["family"] == text
    assert (await store.changes(0))[0] == made
    family = numbers("Patient", "family")
    for clause in (
        mrn(text),
        token("Patient", "identifier", text),
        StringClause(family, (text,), "exact"),
        StringClause(family, (text,)),
        StringClause(family, (text,), "contains"),
    ):
        assert ids(await store.search(asking(clause, total="accurate"))) == ["a"]


async def test_decimals_and_order_are_kept(store: Store) -> None:
    made = await create(store, observation(valueQuantity={"value": 1.5, "unit": "mg"}, note=[{"text": "z"}]), "o")
    raw = made.raw.replace(b"1.5", b"1.5")
    assert (await store.read("Observation", "o")).raw == raw  # type: ignore[union-attr]


async def test_a_large_body(store: Store) -> None:
    text = "".join(chr(0x4E00 + n % 20000) for n in range(1_700_000))  # 5.1 MB of UTF-8
    made = await create(store, patient(text={"status": "generated", "div": text}), "big")
    assert len(made.raw) > 5_000_000
    assert await store.read("Patient", "big") == made
    changed = await replace(store, made, patient("Small"))
    assert await store.read("Patient", "big", 1) == made
    assert (await store.history(chronicle("Patient", id="big"))).resources == (changed, made)


async def test_long_ids_and_odd_ids(store: Store) -> None:
    names = [
        "A" * 64,
        "a",
        "A",
        "0",
        "-",
        ".",
        "a.b-c",
        "01890a5d-ac96-774b-bcce-b302099a8057",
        "01890A5D-AC96-774B-BCCE-B302099A8057",
    ]
    made = [await create(store, patient(id), id) for id in names]
    assert [await store.read("Patient", id) for id in names] == made
    assert sorted(ids(await store.search(asking(count=50)))) == sorted(names)


async def test_many_values_of_one_parameter(store: Store) -> None:
    identifiers = [{"system": f"urn:s{n % 90}", "value": f"{n // 3}"} for n in range(600)]
    first = await create(store, patient(identifier=identifiers), "a")
    assert ids(await store.search(asking(token("Patient", "identifier", "100", "urn:s30")))) == ["a"]
    assert ids(await store.search(asking(token("Patient", "identifier", None, "urn:s89")))) == ["a"]
    await replace(store, first, patient(identifier=identifiers[::2]))
    assert ids(await store.search(asking(token("Patient", "identifier", "100", "urn:s31")))) == []
    assert ids(await store.search(asking(token("Patient", "identifier", "100", "urn:s30")))) == ["a"]
