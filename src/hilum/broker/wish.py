"""What somebody wants gathered, held against what there is, before it becomes an order."""

from __future__ import annotations

from hilum.broker.connection import Connection
from hilum.broker.grants import Grants, sign_in_of
from hilum.broker.order import STARTS, Start
from hilum.broker.recipes import Recipe, Recipes
from hilum.broker.rules import BACKEND, LAUNCH
from hilum.problems import Invalid


def judged(
    connection: Connection, recipes: Recipes, name: str, start: Start, deliver_to: str = "", origin: str = ""
) -> Recipe:
    """The recipe of that name, fit to be followed there from that start. `origin`: of hilum's pages, as people see it.

    Raises Invalid; its `expression` is the name of what doesn't fit: ehr, recipe, patient, sign_in or deliver_to.
    """
    recipe = recipes.named(name)
    by = STARTS[start.by]
    if by not in recipe.start:
        starts = ", ".join(recipe.start)
        raise Invalid(f"The recipe {recipe.name!r} starts by {starts}, and not by {by}.", expression="patient")
    if by == "mrn" and not connection.mrn_system and "|" not in start.value:
        text = f"The EHR {connection.name!r} has no mrn_system: name that of the number, as system|number."
        raise Invalid(text, expression="patient")
    if not start.session and BACKEND not in connection.grants:
        text = f"To gather from {connection.name!r} a person signs in there: open {origin}/connect/{connection.name}."
        raise Invalid(text, expression="ehr")
    if start.session and LAUNCH not in connection.grants:
        raise Invalid(f"Nobody signs in to {connection.name!r} in person: leave sign_in out.", expression="sign_in")
    if deliver_to and not recipe.payload:
        text = f"The recipe {recipe.name!r} makes no payload (it has no [payload]), so nothing can be delivered."
        raise Invalid(text, expression="deliver_to")
    return recipe


async def signed_in(grants: Grants, connection: Connection, sign_in: str, origin: str) -> str:
    """The id of the grant that is told by this; "" for none. Raises Invalid where it has ended, Busy."""
    if not sign_in or LAUNCH not in connection.grants:  # such a connection is refused above
        return sign_in
    for kept in await grants.of(connection.name):
        if sign_in_of(kept.id) == sign_in:
            return kept.id
    text = f"There is no such sign-in at {connection.name!r}, or it has ended: somebody has to sign in again, at"
    raise Invalid(f"{text} {origin}/connect/{connection.name}.", expression="sign_in")
