"""A parameter's name and value to a clause: plain ones, chains, `_has`, and those about a resource as a whole.

https://hl7.org/fhir/R4/search.html#chaining and https://hl7.org/fhir/R4/search.html#has
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Final

from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.problems import Invalid
from hilum.search import filter, results, values, words
from hilum.search.canonicals import naming
from hilum.search.chains import NEVER, Elsewhere, Unknown, chain, find, refuse_unfollowed, step
from hilum.search.clauses import AllClause, AnyClause, Clause, HasClause, ListClause, Part
from hilum.search.modifiers import clause
from hilum.search.plain import Asked, holding


def criterion(type: str, name: str, value: str, asked: Asked, hops: int = 0) -> Clause:
    """What `name=value` says about resources of a type.

    `hops`: how many references were followed to get to them. Raises Invalid, TooCostly; Unknown when there is no such
    parameter.
    """
    if name == "_has" or name.startswith("_has:"):
        return _has(type, name, value, asked, hops)
    head, dot, rest = name.partition(".")
    if dot:
        parameter, target = step(asked.registry, type, head)
        return chain(parameter, target, asked, hops, lambda one: criterion(one, rest, value, asked, hops + 1), rest)
    code, colon, modifier = name.partition(":")
    if code == "_type":
        return _type(type, modifier if colon else None, value)
    if code in _WHOLE:
        if colon:
            raise Invalid(f"The parameter {code!r} takes no modifiers.")
        return _WHOLE[code](type, code, value, asked, hops)
    return clause(find(asked.registry, type, code), modifier if colon else None, values.split(value, ","), asked)


# --- _has -------------------------------------------------------------------------------------------------------------


def _has(type: str, name: str, value: str, asked: Asked, hops: int) -> Clause:
    """`_has:Observation:patient:code`, and what stands last may be anything that a name can be, `_has` again too."""
    _, _, written = name.partition(":")
    source, _, written = written.partition(":")
    code, _, rest = written.partition(":")
    if not rest:
        raise Invalid("_has takes the form _has:[type]:[reference parameter]:[parameter]=value.")
    if source not in TYPE_NUMBER:
        near = get_close_matches(source, TYPES, 3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise Unknown(f"_has names {source[:64]!r}, which is no resource type of R4.{hint}")
    parameter = find(asked.registry, source, code)
    refuse_unfollowed(parameter)
    possible = parameter.targets
    if possible and type not in possible:
        raise Elsewhere(f"_has: {code!r} of {source} refers to {', '.join(possible)}, never to {type}.")
    asked.budget.take_target(hops + 1)
    described = Part(source, (criterion(source, rest, value, asked, hops + 1),))
    return HasClause(described, holding(parameter, type), naming(parameter))


# --- about a resource as a whole --------------------------------------------------------------------------------------


def _type(type: str, modifier: str | None, value: str) -> Clause:
    """`subject._type=Patient`: all of the type or none. "Technically, the `_type` parameter is a token parameter"."""
    if modifier not in (None, "not"):
        raise Invalid("The parameter '_type' takes no modifiers but 'not'.")
    return AllClause(()) if (type in results.types(value)) is (modifier is None) else NEVER


def _list(type: str, code: str, value: str, asked: Asked, hops: int) -> Clause:
    texts = values.split(value, ",")
    asked.budget.take(code, "token", len(texts))
    if any(text.startswith("$") for text in texts):
        raise Unknown("_list takes the ids of Lists; lists by function, such as $current-allergies, are not supported.")
    found: tuple[Clause, ...] = tuple(ListClause(values.list_id(text)) for text in texts)
    return found[0] if len(found) == 1 else AnyClause(found)


def _full_text(type: str, code: str, value: str, asked: Asked, hops: int) -> Clause:
    if not asked.full_text:
        raise Unknown(f"{code!r} is not supported: this server keeps no full text (its setting full_text is off).")
    asked.budget.take(code, "string", 1)
    return words.read(code, value)


def _filter(type: str, code: str, value: str, asked: Asked, hops: int) -> Clause:
    return filter.read(type, value, asked, hops)


_WHOLE: Final[dict[str, Callable[[str, str, str, Asked, int], Clause]]] = {
    "_list": _list,
    "_text": _full_text,
    "_content": _full_text,
    "_filter": _filter,
}
