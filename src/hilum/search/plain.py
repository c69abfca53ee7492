"""A search parameter without a modifier: its alternatives to a clause. https://hl7.org/fhir/R4/search.html#ptypes"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Final

import msgspec

from hilum.fhir.definitions import TYPES
from hilum.problems import Invalid
from hilum.search import values
from hilum.search.alternatives import Amount, Composite, DateRange, Token
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    Clause,
    CompositeClause,
    DateClause,
    IdClause,
    LastUpdatedClause,
    NearClause,
    QuantityClause,
    ReferenceClause,
    StringClause,
    TokenClause,
    UriClause,
)
from hilum.search.limits import Budget
from hilum.search.parameters import R4, Parameter, Registry
from hilum.search.selections import Leaf
from hilum.search.sounds import sounds


class Asked(msgspec.Struct, frozen=True):
    """What a search is read with: the server's own `base`, `now` (microseconds since 1970) for `ap`, the parameters
    that there are, the bounds; `full_text`: whether there are words to search for.
    """

    base: str = ""
    now: int | None = None
    registry: Registry = R4
    budget: Budget = msgspec.field(default_factory=Budget)
    full_text: bool = True


def holding(parameter: Parameter, type: str | None) -> tuple[int, ...]:
    """The numbers of a reference parameter whose rows may refer to resources of a type; all of them for None."""
    if type is None:
        return parameter.numbers
    return tuple(
        one.main
        for one in parameter.selections
        if one.main and (not one.leaves or any(_may_name(leaf, type) for leaf in one.leaves))
    )


def _may_name(leaf: Leaf, type: str) -> bool:
    if leaf.form != "reference":
        return False
    return leaf.only == type if leaf.only else type not in leaf.but


def token(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    """Any of the codes, or, of `_id`, of the logical ids."""
    if parameter.code == "_id":
        asked.budget.take_names(len(texts))
        return IdClause(tuple(values.logical_id(parameter, text) for text in texts))
    return TokenClause(parameter.numbers, tuple(token for text in texts for token in values.token(parameter, text)))


def _string(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    if parameter.phonetic:
        return any_of([_sounds(parameter, text) for text in texts])
    return StringClause(parameter.numbers, tuple(values.string(parameter, text, "starts") for text in texts))


def _sounds(parameter: Parameter, text: str) -> Clause:
    """Every word of the value sounds like one of the resource's."""
    found = [TokenClause(parameter.numbers, (Token(None, sound),)) for sound in sounds(values.unescape(text))]
    if not found:
        raise Invalid(f"The search parameter {parameter.code!r} of {parameter.base} needs a word that sounds.")
    return found[0] if len(found) == 1 else AllClause(tuple(found))


