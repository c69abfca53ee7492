"""The keys of one store: hashes that only it makes, below numbers of systems that are exact.

A token's key is a signed 64-bit integer: the upper 20 bits are the number of its system (0: none), which the table
`system` gives to one text alone; the lower 44 are a hash of its code. Texts, uris and units are hashes, too. All hashes
are keyed by a secret that is made with the store (`meta.secret`), so that nobody can choose two values, or one for a
given other, that share a key: BLAKE2b, https://www.rfc-editor.org/rfc/rfc7693#section-2.9
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final, TypeVar

from xxhash import xxh3_64_intdigest

from hilum.problems import Damaged, Unprocessable
from hilum.search.rows import Rows, TokenRow
from hilum.store.keys import CODE_BITS, CODE_MASK, WIDE, signed

K = TypeVar("K")

OWN: Final = "SELECT value FROM meta WHERE key = 'secret'"
"""Finds 64 hexadecimal digits."""
Token = tuple[str | None, str | None]
Unit = tuple[str | None, str | None, str | None]
_TOKENS: Final = 32_768
"""So many keys are remembered, in about 10 MB: most codes come again and again."""
_TEXTS: Final = 16_384


NUMBERS: Final = (1 << 64 - CODE_BITS) - 2
"""Systems have numbers from 1 to this one."""
NOBODY: Final = NUMBERS + 1
"""The number of what has none."""
_CHOICES: Final = 4


class UnknownSystem(LookupError):
    """The number of a system is asked for that is not known here."""


class _Kept(dict[K, int]):
    """What was hashed already: a look into a dictionary costs less than a call."""

    __slots__ = ("_make", "_most")

    def __init__(self, make: Callable[[K], int], most: int) -> None:
        super().__init__()
        self._make, self._most = make, most

    def __missing__(self, entry: K) -> int:
        value = self._make(entry)
        if len(self) >= self._most:
            self.clear()
        self[entry] = value
        return value


class Keys:
    """Keys in one store. `numbers`: what is known of its systems; they are never taken back or given again.

    `tokens[system, code]`: the key of a token; `texts[text]`: of a uri or a text, compared whole; `units[system, code,
    display]`: of a unit, 48 bits. `number` tells the number of a system that is not known yet, or raises UnknownSystem.
    """

    __slots__ = ("_hash", "_number", "numbers", "texts", "tokens", "units")

    def __init__(self, secret: str, number: Callable[[str], int] | None = None) -> None:
        self._begin(blake2b(key=bytes.fromhex(secret), digest_size=8).copy, number)

    def _begin(self, hash: Callable[[], blake2b], number: Callable[[str], int] | None) -> None:
        self._hash, self._number = hash, number
        self.numbers: dict[str, int] = {}
        self.tokens = _Kept[Token](self._token, _TOKENS)
        self.texts = _Kept[str](self._text, _TEXTS)
        self.units = _Kept[Unit](self._unit, _TEXTS)

    def apart(self, number: Callable[[str], int]) -> Keys:
        """The same hashes, without what is known here of systems."""
        other = object.__new__(Keys)
        other._begin(self._hash, number)
        return other

    def code(self, text: str | None) -> int:
        """The lower bits of a token's key. None (a system alone) hashes as the empty code."""
        return self.hashed(text or "") & CODE_MASK

    def hashed(self, text: str) -> int:
        """64 bits."""
        one = self._hash()
        one.update(text.encode())
        return int.from_bytes(one.digest(), "little")

    def forget(self, systems: Iterable[str]) -> None:
        """These systems have no number after all: what wrote them was undone."""
        gone = [system for system in systems if self.numbers.pop(system, None) is not None]
        if gone:
            self.tokens.clear()

    def _token(self, token: Token) -> int:
        system, code = token
        number = 0
        if system:
            known = self.numbers.get(system)
            if known is None:
                if self._number is None:
                    raise UnknownSystem
                known = self._number(system)
            number = known
        return signed(number << CODE_BITS | self.code(code))

    def _text(self, text: str) -> int:
        return signed(self.hashed(text))

    def _unit(self, unit: Unit) -> int:
        """0 where a number has none, never 0 for one."""
        system, code, display = unit
        if not (system or code or display):
            return 0
        return (self.hashed(f"{system or ''}|{code or ''}|{display or ''}") & (WIDE - 1)) or 1


def choices(system: str) -> list[int]:
    """The numbers that a system may get, the best first, so that stores are mostly alike; if all are taken, any other.

    Not keyed, since nothing follows from them: whose a number is the table tells.
    """
    data = system.encode()
    return [xxh3_64_intdigest(data, seed) % NUMBERS + 1 for seed in range(_CHOICES)]


def systems(rows: Rows) -> Iterator[str]:
    """Every system that the rows name, each as often as it is named."""
    for row in rows.tokens:
        if row.system:
            yield row.system
    for pair in rows.composites:
        if pair.system:
            yield pair.system
        if isinstance(pair.second, TokenRow) and pair.second.system:
            yield pair.second.system


def unknown(some: Sequence[Rows], known: Container[str | None]) -> set[str]:
    """The systems of the rows that are not among those known: as `systems`, in a third of the time."""
    found = {row[1] for rows in some for row in rows.tokens if row[1] not in known}
    for rows in some:
        for pair in rows.composites:
            if pair[1] not in known:
                found.add(pair[1])
            if isinstance(pair[3], TokenRow) and pair[3].system not in known:
                found.add(pair[3].system)
    return {system for system in found if system}


def no_secret() -> Damaged:
    """The answer of a store without one: no key could be made again."""
    return Damaged("The store is damaged (it has no secret). Whoever runs hilum has to restore a backup.")


def exhausted() -> Unprocessable:
    """The answer to a write that names one system more than there are numbers."""
    return Unprocessable(
        "The store knows as many systems of codes and identifiers as it can hold (about a million), and this is one "
        "more. Use a system that occurs in it already."
    )
