"""SearchParameter resources: read, judged, and made into the parameters that there are.

https://hl7.org/fhir/R4/searchparameter.html

A definition counts while its `status` is active. What is wrong with it is said with the element that is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Final

import msgspec

from hilum import fhirpath
from hilum.fhir.definitions import TYPE_NUMBER, TYPES, SearchParameter
from hilum.fhirpath.paths import Equals, Field, NotAPath, Path, paths
from hilum.fhirpath.syntax import Member
from hilum.fhirpath.types import Type
from hilum.problems import Issue, Problem
from hilum.search.index import index
from hilum.search.parameters import R4, Parameter, Registry
from hilum.search.selections import leaves

_EVERY: Final = ("Resource", "DomainResource")
_R4_URL: Final = "http://hl7.org/fhir/SearchParameter/"
_LONGEST: Final = 10_000
"""Characters of an expression. R4's longest has 3,000."""
_LONGEST_OF_ALL: Final = 1_000
"""Characters of an expression for all types: it is compiled for each of them."""
_MOST_PATHS: Final = 64
"""Paths of an expression within one type, and components of a composite. R4 has no more than three of either."""
_CODE: Final = re.compile(r"_?[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# fmt: off
_RESERVED: Final = frozenset((
        "_content", "_contained", "_containedType", "_count", "_elements", "_filter", "_format", "_has", "_include",
        "_list", "_pretty", "_query", "_revinclude", "_score", "_sort", "_summary", "_text", "_total", "_type",
        "_cursor",
))
# fmt: on
"""What a query means something else by."""


def definition(body: dict[str, Any]) -> SearchParameter | None:
    """What a valid SearchParameter says, where it is to be used: while it is active; None: it is not."""
    if body.get("status") != "active":
        return None
    names = ("url", "code", "type", "base", "expression", "target", "component", "comparator", "modifier", "chain")
    content = {name: body[name] for name in names if name in body}
    content["component"] = [
        {k: one.get(k, "") for k in ("definition", "expression")} for one in body.get("component", ())
    ]
    found = msgspec.convert(content, SearchParameter)
    return msgspec.structs.replace(found, usage=body.get("xpathUsage", "normal"))


def kin(body: dict[str, Any]) -> str:
    """The url of the definition that it is derived from; "" without one."""
    found = body.get("derivedFrom", "")
    return found if isinstance(found, str) else ""


def types_of(definition: SearchParameter) -> tuple[str, ...]:
    """The resource types that have the parameter."""
    if any(base in _EVERY for base in definition.base):
        return TYPES
    return tuple(dict.fromkeys(base for base in definition.base if base in TYPE_NUMBER))


def own_numbers(definition: SearchParameter, registry: Registry) -> dict[str, tuple[int, ...]]:
    """Resource type -> the numbers of the parameter that R4's own parameters don't have; types without any left out."""
    found: dict[str, tuple[int, ...]] = {}
    for type in types_of(definition):
        parameter = registry.table(type).get(definition.code)
        if parameter is None or parameter.url != definition.url:
            continue
        numbers = set(numbers_of(parameter)) - _taken(type)
        if numbers:
            found[type] = tuple(sorted(numbers))
    return found


def numbers_of(parameter: Parameter) -> Iterator[int]:
    """All numbers under which rows of the parameter stand."""
    for selection in parameter.selections:
        yield from selection.numbers
    for pairs in parameter.pairs:
        yield pairs.number
    if parameter.type == "composite" and not parameter.pairs:
        for component in parameter.components:
            yield from numbers_of(component)


def _taken(type: str) -> frozenset[int]:
    found: frozenset[int] | None = R4.made.get(("numbers", type))
    if found is None:
        found = frozenset(n for parameter in R4.parameters(type) for n in numbers_of(parameter))
        R4.made["numbers", type] = found
    return found


# --- what is wrong with one -------------------------------------------------------------------------------------------


def judge(
    one: SearchParameter, derived_from: str, others: Iterable[SearchParameter], registry: Registry
) -> tuple[Issue, ...]:
    """All that keeps a definition from being used; empty when it can be.

    `others`: the definitions that there are beside it; `registry`: of R4, the others and it.
    """
    found = [*_bases(one), *_named(one), *_targets(one)]
    if found:
        return tuple(found)
    others = tuple(others)
    found += _clashes(one, derived_from, others)
    if one.type == "composite":
        found += _components(one, Registry(others))
    elif one.expression is None or len(one.expression) > _longest(one):
        what = "is missing" if one.expression is None else f"is longer than {_longest(one):,} characters"
        found.append(_issue("required", "expression", f"{what}; hilum indexes what an expression selects."))
    if found:
        return tuple(found)
    for type in _asked(one):
        served = R4.table(type).get(one.code)
        if served is not None:
            continue
        if problem := _compiled(one, type, registry):
            return (problem,)
    return ()


def _longest(one: SearchParameter) -> int:
    return _LONGEST_OF_ALL if any(base in _EVERY for base in one.base) else _LONGEST


def _issue(code: str, element: str, text: str) -> Issue:
    return Issue("error", code, f"SearchParameter.{element} {text}", f"SearchParameter.{element}")


def _asked(one: SearchParameter) -> tuple[str, ...]:
    """The types to judge it on: of one for all types, two that have everything that all have."""
    return (
        ("Patient", "Bundle") if "Resource" in one.base else ("Patient",) if "DomainResource" in one.base else one.base
    )


def _bases(one: SearchParameter) -> Iterator[Issue]:
    if not one.base:
        yield _issue("required", "base", "is missing: name the resource types that have the parameter.")
    for place, base in enumerate(one.base):
        if base not in TYPE_NUMBER and base not in _EVERY:
            yield _issue("value", f"base[{place}]", "is no resource type of R4.")


def _named(one: SearchParameter) -> Iterator[Issue]:
    if one.code in _RESERVED or not _CODE.fullmatch(one.code):
        yield _issue(
            "value", "code", "must be letters, digits, - and _, 64 at most, and no name that searches use otherwise."
        )
    if one.type == "special":
        yield _issue("not-supported", "type", "special is not supported: only the standard says what that means.")
    if one.usage not in ("normal", "phonetic"):
        yield _issue("not-supported", "xpathUsage", "must be normal or phonetic; others are not supported.")


def _targets(one: SearchParameter) -> Iterator[Issue]:
    for place, target in enumerate(one.target):
        if target not in TYPE_NUMBER and target not in _EVERY:
            yield _issue("value", f"target[{place}]", "is no resource type of R4.")
        elif one.type not in ("reference", "composite"):
            yield _issue("business-rule", f"target[{place}]", f"is for references, and the parameter is a {one.type}.")


def _clashes(one: SearchParameter, derived_from: str, others: tuple[SearchParameter, ...]) -> Iterator[Issue]:
    """One code means one thing on a type. What restates R4's parameter, as profiles do, is served by that."""
    for type in types_of(one):
        served = R4.table(type).get(one.code)
        if served is not None and not (served.url in (one.url, derived_from) and _same(one, served, type)):
            yield _issue(
                "duplicate",
                "code",
                f"is that of the built-in parameter {served.url} on {type}. Choose another, or derive from it and "
                "select the same.",
            )
            return
    for other in others:
        if other.code == one.code and (shared := set(types_of(one)) & set(types_of(other))):
            yield _issue("duplicate", "code", f"is that of {other.url} on {min(shared)} already. Choose another.")
            return
        if other.url == one.url:
            yield _issue(
                "duplicate", "url", "is that of another active SearchParameter. Update that one, or retire it."
            )
            return


def _same(one: SearchParameter, served: Parameter, type: str) -> bool:
    """Whether it selects what R4's parameter of that code does."""
    if one.type != served.type:
        return False
    if not served.numbers or served.type == "composite":  # _id, _lastUpdated
        return True
    alone = msgspec.structs.replace(one, code=f"{one.code}--", base=(type,), url=f"{one.url}--")
    try:
        parameter = Registry((alone,)).table(type).get(alone.code)
    except (Problem, RecursionError):
        return False
    if parameter is None:
        return False
    # Another version of the same definition may name the type that it means: `.valueDateTime` for `.value`.
    part = (
        served.url == one.url
        and not one.url.startswith(_R4_URL)
        and _leaves(parameter)
        and _leaves(parameter) <= _leaves(served)
    )
    return bool(part) or set(parameter.numbers) == set(served.numbers)


def _leaves(parameter: Parameter) -> set[str]:
    return {str(leaf) for selection in parameter.selections for leaf in selection.leaves}


def _components(one: SearchParameter, registry: Registry) -> Iterator[Issue]:
    """What is wrong with a composite's parts; `registry`: of all parameters but it."""
    if not 2 <= len(one.component) <= _MOST_PATHS:
        yield _issue(
            "required", "component", f"must name two parameters or more, {_MOST_PATHS} at most: it is a composite."
        )
        return
    for type in _asked(one):
        contexts, problem = _walked(one.expression or "", Type(type), "expression")
        if problem is None and len(contexts) > _MOST_PATHS:
            problem = _issue("too-costly", "expression", f"has {len(contexts)} paths; {_MOST_PATHS} may be.")
        if problem is not None:
            yield problem
            return
        known = {parameter.url: parameter for parameter in registry.parameters(type)}
        for place, component in enumerate(one.component):
            part = known.get(component.definition)
            at = f"component[{place}]"
            if part is None:
                yield _issue("not-found", f"{at}.definition", f"is no search parameter of {type} that there is.")
            elif part.type == "composite":
                yield _issue("not-supported", f"{at}.definition", "is a composite itself.")
            elif not component.expression:
                yield _issue("required", f"{at}.expression", "is missing.")
            else:
                text = component.expression.removeprefix("%resource.")
                starts = [Type(type)] if text != component.expression else [path.type for path in contexts]
                yield from _component(part, text, starts, f"{at}.expression")


def _component(part: Parameter, text: str, starts: Iterable[Type], element: str) -> Iterator[Issue]:
    """What is wrong with the expression of a composite's part: it must select what the part's definition indexes."""
    selected: list[Path] = []
    for start in dict.fromkeys(starts):
        found, problem = _walked(text, start, element)
        if problem is not None:
            yield problem
            return
        selected += found
    if len(selected) > _MOST_PATHS:
        yield _issue("too-costly", element, f"has {len(selected)} paths; {_MOST_PATHS} may be.")
    elif any(map(_stamped, selected)):
        yield _issue("not-supported", element, _STAMPED_TEXT)
    elif not any(True for path in selected for _ in leaves(part.type, path)):
        yield _issue("business-rule", element, f"selects nothing that {part.code!r}, a {part.type}, is about.")


def _walked(text: str, start: Type, element: str) -> tuple[tuple[Path, ...], Issue | None]:
    """The paths that an expression means from there, or what is wrong with it."""
    for problem in _parsed(text, element):
        return (), problem
    try:
        return paths(fhirpath.parse(text), start), None
    except NotAPath as reason:
        return (), _issue("not-supported", element, f"computes more than hilum indexes in composites ({reason}).")


def _parsed(text: str, element: str) -> Iterator[Issue]:
    try:
        fhirpath.parse(text)
    except Problem as problem:
        yield _issue("invalid", element, f"is no FHIRPath that hilum reads: {problem}")


_STAMPED: Final = (("id",), ("meta", "versionId"), ("meta", "lastUpdated"))
"""What the server sets, with each version, after the rows of the resource are made."""
_STAMPED_TEXT: Final = "is about what the server sets: search by _id and _lastUpdated."


def _stamped(path: Path) -> bool:
    """Whether a path leads to, or asks for, what the server sets."""
    walked: tuple[str, ...] = ()
    for step in path.steps:
        if isinstance(step, Field):
            walked = (*walked, step.key)
        if walked in _STAMPED or (isinstance(step, Equals) and (*walked, step.key) in _STAMPED):
            return True
    return False


def _names_stamped(tree: Any) -> bool:
    """The same of an expression that computes: by the names in it."""
    if isinstance(tree, Member):
        alone = tree.source is None or (isinstance(tree.source, Member) and tree.source.name[:1].isupper())
        if tree.name in ("versionId", "lastUpdated") or (tree.name == "id" and alone):
            return True
    if isinstance(tree, tuple):
        return any(map(_names_stamped, tree))
    return is_dataclass(tree) and any(_names_stamped(getattr(tree, one.name)) for one in fields(tree))


def _compiled(one: SearchParameter, type: str, registry: Registry) -> Issue | None:
    """Why nothing can be indexed by it on a type: what would fail at every write fails here, before there is any."""
    try:
        if problem := _selects(one, type, registry):
            return problem
        index(type, {"resourceType": type}, "1", registry)
    except (RecursionError, SyntaxError, MemoryError):  # Python has bounds of its own for the code that indexes
        return _issue("too-costly", "expression", f"is nested deeper than hilum can index it on {type}.")
    return None


def _selects(one: SearchParameter, type: str, registry: Registry) -> Issue | None:
    """Why the expression comes to nothing on a type."""
    text = one.expression or ""
    for problem in _parsed(text, "expression"):
        return problem
    tree = fhirpath.parse(text)
    if asked := fhirpath.outside(tree):
        names = ", ".join(f"{name}()" for name in sorted(asked))
        return _issue("not-supported", "expression", f"asks for more than the resource itself ({names}).")
    try:
        selected: tuple[Path, ...] = paths(tree, type)
    except NotAPath as reason:
        selected = ()
        computes = str(reason)
        if _names_stamped(tree):
            return _issue("not-supported", "expression", _STAMPED_TEXT)
    else:
        computes = ""
        if len(selected) > _MOST_PATHS:
            return _issue("too-costly", "expression", f"has {len(selected)} paths in a {type}; {_MOST_PATHS} may be.")
        if not selected:
            return _issue("business-rule", "expression", f"selects nothing in a {type}.")
        if any(map(_stamped, selected)):
            return _issue("not-supported", "expression", _STAMPED_TEXT)
        kind = "phonetic" if one.usage == "phonetic" else one.type
        if one.type != "composite" and not any(True for path in selected for _ in leaves(kind, path)):
            names = ", ".join(sorted({path.type.name for path in selected})[:6])
            return _issue("business-rule", "type", f"{one.type} does not fit what the expression selects: {names}.")
    try:
        parameter = registry.table(type).get(one.code)
    except (Problem, NotAPath, ValueError) as error:
        return _issue("invalid", "expression", f"can't be compiled for {type}: {error}")
    if parameter is None or parameter.url != one.url or not any(numbers_of(parameter)):
        what = f"computes more than hilum indexes ({computes})" if computes else "comes to nothing"
        return _issue("not-supported", "expression", f"{what}: paths, where(), as(), extension() and conditions are.")
    possible = parameter.targets
    if one.type == "reference" and one.target and possible and not set(one.target) & {*possible, *_EVERY}:
        return _issue("business-rule", "target[0]", f"is never what it refers to, which is {', '.join(possible[:6])}.")
    return None
