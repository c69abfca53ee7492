"""The audit as files: AuditEvents for people and their tools, and what they were made from, for proof.

    audit-FROM-TO.ndjson.gz   an AuditEvent a line, the oldest first, those of reads before those of writes
    audit-FROM-TO.raw.gz      a JSON object a line: segments as the store has them, and the rows of commits
    audit-FROM-TO.json        the manifest: how many, the last links of every chain, SHA-256 of both files, a signature

https://hl7.org/fhir/R4/nd-json.html. What was exported, read back and compared may be pruned: then a checkpoint takes
its place, an anchor with the last link of every chain and the digest of the manifest.
"""

from __future__ import annotations

import asyncio
import gzip
import os
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from gzip import GzipFile
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from hilum.audit.anchor import Signer, Told, listed, sealing
from hilum.audit.event import ReadId, read, written
from hilum.audit.render import render
from hilum.audit.settle import patients_of, unpacked
from hilum.fhir.resource import instant
from hilum.problems import Conflict, Misconfigured
from hilum.store.interface import Store
from hilum.store.segments import CHECKPOINT, Anchor, Cut, Head, Segment, WriteAudited

_SEGMENTS: Final = 16
_ROWS: Final = 500


class Manifest(msgspec.Struct, frozen=True):
    """What an export holds. `before`: up to which moment (microseconds, exclusive). `reads`, `writes`: the last link of
    every chain in it. `files`: name -> SHA-256. `signature` (base64, ES256 over the SHA-256 of the manifest without it)
    and `kid`.
    """

    before: int
    events: int
    segments: int
    commits: int
    reads: tuple[tuple[str, int, str], ...]
    writes: tuple[tuple[str, int, str], ...]
    files: dict[str, str]
    signature: str = ""
    kid: str = ""


class Exported(NamedTuple):
    """What came of it. `path`: the manifest's file, of which `digest` is the SHA-256."""

    path: Path
    manifest: Manifest
    digest: str


@dataclass(slots=True)
class _Seen:
    events: int = 0
    segments: int = 0
    commits: int = 0
    low: int = 1 << 62
    reads: dict[bytes, Head] = field(default_factory=dict)
    writes: dict[bytes, Head] = field(default_factory=dict)


async def export(store: Store, signer: Signer, base: str, folder: Path, before: int) -> Exported:
    """Write all events of before that moment (microseconds) into `folder`, read them back, and compare.

    Raises Misconfigured when there is nothing, or when what was read back is not what was written; OSError.
    """
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    parts = [folder / f".audit-{os.getpid()}.{kind}.gz" for kind in ("ndjson", "raw")]
    seen = _Seen()
    try:
        with gzip.open(parts[0], "wb", 6) as events, gzip.open(parts[1], "wb", 6) as raw:
            async for segment in _segments(store, before):
                await _one_segment(store, segment, base, events, raw, seen)
            async for rows in _commits(store, before):
                await _some_commits(store, rows, base, events, raw, seen)
        if not seen.segments and not seen.commits:
            raise Misconfigured(f"There are no events of before {instant(before)[:19]}Z.")
        name = f"audit-{_short(seen.low)}-{_short(before)}"
        places = [folder / f"{name}.{kind}.gz" for kind in ("ndjson", "raw")]
        files = {
            place.name: await asyncio.to_thread(_moved, part, place) for part, place in zip(parts, places, strict=True)
        }
    finally:
        for part in parts:
            with suppress(FileNotFoundError):
                os.unlink(part)
    lines = await asyncio.to_thread(lambda: [_lines(place) for place in places])
    if lines != [seen.events, seen.segments + seen.commits]:
        raise Misconfigured(f"What was written to {folder} is not what can be read there. Nothing was pruned.")
    manifest = Manifest(
        before, seen.events, seen.segments, seen.commits, listed(seen.reads.values()), listed(seen.writes.values()),
        files,
    )  # fmt: skip
    signature, kid = signer.sign(signed(manifest))
    manifest = msgspec.structs.replace(manifest, signature=b64encode(signature).decode(), kid=kid)
    content = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    path = folder / f"{name}.json"
    await asyncio.to_thread(_written, path, content)
    return Exported(path, manifest, sha256(content).hexdigest())


