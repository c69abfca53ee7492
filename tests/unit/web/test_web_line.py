"""One connection of the pool: however an answer is cut into reads, the same comes out of it."""

from __future__ import annotations

import asyncio
import gzip
import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hilum.web.line import Line
from hilum.web.outbound import Unreachable

LIMIT = 500


class Wire(asyncio.Transport):
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.aborted = False

    def write(self, data: Any) -> None:
        self.sent += data

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        pass


def spelled(body: bytes, form: str, chunk: int) -> bytes:
    """The body as an answer."""
    if "gzip" in form:
        body = gzip.compress(body, mtime=0)
    head = b"HTTP/1.1 200 OK\r\n" + (b"Content-Encoding: gzip\r\n" if "gzip" in form else b"")
    if "chunked" in form:
        chunks = [body[at : at + chunk] for at in range(0, len(body), chunk)]
        return (
            head
            + b"Transfer-Encoding: chunked\r\n\r\n"
            + b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in chunks)
            + b"0\r\n\r\n"
        )
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def read(raw: bytes, cuts: list[int], *, flowing: bool, ends: bool) -> tuple[str, bytes, bool]:
    """What comes of these bytes, cut there: how it went, the body, and whether the connection may be used again."""

    async def main() -> tuple[str, bytes, bool]:
        line, wire = Line(), Wire()
        line.connection_made(wire)
        asked = asyncio.create_task(line.ask(b"GET", LIMIT, 5, 5, flowing=flowing))
        await asyncio.sleep(0)
        edges = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
        for start, end in itertools.pairwise(edges):
            if start < end and not wire.aborted:
                line.data_received(raw[start:end])
                await asyncio.sleep(0)
        if ends:
            line.eof_received()
            line.connection_lost(None)
        try:
            await asked
            body = b"".join([piece async for piece in line.pieces()]) if flowing else line.body()
        except Unreachable as caught:
            return caught.kind, b"", line.usable
        return "whole", body, line.usable

    return asyncio.run(main())


bodies = st.binary(max_size=LIMIT + 50)
forms = st.sampled_from(["length", "chunked", "gzip", "gzip chunked"])
cuts = st.lists(st.integers(0, 1 << 16), max_size=12)


@given(bodies, forms, st.integers(1, 200), cuts, st.booleans())
def test_the_body_is_the_one_that_was_sent_or_too_long(
    body: bytes, form: str, chunk: int, cuts: list[int], flowing: bool
) -> None:
    raw = spelled(body, form, chunk)
    found = read(raw, cuts, flowing=flowing, ends=False)
    too_long = len(body) > LIMIT or (form == "gzip" and len(raw.partition(b"\r\n\r\n")[2]) > LIMIT)
    assert found == (("size", b"", False) if too_long else ("whole", body, True))


@given(bodies.filter(lambda body: len(body) <= LIMIT - 50), forms, st.integers(1, 200), cuts, st.booleans(), st.data())
def test_an_answer_that_is_cut_off_is_never_taken_for_whole(
    body: bytes, form: str, chunk: int, cuts: list[int], flowing: bool, data: st.DataObject
) -> None:
    raw = spelled(body, form, chunk)
    raw = raw[: data.draw(st.integers(0, len(raw) - 1))]
    outcome, _, usable = read(raw, cuts, flowing=flowing, ends=True)
    assert outcome == ("protocol" if raw else "connect")
    assert not usable


@given(st.binary(min_size=1, max_size=300), cuts, st.booleans())
def test_bytes_that_are_no_answer_are_none(raw: bytes, cuts: list[int], flowing: bool) -> None:
    assert read(raw, cuts, flowing=flowing, ends=True)[0] in ("protocol", "connect")
