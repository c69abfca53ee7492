"""What figures and orders could tell of what is hidden: ways that random cases seldom take."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.oracle.leaks.adapter import Open, Server, fill, policy_of, postgres, principal, sqlite
from tests.oracle.leaks.requests import Request
from tests.oracle.leaks.rights import Context
from tests.oracle.leaks.tokens import Token
from tests.oracle.leaks.world import Step

from hilum.store.plan import thresholds


def observation(whose: str, number: int) -> Step:
    id = f"{whose}{number}"
    body: dict[str, Any] = {"resourceType": "Observation", "id": id, "status": "final", "code": {"text": "x"}}
    return Step("PUT", "Observation", id, body | {"subject": {"reference": f"Patient/{whose}"}}, len(whose))


async def estimate(folder: Path, others: int) -> int:
    """What a token for one patient is told of 20 of its observations, after so many of another patient."""
    steps = [*(observation("mine", n) for n in range(20)), *(observation("other", n) for n in range(others))]
    token = Token("patient/*.rs", None, Context("mine"))
    async with sqlite(folder)() as store:
        server = Server(store)
        await fill(server.store, steps)
        server.tokens.principals["t"] = principal("t", policy_of(token))
        query = (("_total", "estimate"), ("_count", "2"), ("status", "final"))
        found = (await server.ask("t", Request("GET", "Observation", query))).json["total"]
    return int(found)


async def test_an_estimate_tells_nothing_of_what_is_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "LIMITS", replace(thresholds.Limits(), sure=10))
    assert await estimate(tmp_path, 0) == await estimate(tmp_path, 50)


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    return sqlite(tmp_path) if request.param == "sqlite" else postgres(request.getfixturevalue("postgres_url"))


async def order(opened: Open, query: tuple[tuple[str, str], ...], *, referred: bool, together: bool) -> list[str]:
    """Three patients in the order of a search, after something unseen referred to the second one, or not.

    `together`: made by one transaction, else one after the other.
    """
    token = Token("user/Patient.cruds", None, Context())
    made = ("first", "second", "third")
    async with opened() as store:
        server = Server(store)
        if referred:
            await fill(server.store, [observation("second", 1)])
        server.tokens.principals["t"] = principal("t", policy_of(token))
        bodies = {f"Patient/{id}": {"resourceType": "Patient", "id": id, "gender": "other"} for id in made}
        if together:
            entries = [{"resource": body, "request": {"method": "PUT", "url": url}} for url, body in bodies.items()]
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            assert (await server.ask("t", Request("POST", "", body=bundle))).status == 200
        else:
            for url, body in bodies.items():
                assert (await server.ask("t", Request("PUT", url, body=body))).status == 201
        return [id for _, id in (await server.ask("t", Request("GET", "Patient", query))).matches]


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("query", [(), (("_sort", "gender"),), (("_sort", "-_lastUpdated,gender"),)])
async def test_the_order_of_a_search_tells_nothing_of_who_refers_where(
    opened: Open, query: tuple[tuple[str, str], ...], together: bool
) -> None:
    plain = await order(opened, query, referred=False, together=together)
    assert plain == ["third", "second", "first"]
    assert await order(opened, query, referred=True, together=together) == plain
