"""One search parameter, its modifier and its alternatives to a clause. https://hl7.org/fhir/R4/search.html#modifiers

Which modifiers a parameter takes follows from what it selects; the CapabilityStatement lists the same.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Final

from hilum.problems import Invalid
from hilum.search import values
from hilum.search.canonicals import canonical
from hilum.search.clauses import Clause
from hilum.search.limits import MOST_TEXT
from hilum.search.modified import MODIFIED, hierarchies
from hilum.search.parameters import Parameter
from hilum.search.plain import PLAIN, Asked, reference

TYPE: Final = "[type]"
"""Stands for the names of resource types among the modifiers."""
_CODED: Final = frozenset(("CodeableConcept", "Coding", "code"))
"""What a value set or a code system can be about."""


def clause(parameter: Parameter, modifier: str | None, texts: list[str], asked: Asked) -> Clause:
    """What one of the alternatives `texts` (still escaped) must say. Raises Invalid, TooCostly.

    `modifier`: what stands after the colon; None where there is no colon.
    """
    name = parameter.code if modifier is None else f"{parameter.code}:{modifier}"
    asked.budget.take(name, parameter.type, len(texts))
    if "" in texts:
        raise Invalid(f"The parameter {name[:64]!r} has an empty alternative between its commas.")
    if any(len(text) > MOST_TEXT for text in texts):
        raise Invalid(f"The parameter {name[:64]!r} has a value of more than {MOST_TEXT} characters.")
    if modifier is not None and modifier not in modifiers(parameter):
        if TYPE not in modifiers(parameter) or not modifier[:1].isupper():
            raise _no_modifier(parameter, modifier)
        target = values.resource_type(parameter, modifier)
        return reference(parameter, texts, asked, target)
    return MODIFIED[modifier](parameter, texts, asked) if modifier else PLAIN[parameter.type](parameter, texts, asked)


def modifiers(parameter: Parameter) -> tuple[str, ...]:
    """The modifiers that a parameter takes; `[type]` for the names of the types that it refers to."""
    kind, forms = parameter.type, parameter.forms
    if kind == "composite":
        return ()
    if parameter.code in ("_id", "_lastUpdated"):
        return ("not", "missing") if parameter.code == "_id" else ("missing",)
    found = []
    if kind == "token":
        found += ["not"]
        found += ["text"] if parameter.text else []
        found += ["in", "not-in", "above", "below"] if forms & _CODED else []
        found += ["of-type"] if parameter.of_type else []
        found += ["below"] if parameter.whole else []
    elif kind == "string":
        found += [] if parameter.phonetic else ["exact", "contains"]
    elif kind == "uri":
        found += ["above", "below"] if parameter.whole else []
    elif kind == "reference" and canonical(parameter):
        found += ["below"] if parameter.whole else []
    elif kind == "reference":
        found += [TYPE]
        found += ["identifier"] if parameter.identifier else []
        found += ["above", "below"] if hierarchies(parameter) else []
    return (*found, "missing")


def _no_modifier(parameter: Parameter, modifier: str) -> Invalid:
    known = modifiers(parameter)
    near = get_close_matches(modifier, known, 3) if modifier not in MODIFIED else ()
    hint = f"did you mean {' or '.join(near)}?" if near else f"those there are: {', '.join(known) or 'none'}."
    where = f"{parameter.code!r} of {parameter.base}"
    return Invalid(f"The modifier {modifier[:64]!r} is not supported for {where}; {hint}")
