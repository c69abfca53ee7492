"""A decision about a video, on a page of its own: what exactly is approved, or why it is rejected."""

from __future__ import annotations

from typing import Final

from hilum.problems import Conflict, PreconditionFailed
from hilum.video.pages.desk import Desk, SignedIn, staff
from hilum.video.pages.listing import PATH, row
from hilum.video.pages.people import called
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route

APPROVE: Final = "approve.html"
REJECT: Final = "reject.html"
_CHANGED: Final = "Somebody has changed the script since you opened this page. Nothing was decided. Look at it again."


async def approving(desk: Desk, asked: Asked, id: str) -> Answer:
    """GET /videos/{id}/approve. Raises NotFound, Forbidden, Conflict (there is nothing to approve), Busy."""
    here = await staff(desk, asked)
    return here if isinstance(here, Answer) else await _page(desk, here, id, APPROVE)


async def approve(desk: Desk, asked: Asked, id: str) -> Answer:
    """POST /videos/{id}/approve. Raises as `approving`."""
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    if not asked.form.get("seen"):
        text = "Confirm that you have watched the video and read the script."
        return await _page(desk, here, id, APPROVE, text)
    try:
        await desk.videos.deciding.approve(here.who, id, asked.form.get("script"))
    except PreconditionFailed:
        return await _page(desk, here, id, APPROVE, _CHANGED)
    return see_other(f"{PATH}/{id}")


async def rejecting(desk: Desk, asked: Asked, id: str) -> Answer:
    """GET /videos/{id}/reject. Raises as `approving`."""
    here = await staff(desk, asked)
    return here if isinstance(here, Answer) else await _page(desk, here, id, REJECT)


async def reject(desk: Desk, asked: Asked, id: str) -> Answer:
    """POST /videos/{id}/reject. Raises as `approving`."""
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    reason = asked.form.get("reason").strip()
    if not reason:
        return await _page(desk, here, id, REJECT, "Say why, so that the next draft can be better.")
    try:
        await desk.videos.deciding.reject(here.who, id, asked.form.get("script"), reason)
    except PreconditionFailed:
        return await _page(desk, here, id, REJECT, _CHANGED)
    return see_other(f"{PATH}/{id}")


async def _page(desk: Desk, here: SignedIn, id: str, template: str, message: str = "") -> Answer:
    one = await desk.videos.get(here.who, id)
    if one.step != "awaiting-approval":
        raise Conflict("There is nothing to approve or to reject: the video is not awaiting approval.")
    outdated = await desk.videos.outdated(here.who, id) if template == APPROVE else None
    names = await called(desk, here, [one.patient])
    written = await desk.videos.script(here.who, id)
    return desk.page(
        template,
        422 if message else 200,
        nav=here.nav,
        csrf=here.csrf,
        one=one,
        row=row(desk, one, names),
        written=written,
        name=here.name,
        message=message,
        outdated=outdated,
    )


ROUTES: Final = (
    Route("GET", f"{PATH}/{{id}}/approve", approving),
    Route("POST", f"{PATH}/{{id}}/approve", approve),
    Route("GET", f"{PATH}/{{id}}/reject", rejecting),
    Route("POST", f"{PATH}/{{id}}/reject", reject),
)
