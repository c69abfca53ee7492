"""What is asked for is held against what there is before it becomes an order."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from hilum.broker.connection import Connection
from hilum.broker.recipes import packaged, recipe
from hilum.broker.wish import judged
from hilum.problems import Invalid

LAKE = Connection(
    "lake", "sandbox", "plain", "https://ehr.example.org/R4", "hilum", "private_key_jwt", mrn_system="urn:oid:2.999.1"
)
RECIPES = {**packaged(), "launched": recipe("launched.toml", 'title = "At a launch"\nstart = ["launch"]\n')}


def test_what_fits_is_the_recipe_of_that_name() -> None:
    assert judged(LAKE, RECIPES, "visits", "mrn", "video") is RECIPES["visits"]
    assert judged(LAKE, RECIPES, "record", "patient") is RECIPES["record"]


@pytest.mark.parametrize(
    ("changed", "name", "by", "deliver_to", "expression", "says"),
    [
        ({}, "nothing", "mrn", "", "recipe", "There are demographics, documents, launched, record, visits"),
        ({}, "launched", "mrn", "", "patient", "starts by launch, and not by mrn"),
        ({"mrn_system": ""}, "visits", "mrn", "", "patient", "no mrn_system"),
        ({"grants": ("authorization_code",)}, "visits", "patient", "", "ehr", "open /connect/lake"),
        ({}, "record", "mrn", "video", "deliver_to", "has no [payload]"),
    ],
)
def test_what_does_not_fit_is_told_by_its_name(changed, name, by, deliver_to, expression, says) -> None:
    with pytest.raises(Invalid) as caught:
        judged(replace(LAKE, **changed), RECIPES, name, by, deliver_to)
    assert says in str(caught.value)
    assert [one.expression for one in caught.value.issues] == [expression]
