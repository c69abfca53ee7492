"""A video's files in hilum's own store: a Binary each, and the DocumentReference that says what they are.

As long as nobody has approved it, the DocumentReference has no `subject`, and so lies in no patient's record: no app
that is bound to the patient finds a draft. The Binaries' securityContext is the DocumentReference
(https://hl7.org/fhir/R4/binary.html#security), so that all of them come into the record by the one write that approves.
https://hl7.org/fhir/R4/documentreference.html
"""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hilum.fhir.resource import Resource, instant
from hilum.interactions import contents, granting
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry
from hilum.interactions.transaction import transaction
from hilum.interactions.update import update
from hilum.problems import Conflict, NotFound, PreconditionFailed
from hilum.store.blobs.blob import CHUNK, Blob, damaged, whole
from hilum.video import provenance
from hilum.video.order import (
    APPROVAL,
    CAPTIONS,
    DOCUMENT,
    FILES,
    MAKING,
    POSTER,
    SCRIPT,
    TRANSCRIPT,
    VIDEO_FILE,
    Order,
    id_of,
)
from hilum.video.renderer import Rendered
from hilum.video.script import Script, written
from hilum.video.shown import VIDEO

BINARY: Final = "Binary"
DOCUMENTS: Final = "DocumentReference"
PROVENANCE: Final = "Provenance"
MEDIA: Final = {
    CAPTIONS: "text/vtt; charset=utf-8",
    TRANSCRIPT: "text/plain; charset=utf-8",
    POSTER: "image/png",
    SCRIPT: "application/json",
}
"""Of what is the same whatever the video is. The video's own is the renderer's to say."""
SUPERSEDED: Final = "superseded"
"""Status of a document that is current no more: a draft in whose place another one is, a video that is outdated."""
_RENDERED: Final = 1
"""The version of a Binary that hilum has written: it writes no other."""
TEMPLATE: Final = "urn:hilum:video-template"
_LOINC: Final = "http://loinc.org"
_NAMES: Final = {CAPTIONS: "captions.vtt", TRANSCRIPT: "transcript.txt", POSTER: "poster.png", SCRIPT: "script.json"}

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """One, as it is kept. `blob`: where its content is, if not in the Binary."""

    resource: Resource
    media_type: str
    size: int
    blob: Blob | None

    def content(self) -> bytes:
        """All of it, where it is not beside the store."""
        return b64decode(self.resource.body.get("data", ""))


