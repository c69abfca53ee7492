"""Bindings of elements to value sets. https://hl7.org/fhir/R4/terminologies.html#strength

Required: a code must be one of the value set's, of the codings of a concept one must be. The core package lists all
required value sets but the few that follow rules (codes_by_rule.py). Weaker bindings, and whether codes are in their
systems, are asked of whoever asked for validation: a write does without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hilum.fhir import definitions
from hilum.fhir.definitions import Element
from hilum.terminology.questions import Question
from hilum.validation import codes_by_rule
from hilum.validation.findings import OF_CALLER, Caller, Check, Finding, Found, ask, joined, one, refused, wrong
from hilum.validation.laws import items

_SHOWN = 16  # a finding lists the codes of a value set that has no more than so many


def bound(check: Check, type_: str, element: Element, thorough: bool = False) -> Check:
    """The checker of a value of that type, with what the element's binding asks of it."""
    if element.binding is not None:
        check = _required(check, type_, element.binding)
    elif element.most is not None and type_ in ("code", "CodeableConcept"):
        check = _within(check, type_, element.most)
    if not thorough:
        return check
    if type_ == "Coding" or type_ in _QUANTITIES:
        check = _known(check, display=type_ == "Coding")
    if type_ not in _CODED:
        return check
    if element.binding is not None and definitions.value_set(element.binding) is None:
        return check if codes_by_rule.rule(element.binding) else _asked(check, element.binding, "error")
    if element.extensible is not None:
        return _asked(check, element.extensible, "warning")
    return check if element.preferred is None else _asked(check, element.preferred, "information")


_CODED = ("code", "Coding", "CodeableConcept")
_QUANTITIES = ("Quantity", "Age", "Count", "Distance", "Duration")

# --- required --------------------------------------------------------------------------------------------------------


def _required(check: Check, type_: str, url: str) -> Check:
    # R4 has required bindings on these two types only; a test says so.
    systems = definitions.value_set(url)
    if systems is not None:
        expected = _expected(systems, url)
        if type_ == "code":
            return _code(frozenset(code for codes in systems.values() for code in codes), expected)
        return _concept(check, lambda system, code: code in systems.get(system, ()), expected)
    rule = codes_by_rule.rule(url)
    if rule is None:
        return check
    if type_ == "code":
        return _code_by_rule(check, rule)
    return _concept(check, lambda system, code: system == rule.system and rule.valid(code), rule.expected)


def _expected(systems: Mapping[str, frozenset[str]], url: str) -> str:
    codes = sorted({code for codes in systems.values() for code in codes})
    return f"one of {', '.join(codes)} ({url})" if len(codes) <= _SHOWN else f"a code of {url}"


def _code(codes: frozenset[str], expected: str) -> Check:
    def code(value: Any, _: int) -> Found:
        if type(value) is str:
            if value in codes:
                return None
            return one("code-invalid", f"must be {expected}")
        return wrong(value, "a string")

    return code


def _code_by_rule(check: Check, rule: codes_by_rule.Rule) -> Check:
    valid, expected = rule.valid, rule.expected

    def code(value: Any, depth: int) -> Found:
        found = check(value, depth)
        if found is not None or valid(value):  # a code asks nothing
            return found
        return one("code-invalid", f"must be {expected}")

    return code


def _concept(check: Check, member: Callable[[str, str], bool], expected: str) -> Check:
    def concept(value: Any, depth: int) -> Found:
        found = check(value, depth)
        if found is not None and refused(found):
            return found
        for coding in value.get("coding", ()):
            system, code = coding.get("system"), coding.get("code")
            if type(system) is str and type(code) is str and member(system, code):
                return found
        if "extension" in value and "coding" not in value:  # an extension may say why there is no code
            return found
        return joined(found, one("code-invalid", f"must have a coding that is {expected}, with its system"))

    return concept


def _within(check: Check, type_: str, url: str) -> Check:
    """A weaker binding with a limit: a tag must be one. Synthea and others write languages by ISO 639's own address,

    which is beyond the limit but understood by everybody, and so only warned of.
    """
    rule = codes_by_rule.rule(url)
    if rule is None:
        return check
    if type_ == "code":
        return _code_by_rule(check, rule)
    system, valid = rule.system, rule.valid
    wanted = f"must have a coding that is {rule.expected}, with the system {system}"

    def concept(value: Any, depth: int) -> Found:
        found = check(value, depth)
        if found is not None and refused(found):
            return found
        codings = value.get("coding")
        if codings is None or any(c.get("system") == system and valid(c.get("code", "")) for c in codings):
            return found
        coded = [coding.get("system") for coding in codings if "code" in coding]
        severity = "error" if system in coded else "warning"
        return joined(found, one("code-invalid", wanted, severity=severity)) if coded else found

    return concept


# --- what terminology says -------------------------------------------------------------------------------------------


def _asked(check: Check, url: str, severity: str) -> Check:
    """One of the codes should be in the value set; what terminology doesn't know is not held against it."""

    def coded(value: Any, depth: int) -> Found:
        found = check(value, depth)
        codes = _codes(value)
        if (found is not None and refused(found)) or not codes:
            return found
        return joined(found, ask(OF_CALLER, lambda caller: _judged(codes, url, severity, caller)))

    return coded


def _codes(value: Any) -> list[tuple[str | None, str]]:
    """(system, code) of a code, a Coding or a CodeableConcept."""
    if type(value) is str:
        return [(None, value)]
    if type(value) is not dict:
        return []
    codings = [value] if "code" in value or "system" in value else list(items(value.get("coding")))
    return [
        (coding["system"], coding["code"])
        for coding in codings
        if type(coding.get("system")) is str and type(coding.get("code")) is str
    ]


def _judged(codes: list[tuple[str | None, str]], url: str, severity: str, caller: Caller) -> Found:
    if caller.answers is None:
        return None
    verdicts = [caller.answers.ask(Question(url, system, code)) for system, code in codes]
    if any(verdict.valid is not False for verdict in verdicts):
        return None
    verb = {"error": "must", "warning": "should", "information": "would best"}[severity]
    return one("code-invalid", f"{verb} have a code of {url}", severity=severity)


def _known(check: Check, *, display: bool) -> Check:
    """A coding, or the unit of a quantity: its code is one of its system, and its display one of the code's."""

    def coding(value: Any, depth: int) -> Found:
        found = check(value, depth)
        if type(value) is not dict or (found is not None and refused(found)):
            return found
        system, code = value.get("system"), value.get("code")
        if type(system) is not str or type(code) is not str:
            return found
        shown, version = (value.get("display") if display else None), value.get("version")
        question = Question(
            None,
            system,
            code,
            shown if type(shown) is str else None,
            version if type(version) is str else None,
        )
        return joined(found, ask(OF_CALLER, lambda caller: _in_system(question, caller)))

    return coding


def _in_system(question: Question, caller: Caller) -> Found:
    if caller.answers is None:
        return None
    verdict = caller.answers.ask(question)
    if verdict.valid is False and verdict.reason == "unknown-code":
        return one("code-invalid", f"is not a code of {question.system}", ".code")
    found: list[Finding] = []
    if verdict.valid is None and verdict.reason == "unknown-system":
        found += one("not-found", "is of a code system that is not known here", ".system", "information")
    if verdict.display_valid is False:
        right = f": {verdict.display!r} is" if verdict.display else ""
        found += one("invalid", f"is not a display of the code{right}", ".display", "warning")
    return found or None