def _date(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    ranges = tuple(values.date(parameter, text, asked.now) for text in texts)
    if parameter.code == "_lastUpdated":
        return LastUpdatedClause(ranges)
    return DateClause(parameter.numbers, ranges, parameter.single)


def _amount(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return QuantityClause(parameter.numbers, tuple(one for text in texts for one in values.amounts(parameter, text)))


def reference(parameter: Parameter, texts: list[str], asked: Asked, target: str | None = None) -> Clause:
    """Any of the references: those to this server, of the type `target` if it is named, and urls elsewhere."""
    local, urls = _names(parameter, texts, asked, target)
    types = {type for type, _ in local}
    numbers = {number for type in types for number in holding(parameter, type)}
    held = tuple(number for number in parameter.numbers if number in numbers)
    found = [ReferenceClause(held, local)] if local else []
    return any_of([*found, *([UriClause(parameter.numbers, urls)] if urls else [])])


def _names(
    parameter: Parameter, texts: list[str], asked: Asked, target: str | None
) -> tuple[tuple[tuple[str | None, str], ...], tuple[str, ...]]:
    """The resources of this server that are named, an id alone under each type that it may be of; and urls."""
    local: list[tuple[str | None, str]] = []
    urls: list[str] = []
    for text in texts:
        match values.reference(parameter, text, target, asked.base):
            case str(url):
                urls.append(url)
            case (None, id) if possible := parameter.targets:
                local.extend((type, id) for type in possible)
            case name:
                local.append(name)
    asked.budget.take_names(sum(1 if type else len(TYPES) for type, _ in local))
    return tuple(local), tuple(urls)


def _uri(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    """`url=http://a|1` asks for the url and the business version. https://hl7.org/fhir/R4/search.html#uri"""
    version = asked.registry.table(parameter.base).get("version") if parameter.code == "url" else None
    whole: list[str] = []
    found: list[Clause] = []
    for text in texts:
        parts = values.split(text, "|")
        if version is None or len(parts) != 2 or not all(parts):
            whole.append(values.unescape(text))
            continue
        url = UriClause(parameter.numbers, (values.unescape(parts[0]),))
        found.append(AllClause((url, TokenClause(version.numbers, values.token(version, parts[1])))))
    return any_of([*([UriClause(parameter.numbers, tuple(whole))] if whole else []), *found])


def _special(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return NearClause(parameter.numbers, tuple(values.near(parameter, text) for text in texts))


def any_of(found: list[Clause]) -> Clause:
    """At least one holds; itself where there is one."""
    return found[0] if len(found) == 1 else AnyClause(tuple(found))


# --- composites: https://hl7.org/fhir/R4/search.html#composite --------------------------------------------------------


def _composite(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    parts = parameter.components
    split = []
    for text in texts:
        pieces = values.split(text, "$")
        if len(pieces) != len(parts) or not all(pieces):
            shape = "$".join(part.code for part in parts)
            raise Invalid(f"The search parameter {parameter.code!r} of {parameter.base} takes {shape}.")
        split.append(pieces)
    if not parameter.numbers:  # Each part is about the resource as a whole: to hold together is to hold each.
        return any_of([AllClause(tuple(map(_alone, parts, pieces, [asked] * len(parts)))) for pieces in split])
    found = [one for pieces in split for one in _together(parts, pieces, asked)]
    return CompositeClause(parameter.numbers, tuple(found))


def _alone(part: Parameter, text: str, asked: Asked) -> Clause:
    return PLAIN[part.type](part, [text], asked)


def _together(parts: tuple[Parameter, ...], pieces: list[str], asked: Asked) -> list[Composite]:
    """Every combination of what the parts may mean, the code first: `relationship` is written the other way round."""
    meant = sorted(zip(parts, pieces, strict=True), key=lambda pair: pair[0].type != "token")
    first, *others = [_PART[part.type](part, text, asked) for part, text in meant]
    found = []
    for code, *rest in product(first, *others):
        match code, rest:
            case Token(), [Amount() as start, Amount() as end]:
                found.append(Composite(code, (start, end)))
            case Token(), [second]:
                found.append(Composite(code, second))
    return found


_Part = Token | DateRange | Amount | tuple[str | None, str]


def _reference_part(part: Parameter, text: str, asked: Asked) -> list[_Part]:
    local, urls = _names(part, [text], asked, None)
    if urls:
        raise Invalid(f"The search parameter {part.code!r} of {part.base} takes references to this server here.")
    return list(local)


_PART: Final[dict[str, Callable[[Parameter, str, Asked], list[_Part]]]] = {
    "token": lambda part, text, asked: list(values.token(part, text)),
    "date": lambda part, text, asked: [values.date(part, text, asked.now)],
    "number": lambda part, text, asked: list(values.amounts(part, text)),
    "quantity": lambda part, text, asked: list(values.amounts(part, text)),
    "reference": _reference_part,
}

PLAIN: Final[dict[str, Callable[[Parameter, list[str], Asked], Clause]]] = {
    "token": token,
    "string": _string,
    "date": _date,
    "number": _amount,
    "quantity": _amount,
    "reference": reference,
    "uri": _uri,
    "composite": _composite,
    "special": _special,
}