class Files:
    """Those of all videos. hilum itself writes: who asked was judged before."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def document(self, video: str, draft: int) -> Resource | None:
        """The DocumentReference of a rendering. Raises Busy."""
        return await self._standing(DOCUMENTS, id_of(video, draft, DOCUMENT)) if draft else None

    async def keep(self, video: str, order: Order, script: Script, made: Rendered, now: int) -> None:
        """Keep what was rendered as a draft, in place of the one before: one transaction. Nothing where that is done.

        Raises Problem.
        """
        if await self.document(video, order.draft) is not None:
            return
        before = await self.document(video, order.draft - 1)
        attached, entries = await self._entries(video, order, script, made, now)
        document = self._draft(video, order, script, attached, now, before)
        entries.append(self._new(DOCUMENTS, id_of(video, order.draft, DOCUMENT), document))
        made_of = provenance.making(video, order, script, self._door.base, now)
        entries.append(self._new(PROVENANCE, id_of(video, order.draft, MAKING), made_of))
        if before is not None:
            entries += self._replaced(video, order.draft - 1, before)
        await transaction(self._door, granting.server(), _numbered(entries))

    async def approve(self, video: str, order: Order, script: Script) -> None:
        """Make the draft the patient's: its document is final. Nothing where that is done. Raises NotFound, Busy."""
        while True:
            found = await self.document(video, order.draft)
            if found is None:
                raise NotFound("The draft is not there any more.")
            if found.body.get("docStatus") == "final":
                return
            assert order.decision is not None
            body = found.body | {"docStatus": "final", "subject": {"reference": order.patient}}
            if order.decision.who:
                body["authenticator"] = {"reference": order.decision.who}
            version = found.version + 1
            told = provenance.approval(video, order, script, version)
            entries = [
                Entry("PUT", f"{DOCUMENTS}/{found.id}", body, if_match=f'W/"{found.version}"'),
                self._new(PROVENANCE, id_of(video, order.draft, APPROVAL), told),
            ]
            try:
                await transaction(self._door, granting.server(), _numbered(entries))
            except (
                Conflict,
                PreconditionFailed,
            ):  # another one has approved it a moment ago, or somebody has changed the document
                continue
            return

    async def supersede(self, video: str, draft: int, *, outdated: bool) -> None:
        """Let the document of one that is given out say whether it is current. Its files stay, as what the patient was
        told. Nothing where it says so. Raises Busy.
        """
        status = SUPERSEDED if outdated else "current"
        while (found := await self.document(video, draft)) is not None:
            if found.body.get("docStatus") != "final" or found.body.get("status") == status:
                return
            with suppress(PreconditionFailed):  # somebody has changed the document a moment ago
                version = f'W/"{found.version}"'
                await update(
                    self._door, granting.server(), DOCUMENTS, found.id, found.body | {"status": status}, version
                )

    async def delete(self, video: str, draft: int) -> None:
        """Delete all renderings up to this one: files, documents, and what tells of their making. Raises Busy."""
        entries: list[Entry] = []
        for number in range(1, draft + 1):
            names = [(DOCUMENTS, DOCUMENT), (PROVENANCE, MAKING), (PROVENANCE, APPROVAL)]
            names += [(BINARY, name) for name in FILES]
            for type, name in names:
                id = id_of(video, number, name)
                if await self._standing(type, id) is not None:
                    entries.append(Entry("DELETE", f"{type}/{id}"))
        if entries:
            await transaction(self._door, granting.server(), _numbered(entries))

    async def file(self, video: str, draft: int, name: str) -> File:
        """One of a rendering's, as it was rendered. Raises NotFound, Busy."""
        found = await self._standing(BINARY, id_of(video, draft, name))
        if found is None or found.version != _RENDERED:  # another content, by FHIR, nobody has looked at and approved
            raise NotFound("The video has no such file (any more).")
        return await self.of(found)

    async def of(self, resource: Resource) -> File:
        """The content of a Binary. Raises Busy."""
        blob = await contents.held(self._door, resource)
        media_type = str(resource.body.get("contentType", "application/octet-stream"))
        size = blob.size if blob is not None else len(b64decode(resource.body.get("data", "")))
        return File(resource, media_type, size, blob)

    async def chunks(self, file: File, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """The bytes of a file, from `start` to before `stop`. Raises Spoiled, Busy."""
        end = file.size if stop is None else stop
        if file.blob is None:
            yield file.content()[start:end]
            return
        blobs = self._door.blobs
        if blobs is None or await blobs.size(file.blob.key) != file.size:
            raise damaged()
        parts = whole(blobs, file.blob) if (start, end) == (0, file.size) else blobs.get(file.blob.key, start, end)
        async for part in parts:
            yield part

    # --- what is written ----------------------------------------------------------------------------------------------

    async def _entries(
        self, video: str, order: Order, script: Script, made: Rendered, now: int
    ) -> tuple[list[Body], list[Entry]]:
        """The attachments, and the Binaries that they name."""
        attached: list[Body] = []
        entries: list[Entry] = []
        paths = {VIDEO_FILE: made.video, CAPTIONS: made.captions, TRANSCRIPT: made.transcript, POSTER: made.poster}
        for name in FILES:
            media_type = made.media_type if name == VIDEO_FILE else MEDIA[name]
            body: Body = {
                "resourceType": BINARY,
                "contentType": media_type,
                "securityContext": {"reference": f"{DOCUMENTS}/{id_of(video, order.draft, DOCUMENT)}"},
            }
            blob: Blob | None = None
            if name == SCRIPT:
                content = written(script)
                size, sha1 = len(content), hashlib.sha1(content, usedforsecurity=False).digest()
                body["data"] = b64encode(content).decode()
            else:
                size, sha1 = await asyncio.to_thread(_measured, paths[name])
                if self._door.blobs is not None and size > self._door.large:
                    blob = await contents.put_aside(self._door, _read(paths[name]), size)
                else:
                    body["data"] = b64encode(await asyncio.to_thread(paths[name].read_bytes)).decode()
            id = id_of(video, order.draft, name)
            entries.append(self._new(BINARY, id, body, blob))
            title = _NAMES.get(name) or f"video.{media_type.partition('/')[2].partition(';')[0]}"
            attached.append(
                {
                    "contentType": media_type,
                    "language": order.language,
                    "url": f"{BINARY}/{id}",
                    "size": size,
                    "hash": b64encode(sha1).decode(),
                    "title": title,
                    "creation": instant(now),
                }
            )
        return attached, entries

    def _new(self, type: str, id: str, body: Body, blob: Blob | None = None) -> Entry:
        return Entry("POST", type, body, new_id=id, blob=blob, size=len(body.get("data", "")))

    def _draft(
        self, video: str, order: Order, script: Script, attached: list[Body], now: int, before: Resource | None
    ) -> Body:
        kind = [{"system": _LOINC, "code": "69730-0", "display": "Instructions"}]
        kind.append({"system": TEMPLATE, "code": order.template})
        body: Body = {
            "resourceType": DOCUMENTS,
            "identifier": [{"system": VIDEO, "value": video}],
            "status": "current",
            "docStatus": "preliminary",
            "type": {"coding": kind},
            "category": [{"coding": [{"system": _LOINC, "code": "34895-3", "display": "Education note"}]}],
            "date": instant(now),
            "author": [{"display": "hilum"}],
            "description": script.title,
            "content": [{"attachment": one} for one in attached],
            "context": {"sourcePatientInfo": {"reference": order.patient}},
        }
        if script.sources:
            body["context"]["related"] = [{"reference": one} for one in script.sources]
        if before is not None:
            body["relatesTo"] = [{"code": "replaces", "target": {"reference": f"{DOCUMENTS}/{before.id}"}}]
        return body

    def _replaced(self, video: str, draft: int, before: Resource) -> list[Entry]:
        """What becomes of the draft before: it says what it was, and its files go."""
        kept = [
            {"attachment": {key: value for key, value in one["attachment"].items() if key != "url"}}
            for one in before.body["content"]
        ]
        body = before.body | {"status": SUPERSEDED, "content": kept}
        entries = [Entry("PUT", f"{DOCUMENTS}/{before.id}", body, if_match=f'W/"{before.version}"')]
        return entries + [Entry("DELETE", f"{BINARY}/{id_of(video, draft, name)}") for name in FILES]

    async def _standing(self, type: str, id: str) -> Resource | None:
        found = await self._door.store.read(type, id)
        return None if found is None or found.deleted else found


def is_of(document: Resource, video: str) -> bool:
    """Whether a DocumentReference is that of this video."""
    return {"system": VIDEO, "value": video} in document.body.get("identifier", ())


def _numbered(entries: list[Entry]) -> list[Entry]:
    return [replace(one, index=number) for number, one in enumerate(entries)]


def _measured(path: Path) -> tuple[int, bytes]:
    """How long a file is, and its SHA-1, as Attachment.hash has it."""
    found, size = hashlib.sha1(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
            size += len(chunk)
    return size, found.digest()


async def _read(path: Path) -> AsyncIterator[bytes]:
    with closing(await asyncio.to_thread(path.open, "rb")) as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK):
            yield chunk
