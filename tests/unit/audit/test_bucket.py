"""Objects in a bucket, signed as S3 wants it: the example of its documentation, and a small S3 on this machine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hilum.audit import bucket
from hilum.audit.bucket import Bucket
from hilum.problems import Misconfigured

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ENVIRON = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}


def test_a_request_is_signed_as_the_documentation_of_s3_signs_its_example() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html"""
    found = Bucket("https://s3.amazonaws.com", "examplebucket", "", "us-east-1", KEY, SECRET).signed(
        "GET", "examplebucket.s3.amazonaws.com", "/test.txt", b"", "20130524T000000Z", {"range": "bytes=0-9"}
    )
    assert found["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    )


def test_a_bucket_is_named_by_its_url_and_the_environment() -> None:
    found = Bucket.of("s3://archive/hilum/audit/", ENVIRON | {"AWS_REGION": "eu-central-1", "AWS_SESSION_TOKEN": "t"})
    assert found == Bucket(
        "https://s3.eu-central-1.amazonaws.com", "archive", "hilum/audit", "eu-central-1", KEY, SECRET, "t"
    )
    assert SECRET not in repr(found)
    with pytest.raises(Misconfigured, match="AWS_SECRET_ACCESS_KEY"):
        Bucket.of("s3://archive", {"AWS_ACCESS_KEY_ID": KEY})
    with pytest.raises(Misconfigured, match="s3://"):
        Bucket.of("s3://", ENVIRON)


class Small:
    """Keeps what is put, and gives it back; `broken`: not all of it. Refuses what is not signed as it would be."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.broken = False
        self.expects: Bucket | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        headers = dict(re.findall(r"([\w-]+): (.*)\r\n", head))
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        assert self.expects is not None
        expected = self.expects.signed(method, headers["host"], path, body, headers["x-amz-date"])
        status, answer = 200, b""
        if headers["authorization"] != expected["authorization"]:
            status = 403
        elif method == "PUT":
            self.objects[path] = body
        else:
            answer = self.objects[path][: -1 if self.broken else None]
        writer.write(b"HTTP/1.1 %d x\r\ncontent-length: %d\r\n\r\n%b" % (status, len(answer), answer))
        await writer.drain()
        writer.close()


@pytest.fixture
async def small() -> AsyncIterator[tuple[Small, str]]:
    one = Small()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    yield one, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_a_file_is_put_in_pieces_and_read_back(
    small: tuple[Small, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "PIECE", 10)
    one, url = small
    there = one.expects = Bucket.of("s3://archive/a", ENVIRON | {"AWS_ENDPOINT_URL_S3": url})
    file = tmp_path / "x.gz"
    file.write_bytes(b"0123456789" * 2 + b"end")
    assert await there.keep(file) == ["a/x.gz.000", "a/x.gz.001", "a/x.gz.002"]
    assert one.objects == {
        "/archive/a/x.gz.000": b"0123456789",
        "/archive/a/x.gz.001": b"0123456789",
        "/archive/a/x.gz.002": b"end",
    }
    file.write_bytes(b"small")
    assert await there.keep(file) == ["a/x.gz"]


async def test_what_is_not_there_as_it_was_put_is_found(small: tuple[Small, str], tmp_path: Path) -> None:
    one, url = small
    there = one.expects = Bucket.of("s3://archive", ENVIRON | {"AWS_ENDPOINT_URL_S3": url})
    (tmp_path / "x").write_bytes(b"content")
    one.broken = True
    with pytest.raises(Misconfigured, match="not what was put"):
        await there.keep(tmp_path / "x")
    one.expects = Bucket.of("s3://archive", ENVIRON | {"AWS_SECRET_ACCESS_KEY": "another", "AWS_ENDPOINT_URL_S3": url})
    with pytest.raises(Misconfigured, match="403"):
        await there.keep(tmp_path / "x")
    gone = Bucket.of("s3://archive", ENVIRON | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"})
    with pytest.raises(Misconfigured, match="can't be reached"):
        await gone.keep(tmp_path / "x")
