"""A FHIR query string to a Query. https://hl7.org/fhir/R4/search.html

Nothing is passed over in silence: what hilum does not know or support is refused, or, where the client asked for
`Prefer: handling=lenient`, left out and listed. Modifiers are never left out: "Server SHALL reject any search request
that contains is suffixed by a modifier that the server does not support", since they change what is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from hilum.fhir import definitions
from hilum.fhir.definitions import TYPES
from hilum.problems import Invalid
from hilum.search import results
from hilum.search.chains import Elsewhere, Unknown
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    CompartmentClause,
    HasClause,
    NotClause,
    Part,
    ReferenceClause,
    TokenClause,
)
from hilum.search.criterion import criterion
from hilum.search.limits import MOST_PARAMETERS, MOST_TEXT, Budget, TooCostly
from hilum.search.parameters import R4, Registry
from hilum.search.plain import Asked
from hilum.search.query import NEWEST, Include, Query
from hilum.search.remembered import remembered, remembered_includes

_SAME: Final = {("_totalMethod", "count"): ("_total", "accurate")}
"""What clients send in another server's words: fhirpy's count() speaks Aidbox's (fhirpy 2.3, 2026-11)."""
_OPTIONS: Final = frozenset(
    ("_count", "_sort", "_total", "_summary", "_elements", "_type", "_type:not", "_contained", "_containedType")
)
_OF_TYPES: Final = frozenset(("_type", "_type:not"))
_SHOWN: Final = frozenset(("_format", "_pretty"))
_UNMODIFIED: Final = _OPTIONS | _SHOWN
_INCLUDES: Final = frozenset(("_include", "_revinclude"))
_NOTHING: Final = AnyClause(())
_CUT: Final = "What stood after the url, if anything did, in"
"""What follows a # in a URL never leaves the client (https://www.rfc-editor.org/rfc/rfc3986#section-3.5)."""


class Parsed(msgspec.Struct, frozen=True):
    """What a query string came to.

    `applied`: the parameters that took effect, as they did, for the `self` link. `ignored`: (name, why) of those left
    out, or in part, or perhaps so. `summary` and `elements` say how to show what is found
    (https://hl7.org/fhir/R4/search.html#summary).
    `kept`: the very same comes again where the same is asked (`hilum.search.again`).
    """

    query: Query
    applied: tuple[tuple[str, str], ...]
    ignored: tuple[tuple[str, str], ...] = ()
    summary: str = "false"
    elements: tuple[str, ...] = ()
    kept: bool = False


def parse_query(
    type: str | None,
    pairs: Sequence[tuple[str, str]],
    *,
    lenient: bool = False,
    base: str = "",
    compartment: tuple[str, str] | None = None,
    now: int | None = None,
    max_count: int = 1000,
    default_count: int = 20,
    registry: Registry = R4,
    full_text: bool = True,
    empty: bool = False,
) -> Parsed:
    """The Query of decoded (name, value) pairs on one resource type, or, `type` None, on several.

    The Query permits nobody anything: `access.confine` puts a policy in. `base`: the server's own base URL without a
    slash, so that references to itself are known as such. `compartment`: search only in this one. `now`: microseconds
    since 1970, for the prefix `ap`. `registry`: the parameters that there are. `full_text`: whether `_text` and
    `_content` are. `empty`: parameters without a value are passed over, and listed ("Empty parameters are not an
    error - they are just ignored by the server"). Conditional criteria (If-None-Exist) and policies are read here, too:
    there they are refused, since what they leave out would mean everything.
    Raises Invalid: unknown or not supported (unless `lenient`), or a value that does not fit; TooCostly when there is
    more of anything than one query may have (see `limits`).
    """
    if len(pairs) > MOST_PARAMETERS:
        raise TooCostly(f"The search has {len(pairs)} parameters; {MOST_PARAMETERS} are the most.")
    asked = Asked(base, now, registry, Budget(), full_text)
    written = [_SAME.get(pair, pair) for pair in pairs]
    options = _options(type, written)
    types = _types(type, options, compartment)
    contained = results.contained(options.get("_contained"), options.get("_containedType"))
    leading = types if contained is None or contained.apart else TYPES  # what contains may be of any type
    clauses: list[list[Clause]] = [[] for _ in types]
    includes: list[Include] = []
    applied: list[tuple[str, str]] = []
    ignored: list[tuple[str, str]] = []
    for name, value in written:
        if empty and not value:
            ignored.append((name, f"The parameter {name[:64]!r} has no value."))
            continue
        try:
            general = name[:1] == "_"
            if general or not value or len(name) > MOST_TEXT:  # what else could be refused
                _refuse(type, name, value)
            code = name.partition(":")[0] if general else name
            if code in _INCLUDES:
                includes += remembered_includes(registry, leading, name, value, len(includes))
            elif name in _OPTIONS or name in _SHOWN:
                pass
            elif len(types) == 1:
                clauses[0].append(remembered(types[0], name, value, asked))
                if "/_history/" in value and _names((clauses[0][-1],)):
                    ignored.append((name, f"{name[:64]!r} finds references whatever version they name."))
                elif "://" in value and "|" not in value and isinstance(clauses[0][-1], TokenClause):
                    ignored.append((name, f"{_CUT} {name[:64]!r}: a # in it must be sent as %23, a code after |."))
            else:
                for found, one in zip(clauses, _criteria(types, name, value, asked), strict=True):
                    found.append(one)
        except Unknown as refusal:
            if not lenient:
                raise Invalid(str(refusal)) from None
            ignored.append((name, str(refusal)))
        else:
            applied.append((name, value))
    if compartment is not None:
        for found in clauses:
            found.append(CompartmentClause((compartment,)))
    if contained is not None:
        results.check_contained(contained, types, clauses, includes)
    size = results.count(options.get("_count"), default_count, max_count)
    if "_count" in options:
        applied = [(name, str(size) if name == "_count" else value) for name, value in applied]
    summary = results.choice("_summary", options.get("_summary", "false"), results.SUMMARIES)
    if summary == "text" and includes:
        raise Invalid("_summary=text can't be together with _include and _revinclude.")
    count = 0 if summary == "count" else size
    total = results.choice("_total", options.get("_total", "none"), results.TOTALS)
    try:
        sort = results.sort(registry, types, options["_sort"]) if "_sort" in options else NEWEST
    except Unknown as refusal:  # the order is not left out: it says what the first page is
        raise Invalid(str(refusal)) from None
    query = Query(
        tuple(Part(name, tuple(found)) for name, found in zip(types, clauses, strict=True)),
        count,
        sort,
        total="accurate" if count == 0 and total == "none" else total,
        includes=tuple(includes),
        contained=contained,
    )
    elements = tuple(name for part in options.get("_elements", "").split(",") if (name := part.strip()))
    return Parsed(query, tuple(applied), tuple(ignored), summary, elements)


