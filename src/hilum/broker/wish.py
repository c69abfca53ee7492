"""What somebody wants gathered, held against what there is, before it becomes an order."""

from __future__ import annotations

from typing import Final

from hilum.broker.connection import Connection
from hilum.broker.order import Start
from hilum.broker.recipes import Recipe, Recipes
from hilum.broker.rules import BACKEND
from hilum.problems import Invalid

_STARTS: Final = {"mrn": "mrn", "id": "patient"}
"""What is known of the patient: a medical record number, or the EHR's own id -> how recipes call it."""


def judged(connection: Connection, recipes: Recipes, name: str, start: Start, deliver_to: str = "") -> Recipe:
    """The recipe of that name, fit to be followed there where nobody signs in.

    Raises Invalid; its `expression` is the name of what doesn't fit: ehr, recipe, patient or deliver_to.
    """
    recipe = recipes.get(name)
    if recipe is None:
        raise Invalid(f"There is no recipe {name[:64]!r}. There are {', '.join(sorted(recipes))}.", expression="recipe")
    by = _STARTS[start.by]
    if by not in recipe.start:
        starts = ", ".join(recipe.start)
        raise Invalid(f"The recipe {recipe.name!r} starts by {starts}, and not by {by}.", expression="patient")
    if by == "mrn" and not connection.mrn_system and "|" not in start.value:
        text = f"The EHR {connection.name!r} has no mrn_system: name that of the number, as system|number."
        raise Invalid(text, expression="patient")
    if BACKEND not in connection.grants:
        text = f"To gather from {connection.name!r} a person signs in there: open /connect/{connection.name} here."
        raise Invalid(text, expression="ehr")
    if deliver_to and not recipe.payload:
        text = f"The recipe {recipe.name!r} has no [payload], so it makes nothing that could be delivered."
        raise Invalid(text, expression="deliver_to")
    return recipe
