"""Regular expressions of value sets. https://hl7.org/fhir/R4/valueset-filter-operator.html

Whoever writes a ValueSet writes them, so they run in linear time (RE2), and what one may look through is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import re2

from hilum.problems import Invalid

_LONGEST: Final = 200
"""Characters of an expression, and of a value that it is matched against."""
_MEMORY: Final = 1 << 20
"""Bytes that a compiled one may take."""
_MOST_WORK: Final = 500_000_000
"""Instructions of the program by characters of the values: some seconds of a thread, when RE2 has to try them all."""


@lru_cache(maxsize=256)
def compiled(text: str) -> Any:
    """Matches the whole of a value. Raises Invalid for what is no regular expression, or too long."""
    if len(text) <= _LONGEST:
        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MEMORY
        try:
            return re2.compile(text, options)
        except (re2.error, UnicodeEncodeError):
            pass
    raise Invalid(
        f"The value set has a regex that is none that hilum reads: up to {_LONGEST} characters, as RE2 has them (no "
        "back references, nothing about what stands before or after, repetitions of up to 1,000)."
    )


def matching(pattern: Any, values: Sequence[str]) -> list[int]:
    """Which of the values, by their place, are as the pattern says in the whole. Raises Invalid for too much work."""
    if pattern.programsize * sum(len(one) for one in values if len(one) <= _LONGEST) > _MOST_WORK:
        raise Invalid("The value set has a regex that is too large for so many values: shorten its repetitions.")
    return [n for n, one in enumerate(values) if len(one) <= _LONGEST and _matches(pattern, one)]


def _matches(pattern: Any, value: str) -> bool:
    try:
        return pattern.fullmatch(value) is not None
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
