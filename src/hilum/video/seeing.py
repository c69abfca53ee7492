"""Who sees which videos, and what is kept of them: what looking at them, deciding and giving them out stand on."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from hilum.access.policy import Principal
from hilum.access.roles import Roles
from hilum.audit.recording import Trail
from hilum.fhir.resource import Resource
from hilum.fhir.task import TASK
from hilum.fhirpath.references import local
from hilum.interactions.door import Door
from hilum.interactions.permit import permits
from hilum.interactions.read import read
from hilum.problems import Conflict, NotFound
from hilum.video import allowed, shown
from hilum.video.author import Author
from hilum.video.files import DOCUMENTS, Files
from hilum.video.order import APPROVED, document_of
from hilum.video.outdated import OutOfDate
from hilum.video.script import Script
from hilum.video.shelf import Reel, Shelf
from hilum.video.told import Told, of_document, told


@dataclass(frozen=True, slots=True)
class Seeing:
    """Of one store."""

    door: Door
    shelf: Shelf
    files: Files
    author: Author
    roles: Roles
    trail: Trail

    @property
    def origin(self) -> str:
        """Scheme, host and port as browsers see them."""
        return self.door.base.removesuffix("/fhir")

    async def get(self, who: Principal, id: str) -> Told:
        """How a video is. Raises NotFound (there is none, or none that this token may see), Gone, Forbidden."""
        found, one = await self.seen(who, id)
        await self.noted(who, found)
        return one

    async def seen(self, who: Principal, id: str) -> tuple[Resource, Told]:
        """The Task, or for who sees no Tasks the document of one that is approved."""
        if allowed.sees_tasks(who):
            task = await read(self.door, who, TASK, id)
            one = told(task)
            reel = await self.shelf.get(id)
            if reel is not None:  # a Task can be rewritten by whoever may write Tasks: whose it is, this says
                one = replace(one, patient=reel.order.patient)
            if shown.is_video(task.raw) and (not one.patient or allowed.covers(who, "r", id, one.patient)):
                return task, one
            raise _absent(id)
        permits(who, DOCUMENTS, "r")
        reel = await self.shelf.get(id)
        if reel is None or reel.order.step != APPROVED:
            raise _absent(id)
        try:
            document = await read(self.door, who, DOCUMENTS, document_of(id, reel.order))
        except NotFound:
            raise _absent(id) from None
        if document.body.get("docStatus") != "final":
            raise _absent(id)
        return document, of_document(document, id)

    async def noted(self, who: Principal, one: Resource) -> None:
        """Audit that it was shown: that is as safe as the server promises when this returns."""
        ticket = self.trail.note(who, "read", one.type, one.id, one.version, 200, "", (one.seq,))
        await self.trail.flushed(ticket)

    async def reel(self, id: str) -> Reel:
        """What is kept of it. Raises NotFound."""
        reel = await self.shelf.get(id)
        if reel is None:
            raise NotFound("Nothing is kept of this video: it has failed, was rejected or cancelled.")
        return reel

    async def told_still(self, who: Principal, reel: Reel) -> None:
        """Raises OutOfDate of one that is given out, for whom does not work here."""
        works = allowed.works_here(who, self.roles) and allowed.sees_tasks(who)
        if reel.order.step == APPROVED and not works:
            await self.current(reel, who)

    async def current(self, reel: Reel, who: Principal, **about: str) -> Script:
        """The script, where it tells what the record says. Raises OutOfDate, which the audit has."""
        script = self.shelf.script(reel)
        if await self.author.outdated(reel.order, script) is None:
            return script
        await self.trail.certain(who, "video-watch", 409, self.about(reel) | about | {"refused": "outdated"})
        raise OutOfDate(script.language)

    async def decides(self, who: Principal, id: str) -> tuple[Reel, Told]:
        """The record, where this person may decide about it, and what is told of it. Raises NotFound, Forbidden."""
        _, one = await self.seen(who, id)
        if not one.patient:
            raise Conflict("The video is not that far.")
        allowed.to_decide(who, self.roles, id, one.patient)
        reel = await self.shelf.get(id)
        if reel is None:
            raise Conflict(f"Nothing is kept of this video: it is {one.step}.")
        return reel, one

    async def up_to_date(self, reel: Reel, do: str) -> None:
        """Raises Conflict where the script tells something else than the record by now. `do`: what to do then."""
        found = await self.author.outdated(reel.order, self.shelf.script(reel))
        if found is not None:
            raise Conflict(f"{found.text} {do}", expression=found.element or None)

    async def withdrawn(self, reel: Reel) -> bool:
        """Whether somebody has taken the document out of the record, by FHIR: deleted it, or marked it as an error or
        as not final. One that is superseded is outdated, which is looked at by itself.
        """
        found = await self.files.document(reel.id, reel.order.draft)
        return found is None or found.body.get("status") == "entered-in-error" or found.body.get("docStatus") != "final"

    async def birth_date(self, reel: Reel) -> str:
        """The patient's, where it is a whole date."""
        name = local(reel.order.patient)
        found = None if name is None else await self.door.store.read(*name)
        date = "" if found is None or found.deleted else str(found.body.get("birthDate", ""))
        return date if len(date) == len("1970-01-01") else ""

    def about(self, reel: Reel) -> dict[str, str]:
        """What the audit says of a video. The reference to the patient is the only thing in it about one."""
        return {"video": reel.id, "patient": reel.order.patient, "template": reel.order.template}


def _absent(id: str) -> NotFound:
    return NotFound(f"There is no video {id[:64]}, or none that this token may see.")
