"""What a client says of its content is held against what came. https://www.rfc-editor.org/rfc/rfc9530"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator

import pytest

from hilum.problems import Invalid, Malformed
from hilum.rest.digests import expected, told, verified

CONTENT = b"a scan" * 50_000
SHA256 = base64.b64encode(hashlib.sha256(CONTENT).digest()).decode()
SHA512 = base64.b64encode(hashlib.sha512(CONTENT).digest()).decode()
OTHER = base64.b64encode(bytes(32)).decode()


async def chunks() -> AsyncIterator[bytes]:
    for at in range(0, len(CONTENT), 70_000):
        yield CONTENT[at : at + 70_000]


async def held(headers: dict[bytes, bytes]) -> bytes:
    return b"".join([chunk async for chunk in verified(chunks(), expected(headers))])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"content-digest", f"sha-256=:{SHA256}:"),
        (b"repr-digest", f"sha-256=:{SHA256}:, sha-512=:{SHA512}:"),
        (b"digest", f"SHA-256={SHA256},sha-512={SHA512}"),
        (b"content-digest", "md5=:AAAA:, unixsum=:AAAA:"),
    ],
)
async def test_content_that_is_what_it_should_be_passes_unchanged(name: bytes, value: str) -> None:
    assert await held({name: value.encode()}) == CONTENT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"content-digest", f"sha-256=:{OTHER}:"),
        (b"repr-digest", f"sha-256=:{SHA256}:, sha-512=:{SHA256}:"),
        (b"digest", f"sha-256={OTHER}"),
        (b"content-digest", "sha-256=::"),
    ],
)
async def test_other_content_is_refused_at_its_end(name: bytes, value: str) -> None:
    with pytest.raises(Invalid, match="changed on the way"):
        await held({name: value.encode()})


@pytest.mark.parametrize("value", ["sha-256", "sha-256=", "sha-256=:A:", "=:AAAA:", "sha-256=:AAAA:;x y"])
def test_a_digest_that_can_t_be_read_is_refused(value: str) -> None:
    with pytest.raises(Malformed):
        expected({b"content-digest": value.encode()})


def test_what_goes_out_says_its_own() -> None:
    assert told(hashlib.sha256(CONTENT).digest()) == (b"repr-digest", f"sha-256=:{SHA256}:".encode())
