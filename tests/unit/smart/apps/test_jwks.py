"""Key sets by URL: kept as long as they say, fetched within limits, from real servers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey
from tests.loopback import Answers, always, response, serving

from hilum.smart.apps.jwks import MOST_URLS, PER_URL, KeySets, Unfetched, life
from hilum.web import outbound
from hilum.web.outbound import Fetched, Guard

HERE = Guard(loopback=True, seconds=2)


def key(kid: str) -> dict[str, Any]:
    return {**ECKey.generate_key("P-384").as_dict(private=False), "kid": kid}


FIRST, SECOND = key("first"), key("second")


def document(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sets(clock: Clock) -> KeySets:
    return KeySets(HERE, clock)


def turns(*answers: bytes) -> Answers:
    """One answer after the other; the last one again and again."""
    left = list(answers)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    return answer


async def test_a_set_is_fetched_once_for_as_long_as_it_may_be_kept(sets: KeySets, clock: Clock) -> None:
    async with serving(always(response(document(FIRST), b"cache-control: max-age=60"))) as server:
        for _ in range(3):
            assert await sets.keys(server.url(), "first") == (FIRST,)
        clock.now += 59
        await sets.keys(server.url(), "first")
        assert len(server.seen) == 1
        clock.now += 1
        await sets.keys(server.url(), "first")
        assert len(server.seen) == 2
        assert b"GET /jwks.json" in server.seen[0]
        assert b"accept: application/json" in server.seen[0]


@pytest.mark.parametrize("said", [b"no-store", b"no-cache", b"private, no-cache", b"max-age=0"])
async def test_a_set_that_may_not_be_kept_is_not(sets: KeySets, clock: Clock, said: bytes) -> None:
    async with serving(always(response(document(FIRST), b"Cache-Control: " + said))) as server:
        for _ in range(3):
            await sets.keys(server.url(), "first")
            clock.now += 0.5
        assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 300.0),
        ({"cache-control": "public"}, 300.0),
        ({"cache-control": "max-age=1"}, 1.0),
        ({"cache-control": "public, Max-Age=120"}, 120.0),
        ({"cache-control": 'max-age="30"'}, 30.0),
        ({"cache-control": "max-age=86400"}, 3600.0),
        ({"cache-control": "max-age=60, max-age=10"}, 10.0),
        ({"cache-control": "max-age=60", "age": "50"}, 10.0),
        ({"cache-control": "max-age=60", "age": "70"}, 0.0),
        ({"cache-control": "max-age=60", "age": "x"}, 60.0),
        ({"cache-control": "max-age=-1"}, 300.0),
        ({"cache-control": "max-age=60, no-store"}, 0.0),
        ({"cache-control": 'no-cache="set-cookie"'}, 0.0),
    ],
)
def test_how_long_an_answer_is_kept(headers: dict[str, str], seconds: float) -> None:
    assert life(headers) == seconds


async def test_an_unknown_key_makes_it_fetch_again_once_in_thirty_seconds(sets: KeySets, clock: Clock) -> None:
    answers = turns(response(document(FIRST)), response(document(FIRST, SECOND)), response(document(SECOND)))
    async with serving(answers) as server:
        url = server.url()
        assert await sets.keys(url, "first") == (FIRST,)
        for _ in range(3):
            assert await sets.keys(url, "second") == (FIRST,)
        assert len(server.seen) == 1
        clock.now += 30
        assert await sets.keys(url, "second") == (FIRST, SECOND)
        for _ in range(20):
            await sets.keys(url, "made-up")
        assert len(server.seen) == 2
        clock.now += 30
        assert await sets.keys(url, "made-up") == (SECOND,)
        assert len(server.seen) == 3


async def test_who_ask_at_once_share_one_fetch(sets: KeySets) -> None:
    asked, ready = asyncio.Event(), asyncio.Event()

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await ready.wait()
        writer.write(response(document(FIRST)))

    async with serving(answer) as server:
        waiting = [asyncio.ensure_future(sets.keys(server.url(), "first")) for _ in range(32)]
        await asked.wait()
        waiting[0].cancel()
        ready.set()
        assert await asyncio.gather(*waiting[1:]) == [(FIRST,)] * 31
        assert len(server.seen) == 1


async def test_ten_fetches_in_a_second_over_all_urls(sets: KeySets, clock: Clock) -> None:
    async with serving(always(response(document(FIRST)))) as server:
        for number in range(10):
            await sets.keys(server.url(f"/{number}"), "first")
        with pytest.raises(Unfetched) as caught:
            await sets.keys(server.url("/10"), "first")
        assert caught.value.kind == "busy"
        assert await sets.keys(server.url("/0"), "first") == (FIRST,)
        clock.now += 1
        assert await sets.keys(server.url("/10"), "first") == (FIRST,)


async def test_a_set_that_may_not_be_kept_leaves_fetches_for_the_others(sets: KeySets, clock: Clock) -> None:
    async with serving(always(response(document(FIRST), b"cache-control: no-store"))) as server:
        for _ in range(PER_URL):
            await sets.keys(server.url("/greedy"), "first")
        for _ in range(20):
            with pytest.raises(Unfetched) as caught:
                await sets.keys(server.url("/greedy"), "first")
            assert caught.value.kind == "busy"
        assert await sets.keys(server.url("/other"), "first") == (FIRST,)
        clock.now += 1
        assert await sets.keys(server.url("/greedy"), "first") == (FIRST,)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (response(b"", status=b"404 Not Found"), "status"),
        (response(b"", status=b"204 No Content"), "status"),
        (response(b"", b"location: http://127.0.0.1/", status=b"302 Found"), "redirect"),
        (response(b"<html>"), "form"),
        (response(b"[]"), "form"),
        (response(b"\xff"), "form"),
        (response(b"[" * 100_000), "form"),
        (response(document(*[FIRST] * 51)), "form"),
        (response(document(ECKey.generate_key("P-384").as_dict(private=True))), "form"),
        (response(b" " * (128 * 1024 + 1)), "size"),
        (b"nonsense\r\n\r\n", "protocol"),
    ],
)
async def test_what_is_no_key_set_is_not_asked_for_again_at_once(
    sets: KeySets, clock: Clock, raw: bytes, kind: str
) -> None:
    async with serving(turns(raw, response(document(FIRST)))) as server:
        for _ in range(3):
            with pytest.raises(Unfetched) as caught:
                await sets.keys(server.url(), "first")
            assert caught.value.kind == kind
        assert len(server.seen) == 1
        clock.now += 5
        assert await sets.keys(server.url(), "first") == (FIRST,)


async def test_a_bad_moment_of_a_server_costs_no_sound_set(sets: KeySets, clock: Clock) -> None:
    async with serving(turns(response(document(FIRST)), response(b"", status=b"500 Oh"))) as server:
        url = server.url()
        await sets.keys(url, "first")
        clock.now += 30
        assert await sets.keys(url, "made-up") == (FIRST,)
        assert await sets.keys(url, "first") == (FIRST,)
        assert len(server.seen) == 2
        clock.now += 270
        with pytest.raises(Unfetched):
            await sets.keys(url, "first")


async def test_nothing_inside_is_asked(clock: Clock) -> None:
    async with serving(always(response(document(FIRST)))) as server:
        with pytest.raises(Unfetched) as caught:
            await KeySets(Guard(), clock).keys(server.url(), "first")
        assert caught.value.kind == "address"
        assert server.seen == []


async def test_sets_of_many_urls_are_not_kept_without_end(clock: Clock) -> None:
    asked: list[str] = []

    async def fetch(url: str, *, limit: int, guard: Guard) -> Fetched:
        asked.append(url)
        return Fetched(200, {"cache-control": "max-age=3600"}, document(FIRST))

    sets = KeySets(HERE, clock, fetch)
    for number in range(MOST_URLS + 1):
        await sets.keys(f"https://a.test/{number}", "first")
        clock.now += 0.2
    await sets.keys(f"https://a.test/{MOST_URLS}", "first")
    assert len(asked) == MOST_URLS + 1
    await sets.keys("https://a.test/0", "first")
    assert len(asked) == MOST_URLS + 2


def test_the_real_fetch_is_the_default() -> None:
    assert KeySets(HERE)._fetch is outbound.get
