"""From the concepts of a code system to what a store keeps of them. Pure: what is read twice is asked for twice."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from hilum.problems import Invalid
from hilum.terminology import bits
from hilum.terminology.concepts import (
    ABSTRACT,
    BETWEEN,
    CHILD,
    FLAG,
    FOLDED,
    INACTIVE,
    ROOT,
    VALUE,
    WORD,
    Designation,
    Entry,
    Posting,
    Property,
    Row,
)
from hilum.terminology.numbering import Numbered, numbered
from hilum.terminology.words import beginnings, folded, words

INACTIVE_FLAG: Final = 1
ABSTRACT_FLAG: Final = 2
_SELECTABLE: Final = 200
"""Characters of a property's value that filters can ask for; what is longer is text."""


class Source(Protocol):
    """The concepts of a code system, as often as they are asked for, in the same order."""

    def edges(self) -> Iterable[tuple[str, tuple[str, ...]]]:
        """Each code and its parents. Codes that only occur as parents are no concepts."""
        ...

    def entries(self) -> Iterable[Entry]:
        """Each concept."""
        ...


class Detail(NamedTuple):
    """What a row says beside its columns."""

    definition: str
    designations: tuple[Designation, ...]
    properties: tuple[Property, ...]


class Plan:
    """How a source is numbered. `rows` first, then `postings`, which it gathers. `tick` is told of each row."""

    def __init__(self, source: Source, *, folds: bool = False, tick: Callable[[int], None] = lambda _: None) -> None:
        self._source, self._folds, self._tick = source, folds, tick
        codes: dict[str, int] = {}
        named: list[tuple[str, ...]] = []
        for code, parents in source.edges():
            if code in codes:
                raise Invalid(f"The code {code[:64]!r} is defined twice.")
            codes[code] = len(named)
            named.append(parents)
        found = [
            tuple(dict.fromkeys(codes[p] for p in over if p in codes and p != code))
            for code, over in zip(codes, named, strict=True)
        ]
        self._codes, self._numbered = codes, numbered(found)
        self._posted: dict[tuple[int, str], array[int]] = {}

    @property
    def size(self) -> int:
        """How many concepts."""
        return len(self._codes)

    def rows(self) -> Iterator[Row]:
        """Each concept once, in the order of the source."""
        place: Numbered = self._numbered
        for one in self._source.entries():
            n = place.number[self._codes[one.code]]
            self._tick(1)
            flags = (INACTIVE_FLAG if one.inactive else 0) | (ABSTRACT_FLAG if one.abstract else 0)
            parents = place.parents[n]
            self._gather(n, one, not parents)
            detail = (
                b""
                if not (one.definition or one.designations or one.properties)
                else _encode((one.definition, one.designations, one.properties))
            )
            yield Row(
                n, one.code, one.display, flags, place.last[n], parents.tobytes(), place.over[n], place.under[n], detail
            )

    def postings(self) -> Iterator[Posting]:
        """Sets of concepts, by kind and key: once all rows were taken."""
        codes = [""] * self.size
        for code, index in self._codes.items():
            codes[self._numbered.number[index]] = code
        children: dict[int, array[int]] = {}
        for n, parents in enumerate(self._numbered.parents):
            for parent in parents:
                children.setdefault(parent, array("I")).append(n)
        for parent, some in children.items():
            self._posted[CHILD, codes[parent]] = some
        begun: dict[str, list[array[int]]] = {}
        for (kind, key), some in sorted(self._posted.items()):
            yield Posting(kind, key, bits.posting(some, self.size))
            if kind == WORD:
                for start in beginnings(key):
                    begun.setdefault(start, []).append(some)
        for key, all in sorted(begun.items()):
            yield Posting(WORD, key, bits.posting(array("I", sorted(set().union(*all))), self.size))

    def _gather(self, n: int, one: Entry, root: bool) -> None:
        texts = [one.display, *(other.value for other in one.designations)]
        for word in {word for text in texts for word in words(text)}:
            self._post(WORD, word, n)
        for property in one.properties:
            value = valued(property)
            if value is not None:
                # Of what is longer it can be asked whether it is there: BETWEEN stands in no value that is asked for.
                key = value if len(value) <= _SELECTABLE else value[:_SELECTABLE] + BETWEEN
                self._post(VALUE, property.code + BETWEEN + key, n)
        for flag, holds in ((INACTIVE, one.inactive), (ABSTRACT, one.abstract), (ROOT, root)):
            if holds:
                self._post(FLAG, flag, n)
        if self._folds:
            self._post(FOLDED, folded(one.code), n)

    def _post(self, kind: int, key: str, n: int) -> None:
        some = self._posted.get((kind, key))
        if some is None:
            some = self._posted[kind, key] = array("I")
        if not some or some[-1] != n:
            some.append(n)


def valued(property: Property) -> str | None:
    """The value of a property as a filter writes it; None when no filter can."""
    value = property.value
    if isinstance(value, dict):
        code = value.get("code")
        return code if isinstance(code, str) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def detail_of(row: Row) -> Detail:
    """What stands in `row.detail`."""
    return _decode(row.detail) if row.detail else _NOTHING


def _plain(value: Any) -> Any:
    return str(value)  # a decimal, digit by digit


_encode: Final = msgspec.json.Encoder(enc_hook=_plain).encode
_decode: Final = msgspec.json.Decoder(Detail).decode
_NOTHING: Final = Detail("", (), ())
