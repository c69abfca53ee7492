"""Operations that put something together: `$meta`, `$lastn`, `$diff`, `$document`, and `$everything` of an encounter.

https://hl7.org/fhir/R4/operationslist.html: none may show, count or link what a search or a read would not show.
"""

from __future__ import annotations

import json
from typing import Any

from tests.oracle.criteria import Refused
from tests.oracle.leaks.cases import Asking, Case, Pages, statuses
from tests.oracle.leaks.operating import REFERENCE
from tests.oracle.leaks.requests import Request, name_of
from tests.oracle.leaks.world import Version, mark_of
from tests.oracle.records import Item, Name


def _found(asking: Asking, type: str, pairs: list[tuple[str, str]]) -> list[Item]:
    """What a search would find."""
    population = asking.world.population
    return [population.by_name[name] for name in population.search(type, pairs, asking.policy).matches]


# --- $meta ------------------------------------------------------------------------------------------------------------


def meta(asking: Asking) -> Case:
    """Of a resource, a version, a type or the system."""
    if asking.maybe(0.4):
        return _in_use(asking)
    type, id = asking.name()
    versions = asking.world.by_name.get((type, id), [])
    number = asking.chance.randint(1, len(versions) + 1) if asking.maybe(0.5) else 0
    path = f"{type}/{id}/_history/{number}/$meta" if number else f"{type}/{id}/$meta"
    request = Request(asking.pick(("GET", "POST")) if not number else "GET", path)
    wanted = (
        versions[number - 1] if 0 <= number - 1 < len(versions) else None if number else asking.world.current(type, id)
    )
    refused = _refused(asking, "$meta", request, type, wanted)
    if refused is not None:
        return refused
    assert wanted is not None
    assert wanted.body is not None
    right = {"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": wanted.body["meta"]}]}
    return Case("$meta", request, lambda pages: _is(pages, right))


def _refused(asking: Asking, kind: str, request: Request, type: str, wanted: Version | None) -> Case | None:
    """The case where a read of the version is refused."""
    if not asking.rights.permits(type, "r"):
        return Case(kind, request, statuses(403))
    if wanted is None or not asking.sees("r", wanted):
        return Case(kind, request, statuses(404))
    return Case(kind, request, statuses(410)) if wanted.body is None else None


def _is(pages: Pages, right: Any) -> str | None:
    if pages[0].status != 200:
        return f"status {pages[0].status}: {pages[0].body[:300]!r}"
    return None if pages[0].json == right else f"{pages[0].json}, is {right}"


def _in_use(asking: Asking) -> Case:
    """Of what a search of the type, or of all, finds."""
    type = asking.name()[0] if asking.maybe(0.6) else ""
    request = Request("GET", f"{type}/$meta" if type else "$meta")
    kinds = (type,) if type else tuple(sorted({name[0] for name in asking.world.by_name}))
    right: dict[str, set[Any]] = {"profile": set(), "tag": set(), "security": set()}
    allowed = False
    for kind in kinds:
        if not asking.rights.permits(kind, "s"):
            continue
        allowed = True
        for item in _found(asking, kind, []):
            for element, some in _labels(item.body.get("meta", {})).items():
                right[element] |= some
    if not allowed:
        return Case("$meta", request, statuses(403) if type else statuses(200, 403))

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return f"status {pages[0].status}: {pages[0].body[:300]!r}"
        found = _labels(pages[0].json["parameter"][0]["valueMeta"])
        return None if found == right else f"{found}, is {right}"

    return Case("$meta", request, expect)


def _labels(said: dict[str, Any]) -> dict[str, set[Any]]:
    coded = {
        name: {(one.get("system", ""), one.get("code", "")) for one in said.get(name, ())}
        for name in ("tag", "security")
    }
    return {"profile": set(said.get("profile", ())), **coded}


# --- $lastn -----------------------------------------------------------------------------------------------------------


def lastn(asking: Asking) -> Case:
    """The newest of each code of what a search finds."""
    _, id = asking.name(("Patient",))
    pairs = [asking.pick((("patient", id), ("subject", f"Patient/{id}")))]
    if asking.maybe(0.3):
        pairs.append(("category", asking.pick(("laboratory", "vital-signs"))))
    if asking.maybe(0.2):
        pairs.append(("status", "final"))
    most = asking.pick((0, 1, 2, 5))
    query = (*pairs, ("max", str(most))) if most else tuple(pairs)
    request = Request("GET", "Observation/$lastn", query)
    if not asking.rights.permits("Observation", "s"):
        return Case("$lastn", request, statuses(403))
    try:
        some = _found(asking, "Observation", pairs)
    except Refused:
        return Case("$lastn", request, statuses(400, 403))
    right = _newest(asking, some, most or 1)

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return f"status {pages[0].status}: {pages[0].body[:300]!r}"
        found = [id for _, id in pages[0].matches]
        total = pages[0].json.get("total")
        return None if found == right and total == len(right) else f"{found}, total {total}, is {right}"

    return Case("$lastn", request, expect)


