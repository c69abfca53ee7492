"""Blobs in a bucket of S3, or of what speaks as S3 does. https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html

An upload goes out in parts while it comes in, each with a checksum that the service holds it against; what breaks off
is aborted, and what a dead process began is what the bucket's own rule for incomplete uploads is for. Credentials,
region and endpoint come from the environment (AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL, ...).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any, Final, Self, cast

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError
from obstore.store import S3Store

from hilum.problems import Busy, Misconfigured
from hilum.store.blobs.blob import CHUNK, KEY_BYTES, Lying, damaged

_PART: Final = 8 << 20
"""Bytes of a part: ten thousand of them, as many as there may be, hold 80 GB."""
_TOGETHER: Final = 2
"""Parts of one upload that are under way at once."""
_CHECKED: Final[Any] = {"aws_checksum_algorithm": "sha256"}
_MARK: Final = "identity"
_PAGE: Final = 500


class S3Blobs:
    """See `hilum.store.blobs.blob.Blobs`. What was put is durable, and seen by all, when the service has said so."""

    memory = (_TOGETHER + 1) * _PART

    def __init__(self, bucket: Any, name: str) -> None:
        self._bucket = bucket
        self.name = name

    @classmethod
    def at(cls, url: str) -> Self:
        """The place of an address such as `s3://bucket/prefix`. Raises Misconfigured."""
        endpoint = os.environ.get("AWS_ENDPOINT_URL", "") or os.environ.get("AWS_ENDPOINT", "")
        options = {"timeout": "120s", "allow_http": endpoint.startswith("http:")}
        try:
            bucket = S3Store.from_url(url, config=_CHECKED, client_options=cast(Any, options))
        except (BaseError, ValueError) as error:
            raise Misconfigured(f"--blobs {url} can't be used ({type(error).__name__}).") from None
        return cls(bucket, url)

    async def put(self, key: bytes, chunks: AsyncIterator[bytes], size: int | None = None) -> None:
        """Keep it, in parts that go out while it comes in."""
        failed: list[BaseException] = []

        async def told() -> AsyncIterator[bytes]:
            try:
                async for chunk in chunks:
                    yield chunk
            except BaseException as error:  # the service's library would hide what it was
                failed.append(error)
                raise

        try:
            await obstore.put_async(
                self._bucket, _path(key), told(), use_multipart=True, chunk_size=_PART, max_concurrency=_TOGETHER
            )
        except Exception as error:
            if failed:
                raise failed[0] from None
            raise _busy(error) from None

    async def get(self, key: bytes, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes, as they come in."""
        if start >= stop:
            return
        try:
            found = await obstore.get_async(self._bucket, _path(key), options={"range": (start, stop)})
            left = stop - start
            async for chunk in found.stream(min_chunk_size=CHUNK):
                for at in range(0, len(chunk), CHUNK):
                    piece = bytes(memoryview(chunk)[at : at + CHUNK])
                    left -= len(piece)
                    yield piece
        except (NotFoundError, FileNotFoundError):
            raise damaged() from None
        except BaseError as error:
            raise _busy(error) from None
        if left:
            raise damaged()

    async def size(self, key: bytes) -> int | None:
        """How long it is."""
        try:
            return int((await obstore.head_async(self._bucket, _path(key)))["size"])
        except (NotFoundError, FileNotFoundError):
            return None
        except BaseError as error:
            raise _busy(error) from None

    async def remove(self, key: bytes) -> None:
        """Let go of it."""
        try:
            await obstore.delete_async(self._bucket, _path(key))
        except (NotFoundError, FileNotFoundError):
            return
        except BaseError as error:
            raise _busy(error) from None

    async def listed(self) -> AsyncIterator[Lying]:
        """All that there are, page by page."""
        try:
            async for page in obstore.list(self._bucket, chunk_size=_PAGE):
                for one in page:
                    key = _key(one["path"])
                    if key is not None:
                        yield Lying(key, one["last_modified"].timestamp())
        except BaseError as error:
            raise _busy(error) from None

    async def sweep(self, before: float) -> int:
        """Nothing: the bucket needs a rule that ends incomplete multipart uploads (docs/how-to/store-big-files.md)."""
        return 0

    async def mark(self) -> str | None:
        """What its object `identity` says."""
        try:
            found = await obstore.get_async(self._bucket, _MARK)
            return bytes(await found.bytes_async()).decode().strip() or None
        except (NotFoundError, FileNotFoundError):
            return None
        except BaseError as error:
            raise _busy(error) from None

    async def set_mark(self, text: str) -> None:
        """Write the object `identity`, where there is none. The service sees to that (If-None-Match)."""
        try:
            await obstore.put_async(self._bucket, _MARK, text.encode(), mode="create", use_multipart=False)
        except AlreadyExistsError:
            return
        except BaseError as error:
            raise _busy(error) from None


def _path(key: bytes) -> str:
    name = key.hex()
    return f"{name[:2]}/{name[2:4]}/{name}"


def _key(path: str) -> bytes | None:
    try:
        key = bytes.fromhex(path.rpartition("/")[2])
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


def _busy(error: Exception) -> Busy:
    """Not the service's own words: they hold addresses and names of keys."""
    return Busy(f"The storage of large contents does not answer as it should ({type(error).__name__}).")
