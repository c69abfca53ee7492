"""The EHRs that hilum signs in to, and whether it works; what it gathers there, and what could not be delivered.

The broker is another room: see `hilum.smart.admin.brokered`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hilum.smart.admin.gate import admin
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

if TYPE_CHECKING:
    from hilum.smart.site import Site

EHRS: Final = "ehrs"
ORDERS: Final = "orders"
PATH: Final = "/admin/ehrs"
ORDERS_PATH: Final = "/admin/orders"
MOST: Final = 500
"""Orders, or sign-ins, on a page."""
TOLD: Final = 12
"""Characters by which sign-ins are told apart."""


async def overview(site: Site, asked: Asked) -> Answer:
    """GET /admin/ehrs"""
    who = await admin(site, asked, EHRS)
    if isinstance(who, Answer):
        return who
    people = await site.broker.sign_ins(MOST)
    return who.page(
        "admin-ehrs.html",
        rows=[(one, who.csrf(f"{PATH}/{one.name}")) for one in await site.broker.ehrs()],
        people=[(one, who.csrf(f"{PATH}/sign-ins/{one.id}")) for one in people],
        most=MOST if len(people) >= MOST else 0,
        done={"out": "It is signed out.", "gone": "It had ended already."}.get(asked.query.get("was")),
    )


async def sign_out(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/ehrs/sign-ins/{id}: end a person's sign-in, here and at the EHR."""
    who = await admin(site, asked, EHRS, change=True)
    if isinstance(who, Answer):
        return who
    await who.tell("ehr", {"signed out": id[:TOLD]})
    return see_other(f"{PATH}?was={'out' if await site.broker.sign_out(id) else 'gone'}")


async def check(site: Site, asked: Asked, name: str) -> Answer:
    """POST /admin/ehrs/{name}: try the connection; the page says what came of each step. Raises NotFound."""
    who = await admin(site, asked, EHRS)
    if isinstance(who, Answer):
        return who
    await who.tell("ehr", {"checked": name[:40]})
    ehr, steps = await site.broker.check(name)
    works = not any(one.state == "fails" for one in steps)
    untried = [one.step for one in steps if one.state == "skipped"]
    csrf = who.csrf(f"{PATH}/{name}")
    return who.page("admin-ehr.html", ehr=ehr, steps=steps, works=works, untried=untried, csrf=csrf)


async def orders(site: Site, asked: Asked) -> Answer:
    """GET /admin/orders: what is being done, and dead letters."""
    who = await admin(site, asked, ORDERS)
    if isinstance(who, Answer):
        return who
    found = await site.broker.orders(MOST)
    return who.page(
        "admin-orders.html",
        dead=[(one, who.csrf(f"{ORDERS_PATH}/{one.id}/replay")) for one in found if one.dead],
        going=[one for one in found if not one.dead],
        most=MOST if len(found) >= MOST else 0,
        done={"sent": "It is being sent again.", "gone": "It is no dead letter any more."}.get(asked.query.get("was")),
    )


async def replay(site: Site, asked: Asked, id: str) -> Answer:
    """POST /admin/orders/{id}/replay: send a dead letter again."""
    who = await admin(site, asked, ORDERS, change=True)
    if isinstance(who, Answer):
        return who
    await who.tell("destination", {"replayed": id[:64]})
    return see_other(f"{ORDERS_PATH}?was={'sent' if await site.broker.replay(id) else 'gone'}")


ROUTES: Final = (
    Route("GET", PATH, overview),
    Route("POST", f"{PATH}/{{name}}", check),
    Route("POST", f"{PATH}/sign-ins/{{id}}", sign_out),
    Route("GET", ORDERS_PATH, orders),
    Route("POST", f"{ORDERS_PATH}/{{id}}/replay", replay),
)
