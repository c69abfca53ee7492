"""Contract: content beside the store, in every place for it, with every store that refers to it."""

from __future__ import annotations

import asyncio
import errno
import os
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import Open

from hilum.access.policy import EVERYTHING, Principal
from hilum.app.collecting import Collecting
from hilum.fhir.resource import Resource
from hilum.interactions.contents import SUBSETTED, held
from hilum.interactions.create import create
from hilum.interactions.delete import delete
from hilum.interactions.door import Door
from hilum.interactions.entries import Entry
from hilum.interactions.patch import parse_json_patch, patch
from hilum.interactions.read import read, vread
from hilum.interactions.transaction import transaction
from hilum.interactions.update import update
from hilum.problems import Busy, Invalid, Misconfigured, NoRoom, PreconditionFailed, Spoiled, Unprocessable
from hilum.store.blobs import claim
from hilum.store.blobs.blob import CHUNK, Blobs, keep, whole
from hilum.store.blobs.collect import collect, orphans
from hilum.store.blobs.folder import FolderBlobs
from hilum.store.blobs.memory import MemoryBlobs
from hilum.store.blobs.references import every
from hilum.store.interface import Store
from hilum.store.memory import MemoryLedger

LARGE = 1000
OWNER = Principal("owner", "test", "jti", EVERYTHING, 1 << 62)


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a server that speaks as S3 does."""
    pytest.importorskip("obstore")
    server = pytest.importorskip("moto.server", reason="SKIPPED: no moto here, so that S3 is not tested")
    boto3 = pytest.importorskip("boto3")
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    _, port = running.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name="us-east-1").create_bucket(
            Bucket="hilum"
        )
        yield "s3://hilum"
    running.stop()


@pytest.fixture(params=["folder", "memory", "s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    if request.param == "folder":
        return FolderBlobs(tmp_path / "blobs")
    if request.param == "memory":
        return MemoryBlobs()
    from hilum.store.blobs.s3 import S3Blobs

    return S3Blobs.at(f"{request.getfixturevalue('s3')}/{uuid.uuid4().hex}")


async def chunks(content: bytes, size: int = CHUNK) -> AsyncIterator[bytes]:
    for at in range(0, len(content), size):
        yield content[at : at + size]


async def gathered(parts: AsyncIterator[bytes]) -> bytes:
    return b"".join([part async for part in parts])


async def names(blobs: Blobs) -> set[bytes]:
    return {one.key async for one in blobs.listed()}


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 9 * CHUNK + 17])
async def test_what_was_kept_is_there_whole_and_in_any_part(blobs: Blobs, size: int) -> None:
    content = os.urandom(size)
    blob = await keep(blobs, chunks(content))
    assert (blob.size, await blobs.size(blob.key)) == (size, size)
    assert await gathered(whole(blobs, blob)) == content
    for start, stop in ((0, size), (size // 3, size // 2), (max(0, size - 7), size), (size, size)):
        assert await gathered(blobs.get(blob.key, start, stop)) == content[start:stop]
    assert await names(blobs) == {blob.key}
    await blobs.remove(blob.key)
    await blobs.remove(blob.key)
    assert (await names(blobs), await blobs.size(blob.key)) == (set(), None)


async def test_what_breaks_off_leaves_nothing(blobs: Blobs, tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield os.urandom(10 * CHUNK)
        raise Invalid("It broke off.")

    with pytest.raises(Invalid, match="It broke off"):
        await keep(blobs, broken())
    assert await names(blobs) == set()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


async def test_what_is_missing_or_another_is_noticed(blobs: Blobs) -> None:
    content = os.urandom(3 * CHUNK)
    blob = await keep(blobs, chunks(content))
    other = await keep(blobs, chunks(bytes(3 * CHUNK)))
    sent = b""
    with pytest.raises(Spoiled):
        async for part in whole(blobs, blob._replace(key=other.key)):
            sent += part
    assert len(sent) < blob.size, "the last of it is held back"
    await blobs.remove(blob.key)
    with pytest.raises(Spoiled):
        await gathered(blobs.get(blob.key, 0, 10))


async def test_a_place_is_known_by_its_mark(blobs: Blobs, store: Store, tmp_path: Path) -> None:
    assert await claim.check(blobs, store.ledger) is False
    await claim.claim(blobs, store.ledger)
    await claim.claim(blobs, store.ledger)
    assert await claim.check(blobs, store.ledger) is True
    elsewhere = FolderBlobs(tmp_path / "another")
    assert await claim.check(elsewhere, store.ledger) is False, "nothing is anywhere yet"
    door = Door(store, "http://hilum.test/fhir", blobs=blobs, large=LARGE)
    await create(door, OWNER, "Binary", binary(os.urandom(2000)))
    with pytest.raises(Misconfigured, match="--blobs"):
        await claim.check(elsewhere, store.ledger)
    await elsewhere.set_mark("another store's")
    with pytest.raises(Misconfigured, match="--blobs"):
        await claim.check(elsewhere, store.ledger)


async def test_a_place_of_another_store_is_not_taken(blobs: Blobs, store: Store) -> None:
    await claim.claim(blobs, MemoryLedger())
    with pytest.raises(Misconfigured, match="another store's"):
        await claim.claim(blobs, store.ledger)
    door = Door(store, "http://hilum.test/fhir", blobs=blobs, large=LARGE)
    with pytest.raises(Busy):
        await create(door, OWNER, "Binary", binary(os.urandom(2000)))
    assert await names(blobs) == set()


async def test_in_a_place_that_is_shared_no_orphan_is_taken_away(blobs: Blobs, store: Store) -> None:
    door = Door(store, "http://hilum.test/fhir", blobs=blobs, large=LARGE)
    await create(door, OWNER, "Binary", binary(os.urandom(2000)))
    await keep(blobs, chunks(b"of the store that this one was copied from"))
    later = Collecting(blobs, store.ledger, lambda: time.time() + 3 * 24 * 3600)
    await claim.share(store.ledger)
    assert await claim.check(blobs, store.ledger) is True
    assert await later.turn() == (0, 0)
    assert len(await names(blobs)) == 2


@dataclass
class Clock:
    now: float = 0.0


async def test_orphans_go_after_a_while_and_nothing_else(blobs: Blobs, store: Store) -> None:
    door = Door(store, "http://hilum.test/fhir", blobs=blobs, large=LARGE)
    kept = (await create(door, OWNER, "Binary", binary(os.urandom(2000)))).resource
    lost = await keep(blobs, chunks(b"lost"))
    assert await orphans(blobs, store.ledger) == 1
    assert await Collecting(blobs, store.ledger).turn() == (0, 0), "its commit may yet come"
    assert await Collecting(blobs, store.ledger, lambda: time.time() + 25 * 3600).turn() == (1, 0)
    assert lost.key not in await names(blobs)
    assert len(await content_of(door, kept)) == 2000


async def test_collecting_while_others_upload_takes_nothing_of_theirs(blobs: Blobs, store: Store, other: Store) -> None:
    doors = [Door(one, "http://hilum.test/fhir", blobs=blobs, large=LARGE) for one in (store, other)]
    done = asyncio.Event()

    async def collecting() -> None:
        while not done.is_set():
            await collect(blobs, other.ledger, time.time() - 30)
            await asyncio.sleep(0)

    gone = asyncio.ensure_future(collecting())
    contents = [os.urandom(1500 + n) for n in range(12)]
    made = await asyncio.gather(
        *(create(doors[n % 2], OWNER, "Binary", binary(content)) for n, content in enumerate(contents))
    )
    done.set()
    await gone
    for written, content in zip(made, contents, strict=True):
        assert await content_of(doors[0], written.resource) == content


# --- versions ---------------------------------------------------------------------------------------------------------


def binary(content: bytes, **more: Any) -> dict[str, Any]:
    import base64

    data = base64.b64encode(content).decode()
    return {"resourceType": "Binary", "contentType": "application/octet-stream", "data": data, **more}


@pytest.fixture
def places(tmp_path: Path) -> FolderBlobs:
    return FolderBlobs(tmp_path / "blobs")


@pytest.fixture
def door(store: Store, places: FolderBlobs) -> Door:
    return Door(store, "http://hilum.test/fhir", blobs=places, large=LARGE)


async def content_of(door: Door, resource: Resource) -> bytes:
    blob = await held(door, resource)
    assert blob is not None
    assert door.blobs is not None
    return await gathered(whole(door.blobs, blob))


async def test_small_content_stays_in_the_resource(door: Door) -> None:
    body = binary(bytes(LARGE))
    made = (await create(door, OWNER, "Binary", body)).resource
    assert made.body["data"] == body["data"]
    assert await held(door, made) is None


async def test_each_version_has_its_content_and_a_deletion_takes_none_away(door: Door, opened: Open) -> None:
    one, two = os.urandom(5000), os.urandom(6000)
    first = (await create(door, OWNER, "Binary", binary(one))).resource
    assert "data" not in first.body
    assert first.body["meta"]["tag"] == [SUBSETTED]
    second = (await update(door, OWNER, "Binary", first.id, binary(two, id=first.id))).resource
    third = (await update(door, OWNER, "Binary", first.id, binary(b"small", id=first.id))).resource
    assert (third.version, third.body["data"], third.body["meta"].get("tag")) == (3, "c21hbGw=", None)
    await delete(door, OWNER, "Binary", first.id)
    for version, content in ((first, one), (second, two)):
        found = await vread(door, OWNER, "Binary", version.id, str(version.version))
        assert await content_of(door, found) == content
    again = Door(await opened(), door.base, blobs=door.blobs, large=LARGE)
    assert await content_of(again, first) == one
    assert {name async for name, _ in every(door.store.ledger)} == {
        f"{first.id}/_history/{version}" for version in (1, 2)
    }


async def test_the_same_again_makes_no_version_and_other_content_does(door: Door, places: FolderBlobs) -> None:
    content, other = os.urandom(5000), os.urandom(5000)
    first = (await update(door, OWNER, "Binary", "b", binary(content, id="b"))).resource
    same = await update(door, OWNER, "Binary", "b", binary(content, id="b"))
    assert (same.changed, same.resource.version) == (False, 1)
    assert len(await names(places)) == 1, "what nothing refers to went at once"
    changed = await update(door, OWNER, "Binary", "b", binary(other, id="b"))
    assert (changed.changed, changed.resource.version) == (True, 2)
    assert await content_of(door, first) == content
    assert await content_of(door, changed.resource) == other


async def test_what_was_refused_leaves_nothing(door: Door, places: FolderBlobs) -> None:
    await update(door, OWNER, "Binary", "b", binary(b"small", id="b"))
    with pytest.raises(PreconditionFailed):
        await update(door, OWNER, "Binary", "b", binary(os.urandom(5000), id="b"), 'W/"7"')
    refused = Entry("PUT", "Binary/b", binary(os.urandom(5000), id="b"), if_match='W/"7"')
    with pytest.raises(PreconditionFailed):
        await transaction(door, OWNER, [Entry("POST", "Binary", binary(os.urandom(5000)), index=1), refused])
    assert await names(places) == set()


async def test_a_patch_keeps_the_content_or_brings_its_own(door: Door) -> None:
    content = os.urandom(5000)
    made = (await create(door, OWNER, "Binary", binary(content))).resource
    steps = parse_json_patch(b'[{"op": "replace", "path": "/contentType", "value": "application/pdf"}]')
    patched = (await patch(door, OWNER, "Binary", made.id, steps)).resource
    assert (patched.version, patched.body["contentType"], patched.body["meta"]["tag"]) == (
        2,
        "application/pdf",
        [SUBSETTED],
    )
    assert await content_of(door, patched) == content
    assert (await patch(door, OWNER, "Binary", made.id, steps)).changed is False
    removed = parse_json_patch(b'[{"op": "remove", "path": "/meta/tag"}]')
    (outcome,) = await transaction(door, OWNER, [Entry("PATCH", f"Binary/{made.id}", patch_body(removed_steps))])
    assert outcome.changed is False, "the tag is not the client's to take away"
    assert removed.kind
    fresh = parse_json_patch(b'[{"op": "add", "path": "/data", "value": "aGk="}]')
    small = (await patch(door, OWNER, "Binary", made.id, fresh)).resource
    assert (small.body["data"], small.body["meta"].get("tag")) == ("aGk=", None)


removed_steps = b'[{"op": "remove", "path": "/meta/tag"}]'


def patch_body(steps: bytes) -> dict[str, Any]:
    """A JSON Patch as an entry of a Bundle has it."""
    import base64

    return {
        "resourceType": "Binary",
        "contentType": "application/json-patch+json",
        "data": base64.b64encode(steps).decode(),
    }


async def test_a_part_sent_back_is_refused_since_it_would_lose_the_content(door: Door) -> None:
    made = (await create(door, OWNER, "Binary", binary(os.urandom(5000)))).resource
    with pytest.raises(Unprocessable, match="SUBSETTED"):
        await update(door, OWNER, "Binary", made.id, dict(made.body))
    with pytest.raises(Unprocessable, match="SUBSETTED"):
        await transaction(door, OWNER, [Entry("PUT", f"Binary/{made.id}", dict(made.body))])


async def test_a_transaction_puts_aside_what_is_large_in_it(door: Door) -> None:
    one, two = os.urandom(5000), os.urandom(6000)
    entries = [
        Entry("POST", "Binary", binary(one), index=0),
        Entry("PUT", "Binary/b", binary(two, id="b"), index=1),
        Entry("POST", "Binary", binary(b"small"), index=2),
        Entry("POST", "Patient", {"resourceType": "Patient"}, index=3),
    ]
    outcomes = await transaction(door, OWNER, entries)
    resources = [outcome.resource for outcome in outcomes]
    assert all(resource is not None and outcome.created for resource, outcome in zip(resources, outcomes, strict=True))
    assert resources[0] is not None
    assert resources[1] is not None
    assert await content_of(door, resources[0]) == one
    assert await content_of(door, await read(door, OWNER, "Binary", "b")) == two
    (again,) = await transaction(door, OWNER, entries[1:2])
    assert again.changed is False
    (other,) = await transaction(door, OWNER, [Entry("PUT", "Binary/b", binary(one, id="b"))])
    assert other.changed is True


async def test_writers_of_one_binary_at_once_each_make_a_whole_version(door: Door) -> None:
    contents = [os.urandom(4000 + n) for n in range(8)]
    made = await asyncio.gather(*(update(door, OWNER, "Binary", "b", binary(content, id="b")) for content in contents))
    assert sorted(one.resource.version for one in made) == list(range(1, 9))
    for one, content in zip(made, contents, strict=True):
        assert await content_of(door, one.resource) == content


async def test_a_full_disk_is_told_so_and_nothing_stays(
    door: Door, places: FolderBlobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hilum.store.blobs.folder.os.fsync", full)
    with pytest.raises(NoRoom):
        await create(door, OWNER, "Binary", binary(os.urandom(5000)))
    monkeypatch.undo()
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file() and path.name != "identity"]
    assert (await create(door, OWNER, "Binary", binary(os.urandom(5000)))).created


async def test_what_was_lost_is_mended_by_sending_it_again(blobs: Blobs, store: Store) -> None:
    door = Door(store, "http://hilum.test/fhir", blobs=blobs, large=LARGE)
    content = os.urandom(5000)
    first = (await update(door, OWNER, "Binary", "b", binary(content, id="b"))).resource
    blob = await held(door, first)
    assert blob is not None
    await blobs.remove(blob.key)
    again = await update(door, OWNER, "Binary", "b", binary(content, id="b"))
    assert (again.changed, again.resource.version) == (True, 2)
    assert await content_of(door, again.resource) == content
    assert (await update(door, OWNER, "Binary", "b", binary(content, id="b"))).changed is False
