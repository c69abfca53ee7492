"""Parameters that shape what a search returns: order, size, totals, and what comes along.

https://hl7.org/fhir/R4/search.html#return
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from msgspec.structs import replace

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.problems import Invalid
from hilum.search import values
from hilum.search.canonicals import canonical, naming
from hilum.search.chains import Unknown, find, refuse_unfollowed
from hilum.search.clauses import Clause, HasClause, ListClause
from hilum.search.contained import about
from hilum.search.limits import MOST_CONTAINED, MOST_INCLUDES, MOST_SORTS, TooCostly
from hilum.search.parameters import R4, Parameter, Registry
from hilum.search.query import Contained, Include, Sort
from hilum.search.references import canonicals, references

TOTALS: Final = ("none", "estimate", "accurate")
SUMMARIES: Final = ("true", "text", "data", "count", "false")
_KINDS: Final = {name: name for name in ("string", "token", "date", "quantity", "reference", "uri")} | {
    "number": "quantity"
}
_WHOLE: Final = {"_lastUpdated": "updated", "_id": "id", "_score": "score"}


def choice(name: str, text: str, known: tuple[str, ...]) -> str:
    """One of the known words. Raises Invalid."""
    if text not in known:
        raise Invalid(f"{name} takes {', '.join(known)}; other values are not supported.")
    return text


def count(text: str | None, default: int, most: int) -> int:
    """`_count`: how many matches a page has, at most `most`. https://hl7.org/fhir/R4/search.html#count"""
    if text is None:
        return min(default, most)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid("_count takes a whole number, 0 or more.")
    return min(int(text), most)


# --- _contained: https://hl7.org/fhir/R4/search.html#contained --------------------------------------------------------

CONTAINED: Final = ("false", "true", "both")
CONTAINED_TYPES: Final = ("container", "contained")
_NOT_WITHIN: Final = (HasClause, ListClause)


def contained(wanted: str | None, shown: str | None) -> Contained | None:
    """What `_contained` and `_containedType` say; None: as always. Raises Invalid."""
    choice("_containedType", shown or "container", CONTAINED_TYPES)
    if choice("_contained", wanted or "false", CONTAINED) == "false":
        return None
    return Contained(wanted == "both", shown == "contained")


def check_contained(
    asked: Contained, types: tuple[str, ...], clauses: Sequence[Sequence[Clause]], includes: Sequence[Include]
) -> None:
    """Raises Invalid or TooCostly for what can't be asked of contained resources."""
    if len(types) > MOST_CONTAINED:
        raise TooCostly(f"_contained takes a search on up to {MOST_CONTAINED} types: name them with _type.")
    if any(about(some, _NOT_WITHIN) for some in clauses):
        raise Invalid(
            "_has and _list can't be together with _contained: what is contained is referred to by nothing but its "
            "container. Leave one of them out."
        )
    if asked.apart and any(one.reverse for one in includes):
        raise Invalid(
            "_revinclude can't be together with _containedType=contained: nothing refers to a contained resource. "
            "Ask for _containedType=container."
        )


