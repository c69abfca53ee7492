"""A FHIR query string to a Query. https://hl7.org/fhir/R4/search.html

Nothing is passed over in silence: what hilum does not know or support is refused, or, where the client asked for
`Prefer: handling=lenient`, left out and listed. Modifiers are never left out: "Server SHALL reject any search request
that contains is suffixed by a modifier that the server does not support", since they change what is found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPE_NUMBER, TYPES
from hilum.problems import Invalid, Issue
from hilum.search import values
from hilum.search.parameters import Parameter, table, targets_of, why_not
from hilum.search.query import (
    Clause,
    CompartmentClause,
    DateClause,
    IdClause,
    LastUpdatedClause,
    MissingClause,
    Permit,
    Query,
    ReferenceClause,
    StringClause,
    TokenClause,
    UriClause,
)

MOST_PARAMETERS: Final = 100
"""How many parameters one query may have."""
MOST_ALTERNATIVES: Final = 1000
"""How many alternatives one parameter may have, such as the ids of a list that a client holds."""
MOST_IN_ALL: Final = 2000
"""How many alternatives all parameters of a query may have together."""
MOST_NAMES: Final = 10_000
"""How many identities (a type and an id) a query may speak of; an id without a type stands for one of each type."""
_WEIGHT: Final = {"date": 20, "string": 20}
"""Each range is searched by itself, so that it counts as many alternatives; dates and texts are ranges."""

_SORTS: Final = {"_lastUpdated": "updated", "-_lastUpdated": "-updated"}
_TOTALS: Final = {"none": "none", "estimate": "accurate", "accurate": "accurate"}
_SAME: Final = {("_totalMethod", "count"): ("_total", "accurate")}
"""What clients send in another server's words: fhirpy's count() speaks Aidbox's (fhirpy 2.3, 2026-11)."""
_SUMMARIES: Final = {name: name for name in ("true", "text", "data", "count", "false")}
_RESULT: Final = ("_count", "_sort", "_total", "_summary", "_elements", "_type")
_FORMAT: Final = ("_format", "_pretty")
_REFUSED: Final = frozenset(
    (
        "_include",
        "_revinclude",
        "_has",
        "_text",
        "_content",
        "_filter",
        "_query",
        "_list",
        "_contained",
        "_containedType",
    )
)

