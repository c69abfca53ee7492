"""A search parameter with a modifier: its alternatives to a clause. https://hl7.org/fhir/R4/search.html#modifiers"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from hilum.problems import Invalid
from hilum.search import values
from hilum.search.canonicals import canonical
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    Clause,
    HierarchyClause,
    MissingClause,
    NotClause,
    PlaceClause,
    StringClause,
    TermClause,
    TokenClause,
    UriClause,
    ValueSetClause,
)
from hilum.search.parameters import R4, Parameter
from hilum.search.plain import Asked, any_of, token


def hierarchies(parameter: Parameter) -> dict[str, tuple[int, ...]]:
    """Type that a reference may name -> the numbers of its `partof`, for types that are part of their own kind."""
    return {type: _part_of(type) for type in _PLACES if not parameter.targets or type in parameter.targets}


_PLACES: Final = {"Encounter": "part-of", "Location": "partof", "Organization": "partof"}
"""Types that form strict hierarchies, and the parameter that does it. https://hl7.org/fhir/R4/search.html#recursive"""

_BEGINNINGS: Final = 4
"""How many beginnings of a url, each looked up by itself, count as one identity."""


@cache
def _part_of(type: str) -> tuple[int, ...]:
    return R4.table(type)[_PLACES[type]].numbers


def _missing(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    """No value of the parameter is there. A text is no code, but a Reference is one whatever it says."""
    if texts not in (["true"], ["false"]):
        raise Invalid(f"{parameter.code}:missing takes true or false.")
    missing = texts == ["true"]
    if parameter.code in ("_id", "_lastUpdated"):  # of every resource
        return AnyClause(()) if missing else AllClause(())
    return MissingClause((*parameter.numbers, *parameter.identifier), missing)


def _not(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return NotClause(token(parameter, texts, asked))


def _text(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return TermClause(parameter.text, tuple(values.string(parameter, text, "starts") for text in texts))


def _in(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return any_of([ValueSetClause(parameter.numbers, values.unescape(text)) for text in texts])


def _not_in(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return NotClause(_in(parameter, texts, asked))


def _of_type(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return TokenClause(parameter.of_type, tuple(values.of_type(parameter, text) for text in texts))


def _identifier(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return TokenClause(parameter.identifier, tuple(values.identifier(parameter, text) for text in texts))


def _exact(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return StringClause(parameter.numbers, tuple(values.string(parameter, text, "exact") for text in texts), "exact")


def _contains(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    found = tuple(values.string(parameter, text, "contains") for text in texts)
    return StringClause(parameter.numbers, found, "contains")


def _above(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return _related(parameter, texts, asked, below=False)


def _below(parameter: Parameter, texts: list[str], asked: Asked) -> Clause:
    return _related(parameter, texts, asked, below=True)


def _related(parameter: Parameter, texts: list[str], asked: Asked, *, below: bool) -> Clause:
    """Codes by is-a, MIME types by base part, urls by how they begin, canonicals by versions, references by partOf."""
    if parameter.type == "token" and parameter.whole:
        return UriClause(parameter.whole, tuple(values.mime(parameter, text) for text in texts), "below")
    if parameter.type == "token":
        concepts = tuple(values.concept(parameter, text) for text in texts)
        return HierarchyClause(parameter.numbers, concepts, below)
    if canonical(parameter):
        names = [values.unescape(text) for text in texts]
        versioned = tuple(name for name in names if "|" in name)
        found: list[Clause] = [UriClause(parameter.whole, versioned, "below")] if versioned else []
        if others := tuple(name for name in names if "|" not in name):
            found.append(UriClause(parameter.numbers, others))  # a name without a version stands for all of them
        return any_of(found)
    if parameter.type == "uri" and below:
        return _begins(parameter, texts)
    if parameter.type == "uri":
        asked.budget.take_names(sum(map(len, texts)) // _BEGINNINGS)
        urls = [url for text in texts for url in values.above(parameter, text)]
        return UriClause(parameter.numbers, tuple(dict.fromkeys(urls)))
    return _places(parameter, texts, asked, below)


def _begins(parameter: Parameter, texts: list[str]) -> Clause:
    """Urls by how they begin; of canonicals (`_profile`, which R4 makes a uri) `url|1` means versions, too."""
    named = [text for text in texts if "|" in text and "canonical" in parameter.forms]
    found: list[Clause] = []
    if named:
        found.append(UriClause(parameter.whole, tuple(values.unescape(text) for text in named), "below"))
    if others := tuple(values.web(parameter, text) for text in texts if text not in named):
        found.append(UriClause(parameter.whole, others, "starts"))
    return any_of(found)


def _places(parameter: Parameter, texts: list[str], asked: Asked, below: bool) -> Clause:
    hierarchy = hierarchies(parameter)
    named: dict[str, list[tuple[str, str]]] = {}
    for text in texts:
        match values.reference(parameter, text, None, asked.base):
            case (None, id):
                for type in hierarchy:
                    named.setdefault(type, []).append((type, id))
            case (str(type), id) if type in hierarchy:
                named.setdefault(type, []).append((type, id))
            case _:
                known = ", ".join(hierarchy)
                raise Invalid(
                    f"{parameter.code!r} of {parameter.base} with ':above' or ':below' takes references to {known} of "
                    "this server; others are not part of their own kind."
                )
    return any_of(
        [PlaceClause(parameter.numbers, tuple(found), hierarchy[type], below) for type, found in named.items()]
    )


MODIFIED: Final[dict[str, Callable[[Parameter, list[str], Asked], Clause]]] = {
    "missing": _missing,
    "not": _not,
    "text": _text,
    "in": _in,
    "not-in": _not_in,
    "of-type": _of_type,
    "identifier": _identifier,
    "exact": _exact,
    "contains": _contains,
    "above": _above,
    "below": _below,
}
