"""ValueSet: what it includes is a code system, has the codes, and can be filtered so.

https://hl7.org/fhir/R4/valueset.html#compositions, https://hl7.org/fhir/R4/valueset-filter-operator.html
"""

from __future__ import annotations

import re
from typing import Any, Final

from hilum.terminology.questions import Question
from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.walking import Here
from hilum.validation.resources.lists import dicts, numbered, text
from hilum.validation.resources.uris import absolute

_CODING: Final = re.compile(r"(?P<system>[a-zA-Z][a-zA-Z0-9+.-]*:[^\s|#]+)(?:\|(?P<version>[^\s#]+))?#(?P<code>\S+)")
_LEGACY: Final = re.compile(r"(?P<system>[a-zA-Z][a-zA-Z0-9+.-]*:[^\s|]+)\|(?P<code>\S+)")
_COMPARED: Final = re.compile(r"(?:eq|ne|gt|lt|ge|le|sa|eb|ap)")
_INTEGER: Final = re.compile(r"-?[0-9]+")
_DECIMAL: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DATE: Final = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T[0-9:.]+(?:Z|[+-][0-9]{2}:[0-9]{2}))?)?)?")
_LONGEST: Final = 2000  # characters of a regular expression that is looked at
_EXPRESSION: Final = "http://hl7.org/fhir/StructureDefinition/cqf-expression"

SAME: Final = frozenset(("concept", "code"))
_OWN: Final = frozenset(("=", "is-a", "descendent-of", "is-not-a", "in", "not-in", "exists", "generalizes", "regex"))


def includes(here: Here) -> Found:
    """Everything that is included or excluded."""
    compose = here.item.value.get("compose")
    if type(compose) is not dict:
        return None
    out: Found = None
    for key in ("include", "exclude"):
        for path, one in numbered(compose.get(key), f".compose.{key}"):
            here.scope.run.step()
            found = _included(here, one)
            if found:
                out = (out or []) + [each.under(path) for each in found]
    return out


def _included(here: Here, include: dict[str, Any]) -> Found:
    system = text(include.get("system"))
    if system is None:
        return None
    if not absolute(system):
        return error("invalid", "must have an absolute system")
    definitions = here.scope.run.definitions
    version = text(include.get("version"))
    body = definitions.code_system(f"{system}|{version}" if version else system)
    out: Found = None
    if body is None and definitions.code_system(system) is None and definitions.value_set(system) is not None:
        out = error("invalid", f"must have a system, but names the value set {system}")
    if body is not None and body.get("content") == "supplement":
        return error("invalid", "has a system that is a supplement, which adds to another one and has no codes")
    for path, concept in numbered(include.get("concept"), ".concept"):
        here.scope.run.step()
        if type(concept.get("code")) is str:
            verdict = here.scope.run.answers.ask(Question(None, system, concept["code"], None, version))
            if verdict.valid is False:
                out = (out or []) + error("business-rule", f"has a code that {system} does not have", path)
    declared = _parameters(here.item.value)
    for path, one in numbered(include.get("filter"), ".filter"):
        wrong = _filter(here, one, system, body)
        if wrong:
            out = (out or []) + [each.under(path) for each in wrong]
        wrong = _expression(one, declared)
        if wrong:
            out = (out or []) + [each.under(path) for each in wrong]
    return out


def _property(body: dict[str, Any] | None, name: str) -> str | None:
    """The type of a property of a code system; None when nothing is known of it."""
    for one in dicts(body.get("property")) if body is not None else ():
        if one.get("code") == name:
            return text(one.get("type"))
    return "code" if body is not None and name in SAME else None


def _filter(here: Here, one: dict[str, Any], system: str, body: dict[str, Any] | None) -> Found:
    """A value that can be compared with those of the property."""
    name, op, value = text(one.get("property")), text(one.get("op")), text(one.get("value"))
    if name is None or value is None:
        return None
    if system == "http://snomed.info/sct" and name == "constraint" and not _ecl(value):
        return error("invalid", "has a value that is no expression constraint (ECL)")
    if op == "regex" and len(value) <= _LONGEST:
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError):
            return error("invalid", "has a value that is no regular expression")
        return error("invalid", "can't match a concept with a regular expression") if name == "concept" else None
    if op == "exists":
        return None if value in ("true", "false") else error("invalid", "must have the value true or false")
    type_ = _property(body, name)
    out: Found = None
    for part in value.split(",") if op in ("in", "not-in") else [value]:
        wrong = _value(here, part, type_, name, system, op)
        if wrong is not None:
            out = (out or []) + error("invalid", wrong)
    return out