_MODIFIERS: Final[dict[str, tuple[str, ...]]] = {
    "token": ("not", "missing"),
    "string": ("exact", "contains", "missing"),
    "date": ("missing",),
    "reference": ("[type]", "missing"),
    "uri": ("missing",),
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a query string came to.

    `applied`: the parameters that took effect, for the `self` link. `ignored`: (name, why) of those left out.
    `summary` and `elements` say how to show what is found (https://hl7.org/fhir/R4/search.html#summary).
    """

    query: Query
    applied: tuple[tuple[str, str], ...]
    ignored: tuple[tuple[str, str], ...] = ()
    summary: str = "false"
    elements: tuple[str, ...] = ()


def parse_query(
    type: str | None,
    pairs: Sequence[tuple[str, str]],
    *,
    permits: tuple[tuple[Permit, ...], ...] = (),
    lenient: bool = False,
    base: str = "",
    compartment: tuple[str, str] | None = None,
    now: int | None = None,
    max_count: int = 1000,
    default_count: int = 20,
) -> Parsed:
    """The Query of decoded (name, value) pairs on one resource type, or, `type` None, on several.

    `permits`: put into the Query as they are, one entry per type of its `types`. `base`: the server's own base URL
    without a slash, so that references to itself are known as such. `compartment`: search only in this one.
    `now`: microseconds since 1970, for the prefix `ap`. Also reads conditional criteria (If-None-Exist).
    Raises Invalid: unknown or not supported (unless `lenient`), or a value that does not fit; with the code too-costly
    when there are more parameters or alternatives than one query may have.
    """
    if len(pairs) > MOST_PARAMETERS:
        raise _too_costly(f"The search has {len(pairs)} parameters; {MOST_PARAMETERS} are the most.")
    options: dict[str, str] = {}
    applied: list[tuple[str, str]] = []
    ignored: list[tuple[str, str]] = []
    searched: list[tuple[str, str]] = []
    for written in pairs:
        name, value = _SAME.get(written, written)
        refusal = _refusal(type, name, value)
        if refusal is not None:
            if not lenient or name == "_query":  # "SHALL refuse to process a search request" with a _query
                raise Invalid(refusal)
            ignored.append((name, refusal))
            continue
        applied.append((name, value))
        if name in _FORMAT or name == "_contained":
            continue
        if name not in _RESULT:
            searched.append((name, value))
        elif name in options:
            raise Invalid(f"{name} may be given once.")
        else:
            options[name] = value
    types = _types(type, options.get("_type"), compartment)
    _refuse_too_many(types, searched)
    clauses = [_clause(types, name, value, base, now) for name, value in searched]
    _refuse_too_many_names(types, clauses)
    if compartment is not None:
        clauses.append(CompartmentClause((compartment,)))
    summary = _choice("_summary", options.get("_summary", "false"), _SUMMARIES)
    count = 0 if summary == "count" else _count(options.get("_count"), default_count, max_count)
    query = Query(
        types,
        tuple(clauses),
        permits,
        count,
        _choice("_sort", options["_sort"], _SORTS) if "_sort" in options else "rid",
        total="accurate" if count == 0 else _choice("_total", options.get("_total", "none"), _TOTALS),
    )
    elements = tuple(name for part in options.get("_elements", "").split(",") if (name := part.strip()))
    return Parsed(query, tuple(applied), tuple(ignored), summary, elements)


def _refusal(type: str | None, name: str, value: str) -> str | None:
    """Why a parameter is unknown, not supported or empty; None when it is none of these."""
    code = name.partition(":")[0]
    if name == "_contained" and value == "false":  # what hilum does anyway
        return None
    if "." in name:
        return f"{name[:64]!r} is not supported: chains are not."
    if code in _REFUSED:
        return f"{code[:64]!r} is not supported."
    if name in _RESULT or name in _FORMAT:
        if name == "_type" and type is not None:
            return "'_type' is for searches on all types."
    elif type is None:
        if code not in ("_id", "_lastUpdated"):
            return f"The search parameter {code[:64]!r} is supported in searches on one resource type only."
    elif code not in table(type):
        return why_not(type, code)
    return f"The parameter {name[:64]!r} has no value." if not value else None


def _types(type: str | None, wanted: str | None, compartment: tuple[str, str] | None) -> tuple[str, ...]:
    if type is not None:
        return (type,)
    if wanted is not None:
        names = tuple(dict.fromkeys(wanted.split(",")))
        for name in names:
            if name not in TYPE_NUMBER:
                near = get_close_matches(name, TYPES, 3)
                hint = f" Did you mean {' or '.join(near)}?" if near else ""
                raise Invalid(f"_type names {name[:64]!r}, which is no resource type of R4.{hint}")
        return names
    if compartment is not None:
        members = definitions.compartments().get(compartment[0], {})
        return tuple(name for name in TYPES if name in members or name == compartment[0])
    return TYPES


def _count(text: str | None, default: int, most: int) -> int:
    if text is None:
        return min(default, most)
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid("_count takes a whole number, 0 or more.")
    return min(int(text), most)


def _choice(name: str, text: str, known: dict[str, str]) -> str:
    if text not in known:
        raise Invalid(f"{name} takes {', '.join(known)}; other values are not supported.")
    return known[text]


# --- bounds -----------------------------------------------------------------------------------------------------------


def _too_costly(text: str) -> Invalid:
    return Invalid(issues=(Issue("error", "too-costly", f"{text} Ask in several searches."),))


def _refuse_too_many(types: tuple[str, ...], searched: list[tuple[str, str]]) -> None:
    """Raises Invalid (too-costly). Before anything is read, so that a megabyte of commas costs nothing."""
    whole = 0
    for name, value in searched:
        parameter = table(types[0])[name.partition(":")[0]]
        weight = _WEIGHT.get(parameter.type, 1)
        count = value.count(",") + 1
        most = MOST_ALTERNATIVES // weight
        if count > most:
            raise _too_costly(f"The parameter {name[:64]!r} has {count} alternatives; {most} are the most.")
        whole += count * weight
    if whole > MOST_IN_ALL:
        raise _too_costly(
            f"The parameters have too many alternatives together: {MOST_IN_ALL} are the most, of dates and texts "
            f"{MOST_IN_ALL // max(_WEIGHT.values())}."
        )


def _refuse_too_many_names(types: tuple[str, ...], clauses: list[Clause]) -> None:
    whole = 0
    for clause in clauses:
        match clause:
            case IdClause():
                whole += len(clause.values) * len(types)
            case ReferenceClause():
                whole += sum(1 if type else len(TYPES) for type, _ in clause.values)
    if whole > MOST_NAMES:
        raise _too_costly(
            f"The ids of the search could be those of {whole} resources; {MOST_NAMES} are the most. Write references "
            "as Type/id, and search one type."
        )


# --- clauses ----------------------------------------------------------------------------------------------------------


def _clause(types: tuple[str, ...], name: str, value: str, base: str, now: int | None) -> Clause:
    code, colon, modifier = name.partition(":")
    alternatives = values.split(value, ",")
    if "" in alternatives:
        raise Invalid(f"The parameter {name[:64]!r} has an empty alternative between its commas.")
    parameter = table(types[0])[code]
    if colon:
        _check_modifier(parameter, modifier)
    if code == "_id":
        return IdClause(tuple(values.logical_id(text) for text in alternatives))
    if code == "_lastUpdated":
        return LastUpdatedClause(tuple(values.date(parameter, text, now) for text in alternatives))
    if modifier == "missing":
        return _missing(parameter, value)
    return _CLAUSES[parameter.type](parameter, alternatives, modifier, base, now)


def _check_modifier(parameter: Parameter, modifier: str) -> None:
    known = _MODIFIERS[parameter.type] if parameter.number else ()
    if modifier in known and modifier != "[type]":
        return
    if "[type]" in known and modifier[:1].isupper():
        values.resource_type(parameter, modifier)
        return
    near = get_close_matches(modifier, known, 3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"those there are: {', '.join(known) or 'none'}."
    raise Invalid(f"The modifier {modifier[:64]!r} is not supported for {parameter.code!r} of {parameter.base}; {hint}")


def _missing(parameter: Parameter, value: str) -> Clause:
    if value not in ("true", "false"):
        raise Invalid(f"{parameter.code}:missing takes true or false.")
    if parameter.restrict_to and targets_of(parameter.paths) != parameter.restrict_to:
        # The rows under its number are also about other types, so that their absence would say something else.
        raise Invalid(f"The modifier 'missing' is not supported for {parameter.code!r} of {parameter.base}.")
    kind = "uri" if parameter.forms <= {"canonical", "uri"} and parameter.type == "reference" else parameter.type
    return MissingClause(parameter.number, kind, value == "true")


def _token_clause(parameter: Parameter, texts: list[str], modifier: str, base: str, now: int | None) -> Clause:
    found = tuple(token for text in texts for token in values.token(parameter, text))
    return TokenClause(parameter.number, found, negated=modifier == "not")


def _string_clause(parameter: Parameter, texts: list[str], modifier: str, base: str, now: int | None) -> Clause:
    how = modifier or "starts"
    return StringClause(parameter.number, tuple(values.string(parameter, text, how) for text in texts), how)


def _date_clause(parameter: Parameter, texts: list[str], modifier: str, base: str, now: int | None) -> Clause:
    return DateClause(parameter.number, tuple(values.date(parameter, text, now) for text in texts))


def _reference_clause(parameter: Parameter, texts: list[str], modifier: str, base: str, now: int | None) -> Clause:
    found = [values.reference(parameter, text, modifier or None, base) for text in texts]
    local = tuple(name for one in found if not isinstance(one, str) for name in _typed(parameter, one))
    urls = tuple(one for one in found if isinstance(one, str))
    if local and urls:
        raise Invalid(
            f"{parameter.code!r} of {parameter.base}: one list of alternatives can't hold both references to this "
            "server and urls elsewhere; ask twice."
        )
    return UriClause(parameter.number, urls) if urls else ReferenceClause(parameter.number, local)


def _typed(parameter: Parameter, name: tuple[str | None, str]) -> list[tuple[str | None, str]]:
    """An id alone, under each type that the parameter may refer to; as it is where that may be any."""
    if name[0] is None and parameter.targets:
        return [(target, name[1]) for target in parameter.targets]
    return [name]


def _uri_clause(parameter: Parameter, texts: list[str], modifier: str, base: str, now: int | None) -> Clause:
    return UriClause(parameter.number, tuple(map(values.unescape, texts)))


_CLAUSES: Final[dict[str, Callable[[Parameter, list[str], str, str, int | None], Clause]]] = {
    "token": _token_clause,
    "string": _string_clause,
    "date": _date_clause,
    "reference": _reference_clause,
    "uri": _uri_clause,
}