def resource_type(name: str, text: str) -> str:
    """A resource type that a parameter names. Raises Invalid, with near misses."""
    if text not in TYPE_NUMBER:
        near = get_close_matches(text, TYPES, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise Invalid(f"{name} names {text[:64]!r}, which is no resource type of R4.{hint}")
    return text


def types(text: str) -> tuple[str, ...]:
    """The types that a value of `_type` names. Raises Invalid. https://hl7.org/fhir/R4/search.html#type"""
    return tuple(dict.fromkeys(resource_type("_type", name) for name in text.split(",")))


# --- _sort: https://hl7.org/fhir/R4/search.html#sort ------------------------------------------------------------------


def sort(registry: Registry, types: tuple[str, ...], text: str) -> tuple[Sort, ...]:
    """The keys of `_sort`, the first one first. Raises Invalid, TooCostly.

    `_score` is best first whichever way it is written; every other key ascends unless `-` stands before it.
    """
    keys = text.split(",")
    if len(keys) > MOST_SORTS:
        raise TooCostly(f"_sort has {len(keys)} keys; {MOST_SORTS} are the most.")
    return tuple(_sort_key(registry, types, key.strip()) for key in keys)


def _sort_key(registry: Registry, types: tuple[str, ...], text: str) -> Sort:
    code, colon, modifier = text.removeprefix("-").partition(":")
    down = text.startswith("-")
    if colon:
        hint = f"write -{code[:64]} for descending." if modifier == "desc" else "leave out the part from the colon."
        raise Invalid(f"_sort takes search parameters without modifiers; {hint}")
    if code in _WHOLE:
        return Sort(code, _WHOLE[code], down=down or code == "_score")
    found = [find(registry, type, code) for type in types]
    kinds = {_sort_kind(parameter) for parameter in found}
    if len(kinds) > 1:
        raise Invalid(f"_sort can't compare {code!r}: it is of different types in the resource types searched.")
    kind = kinds.pop()
    return Sort(code, kind, tuple((p.base, p.whole if kind == "uri" else _whole(p)) for p in found), down)


def _whole(parameter: Parameter) -> tuple[int, ...]:
    """The numbers under which its values stand as they are, not the parts of them."""
    return tuple(n for n in parameter.numbers if n not in parameter.rest)


def _sort_kind(parameter: Parameter) -> str:
    if canonical(parameter):
        return "uri"
    if parameter.type not in _KINDS:
        raise Invalid(f"_sort can't order by {parameter.code!r} of {parameter.base}: it is of type {parameter.type}.")
    return _KINDS[parameter.type]


# --- _include, _revinclude: https://hl7.org/fhir/R4/search.html#include -----------------------------------------------


def check_number(number: int) -> None:
    """Raises TooCostly when so many `_include` and `_revinclude` are read already that one more is too many."""
    if number >= MOST_INCLUDES:
        raise TooCostly(f"The search has more than {MOST_INCLUDES} _include and _revinclude.")


def includes(registry: Registry, types: tuple[str, ...], name: str, value: str) -> tuple[Include, ...]:
    """What one `_include` or `_revinclude` brings along.

    `Source:parameter[:Target]`, `Source:*`, `*` or `*:*`. Several where a parameter is about some of the types that its
    references may name. `:recurse` is `:iterate` in the words of STU3, `*:*` is `*` in those of other servers. Raises
    Unknown when it could never bring anything, Invalid.
    """
    code, colon, modifier = name.partition(":")
    if colon and modifier not in ("iterate", "recurse"):
        raise Invalid(f"The modifier {modifier[:64]!r} is not supported for {code!r}; there is iterate.")
    iterate, reverse = bool(colon), code == "_revinclude"
    if "," in value:
        raise Invalid(f"{code} takes no lists: give it once for each.")
    if value in ("*", "*:*"):
        return (_whatever(registry, Include("*", None, None, iterate, reverse)),)
    source, colon, rest = value.partition(":")
    if not colon:
        raise Invalid(f"{code} takes Source:parameter, Source:parameter:Target, Source:* or *.")
    resource_type(code, source)
    if not reverse and not iterate and source not in types:
        raise Unknown(f"{code}: the search finds {_one_of(types)}, so that references of {source} need {code}:iterate.")
    searched, colon, target = rest.partition(":")
    if colon and not target:
        raise Invalid(f"{code} has a colon and no type after it; leave the colon out for all types.")
    if searched == "*":
        wanted = resource_type(code, target) if target else None
        return (_whatever(registry, Include(source, None, wanted, iterate, reverse)),)
    parameter = find(registry, source, searched)
    refuse_unfollowed(parameter)
    possible = parameter.targets
    if target:
        possible = (values.resource_type(parameter, target),)
    if reverse and not iterate and possible and not set(possible) & set(types):
        raise Unknown(f"{code}: {searched!r} of {source} refers to {', '.join(possible)}, never to {_one_of(types)}.")
    only: tuple[str | None, ...] = possible if target or parameter.restrict_to else (None,)
    if names := naming(parameter):
        return tuple(Include(source, (), one, iterate, reverse, names=names) for one in only)
    return tuple(Include(source, parameter.numbers, one, iterate, reverse) for one in only)


def _whatever(registry: Registry, wanted: Include) -> Include:
    """`*`: where there are custom parameters it names those that are ready; of others there may not be all rows."""
    if registry is R4:
        return wanted
    type = None if wanted.source == "*" else wanted.source
    return replace(wanted, parameters=references(type, registry), names=canonicals(type, registry))


def _one_of(types: tuple[str, ...]) -> str:
    return types[0] if len(types) == 1 else "other types"