def _value(here: Here, value: str, type_: str | None, name: str, system: str, op: str | None) -> str | None:
    ask = here.scope.run.answers.ask
    match type_:
        case "boolean":
            return None if value in ("true", "false") else "must have the value true or false"
        case "integer" | "decimal" | "dateTime":
            bare = value[2:] if _COMPARED.match(value) else value
            form = {"integer": _INTEGER, "decimal": _DECIMAL, "dateTime": _DATE}[type_]
            return None if form.fullmatch(bare) else f"must have a value of the property's type, {type_}"
        case "Coding":
            found = _CODING.fullmatch(value) or _LEGACY.fullmatch(value)
            if found is None:
                return "must have a value of the form system(|version)#code, as the property is a Coding"
            verdict = ask(Question(None, found["system"], found["code"]))
            return "has a value that is no code of its system" if verdict.valid is False else None
        case "code":
            if value != value.strip():
                return "must have a code as value: no space at its ends"
            if name in SAME and op in _OWN and ask(Question(None, system, value)).valid is False:
                return f"has a value that is no code of {system}"
    return None


_TOKEN: Final = re.compile(
    r"\s*(?:(?P<op><<!|<<|<!|<|>>!|>>|>!|>|!!>|!!<|\^)|(?P<id>[0-9]{6,18})|(?P<any>\*)|(?P<term>\|[^|]*\|)|(?P<word>AND\b|OR\b|MINUS\b|and\b|or\b|minus\b|,)"
    r"|(?P<open>\()|(?P<close>\))|(?P<rest>[:{\[.=].*))",
    re.DOTALL,
)


def _ecl(value: str) -> bool:
    """Whether a text has the form of an expression constraint, as far as refinements, which are taken on trust."""
    at, depth, operand, count = 0, 0, False, 0
    value = value.rstrip()
    while at < len(value):
        if value[at].isspace():
            at += 1
            continue
        if value.startswith("/*", at):
            end = value.find("*/", at + 2)
            if end < 0:
                return False
            at = end + 2
            continue
        found = _TOKEN.match(value, at)
        count += 1
        if found is None or count > 10_000:
            return False
        at = found.end()
        if found["rest"] is not None:
            return operand
        if found["term"] is not None:
            if not operand:
                return False
        elif found["id"] is not None or found["any"] is not None:
            if operand:
                return False
            operand = True
        elif found["op"] is not None:
            if operand:
                return False
        elif found["word"] is not None:
            if not operand:
                return False
            operand = False
        elif found["open"] is not None:
            if operand:
                return False
            depth += 1
        else:
            depth -= 1
            if depth < 0 or not operand:
                return False
    return operand and depth == 0


def _parameters(body: dict[str, Any]) -> set[str]:
    """The names of the parameters that a value set declares."""
    return {
        str(part.get("valueString") or part.get("valueCode") or part.get("valueId"))
        for one in dicts(body.get("extension"))
        if str(one.get("url")).endswith("valueset-parameter")
        for part in dicts(one.get("extension"))
        if part.get("url") == "name"
    }


def _expression(one: dict[str, Any], declared: set[str]) -> Found:
    """A filter whose value is computed uses parameters that are declared."""
    extra = one.get("_value")
    for extension in dicts(extra.get("extension")) if type(extra) is dict else ():
        expression = extension.get("valueExpression")
        if extension.get("url") == _EXPRESSION and type(expression) is dict:
            if expression.get("language") != "text/fhirpath":
                return error("invalid", "has a value by an expression that is not in text/fhirpath")
            for name in re.findall(r"%([A-Za-z][\w-]*)", str(expression.get("expression"))):
                if name not in declared:
                    return error("exception", "has a value by a parameter that the value set does not declare")
    return None
