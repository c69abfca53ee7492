"""Links that lead the patient to an approved video: made, shown once, listed with how often they were used, revoked."""

from __future__ import annotations

from typing import Final

from hilum.problems import Invalid
from hilum.video.links import DEFAULT, PROOFS
from hilum.video.pages import words
from hilum.video.pages.desk import Desk, staff
from hilum.video.pages.listing import PATH
from hilum.video.pages.review import page
from hilum.web.message import Answer, Asked, see_other
from hilum.web.routing import Route


async def make(desk: Desk, asked: Asked, id: str) -> Answer:
    """POST /videos/{id}/links. The answer is the only page that shows the link. Raises NotFound, Forbidden, Conflict
    (it is not approved), Busy.
    """
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    text, proof = asked.form.get("expires_in"), PROOFS.get(asked.form.get("proof"))
    seconds = int(text) if text.isdecimal() and int(text) in words.EXPIRIES else 0
    try:
        if not seconds or proof is None:
            raise Invalid("Choose how long the link is to work, and how the patient proves who it is.")
        url, _ = await desk.videos.giving.link(here.who, id, seconds, proof)
    except Invalid as problem:
        chosen, by = seconds or DEFAULT, proof or "birth-date"
        return await page(desk, here, id, message=str(problem), chosen=chosen, proof=by)
    return await page(desk, here, id, made=url)


async def revoke(desk: Desk, asked: Asked, id: str, link: str) -> Answer:
    """POST /videos/{id}/links/{link}: it leads nowhere from now on. Raises NotFound, Forbidden, Conflict, Busy."""
    here = await staff(desk, asked)
    if isinstance(here, Answer):
        return here
    await desk.videos.giving.revoke(here.who, id, link)
    return see_other(f"{PATH}/{id}#links")


ROUTES: Final = (
    Route("POST", f"{PATH}/{{id}}/links", make),
    Route("POST", f"{PATH}/{{id}}/links/{{link}}", revoke),
)
