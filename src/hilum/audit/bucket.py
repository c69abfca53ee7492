"""Objects in an S3 bucket: written, and read back. https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html

Whom to ask and with which key stands in the environment, by the names that S3's own tools use: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, and AWS_ENDPOINT_URL_S3 for a server that is not Amazon's.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from hilum.problems import Misconfigured
from hilum.web.outbound import Guard, Unreachable, send

SCHEME: Final = "s3://"
PIECE: Final = 64 << 20
"""Bytes of an object; a longer file becomes several, which give the file again one after the other."""
_SECONDS: Final = 600.0
_ALGORITHM: Final = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects go: `name` at `endpoint`, below `prefix`, with a key for `region`."""

    endpoint: str
    name: str
    prefix: str
    region: str
    key: str
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)

    @classmethod
    def of(cls, url: str, environ: Mapping[str, str]) -> Bucket:
        """That of `s3://NAME/PREFIX`. Raises Misconfigured naming the variable that is missing."""
        parts = urlsplit(url)
        if not parts.netloc:
            raise Misconfigured("A bucket must look like s3://NAME or s3://NAME/PREFIX.")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            if not environ.get(name):
                raise Misconfigured(f"Set {name}: the key for the bucket {parts.netloc}.")
        region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        asked = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
        return cls(
            (asked or f"https://s3.{region}.amazonaws.com").rstrip("/"),
            parts.netloc,
            parts.path.strip("/"),
            region,
            environ["AWS_ACCESS_KEY_ID"],
            environ["AWS_SECRET_ACCESS_KEY"],
            environ.get("AWS_SESSION_TOKEN", ""),
        )

    async def keep(self, file: Path, guard: Guard | None = None) -> list[str]:
        """Put a file there, in pieces, and compare what is there then; the keys. Raises Misconfigured, OSError."""
        kept: list[str] = []
        pieces = await asyncio.to_thread(_pieces, file)
        for number in range(pieces):
            content = await asyncio.to_thread(_piece, file, number)
            name = file.name if pieces == 1 else f"{file.name}.{number:03d}"
            key = f"{self.prefix}/{name}" if self.prefix else name
            await self._ask("PUT", key, content, 1 << 16, guard)
            if await self._ask("GET", key, b"", PIECE, guard) != content:
                raise Misconfigured(f"What {self.name} has as {key} is not what was put there.")
            kept.append(key)
        return kept

    async def _ask(self, method: str, key: str, content: bytes, limit: int, guard: Guard | None) -> bytes:
        path = quote(f"/{self.name}/{key}")
        host = urlsplit(self.endpoint).netloc
        at = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers = self.signed(method, host, path, content, at)
        own = frozenset((urlsplit(self.endpoint).hostname or "",))  # whoever runs hilum named it
        chosen = guard or Guard(loopback=True, inner=own, seconds=_SECONDS)
        try:
            found = await send(method, self.endpoint + path, headers, content, limit=limit, guard=chosen)
        except Unreachable as error:
            raise Misconfigured(f"The bucket {self.name} at {host} can't be reached ({error.kind}).") from None
        if found.status != 200:
            raise Misconfigured(f"The bucket {self.name} answers {method} with {found.status}: key, rights, or name?")
        return found.body

    def signed(
        self, method: str, host: str, path: str, content: bytes, at: str, more: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The headers of a request at that moment (`20130524T000000Z`), with the one that signs it. `path`: encoded."""
        digest = sha256(content).hexdigest()
        headers = {"x-amz-content-sha256": digest, "x-amz-date": at, **(more or {})}
        if self.session:
            headers["x-amz-security-token"] = self.session
        covered = sorted([("host", host), *headers.items()])
        names = ";".join(name for name, _ in covered)
        lines = "".join(f"{name}:{value}\n" for name, value in covered)
        canonical = f"{method}\n{path}\n\n{lines}\n{names}\n{digest}"
        scope = f"{at[:8]}/{self.region}/s3/aws4_request"
        text = f"{_ALGORITHM}\n{at}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret}".encode()
        for part in (at[:8], self.region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        said = f"Credential={self.key}/{scope},SignedHeaders={names},Signature={signature}"
        return headers | {"authorization": f"{_ALGORITHM} {said}"}


def _pieces(file: Path) -> int:
    return max(1, -(-file.stat().st_size // PIECE))


def _piece(file: Path, number: int) -> bytes:
    with file.open("rb") as stream:
        stream.seek(number * PIECE)
        return stream.read(PIECE)
