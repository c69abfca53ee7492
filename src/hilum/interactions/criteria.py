"""Conditional criteria: which resource a search means. https://hl7.org/fhir/R4/http.html#ccreate

They are resolved by an ordinary search, and the same query goes into the commit as a precondition, so that a race is
decided inside the database transaction. What the token may not search does not count as a match.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec.structs import replace

from hilum.access.confine import confine
from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.interactions.door import Door
from hilum.interactions.permit import permits
from hilum.interactions.resolve import pending
from hilum.problems import Invalid, Malformed, MultipleMatches
from hilum.search.constraints import alone
from hilum.search.index import index
from hilum.search.matches import matches
from hilum.search.parameters import Registry
from hilum.search.parse import parse_query
from hilum.search.query import Query

RESULT_PARAMETERS: Final = frozenset(
    ("_count", "_sort", "_include", "_revinclude", "_summary", "_elements", "_total", "_contained", "_containedType")
)
"""They control what a search returns, not what it finds, and have no meaning here."""
GENERAL_PARAMETERS: Final = frozenset(("_format", "_pretty"))
"""They control how the answer is written; left out of the criteria."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_BROKEN: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def parse(door: Door, who: Principal, type: str, text: str) -> Query:
    """The query of criteria such as `identifier=http://a|1`, as they stand after `?`. Asks for two matches at most.

    Raises Invalid unless every parameter is supported, has a value, and there is one at least; Forbidden.
    """
    pairs = [pair for pair in _pairs(text) if pair[0] not in GENERAL_PARAMETERS]
    for name, _ in pairs:
        if name.partition(":")[0] in RESULT_PARAMETERS:
            raise Invalid(f"The parameter {name[:64]!r} controls results; conditional criteria only filter.")
    if not pairs:
        raise Invalid("Conditional criteria need at least one search parameter, such as identifier=system|value.")
    permits(who, type, "s")  # refuses the type before the parameters
    registry = door.store.catalogue.searchable
    parsed = parse_query(type, pairs, lenient=False, base=door.base, full_text=door.store.full_text, registry=registry)
    query = confine(parsed.query, who.policy)
    (part,) = query.parts
    if not part.clauses:
        raise Invalid("The conditional criteria filter nothing; name at least one search parameter with a value.")
    if any(pending(part.clauses)):
        raise Invalid("Conditional criteria take no ':in', ':not-in', ':above' and ':below' of codes and references.")
    return replace(query, count=2, exact=True)


def _pairs(text: str) -> list[tuple[str, str]]:
    if _BROKEN.search(text):
        raise Malformed("The conditional criteria hold a '%' that is not followed by two hexadecimal digits.")
    parts = [part.replace("+", " ").partition("=") for part in text.removeprefix("?").split("&") if part]
    try:
        pairs = [(unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()) for name, _, value in parts]
    except UnicodeError:
        raise Malformed("The conditional criteria are not UTF-8 once their percent-encoding is undone.") from None
    if any(_CONTROL.search(text) for pair in pairs for text in pair):
        raise Malformed("The conditional criteria hold a control character.")
    return pairs


def holds(resource: Resource, query: Query, registry: Registry) -> bool:
    """Whether the resource matches exactly: a store finds by hashes, and a collision must not merge two records.

    What criteria say about other resources (chains, `_has`) the store has judged so (`Query.exact`); about its text it
    finds without hashes.
    """
    rows = index(resource.type, resource.body, None, registry)
    (part,) = query.parts
    return all(matches(c, rows, id=resource.id, last_updated=resource.last_updated) for c in part.clauses if alone(c))


async def resolve(door: Door, query: Query) -> tuple[Resource, ...]:
    """The first exact matches, as many as `query.count` at most."""
    registry = door.store.catalogue.registry
    page = await door.store.search(query)
    found = [resource for resource in page.resources if holds(resource, query, registry)]
    while len(found) < query.count and page.next is not None:
        page = await door.store.search(replace(query, after=page.next))
        found += [resource for resource in page.resources if holds(resource, query, registry)]
    return tuple(found[: query.count])


async def single(door: Door, query: Query) -> Resource | None:
    """The one match, or None. Raises MultipleMatches."""
    found = await resolve(door, query)
    if len(found) > 1:
        raise several()
    return found[0] if found else None


def several() -> MultipleMatches:
    """The answer to criteria that are not selective enough."""
    return MultipleMatches("The conditional criteria match several resources. Add parameters until they match one.")
