"""Whether a service would take an order: asked for each storyboard, without ordering anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from hilum.video.remote import shapes
from hilum.video.remote.asking import Asking
from hilum.video.remote.services import Service
from hilum.video.renderer import Unrendered
from hilum.web.outbound import Guard


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was tried, or could not be. `good`: None where it was not tried."""

    what: str
    good: bool | None
    text: str = ""
    side: str = ""


async def steps(service: Service, guard: Guard) -> AsyncIterator[Step]:
    """All of one service, as they are tried."""
    asking = Asking(service, guard)
    if service.auth == "client-credentials":
        try:
            await asking.authorization()
        except Unrendered as problem:
            yield Step("token", False, problem.text, problem.side)
            return
        yield Step("token", True)
    how = service.shape.check
    for one in service.storyboards.values():
        what = f"storyboard {one.id} ({one.template}, {one.language}, {one.shape})"
        if how is None:
            yield Step(what, None, "Not tried: `api` of its table has no check.path.")
            continue
        try:
            await asking.ask("GET", service.base + shapes.path(how.path, {"storyboard": one.id}))
        except Unrendered as problem:
            yield Step(what, False, problem.text, problem.side)
            if problem.code != "not-there":
                return
        else:
            yield Step(what, True)
    ways = "a signed callback, and by looking" if service.callback else "looking"
    yield Step("news of a job", True, f"It is known by {ways}.")
