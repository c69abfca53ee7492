"""What is asked for is held against what there is before it becomes an order."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hilum.broker.connection import Connection
from hilum.broker.order import Start
from hilum.broker.recipes import Recipes, packaged, recipe
from hilum.broker.wish import judged
from hilum.problems import Invalid

LAKE = Connection(
    "lake", "sandbox", "plain", "https://ehr.example.org/R4", "hilum", "private_key_jwt", mrn_system="urn:oid:2.999.1"
)
RECIPES = Recipes(
    {**packaged(), "launched": recipe("launched.toml", 'title = "At a launch"\nstart = ["launch"]\n')},
    {"spoilt": "Recipe recipes/spoilt.toml: title must be a text."},
)


def test_what_fits_is_the_recipe_of_that_name() -> None:
    assert judged(LAKE, RECIPES, "visits", Start("mrn", "17"), "video") is RECIPES["visits"]
    assert judged(LAKE, RECIPES, "record", Start("id", "p1")) is RECIPES["record"]
    other = replace(LAKE, mrn_system="")
    assert judged(other, RECIPES, "record", Start("mrn", "urn:oid:2.999.2|17")) is RECIPES["record"]


@pytest.mark.parametrize(
    ("changed", "name", "start", "deliver_to", "expression", "says"),
    [
        (
            {},
            "nothing",
            Start("mrn", "17"),
            "",
            "recipe",
            "There are demographics, documents, guide, launched, record, visits",
        ),
        (
            {},
            "spoilt",
            Start("mrn", "17"),
            "",
            "recipe",
            "'spoilt' can't be used. Recipe recipes/spoilt.toml: title must",
        ),
        ({}, "launched", Start("mrn", "17"), "", "patient", "starts by launch, and not by mrn"),
        ({"mrn_system": ""}, "visits", Start("mrn", "17"), "", "patient", "no mrn_system"),
        ({"grants": ("authorization_code",)}, "visits", Start("id", "p1"), "", "ehr", "open /connect/lake"),
        ({}, "record", Start("mrn", "17"), "video", "deliver_to", "has no [payload]"),
    ],
)
def test_what_does_not_fit_is_told_by_its_name(changed, name, start, deliver_to, expression, says) -> None:
    with pytest.raises(Invalid) as caught:
        judged(replace(LAKE, **changed), RECIPES, name, start, deliver_to)
    assert says in str(caught.value)
    assert [one.expression for one in caught.value.issues] == [expression]