def signed(manifest: Manifest) -> bytes:
    """The digest that a manifest's signature is of."""
    return sha256(msgspec.json.encode(msgspec.structs.replace(manifest, signature="", kid=""))).digest()


async def prune(store: Store, signer: Signer, before: int, why: str, exported: Manifest | None = None) -> Anchor | None:
    """Take away what is older than that moment, and leave a checkpoint. None: there was nothing.

    `exported`: what it must be in. Raises Conflict when there is something that is not, and nothing was taken away.
    """

    def seal(newest: Anchor | None, cut: Cut) -> Anchor:
        if exported is not None:
            _compare(exported, cut)
        said = Told(listed(cut.reads), listed(cut.writes), cut.before, cut.segments, cut.rows, why)
        return sealing(signer, CHECKPOINT, said)(newest)

    return await store.segments.prune(before, seal)


def _compare(exported: Manifest, cut: Cut) -> None:
    reads = {process: at for process, at, _ in exported.reads}
    late = [head for head in cut.reads if head.at > reads.get(head.process.hex(), 0)]
    if late or cut.rows != exported.commits or cut.before > exported.before:
        raise Conflict("More events of that time have come in since the export began. Export them again.")


# --- writing ----------------------------------------------------------------------------------------------------------


async def _segments(store: Store, before: int) -> AsyncIterator[Segment]:
    after = 0
    while some := await store.segments.following(after, _SEGMENTS):
        after = some[-1].id
        for one in some:
            if one.high < before:
                yield one


async def _commits(store: Store, before: int) -> AsyncIterator[list[WriteAudited]]:
    low = 0
    while some := await store.writes_audited(before, low, _ROWS, oldest_first=True):
        low = some[-1].seq + 1
        yield some


async def _one_segment(store: Store, segment: Segment, base: str, events: GzipFile, raw: GzipFile, seen: _Seen) -> None:
    people, entries = await asyncio.to_thread(unpacked, segment)
    owners = await patients_of(store, (seq for entry in entries for seq in entry.shown))
    for number, entry in enumerate(entries):
        patients = tuple(dict.fromkeys(id for seq in entry.shown for id in owners.get(seq, ())))
        named = ReadId(entry.at, segment.process, segment.first + number)
        events.write(msgspec.json.encode(render(read(named, people[entry.who], entry, patients), base)) + b"\n")
    raw.write(msgspec.json.encode({"segment": segment}) + b"\n")
    seen.events += len(entries)
    seen.segments += 1
    seen.low = min(seen.low, segment.low)
    seen.reads[segment.process] = Head(segment.process, segment.first + segment.rows, segment.after)


async def _some_commits(
    store: Store, rows: list[WriteAudited], base: str, events: GzipFile, raw: GzipFile, seen: _Seen
) -> None:
    owners = await patients_of(store, (version.seq for row in rows for version in row.versions))
    for row in rows:
        for number, version in enumerate(row.versions):
            event = written(row, number, version, owners.get(version.seq, ()))
            events.write(msgspec.json.encode(render(event, base)) + b"\n")
        raw.write(msgspec.json.encode({"commit": row}) + b"\n")
        seen.events += len(row.versions)
        seen.writes[row.process] = Head(row.process, row.seq, row.chain)
    seen.commits += len(rows)
    seen.low = min(seen.low, rows[0].seq)


def _moved(part: Path, place: Path) -> str:
    """Put a finished file in its place, durably; its SHA-256, of what is there."""
    with part.open("rb") as stream:
        os.fsync(stream.fileno())
    os.chmod(part, 0o600)
    part.replace(place)
    with place.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _written(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _lines(path: Path) -> int:
    """How many JSON objects a file has, each of them read."""
    with gzip.open(path, "rb") as stream:
        return sum(1 for line in stream if msgspec.json.decode(line, type=dict))


def _short(at: int) -> str:
    return instant(at)[:19].replace("-", "").replace(":", "") + "Z"
