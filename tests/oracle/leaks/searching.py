"""Searches over HTTP: of a type, of all, within a compartment, by GET and by form, page by page."""

from __future__ import annotations

from tests.oracle.criteria import Refused
from tests.oracle.leaks.cases import REFUSED, Asking, Case, Pages, statuses
from tests.oracle.leaks.requests import Request
from tests.oracle.leaks.rights import DEFINED, SHARED
from tests.oracle.queries import Question
from tests.oracle.records import Name

_SHAPES = ((), (), (), (), (("_summary", "count"),), (("_summary", "true"),), (("_elements", "id"),))


REFERRERS = (
    ("PractitionerRole", "practitioner", "Practitioner"),
    ("PractitionerRole", "organization", "Organization"),
    ("Location", "organization", "Organization"),
    ("Organization", "partof", "Organization"),
    ("Location", "partof", "Location"),
)
"""What is shared and refers by which parameter to what is shared."""


def search(asking: Asking) -> Case:
    """A random search."""
    return _case(asking, "search", asking.asker.question())


def by_name(asking: Asking) -> Case:
    """A search of a type that everybody shares: by id, with more or less beside it."""
    there = [type for type in (*SHARED, *DEFINED) if type in asking.world.population.by_type]
    type = asking.pick(there or ["Organization"])
    pairs = [asking.asker.pair(type, 1) for _ in range(asking.pick((0, 0, 1)))]
    if asking.maybe(0.7):
        ids = ",".join(asking.name((type,))[1] for _ in range(asking.pick((1, 1, 3))))
        pairs.append((asking.pick(("_id", "_id", "_id", "_id:not")), ids))
    elif type in DEFINED:
        items = asking.world.population.by_type[type]
        pairs.append(("url", str(asking.pick(items).body.get("url", "http://example.org/none"))))
    if asking.maybe(0.3):
        pairs.append(asking.asker.include(type))
    return _case(asking, "search by name", Question(type, tuple(pairs)))


def looking_back(asking: Asking) -> Case:
    """From what may be asked for by name to what refers there: who may do that lists it."""
    population = asking.world.population
    links = [
        (name, item.type, code)
        for type, code, target in REFERRERS
        for item in population.by_type.get(type, ())
        for name in sorted(population.referenced(item, population.parameter(type, code)))
        if name[0] == target and name in population.by_name
    ]
    if not links:
        return by_name(asking)
    (type, id), source, code = asking.pick(links)
    back = ("_revinclude", f"{source}:{code}") if asking.maybe(0.6) else (f"_has:{source}:{code}:_id:not", "nobody")
    return _case(asking, "search by name", Question(type, (("_id", id), back)))


def looking_on(asking: Asking) -> Case:
    """From what may be searched to what it refers to, hidden or not: by an include or by a chain."""
    population, rights = asking.world.population, asking.rights
    some = [item for item in population.items if rights.allow(population, "s", item)]
    for item in asking.chance.sample(some, len(some)):
        links = [
            (code, name)
            for code in ("subject", "performer", "encounter", "device", "medication", "actor", "organization", "item")
            if (parameter := population.definitions.parameter(item.type, code)) is not None
            for name in sorted(population.referenced(item, parameter))
            if name in population.by_name
        ]
        if links:
            code, (type, id) = asking.pick(links)
            chain = (f"{code}:{type}._id", id) if asking.maybe(0.4) else ("_include", f"{item.type}:{code}")
            return _case(asking, "search", Question(item.type, (("_id", item.id), chain)))
    return search(asking)


def of_identifier(asking: Asking) -> Case:
    """What many have in common, in order: where what is hidden would move what is not."""
    type = asking.pick(("Observation", "Device", "Task", "DocumentReference", "Basic", "Appointment", "Communication"))
    pairs: list[tuple[str, str]] = []
    if asking.maybe(0.7):
        value = asking.pick(("v1", "v2", "v3", "v4"))
        pairs.append(("identifier", asking.pick((f"urn:leak|{value}", value, f"{value},v1"))))
    if asking.maybe(0.6):
        key = asking.pick(("identifier", "-identifier", "_id", "-_lastUpdated", "status,-identifier"))
        pairs.append(("_sort", key))
    if asking.maybe(0.4):
        link = asking.pick(("patient:Patient", "performer:Practitioner", "medication:Medication", "device:Device"))
        pairs.append((f"{link}.identifier", asking.pick(("v1", "v2", "v3,v4"))))
    if asking.maybe(0.2):
        pairs.append(("_revinclude", "Provenance:target"))
    return _case(asking, "search", Question(type, tuple(pairs)))


def _case(asking: Asking, kind: str, question: Question) -> Case:
    path = "/".join(part for part in (*(question.compartment or ()), question.type or "") if part)
    if question.compartment is not None and question.type is None:
        path += "/*"
    count = asking.pick((0, 2, 5, 500, 500))
    shape = asking.pick(_SHAPES)
    wanted = asking.pick(("accurate", "accurate", "none"))
    query = (*question.pairs, ("_count", str(count)), ("_total", wanted), *shape)
    headers = (("Prefer", "explain"),) if asking.maybe(0.1) and not _searches_all(asking) else ()
    request = Request("GET", path, query, headers)
    if asking.maybe(0.2):
        request = Request("POST", f"{path}/_search".lstrip("/"), (), headers, form=query)
    timed = any("_lastUpdated" in name or "_lastUpdated" in value for name, value in question.pairs if name != "_sort")
    counted = count == 0 or ("_summary", "count") in shape
    population, policy = asking.world.population, asking.policy
    try:
        right = population.search(question.type, question.pairs, policy, question.compartment)
    except Refused:
        return Case(kind, request, statuses(*REFUSED), timed=timed)

    def expect(pages: Pages) -> str | None:
        first = pages[0]
        if first.status == 400 and b"too-costly" in first.body and any("." in name for name, _ in question.pairs):
            return None
        if first.status != 200:
            return f"status {first.status}: {first.body[:300]!r}; are {right}"
        if (counted or wanted == "accurate") and first.json.get("total") != right.total:
            return f"total {first.json.get('total')}, is {right.total}"
        if counted:
            return None if not first.entries else "entries, where only a number was asked for"
        matches = tuple(_plain(name) for page in pages for name in page.matches)
        if matches != tuple(_plain(name) for name in right.matches):
            return f"found {matches}, are {right.matches}"
        for page in pages:
            names = [right.matches[n] for n in _places(pages, page)]
            brought = population.included(question.type, question.pairs, names, policy, question.compartment)
            if page.included != brought:
                return f"extra {sorted(page.included - brought)}, lacking {sorted(brought - page.included)}"
        return None

    return Case(kind, request, expect, timed=timed)


def _searches_all(asking: Asking) -> bool:
    """Whether nothing is hidden from its searches: then it is told how they were done, in how many steps."""
    return all(asking.rights.unlimited(type, "s") for type in asking.world.population.definitions.resource_types)


def _plain(name: Name) -> Name:
    """Of what is contained its container."""
    return name[0], name[1].partition("#")[0]


def _places(pages: Pages, page: object) -> range:
    start = 0
    for one in pages:
        if one is page:
            return range(start, start + len(one.matches))
        start += len(one.matches)
    return range(0)
