"""Contract: many systems, units and alternatives are searched rightly, and within what one statement may have."""

from __future__ import annotations

import pytest
from tests.contract.writing import asking, commit, ids, observation, put

from hilum.access.confine import confine
from hilum.access.policy import EVERYTHING
from hilum.problems import Unprocessable
from hilum.search.parse import parse_query
from hilum.search.query import Query
from hilum.store import sql
from hilum.store.interface import Store
from hilum.store.plan.choice import ARMS

SYSTEMS, UNITS = 40, 90


def asked(*pairs: tuple[str, str], count: int = 100) -> Query:
    query = confine(parse_query("Observation", list(pairs)).query, EVERYTHING)
    return asking(*query.parts[0].clauses, types=("Observation",), count=count)


@pytest.fixture
async def many(store: Store) -> Store:
    """o0 … o89: the same code, each in another system and with another unit; the number is the value."""
    writes = []
    for n in range(UNITS):
        body = observation(code="8867-4", valueQuantity={"value": n, "unit": f"unit {n}"})
        body["code"]["coding"][0]["system"] = f"urn:system:{n % SYSTEMS}"
        body["component"] = [{"code": body["code"], "valueQuantity": {"value": n, "unit": f"unit {n}"}}]
        writes.append(put(body, f"o{n}"))
    for n in range(6):  # units that convert into one another, a range of its own for each
        body = observation(code="29463-7")
        unit = {"system": "http://unitsofmeasure.org", "code": ("g", "mg", "kg", "ug", "[lb_av]", "t")[n]}
        body["valueQuantity"] = {"value": 1, **unit}
        writes.append(put(body, f"w{n}"))
    await store.commit(commit(*writes))
    return store


def numbered(*numbers: int) -> list[str]:
    return [f"o{n}" for n in numbers]


async def test_a_composite_of_any_system_and_any_unit(many: Store) -> None:
    for code in ("code-value-quantity", "component-code-value-quantity", "combo-code-value-quantity"):
        assert ids(await many.search(asked((code, "8867-4$gt86")))) == numbered(89, 88, 87)
        assert ids(await many.search(asked((code, "8867-4$3,urn:system:4|8867-4$lt45,x$1")))) == numbered(44, 4, 3)
        assert ids(await many.search(asked((code, "urn:system:7|$gt40")))) == numbered(87, 47)
        assert ids(await many.search(asked((code, "8867-4$gt86"), ("status", "final")))) == numbered(89, 88, 87)
        some = ",".join(f"8867-4${n}" for n in range(50))
        assert ids(await many.search(asked((code, some)))) == numbered(*range(49, -1, -1))
        assert ids(await many.search(asked((code, some), ("value-quantity", "gt45")))) == numbered(49, 48, 47, 46)


async def test_amounts_in_many_units(many: Store) -> None:
    assert ids(await many.search(asked(("value-quantity", "gt87"), ("code", "8867-4")))) == numbered(89, 88)
    weights = ",".join(f"lt{n}|http://unitsofmeasure.org|g" for n in range(2, 52))
    assert ids(await many.search(asked(("value-quantity", weights)))) == ["w3", "w1", "w0"]
    assert ids(await many.search(asked(("value-quantity", weights), ("code", "29463-7")))) == ["w3", "w1", "w0"]


async def test_what_is_none_of_many_codes(many: Store) -> None:
    some = ",".join(f"urn:system:{n}|8867-4" for n in range(3, SYSTEMS)) + "".join(f",c{n}" for n in range(500))
    assert ids(await many.search(asked(("code:not", some), ("code:not", "29463-7")))) == numbered(
        82, 81, 80, 42, 41, 40, 2, 1, 0
    )


@pytest.mark.parametrize("count", [30, ARMS // 2, ARMS * 3])
async def test_a_filter_of_many_alternatives(many: Store, count: int) -> None:
    codes = " or ".join([f"code eq c{n}" for n in range(count)] + ["code eq urn:system:5|8867-4"])
    assert ids(await many.search(asked(("_filter", codes)))) == numbered(85, 45, 5)
    pairs = [f"(code eq 8867-4 and value-quantity eq {n})" for n in range(min(count, 100) // 2)]
    found = await many.search(asked(("_filter", " or ".join(pairs))))
    assert ids(found) == numbered(*range(len(pairs) - 1, -1, -1))


async def test_more_values_than_a_statement_takes_are_too_costly(many: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if many.name not in ("sqlite", "postgresql"):
        pytest.skip("has no statements")
    for module in ("sqlite", "postgres"):
        monkeypatch.setattr(f"hilum.store.{module}.run.MOST_VALUES", 20)
    with pytest.raises(Unprocessable, match="narrower") as caught:
        await many.search(asked(("value-quantity", ",".join(f"{n}" for n in range(50)))))
    assert caught.value.issues[0].code == "too-costly"


def test_conditions_side_by_side_stand_in_a_tree() -> None:
    """SQLite follows an expression 1000 levels deep."""
    parts = [sql.Part("?", (n,)) for n in range(20_000)]
    for made, deep in ((sql.either(parts), 3), (sql.every(parts), 2)):
        assert made.values == tuple(range(20_000))
        deepest = depth = 0
        for sign in made.sql:
            depth += (sign == "(") - (sign == ")")
            deepest = max(deepest, depth)
        assert deepest == deep
