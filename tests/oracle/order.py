"""`_sort`. https://hl7.org/fhir/R4/search.html#sort

Upwards the least value of a resource counts, downwards the greatest; what has none comes last; ties are newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from tests.oracle.criteria import Refused
from tests.oracle.records import Item
from tests.oracle.values import Date, Identifier, Number, Reference, String, Text, Token, Typed, Unnamed, Uri

if TYPE_CHECKING:
    from tests.oracle.evaluator import Population

Key = tuple[Callable[[Item], Any], bool]
"""What is compared, and whether it goes down."""


def in_order(items: list[Item], keys: list[Key]) -> list[Item]:
    """By the keys, the first one first; then types from the end of the alphabet, newest created first."""
    found = sorted(items, key=lambda item: item.place, reverse=True)
    found.sort(key=lambda item: item.type, reverse=True)
    for key, down in reversed(keys):
        keyed = [(key(item), item) for item in found]
        having = sorted((one for one in keyed if one[0] is not None), key=lambda one: one[0], reverse=down)
        found = [item for _, item in having] + [item for value, item in keyed if value is None]
    return found


def sort_key(population: Population, searched: tuple[str, ...], key: str) -> Key:
    """What `_sort=key` compares, None for what has no value, and whether it goes down. Raises Refused."""
    code, down = key.removeprefix("-"), key.startswith("-")
    if code == "_id":
        return lambda item: item.id, down
    if code == "_lastUpdated":
        return lambda item: population.updated(item)[0].low, down
    for type in searched:
        if population.parameter(type, code).type in ("composite", "special"):
            raise Refused("sort")

    def value(item: Item) -> Any:
        values: Iterable[Any] = population.values(item, population.parameter(item.type, code))
        if _addresses(population, item.type, code):
            values = [v for v in values if not isinstance(v, Uri)]  # elsewhere there is no type/id to compare
        found = [k for v in values for k in _keys(v, down)]
        if not found:
            return None
        return max(found) if down else min(found)

    return value, down


def _addresses(population: Population, type: str, code: str) -> bool:
    parameter = population.parameter(type, code)
    return parameter.type == "reference" and population.aim(type, parameter).addresses


def _keys(value: Any, down: bool) -> tuple[Any, ...]:
    """What a value is sorted by. The later words of a family name are for finding it; they are not its value."""
    match value:
        case Token():
            code = value.code or ""
            return ((code.casefold() if value.caseless else code, value.system or ""),)
        case String():
            return (value.folded,)
        case Date() | Number():
            return (value.high if down else value.low,)
        case Reference():
            return (f"{value.type}/{value.id}",)
        case Uri():
            return (value.text, value.text.partition("|")[0]) if value.versioned else (value.text,)
        case Text() | Typed() | Identifier() | Unnamed():
            return ()
    raise AssertionError(value)
