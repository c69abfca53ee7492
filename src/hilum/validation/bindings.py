"""Required bindings to value sets that the definitions list. https://hl7.org/fhir/R4/terminologies.html#required

A code must be one of the listed ones; of the codings of a concept, one must be. Value sets that can't be listed from
the core package (currencies, MIME types, units) are left to terminology.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilum.fhir import definitions
from hilum.validation.findings import Check, Found, one, wrong

_SHOWN = 16  # a finding lists the codes of a value set that has no more than so many


def bound(check: Check, type_: str, url: str) -> Check:
    """The checker of an element of that type, with the codes of the value set when it has a list."""
    systems = definitions.value_set(url)
    if systems is None:
        return check
    # R4 has required bindings on these two types only; a test says so.
    return _code(systems, url) if type_ == "code" else _concept(check, systems, url)


def _expected(systems: Mapping[str, frozenset[str]], url: str) -> str:
    codes = sorted({code for codes in systems.values() for code in codes})
    return f"one of {', '.join(codes)} ({url})" if len(codes) <= _SHOWN else f"a code of {url}"


def _code(systems: Mapping[str, frozenset[str]], url: str) -> Check:
    codes = frozenset(code for codes in systems.values() for code in codes)
    expected = _expected(systems, url)

    def code(value: Any, _: int) -> Found:
        if type(value) is str:
            if value in codes:
                return None
            return one("code-invalid", f"must be {expected}")
        return wrong(value, "a string")

    return code


def _member(systems: Mapping[str, frozenset[str]], coding: object) -> bool:
    if type(coding) is not dict:
        return False
    system, code = coding.get("system"), coding.get("code")
    return type(system) is str and type(code) is str and code in systems.get(system, ())


def _concept(check: Check, systems: Mapping[str, frozenset[str]], url: str) -> Check:
    expected = _expected(systems, url)

    def concept(value: Any, depth: int) -> Found:
        found = check(value, depth)
        if found is not None:
            return found
        for coding in value.get("coding", ()):
            if _member(systems, coding):
                return None
        if "extension" in value and "coding" not in value:  # an extension may say why there is no code
            return None
        return one("code-invalid", f"must have a coding that is {expected}, with its system")

    return concept
