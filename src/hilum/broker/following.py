"""What an order asks for, done: its EHR signed in to, its recipe followed, what came of it stored.

It is what `hilum.broker.executing` needs of the rooms beside it (`hilum.broker.gathering`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hilum.broker import gathered as parts
from hilum.broker import payload, starting
from hilum.broker.asking import Asking
from hilum.broker.backend import Backend
from hilum.broker.connection import Connection
from hilum.broker.connections import Connections
from hilum.broker.far import Failed, Far
from hilum.broker.gather import gather
from hilum.broker.gathered import Gathered, Part
from hilum.broker.gathering import Fill, Stored, Tell
from hilum.broker.gathering import Gathered as Content
from hilum.broker.order import STARTS, Came, Order, Start
from hilum.broker.provenance import Authority
from hilum.broker.recipes import PATIENT, Recipe, Recipes
from hilum.broker.renewing import Renewing
from hilum.broker.storing import Keeper
from hilum.broker.throttle import Throttles
from hilum.broker.vendors import Vendor
from hilum.interactions import granting
from hilum.interactions.door import Door
from hilum.problems import Unprocessable
from hilum.web import log
from hilum.web.pool import Pool


@dataclass(frozen=True)
class Following:
    """That of one process. `pool`: connections to hosts that may be reached now. `recipes`: those that there are now.
    `clock`: seconds since 1970.
    """

    door: Door
    connections: Connections
    backend: Backend
    renewing: Renewing
    vendors: Mapping[str, Vendor]
    pool: Callable[[], Pool]
    recipes: Callable[[], Recipes]
    throttles: Throttles = field(default_factory=Throttles)
    clock: Callable[[], float] = time.time

    async def sign_in(self, order: Order, start: Start) -> Far:
        """Signed in when this returns. Raises Failed, Busy; NotFound, Forbidden where there is no such connection."""
        connection = await self.connections.usable(order.ehr)
        vendor = self.vendors[connection.vendor]
        token, patient = await self._signed_in(connection, start)
        throttle = self.throttles.of(connection.base, vendor)
        return Asking(connection.base, vendor, token, throttle, self.pool(), patient=patient)

    async def _signed_in(self, connection: Connection, start: Start) -> tuple[Callable[[bool], Awaitable[str]], str]:
        """What gives tokens, and the patient of the launch."""
        if not start.session:
            token = self.backend.tokens(connection)
            await token(False)
            return token, ""
        grant = (await self.renewing.current(start.session)).grant
        of = grant.connection, grant.base, grant.client_id
        if of != (connection.name, connection.base, connection.client_id):  # its token is for nobody else's eyes
            raise Failed("unauthorized", "The sign-in that the order names is one at another EHR.", side="ours")
        return self.renewing.bearer(start.session), grant.patient

    async def gather(self, far: Far, order: Order, start: Start, tell: Tell) -> Content:
        """Raises Failed where the patient did not come; Invalid where there is no such recipe (any more)."""
        recipe, connection = self._recipe(order), await self.connections.usable(order.ehr)

        def told(progress: parts.Progress) -> None:
            tell(
                {
                    "resources": progress.resources,
                    "requests": progress.requests,
                    "parts": progress.parts,
                    "parts done": progress.done,
                }
            )

        found = await gather(far, recipe, _start(start, connection), told)
        if not found.patient:
            raise _nobody(found.parts[0])
        grant = "authorization_code" if start.session else "client_credentials"
        return Content({**found.content, "grant": grant}, came(found.parts))

    async def store(self, id: str, order: Order, content: dict[str, Any]) -> Stored:
        """Raises Unprocessable where hilum does not take the patient, Busy, Forbidden, Invalid."""
        connection = await self.connections.usable(order.ehr)
        authority = Authority(content["grant"], behalf=order.by, order=f"Task/{id}")
        keeper = Keeper(self.door, granting.server(), connection, self._recipe(order), authority)
        stored = await keeper.store(Gathered.of(content), int(self.clock() * 1_000_000))
        log.info(
            "gathered",
            order=id,
            created=sum(stored.created.values()),
            updated=sum(stored.updated.values()),
            unchanged=sum(stored.unchanged.values()),
            refused=len(stored.refused),
            vanished=len(stored.vanished),
        )
        if not stored.patient:
            raise Unprocessable("The Patient that came is not one that hilum takes: it is not valid R4.")
        refused = sorted({one.type for one in stored.refused})
        return Stored(f"{PATIENT}/{stored.patient}", tuple(Came(type, problem="invalid") for type in refused))

    def template(self, recipe: str) -> Fill | None:
        """What makes the payload of a recipe; None where it has none, or there is no such recipe any more. Raises Unfit
        where its file is not sound any more.
        """
        known = self.recipes()
        if recipe in known.unsound:
            raise payload.Unfit("", known.unsound[recipe])
        found = known.get(recipe)
        if found is None or not found.payload:
            return None
        return partial(payload.fill, payload.read(found.payload, f"{recipe}.toml, [payload]"))

    def _recipe(self, order: Order) -> Recipe:
        return self.recipes().named(order.recipe)


def _start(start: Start, connection: Connection) -> starting.Start:
    """A number may be given with its system, `system|value`; else it is one of the connection's."""
    kind: Any = STARTS[start.by]
    if kind != "mrn":
        return starting.Start(kind, start.value)
    system, bar, value = start.value.rpartition("|")
    return starting.Start(kind, value, system if bar else connection.mrn_system)


def _nobody(part: Part) -> Failed:
    """Why there is no patient: a request came to nothing, or what came is not one to use."""
    if part.missing:
        return part.missing[0].failed()
    reasons = ", ".join(part.left_out)
    return Failed("broken", f"The Patient that the EHR sent is not one that hilum uses: {reasons}.")


def came(all: tuple[Part, ...]) -> tuple[Came, ...]:
    """What the parts came to, by type: the first thing that is missing of each names why."""
    found: dict[str, Came] = {}
    for part in all:
        problem: str = part.missing[0].kind if part.missing else next(iter(part.left_out), "")
        if part.state == "skipped":
            problem = part.state
        if not problem and any(note.partial for note in part.notes):
            problem = "partial"
        before = found.get(part.type, Came(part.type))
        found[part.type] = Came(
            part.type,
            before.count + part.came,
            before.problem or problem,
            before.refused or part.state == "refused",
        )
    return tuple(found.values())
