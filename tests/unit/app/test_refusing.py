"""Tokens that don't hold: a hundred a minute from one address, whatever others do; what is known is not counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from hilum.access.policy import Policy, Principal
from hilum.access.verifier import Verifier
from hilum.app.refusing import Refusing
from hilum.audit.context import ORIGIN, Origin
from hilum.oauth import errors
from hilum.problems import Throttled, Unauthenticated
from hilum.rest import outcome
from hilum.web.limits import Limits

ADA = Principal("ada", "app", "j", Policy(()), 1 << 62)


class Tokens:
    """`good` holds. Counts how often a token was judged."""

    judged = 0

    def known(self, token: str) -> Principal | None:
        return ADA if token == "old" else None

    async def admit(self, token: str) -> Principal:
        self.judged += 1
        if token != "good":
            raise Unauthenticated("no")
        return ADA


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def refusing(tokens: Tokens, clock: Clock) -> Refusing:
    return Refusing(cast(Verifier, tokens), Limits(clock))


@pytest.fixture(autouse=True)
def _address() -> Iterator[None]:
    mark = ORIGIN.set(Origin("r", "203.0.113.7"))
    yield
    ORIGIN.reset(mark)


async def spend(refusing: Refusing, count: int) -> None:
    for _ in range(count):
        with pytest.raises(Unauthenticated):
            await refusing.admit("bad")


async def test_a_hundred_are_judged_and_then_none(refusing: Refusing, tokens: Tokens, clock: Clock) -> None:
    await spend(refusing, 100)
    for token in ("bad", "good"):
        with pytest.raises(Throttled) as caught:
            await refusing.admit(token)
        assert caught.value.seconds == 1
    assert tokens.judged == 100
    clock.now += 1
    assert await refusing.admit("good") is ADA
    clock.now += 60
    await spend(refusing, 100)
    with pytest.raises(Throttled):
        await refusing.admit("bad")


async def test_other_addresses_and_known_tokens_feel_nothing(refusing: Refusing) -> None:
    await spend(refusing, 100)
    assert refusing.known("old") is ADA
    ORIGIN.set(Origin("r", "203.0.113.8"))
    assert await refusing.admit("good") is ADA


async def test_tokens_that_hold_are_not_counted(refusing: Refusing) -> None:
    for _ in range(300):
        assert await refusing.admit("good") is ADA
    await spend(refusing, 100)


def test_it_is_told_with_when_to_come_again() -> None:
    problem = Throttled("Too many.", 7)
    answer = outcome.response(problem)
    assert (answer.status, answer.header(b"retry-after")) == (429, "7")
    assert answer.header(b"www-authenticate") is None
    assert b'"code":"throttled"' in answer.body
    told = errors.of(problem)
    assert (told.status, told.error, told.retry_after) == (429, "temporarily_unavailable", 7)
