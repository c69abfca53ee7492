"""Passwords and recovery codes."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher
from argon2.low_level import Type

from hilum.problems import Busy
from hilum.smart.people import passwords
from hilum.smart.people.passwords import Passwords, fault

PASSWORDS = Passwords()


@pytest.mark.parametrize(
    ("password", "what"),
    [
        ("elevenchars", "too short"),
        ("x" * 5 + "y1z2" * 64, "too long"),
        ("with\x00null in it all", "can't be typed"),
        ("KIM.DOE and more", "user name"),
        ("password1234", "tried first"),
        ("P4ssw0rd!2024", "tried first"),
        ("qwertyuiop123", "tried first"),
        ("aaaaaaaaaaaaaaa", "tried first"),
        ("123456789012", "tried first"),
        ("987654321098", "tried first"),
        ("Welcome-Welcome-2025", "tried first"),
        ("Hospital2026!!", "tried first"),
        ("abcabcabcabcabc", "tried first"),
    ],
)
def test_a_password_that_others_would_try_first_is_refused(password: str, what: str) -> None:
    assert what in fault(password, "kim.doe")


@pytest.mark.parametrize(
    "password",
    ["four green tractors sing", "übermütige Zwölftonkatze", "k7#mQ2!vX9pL", "4821 9930 7716", passwords.made()],
    ids=["words", "umlauts", "signs", "digits", "made"],
)
def test_a_password_that_nobody_thinks_of_will_do(password: str) -> None:
    assert fault(password, "kim.doe") == ""


def test_the_account_part_of_an_address_is_no_password_either() -> None:
    assert "user name" in fault("cornelia-and-more", "Cornelia@example.org")


async def test_a_password_is_kept_as_argon2id_at_the_price_of_the_guide() -> None:
    kept = await PASSWORDS.hashed("four green tractors sing")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await PASSWORDS.verified(kept, "four green tractors sing"), PASSWORDS.outdated(kept)) == (True, False)
    assert not await PASSWORDS.verified(kept, "four green tractors sung")


async def test_letters_that_look_the_same_are_the_same() -> None:
    kept = await PASSWORDS.hashed("Zw\u00f6lftonkatzen singen")
    assert await PASSWORDS.verified(kept, "Zwo\u0308lftonkatzen singen")


@pytest.mark.parametrize("kept", ["", "not a hash", "$argon2id$v=19$m=19456,t=2,p=1$AAAA"])
async def test_where_no_password_is_kept_none_is_right(kept: str) -> None:
    assert not await PASSWORDS.verified(kept, "")
    assert not await PASSWORDS.verified(kept, "four green tractors sing")


async def test_an_older_price_is_told() -> None:
    kept = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1, type=Type.ID).hash("four green tractors sing")
    assert (await PASSWORDS.verified(kept, "four green tractors sing"), PASSWORDS.outdated(kept)) == (True, True)


class Counting(PasswordHasher):
    """Counts verifications, and how many ran at once."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=64, parallelism=1)
        self.verified: list[str] = []

    def verify(self, hash: str | bytes, password: str | bytes):  # type: ignore[no-untyped-def]
        self.verified.append(str(hash))
        return super().verify(hash, password)


async def test_a_hash_is_verified_where_there_is_none() -> None:
    counting = Counting()
    some = Passwords(counting)
    assert not await some.verified("", "anything")
    assert [kept[:10] for kept in counting.verified] == ["$argon2id$"]


async def test_those_beyond_what_can_wait_are_told_to_come_again() -> None:
    some = Passwords(Counting())
    kept = await some.hashed("x")
    most = passwords.AT_ONCE + passwords.MOST_WAITING
    found = await asyncio.gather(*(some.verified(kept, "x") for _ in range(most + 3)), return_exceptions=True)
    assert [found.count(True), sum(isinstance(one, Busy) for one in found)] == [most, 3]
    assert await some.verified(kept, "x"), "there is room again"


async def test_a_recovery_code_is_found_however_it_is_typed() -> None:
    some = Passwords(Counting())
    codes = list(passwords.recovery_codes())
    kept = tuple([await some.hashed(code) for code in codes])
    assert len(set(codes)) == 10
    assert await some.which(kept, codes[7].upper().replace("-", " ")) == 7
    assert await some.which(kept[:7] + kept[8:], codes[7]) is None
    assert await some.which((), codes[0]) is None
