"""Regular expressions of value sets, of the kind that ends soon. https://hl7.org/fhir/R4/valueset-filter-operator.html

Whoever writes a ValueSet writes them, and Python's engine tries every way: so no repetition within another, no more
than three of them without an end, and texts of no more than some hundred characters.
"""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as op
from re import _parser as parser
from typing import Any, Final

from hilum.problems import Invalid

_LONGEST: Final = 200
_OPEN: Final = 3
_MANY: Final = 64
_REPEATS: Final = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_ALLOWED: Final = (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY, op.AT, op.SUBPATTERN, op.BRANCH, *_REPEATS)


@lru_cache(maxsize=256)
def compiled(text: str) -> re.Pattern[str]:
    """Matches the whole of a value. Raises Invalid for what is no regular expression, or may take too long."""
    try:
        tree = parser.parse(text) if len(text) <= _LONGEST else None
    except (re.error, RecursionError, OverflowError):
        tree = None
    if tree is None or _judged(tree, within=False) > _OPEN:
        raise Invalid(
            "The value set has a regex that is none, or not of the kind that is supported: up to 200 characters, three "
            "repetitions without an end, none within another, nothing but characters, classes, groups and branches."
        )
    return re.compile(text)


def matches(pattern: re.Pattern[str], value: str) -> bool:
    """Whether all of the value is what the pattern says."""
    return len(value) <= _LONGEST and pattern.fullmatch(value) is not None


def _judged(tree: Any, *, within: bool) -> int:
    """How many repetitions have no end; more than there may be where something is not allowed."""
    count = 0
    for kind, found in tree:
        if kind not in _ALLOWED:
            return _OPEN + 1
        if kind in _REPEATS:
            _, most, inner = found
            if most == 1:
                count += _judged(inner, within=within)
            elif within:
                return _OPEN + 1
            else:
                count += (1 if most > _MANY else 0) + _judged(inner, within=True)
        elif kind is op.SUBPATTERN:
            count += _judged(found[3], within=within)
        elif kind is op.BRANCH:
            count += sum(_judged(one, within=within) for one in found[1])
    return count