def _newest(asking: Asking, some: list[Item], most: int) -> list[str]:
    population = asking.world.population
    date = population.parameter("Observation", "date")
    groups: list[tuple[set[Any], list[Item]]] = []
    for item in some:
        code = item.body["code"]
        names = {("c", one.get("system", ""), one["code"]) for one in code.get("coding", ()) if one.get("code")}
        names = names or {("t", "", code.get("text", ""))}
        held = [group for group in groups if group[0] & names]
        merged = names.union(*(group[0] for group in held)), [item, *(one for group in held for one in group[1])]
        groups = [group for group in groups if group not in held] + [merged]
    found = []
    for _, items in sorted(groups, key=lambda group: min(group[0])):
        keyed = [(max((one.high for one in population.values(item, date)), default=None), item) for item in items]
        keyed.sort(key=lambda pair: str(pair[1].body["meta"]["lastUpdated"]), reverse=True)
        dated = sorted((pair for pair in keyed if pair[0] is not None), key=lambda pair: -pair[0])
        kept = dated[:most] + [pair for pair in dated[most:] if pair[0] == dated[most - 1][0]]
        kept += [pair for pair in keyed if pair[0] is None][: max(0, most - len(dated))]
        found += [item.id for _, item in kept]
    return found


# --- $diff ------------------------------------------------------------------------------------------------------------


def diff(asking: Asking) -> Case:
    """Between two versions of a resource."""
    type, id = asking.name()
    versions = asking.world.by_name.get((type, id), [])
    first, last = (asking.chance.randint(1, len(versions) + 1) for _ in range(2))
    request = Request("GET", f"{type}/{id}/$diff", (("fromVersion", str(first)), ("toVersion", str(last))))
    there = [versions[number - 1] if number <= len(versions) else None for number in (last, first)]
    for wanted in there:  # in the order in which they are looked at
        refused = _refused(asking, "$diff", request, type, wanted)
        if refused is not None:
            return refused
    new, old = (mark_of(one.body) for one in there if one is not None)

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return f"status {pages[0].status}: {pages[0].body[:300]!r}"
        return None if (new.encode() in pages[0].body) is (new != old) else f"the mark: {pages[0].body[:300]!r}"

    return Case("$diff", request, expect)


# --- $document --------------------------------------------------------------------------------------------------------


def document(asking: Asking) -> Case:
    """Of a Composition."""
    type, id = asking.name(("Composition",))
    request = Request("GET", f"Composition/{id}/$document")
    wanted = asking.world.current(type, id)
    refused = _refused(asking, "$document", request, type, wanted)
    if refused is not None:
        return refused
    assert wanted is not None
    assert wanted.body is not None
    names: list[Name] = []
    for name in REFERENCE.findall(json.dumps(wanted.body)):
        if name not in names and name != wanted.name:
            names.append(name)
    if any(not _readable(asking, name) for name in names):
        return Case("$document", request, statuses(422))
    subjects = {name for name in names if name[0] == "Patient"}
    first = [wanted.name, *names]
    right, waiting = set(first), list(names)
    while waiting:
        for name in _beyond(asking, asking.value(waiting.pop()), subjects) - right:
            right.add(name)
            waiting.append(name)

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return f"status {pages[0].status}: {pages[0].body[:300]!r}"
        found = [name_of(one) for one in pages[0].json["entry"]]
        good = found[: len(first)] == first and set(found) == right and len(found) == len(right)
        return None if good else f"{found}, is {first}, and of {sorted(right)}"

    # Its identifier is new each time, and its timestamp is that of the answer.
    return Case("$document", request, expect, timed=True)


def _readable(asking: Asking, name: Name) -> bool:
    current = asking.world.current(*name)
    return current is not None and current.body is not None and asking.sees("r", current)


def _beyond(asking: Asking, body: Any, subjects: set[Name]) -> set[Name]:
    """What a body refers to, as far as it may be read and lies in no other patient's record."""
    population = asking.world.population
    return {
        name
        for name in REFERENCE.findall(json.dumps(body))
        if _readable(asking, name)
        and not any(
            owner[0] == "Patient" and owner not in subjects
            for owner in population.compartments(population.by_name[name])
        )
    }


# --- $everything of an encounter --------------------------------------------------------------------------------------


def everything(asking: Asking) -> Case:
    """One encounter's record."""
    _, id = asking.name(("Encounter",))
    query = (("_count", str(asking.pick((1, 3)))),) if asking.maybe(0.4) else ()
    request = Request("GET", f"Encounter/{id}/$everything", query)
    wanted = asking.world.current("Encounter", id)
    refused = _refused(asking, "$everything", request, "Encounter", wanted)
    if refused is not None:
        return refused
    population, me = asking.world.population, ("Encounter", id)
    mine = [
        item
        for item in population.items
        if me in population.compartments(item) and item.name != me and asking.rights.allow(population, "s", item)
    ]
    members = {me, *(item.name for item in mine)}
    subjects = {name for name in REFERENCE.findall(json.dumps(asking.value(me))) if name[0] == "Patient"}
    beyond = set[Name]()
    for item in (population.by_name[me], *mine):
        beyond |= _beyond(asking, item.body, subjects)
    right = members | beyond

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return f"status {pages[0].status}: {pages[0].body[:300]!r}"
        found = [name_of(one) for page in pages for one in page.entries]
        good = found[:1] == [me] and set(found[: len(members)]) == members and set(found) == right
        return None if good and len(found) == len(right) else f"{found}, is {sorted(members)}, {sorted(beyond)}"

    return Case("$everything", request, expect)