def _options(type: str | None, pairs: list[tuple[str, str]]) -> dict[str, str]:
    """The parameters that may be given once each. Raises Invalid."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in _OPTIONS and value and not (name in _OF_TYPES and type is not None):
            if name in found:
                raise Invalid(f"{name} may be given once.")
            found[name] = value
    return found


def _names(clauses: Iterable[Clause]) -> bool:
    """Whether they ask for references."""
    for clause in clauses:
        match clause:
            case ReferenceClause():
                return True
            case AllClause(some) | AnyClause(some):
                if _names(some):
                    return True
            case NotClause(one):
                if _names((one,)):
                    return True
            case ChainClause(targets=parts):
                if any(_names(part.clauses) for part in parts):
                    return True
            case HasClause(part):
                if _names(part.clauses):
                    return True
    return False


def _refuse(type: str | None, name: str, value: str) -> None:
    """What is not supported whatever it is asked of. Raises Unknown; Invalid for `_query` and modifiers."""
    code = name.partition(":")[0]
    if code == "_query":  # "SHALL refuse to process a search request" with a _query that it does not know
        raise Invalid("'_query' is not supported: there are no named queries.")
    if code != name and code in _UNMODIFIED and name not in _OF_TYPES:
        hint = " For descending write a minus before the key: _sort=-[parameter]." if code == "_sort" else ""
        raise Invalid(f"The parameter {code!r} takes no modifiers.{hint}")
    if name in _OF_TYPES and type is not None:
        raise Unknown(f"{name!r} is for searches on all types.")
    if len(name) > MOST_TEXT:
        raise Unknown(f"The name of the parameter {name[:64]!r} ... is longer than {MOST_TEXT} characters.")
    if not value:
        raise Unknown(f"The parameter {name[:64]!r} has no value.")


def _types(type: str | None, options: dict[str, str], compartment: tuple[str, str] | None) -> tuple[str, ...]:
    """Those that the search is about: named by `_type`, else in the compartment, else all, but for `_type:not`."""
    if type is not None:
        return (type,)
    found = TYPES
    if "_type" in options:
        found = results.types(options["_type"])
    elif compartment is not None:
        members = definitions.compartments().get(compartment[0], {})
        found = tuple(name for name in TYPES if name in members or name == compartment[0])
    if "_type:not" in options:
        but = results.types(options["_type:not"])
        found = tuple(name for name in found if name not in but)
        if not found:
            raise Invalid("_type:not leaves no type to search.")
    return found


def _criteria(types: tuple[str, ...], name: str, value: str, asked: Asked) -> list[Clause]:
    """The clause for each of several types, every one of which must have the parameter."""
    found: list[Clause] = []
    elsewhere: Elsewhere | None = None
    for type in types:
        asked.budget.begin(type)
        try:
            found.append(criterion(type, name, value, asked))
        except Elsewhere as refusal:
            elsewhere = refusal
            found.append(_NOTHING)
        except Unknown as refusal:
            raise Unknown(f"A search on several types takes parameters that each of them has. {refusal}") from None
    if elsewhere is not None and all(one == _NOTHING for one in found):
        raise elsewhere
    return found
