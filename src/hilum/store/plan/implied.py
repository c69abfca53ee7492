"""What a conjunction need not ask, since it follows from what it asks besides: an index less to probe for each row.

An app that may see one patient's record asks for `patient=` that patient nearly always. A resource is in a compartment
because a reference, by a parameter of its definition, puts it there: who asks for that reference asks for the
compartment. Both are rows of one commit (`hilum.search.notes`). https://hl7.org/fhir/R4/compartmentdefinition.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from hilum.search.clauses import Clause, CompartmentClause, ReferenceClause
from hilum.search.generate import owners
from hilum.search.parameters import R4


def needed(clauses: Sequence[Clause], types: tuple[str, ...]) -> Sequence[Clause]:
    """Those of a conjunction about resources of these types that don't follow from the others."""
    if len(types) != 1:
        return clauses
    for one in clauses:
        if isinstance(one, CompartmentClause):
            break
    else:
        return clauses
    references = [one for one in clauses if isinstance(one, ReferenceClause)]
    return [
        one
        for one in clauses
        if not isinstance(one, CompartmentClause) or not any(_implies(other, one, types[0]) for other in references)
    ]


def _implies(reference: ReferenceClause, compartment: CompartmentClause, type: str) -> bool:
    """Whether each resource of the type that refers so lies in that compartment."""
    into = puts_into(type)
    return all(
        name in compartment.owners and all(name[0] in into.get(number, ()) for number in reference.parameters)
        for name in reference.values
    )


@cache
def puts_into(type: str) -> Mapping[int, tuple[str, ...]]:
    """Number of a reference parameter -> the compartment types into which a target of that type puts the resource.

    Not those whose values an expression computes: they are no references.
    """
    computed = {
        number
        for parameter in R4.parameters(type)
        for selection in parameter.selections
        if selection.expression is not None
        for number in selection.numbers
    }
    return {number: types for number, types in owners(type).items() if number not in computed}
