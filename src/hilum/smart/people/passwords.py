"""Passwords: kept as argon2id, checked in a thread and at the same price whether there is one or not.

https://www.rfc-editor.org/rfc/rfc9106, https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
(19 MiB, two passes, one lane); what a new one must be: NIST SP 800-63B, 5.1.1.2.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Final, TypeVar
from unicodedata import normalize

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from hilum.problems import Busy

SHORTEST: Final = 12
LONGEST: Final = 256
"""Characters of a password."""
AT_ONCE: Final = 2
"""Hashes that one process makes at once: each takes 19 MiB and 20 ms of a core."""
MOST_WAITING: Final = 100
"""Those who wait for one; who comes beyond that is told to come again."""

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_ALPHABET: Final = "23456789abcdefghjkmnpqrstuvwxyz"
"""Letters and digits that nobody takes for one another."""

COMMON: Final = (
    "password", "passwort", "passphrase", "contrasena", "motdepasse", "senha", "qwertzuiop", "qwertyuiop", "qwerty",
    "qwertz", "azerty", "asdfghjkl", "asdf", "yxcvbnm", "zxcvbnm", "letmein", "welcome", "willkommen", "iloveyou",
    "administrator", "admin", "root", "guest", "user", "test", "demo", "changeme", "changeit", "default", "secret",
    "geheim", "master", "login", "access", "account", "hello", "monkey", "dragon", "sunshine", "princess", "football",
    "baseball", "superman", "batman", "michael", "jordan", "shadow", "trustno", "whatever", "starwars", "pokemon",
    "computer", "internet", "windows", "google", "summer", "winter", "spring", "autumn", "sommer", "january",
    "february", "march", "april", "june", "july", "august", "september", "october", "november", "december", "monday",
    "friday", "hospital", "clinic", "klinik", "doctor", "nurse", "patient", "health", "medical", "hilum",
    "abcdefghijklmnopqrstuvwxyz", "abcdef", "abcd", "abc",
)  # fmt: skip
"""Words that passwords are made of when nobody thinks of one: collected for hilum, and no secret list."""

_DIGITS: Final = "01234567890123456789"
_SEQUENCE: Final = re.compile(r"(?:19|20)\d\d|(.)\1{2,}|[^\w]|_")
_LEET: Final = str.maketrans("013457@$!", "oieastasi")
_FEWEST: Final = 5
"""Different characters that must be left of a password once what everybody uses is taken out."""

T = TypeVar("T")


def fault(password: str, name: str) -> str:
    """Why this can't be the password of the user of that name; empty where it can."""
    text = normalize("NFKC", password)
    if len(text) < SHORTEST:
        return f"The password is too short: it needs {SHORTEST} characters or more. Three or four words do well."
    if len(text) > LONGEST:
        return f"The password is too long: {LONGEST} characters are enough."
    if not text.isprintable():
        return "The password has a character that can't be typed."
    folded = text.casefold()
    own = name.casefold().split("@")[0]
    if name.casefold() in folded or (len(own) > 3 and own in folded):
        return "The password has the user name in it: choose another."
    if min(_left(folded), _left(folded.translate(_LEET))) < _FEWEST:
        return "The password is one of those that are tried first: choose another. Three or four words do well."
    return ""


def _left(text: str) -> int:
    """How many different characters there are beside common words, years, rows of digits and of one character."""
    for word in sorted(COMMON, key=len, reverse=True):
        text = text.replace(word, "")
    for length in range(10, 2, -1):
        for row in _rows(length):
            text = text.replace(row, "")
    return len(set(_SEQUENCE.sub("", text)))


@lru_cache(maxsize=16)
def _rows(length: int) -> tuple[str, ...]:
    up = [_DIGITS[start : start + length] for start in range(10)]
    return (*up, *(row[::-1] for row in up))


def made() -> str:
    """A password for the first sign-in: 16 letters and digits in groups of four, 79 bits."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(4)) for _ in range(4))


def recovery_codes(number: int = 10) -> Iterator[str]:
    """Codes for who has lost a phone, 49 bits each."""
    for _ in range(number):
        yield "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(2))


def plain_code(code: str) -> str:
    """A recovery code as it was made, however it was typed."""
    letters = "".join(letter for letter in code.casefold() if letter.isalnum())[:10]
    return f"{letters[:5]}-{letters[5:]}"


class Passwords:
    """Makes and checks hashes, at most `AT_ONCE` at a time."""

    def __init__(self, hasher: PasswordHasher = _HASHER) -> None:
        self._hasher = hasher
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="argon2")
        self._waiting = 0
        self._nobody = hasher.hash(secrets.token_urlsafe(16))

    async def hashed(self, password: str) -> str:
        """The password as it is kept. Raises Busy."""
        return await self._run(self._hasher.hash, normalize("NFKC", password))

    async def verified(self, kept: str, password: str) -> bool:
        """Whether it is the password that was kept; where none was, False after as much work. Raises Busy."""
        right = await self._run(partial(self._verify, kept or self._nobody), normalize("NFKC", password[: 4 * LONGEST]))
        return right and bool(kept)

    async def which(self, kept: tuple[str, ...], code: str) -> int | None:
        """Which of the kept recovery codes this is. Raises Busy."""
        for number, one in enumerate(kept):
            if await self.verified(one, plain_code(code)):
                return number
        return None

    def outdated(self, kept: str) -> bool:
        """Whether it was made at another price than today's."""
        return self._hasher.check_needs_rehash(kept)

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[str], T], text: str) -> T:
        if self._waiting >= AT_ONCE + MOST_WAITING:
            raise Busy("Too many people sign in at this moment. Try again in a few seconds.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, text)
        finally:
            self._waiting -= 1
