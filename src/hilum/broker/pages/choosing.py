"""What hilum is to gather where somebody has signed in, and where it goes: chosen on a page, then ordered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from hilum.broker.grants import sign_in_of
from hilum.broker.order import Start
from hilum.broker.pages import words
from hilum.broker.pages.desk import Desk, SignedIn, at, signed_in
from hilum.broker.pages.ordered import given_up, orders_of
from hilum.broker.pages.progress import Row, rows
from hilum.broker.recipes import Recipe
from hilum.problems import Conflict, Forbidden, Invalid
from hilum.web.message import Answer, Asked, see_other
from hilum.web.pages import of_our_own
from hilum.web.routing import Route

PATH: Final = "/gather"
LIMIT: Final = "order by address"
LISTED: Final = 10
"""Orders of one sign-in that are shown."""


async def newest(desk: Desk, asked: Asked) -> Answer:
    """GET /gather: at the EHR that was signed in to last."""
    found = await signed_in(desk, asked)
    return see_other(f"{PATH}/{found[0].connection.name}") if found else desk.page("nobody.html")


async def choose(desk: Desk, asked: Asked, ehr: str) -> Answer:
    """GET /gather/{ehr}: what may be gathered there. Raises Forbidden, Busy."""
    return await _page(desk, asked, await at(desk, asked, ehr))


async def order(desk: Desk, asked: Asked, ehr: str) -> Answer:
    """POST /gather/{ehr}: begin. Raises Forbidden, Conflict (another patient by now), OAuthError (429), Busy."""
    of_our_own(desk.launching.origin, asked.headers)
    here = await at(desk, asked, ehr)
    if asked.form.get("sign_in") != sign_in_of(here.kept.id):
        raise Conflict(
            "Somebody has signed in at this EHR again since this page was opened, maybe for another patient. Nothing "
            "was begun. Open the page again."
        )
    desk.limits.spend(LIMIT, asked.address)
    chosen, deliver_to = asked.form.get("recipe"), asked.form.get("deliver_to")
    recipe = next((one for one in offered(desk, here) if one.name == chosen), None)
    try:
        if recipe is None:
            raise Invalid("Choose what is to be gathered.")
        if deliver_to and not recipe.payload:
            raise Invalid("What is gathered by this choice can't be sent on: it says nothing of what would be sent.")
        if not deliver_to and recipe.store == "none":
            raise Invalid("What is gathered by this choice is not kept here. Choose where it is sent to.")
        start = Start("launch", session=here.kept.id)
        task = await desk.orders.accept(
            here.principal, here.connection, recipe.name, start, deliver_to, store=recipe.store == "own"
        )
    except Invalid as problem:
        return await _page(desk, asked, here, str(problem))
    return see_other(f"{PATH}/{ehr}/{task.id}")


async def leave(desk: Desk, asked: Asked) -> Answer:
    """POST /gather: this browser is signed in nowhere any more; what was ordered goes on. A sign-in that no order needs
    is forgotten, and ended at the EHR.
    """
    of_our_own(desk.launching.origin, asked.headers)
    grants = await desk.launching.sessions.grants(asked.headers)
    headers = await desk.launching.sessions.left(asked.headers)
    await given_up(desk, grants)
    return see_other(PATH, headers)


def offered(desk: Desk, here: SignedIn) -> list[Recipe]:
    """The recipes of the connection that begin with the patient of a sign-in."""
    known = desk.recipes()
    return [known[one] for one in sorted(known) if here.connection.allows(one) and "launch" in known[one].start]


async def _page(desk: Desk, asked: Asked, here: SignedIn, message: str = "") -> Answer:
    recipes = offered(desk, here)
    places = [one.name for one in await desk.destinations.every() if one.environment == desk.environment]
    others = [one for one in await signed_in(desk, asked) if one.connection.name != here.connection.name]
    form = asked.form if message else asked.query
    return desk.page(
        "choose.html",
        422 if message else 200,
        here.kept.grant,
        at=here,
        sign_in=sign_in_of(here.kept.id),
        patient=bool(here.kept.grant.patient),
        recipes=[(one, words.types(one.types), words.fields(one)) for one in recipes],
        places=places if any(one.payload for one in recipes) else [],
        held=any(one.store == "none" for one in recipes),
        keeps=any(one.store == "own" for one in recipes),
        chosen=form.get("recipe"),
        deliver_to=form.get("deliver_to"),
        message=message,
        orders=await _orders(desk, here),
        others=others,
    )


async def _orders(desk: Desk, here: SignedIn) -> Sequence[Row]:
    """What was ordered by this sign-in, the newest first."""
    newest = ("_sort", "-_lastUpdated"), ("_count", str(LISTED))
    try:
        return rows(desk, await orders_of(desk, here.principal, here.kept.id, *newest))
    except Forbidden:
        return ()


ROUTES: Final = (
    Route("GET", PATH, newest),
    Route("POST", PATH, leave),
    Route("GET", f"{PATH}/{{ehr}}", choose),
    Route("POST", f"{PATH}/{{ehr}}", order),
)
