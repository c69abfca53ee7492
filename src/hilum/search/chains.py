"""Following references: what the resource at the other end must be. https://hl7.org/fhir/R4/search.html#chaining"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Final

from hilum.fhir.definitions import TYPES
from hilum.problems import Invalid
from hilum.search import values
from hilum.search.canonicals import naming
from hilum.search.clauses import AnyClause, ChainClause, Clause, Part
from hilum.search.limits import TooCostly
from hilum.search.parameters import Parameter, Registry
from hilum.search.plain import Asked, holding

NEVER: Final = AnyClause(())


class Unknown(Invalid):
    """A parameter that hilum does not know or support: what `Prefer: handling=lenient` leaves out."""


class Elsewhere(Unknown):
    """`_has` by a reference that never points to this type: in a search on several types, no match of this one."""


def find(registry: Registry, type: str, code: str) -> Parameter:
    """The parameter of a type. Raises Unknown, with near misses."""
    found = registry.table(type).get(code)
    if found is None:
        raise Unknown(registry.why_not(type, code))
    return found


def step(registry: Registry, type: str, text: str) -> tuple[Parameter, str | None]:
    """One link of a chain, `subject` or `subject:Patient`: the parameter and the type that is named.

    Raises Unknown where it leads to nothing that could be searched.
    """
    code, colon, target = text.partition(":")
    parameter = find(registry, type, code)
    refuse_unfollowed(parameter)
    if parameter.forms == _NESTED:
        raise Unknown(
            f"{code!r} of {type} leads to what is nested in the {type} itself, of which nothing is indexed: chains "
            f"from there are not supported. {code}=[id] finds the {type} by the id of that."
        )
    return parameter, values.resource_type(parameter, target) if colon else None


_NESTED: Final = frozenset(("Resource",))
"""The form of the parameters `composition` and `message` of Bundle."""


def refuse_unfollowed(parameter: Parameter) -> None:
    """Raises Invalid when the parameter does not lead to other resources of this server."""
    if parameter.type != "reference":
        raise Invalid(f"{parameter.code!r} of {parameter.base} is of type {parameter.type}; only references lead on.")


def chain(
    parameter: Parameter, target: str | None, asked: Asked, hops: int, then: Callable[[str], Clause], rest: str
) -> Clause:
    """What the resource that `parameter` refers to must be: `then` tells it for each type that it may have.

    Without a type named, those types count that have the parameter and to which the value fits, and that `_type`
    names. Raises Unknown when there is none.
    """
    possible = (target,) if target else parameter.targets or TYPES
    chosen = target is None and rest.partition(":")[0] == "_type"
    found: list[Part] = []
    refused: Invalid | None = None
    for type in possible:
        asked.budget.take_target(hops + 1)
        try:
            one = then(type)
            if not (chosen and one == NEVER):
                found.append(Part(type, (one,)))
        except TooCostly:
            raise
        except Invalid as problem:
            if len(possible) == 1:
                raise
            # A parameter that is known and refused says more than one that some other type does not have.
            if refused is None or (isinstance(refused, Unknown) and not isinstance(problem, Unknown)):
                refused = problem
    if found:
        held = {number for part in found for number in holding(parameter, part.type)}
        by_reference = tuple(one for one in parameter.numbers if one in held)
        return ChainClause(by_reference, tuple(found), naming(parameter))
    if refused is not None and not isinstance(refused, Unknown):
        raise refused
    if chosen:
        raise Invalid(f"_type: {parameter.code!r} of {parameter.base} refers to {', '.join(possible)} alone.")
    raise Unknown(_nowhere(asked.registry, parameter, possible, rest))


def _nowhere(registry: Registry, parameter: Parameter, possible: tuple[str, ...], rest: str) -> str:
    code = rest.partition(".")[0].partition(":")[0]
    near = get_close_matches(code, sorted({name for type in possible for name in registry.table(type)}), 3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return f"Nothing that {parameter.code!r} of {parameter.base} refers to has a search parameter {code[:64]!r}.{hint}"
