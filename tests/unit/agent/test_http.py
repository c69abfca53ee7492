"""HTTP of the agent: what is trusted, and what is no answer."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from pathlib import Path

import pytest
from tests.loopback import always, certificate, response, serving

from hilum.agent.http import Http, Unreached, Untrusted, checked, proxy_for
from hilum.problems import Misconfigured


async def test_an_answer_comes_over_tls_of_the_authority_that_is_pinned(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path, "localhost")
    async with serving(always(response(b"{}", b"X-One: 1")), tls=tls) as here:
        answer = await Http(tmp_path / "certificate.pem").ask("GET", here.url(host="localhost", scheme="https"))
    assert (answer.status, answer.body, answer.headers["x-one"]) == (200, b"{}", "1")


async def test_without_the_authority_nothing_is_sent(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path, "localhost")
    async with serving(always(response()), tls=tls) as here:
        with pytest.raises(Untrusted, match="clock"):
            await Http().ask("GET", here.url(host="localhost", scheme="https"))
    assert here.seen == []


async def test_a_certificate_for_another_name_does_not_hold(tmp_path: Path) -> None:
    tls, _ = certificate(tmp_path, "elsewhere.example")
    async with serving(always(response()), tls=tls) as here:
        with pytest.raises(Untrusted):
            await Http(tmp_path / "certificate.pem").ask("GET", here.url(host="localhost", scheme="https"))


async def test_a_redirect_is_an_answer() -> None:
    raw = response(b"", b"Location: http://127.0.0.1:1/", status=b"307 Temporary Redirect")
    async with serving(always(raw)) as here:
        assert (await Http().ask("POST", here.url(), body=b"{}")).status == 307
    assert len(here.seen) == 1


NO_ANSWERS = {
    "too long": response(b"x" * 2000),
    "too long in chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    + b"3e8\r\n"
    + b"x" * 1000
    + b"\r\n" * 9,
    "cut off": b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{}",
    "cut off in chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}",
    "compressed": response(b"{}", b"content-encoding: gzip"),
    "nothing": b"",
    "no HTTP": b"220 mail.example ESMTP\r\n\r\n",
}


@pytest.mark.parametrize("raw", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
async def test_what_is_no_whole_answer(raw: bytes) -> None:
    async with serving(always(raw)) as here:
        with pytest.raises(Unreached):
            await Http().ask("GET", here.url(), most=999)


async def test_chunks_are_put_together() -> None:
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n2\r\n[]\r\n0\r\n\r\n"
    async with serving(always(raw)) as here:
        assert (await Http().ask("GET", here.url())).body == b"{}[]"


async def test_an_answer_that_trickles_is_given_up() -> None:
    async def trickle(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(trickle) as here:
        with pytest.raises(Unreached, match="not whole"):
            await Http(seconds=0.3).ask("GET", here.url())


async def test_nobody_there() -> None:
    async with serving(always(b"")) as here:
        url = here.url()
    with pytest.raises(Unreached, match="no connection"):
        await Http().ask("GET", url)


async def test_a_proxy_of_the_environment_is_gone_through(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    async with serving(always(refusing)) as here:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:s%40cret@127.0.0.1:{here.port}")
        with pytest.raises(Unreached, match="proxy"):
            await Http().ask("GET", "https://far.example/fhir")
    head = here.seen[0].decode().lower()
    assert head.startswith("connect far.example:443 ")
    assert b64encode(b"me:s@cret").decode().lower() in head


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://far.example/x", "http://proxy.example:3128"),
        ("https://near.example/x", ""),
        ("http://localhost:8000/x", ""),
    ],
)
def test_which_proxy(monkeypatch: pytest.MonkeyPatch, url: str, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "near.example")
    assert proxy_for(url) == proxy


@pytest.mark.parametrize(
    "url",
    [
        "http://far.example",
        "far.example",
        "ftp://far.example",
        "https://",
        "https://me:pw@far.example",
        "https://[",
        "",
    ],
)
def test_addresses_that_the_agent_does_not_use(url: str) -> None:
    with pytest.raises(Misconfigured) as error:
        checked(url)
    assert "pw" not in str(error.value)


def test_a_file_that_holds_no_certificates(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(Misconfigured, match="PEM"):
        Http(tmp_path / "ca.pem")
