"""`$everything` and `$graphql`.

https://hl7.org/fhir/R4/patient-operation-everything.html https://hl7.org/fhir/R4/graphql.html
"""

from __future__ import annotations

import json
import re
from typing import Any

from tests.oracle.criteria import Refused
from tests.oracle.leaks.cases import REFUSED, Asking, Case, Pages, statuses
from tests.oracle.leaks.requests import Request, name_of
from tests.oracle.records import Item, Name

REFERENCE = re.compile(r'"reference": ?"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})["/]')


def everything(asking: Asking) -> Case:
    """One patient's record."""
    _, id = asking.name(("Patient",))
    query: tuple[tuple[str, str], ...] = ()
    types: tuple[str, ...] = ()
    if asking.maybe(0.3):
        types = tuple(asking.chance.sample(("Patient", "Observation", "Practitioner", "Encounter", "Location"), 3))
        query += (("_type", ",".join(types)),)
    if asking.maybe(0.4):
        query += (("_count", str(asking.pick((1, 4, 7)))),)
    request = Request("GET", f"Patient/{id}/$everything", query)
    current = asking.world.current("Patient", id)
    if not asking.rights.permits("Patient", "r"):
        return Case("$everything", request, statuses(403))
    if current is None or not asking.sees("r", current):
        return Case("$everything", request, statuses(404))
    if current.body is None:
        return Case("$everything", request, statuses(410))
    inside, outside = _record(asking, id, types)

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return f"status {pages[0].status}"
        found = [name_of(one) for page in pages for one in page.entries]
        if len(found) != len(set(found)):
            return f"something twice: {found}"
        if found[: len(inside)] != inside or set(found[len(inside) :]) != outside:
            extra, lacking = set(found) - set(inside) - outside, (set(inside) | outside) - set(found)
            return f"extra {sorted(extra)}, lacking {sorted(lacking)} in {found}, of {inside} and {sorted(outside)}"
        return None

    return Case("$everything", request, expect)


def everyone(asking: Asking) -> Case:
    """The records of all patients that may be seen."""
    types = tuple(asking.chance.sample(("Patient", "Observation", "Practitioner", "Device", "Binary"), 3))
    query: tuple[tuple[str, str], ...] = (("_type", ",".join(types)),) if asking.maybe(0.4) else ()
    types = types if query else ()
    if asking.maybe(0.3):
        query += (("_count", str(asking.pick((3, 8)))),)
    request = Request("GET", "Patient/$everything", query)
    if not asking.rights.permits("Patient", "r") or not asking.rights.permits("Patient", "s"):
        return Case("$everything", request, statuses(403))
    right: set[Name] = set()
    for item in asking.world.population.by_type.get("Patient", ()):
        current = asking.world.current("Patient", item.id)
        if _searched(asking, item) and asking.world.may(asking.rights, "r", current):
            inside, outside = _record(asking, item.id, types)
            right |= {*inside, *outside}

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return f"status {pages[0].status}"
        found = {name_of(one) for page in pages for one in page.entries}
        return None if found == right else f"extra {sorted(found - right)}, lacking {sorted(right - found)}"

    return Case("$everything", request, expect)


def _record(asking: Asking, id: str, types: tuple[str, ...]) -> tuple[list[Name], set[Name]]:
    """The patient and the compartment in order, and what they refer to outside of any patient's compartment."""
    population, patient = asking.world.population, ("Patient", id)

    def wanted(type: str) -> bool:
        return not types or type in types

    mine = [
        item
        for item in reversed(population.items)
        if patient in population.compartments(item) and item.name != patient and _searched(asking, item)
    ]
    mine.sort(key=lambda item: item.type, reverse=True)
    me = population.by_name[patient]
    inside = [item.name for item in (me, *mine) if wanted(item.type)]
    names = {name for item in (me, *mine) for name in REFERENCE.findall(json.dumps(item.body, ensure_ascii=False))}
    outside = set()
    for name in names:
        target = asking.world.current(*name)
        if target is None or target.body is None or not wanted(name[0]) or not asking.sees("r", target):
            continue
        if not any(kind == "Patient" for kind, _ in population.compartments(population.by_name[name])):
            outside.add(name)
    return inside, outside


def _searched(asking: Asking, item: Item) -> bool:
    return asking.rights.allow(asking.world.population, "s", item)


# --- $graphql ---------------------------------------------------------------------------------------------------------


def graphql(asking: Asking) -> Case:
    """A resource, a list, what refers to each of a list, or what each of a list refers to."""
    return asking.pick((_resource, _list, _list, _connection, _referring, _referred, _referred))(asking)


_SHOWN = "id extension { url valueString }"


def _query(asking: Asking, text: str) -> Request:
    if asking.maybe(0.5):
        return Request("GET", "$graphql", (("query", text),))
    return Request("POST", "$graphql", body={"query": text}, headers=(("Content-Type", "application/json"),))


def _resource(asking: Asking) -> Case:
    type, id = asking.name(("Patient", "Observation", "Encounter", "Practitioner", "Basic"))
    request = _query(asking, f'{{ {type}(id: "{id}") {{ {_SHOWN} }} }}')
    about = asking.maybe(0.4)
    if about:  # a query about this one
        request = Request("GET", f"{type}/{id}/$graphql", (("query", f"{{ {_SHOWN} }}"),))
    current = asking.world.current(type, id)
    if not asking.rights.permits(type, "r"):
        return Case("$graphql", request, statuses(403))
    if current is None or not asking.sees("r", current):
        return Case("$graphql", request, statuses(404))
    if current.body is None:
        return Case("$graphql", request, statuses(410))
    right = _shown(current.body) if about else {type: _shown(current.body)}
    return Case("$graphql", request, lambda pages: _is(pages, right))


def _shown(body: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"id": body["id"]}
    texts = [{k: one[k] for k in ("url", "valueString") if k in one} for one in body.get("extension", ())]
    return found | ({"extension": texts} if texts else {})


def _is(pages: Pages, data: Any) -> str | None:
    if pages[0].status != 200:
        return f"status {pages[0].status}: {pages[0].body[:300]!r}"
    return None if pages[0].json == {"data": data} else f"{pages[0].json}, is {data}"


def _filtered(asking: Asking, type: str) -> tuple[str, list[Item] | None, bool]:
    """Arguments, what they find (None: refused), and whether times matter."""
    text = asking.asker.filter(type, 1)
    try:
        found = asking.world.population.search(type, [("_filter", text)], asking.policy)
    except Refused:
        return text, None, False
    return text, [asking.world.population.by_name[name] for name in found.matches], "_lastUpdated" in text


def _list(asking: Asking) -> Case:
    type = asking.pick(("Observation", "Patient", "Encounter", "Condition", "Practitioner", "Location"))
    text, found, timed = _filtered(asking, type)
    request = _query(asking, f"{{ {type}List(_filter: {json.dumps(text)}) {{ {_SHOWN} }} }}")
    if found is None:
        return Case("$graphql", request, statuses(*REFUSED))
    return Case("$graphql", request, lambda pages: _is(pages, _listed(type, found)), timed=timed)


def _listed(type: str, found: list[Item]) -> dict[str, Any]:
    return {f"{type}List": [_shown(item.body) for item in found]} if found else {}


def _connection(asking: Asking) -> Case:
    type = asking.pick(("Observation", "Patient", "Encounter"))
    text, found, timed = _filtered(asking, type)
    arguments = f"_filter: {json.dumps(text)}, _count: 2"
    request = _query(asking, f"{{ {type}Connection({arguments}) {{ count edges {{ resource {{ id }} }} }} }}")
    if found is None:
        return Case("$graphql", request, statuses(*REFUSED))
    edges = [{"resource": {"id": item.id}} for item in found[:2]]
    right = {f"{type}Connection": {"count": len(found)} | {"edges": edges}}

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return f"status {pages[0].status}"
        page = pages[0].json["data"].get(f"{type}Connection", {})
        page.setdefault("edges", [])
        return None if pages[0].json == {"data": right} else f"{pages[0].json}, is {right}"

    return Case("$graphql", request, expect, timed=timed)


def _referring(asking: Asking) -> Case:
    request = _query(asking, "{ PatientList { id ObservationList(_reference: patient) { id } } }")
    if not asking.rights.permits("Patient", "s") or not asking.rights.permits("Observation", "s"):
        return Case("$graphql", request, statuses(200, *REFUSED))
    population, policy = asking.world.population, asking.policy
    right = []
    for _, id in population.search("Patient", [], policy).matches:
        some = population.search("Observation", [("patient", f"Patient/{id}")], policy).matches
        right.append({"id": id, "ObservationList": [{"id": one} for _, one in some]})

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return f"status {pages[0].status}"
        found = [{"ObservationList": [], **one} for one in pages[0].json["data"].get("PatientList", [])]
        return None if found == right else f"{found}, is {right}"

    return Case("$graphql", request, expect)


_LINKS = (
    ("Observation", "subject", ("Patient", "Group", "Location"), False),
    ("Observation", "performer", ("Practitioner", "Patient", "Organization"), True),
    ("Encounter", "subject", ("Patient",), False),
    ("Patient", "managingOrganization", ("Organization",), False),
    ("Patient", "generalPractitioner", ("Practitioner", "Organization"), True),
)


def _referred(asking: Asking) -> Case:
    type, element, targets, many = asking.pick(_LINKS)
    shown = " ".join(f"... on {target} {{ resourceType {_SHOWN} }}" for target in targets)
    link = f"{element} {{ reference resource(optional: true) {{ {shown} }} }}"
    request = _query(asking, f"{{ {type}List {{ id {link} }} }}")
    if not asking.rights.permits(type, "s"):
        return Case("$graphql", request, statuses(*REFUSED))
    found = asking.world.population.search(type, [], asking.policy).matches
    right = {}
    for name in found:
        body = asking.world.population.by_name[name].body
        value = body.get(element, [])
        some = value if many else [value] if value else []
        right[name[1]] = [_resolved(asking, body, one, targets) for one in some]

    def expect(pages: Pages) -> str | None:
        if pages[0].status != 200:
            return f"status {pages[0].status}"
        led = {}
        for one in pages[0].json["data"].get(f"{type}List", []):
            value = one.get(element, [])
            some = value if many else [value] if value else []
            led[one["id"]] = [each.get("resource", {}).get("id") for each in some]
        wrong = {id: (led.get(id), right.get(id)) for id in led.keys() | right.keys() if not _same(led, right, id)}
        return f"led to, must lead to: {wrong}" if wrong else None

    return Case("$graphql", request, expect)


def _same(led: dict[str, Any], right: dict[str, Any], id: str) -> bool:
    """What has nothing to show is not there."""
    found, wanted = led.get(id), right.get(id)
    if found is None or wanted is None:
        return False
    return [one for one in found if one] == [one for one in wanted if one]


def _resolved(asking: Asking, body: Any, reference: Any, targets: tuple[str, ...]) -> str | None:
    """The id of what a Reference leads to, where it may be read or is contained, and is of a type that is asked for."""
    text = reference.get("reference", "")
    type, _, rest = text.partition("/")
    id, _, version = rest.partition("/_history/")
    versions = asking.world.by_name.get((type, id), [])
    if text[:1] == "#":
        inside = {one.get("id"): one["resourceType"] for one in body.get("contained", ())}
        return text[1:] if inside.get(text[1:]) in targets else None
    if type not in targets or not versions or (version and int(version) > len(versions)):
        return None
    wanted = versions[int(version) - 1] if version else versions[-1]
    return id if wanted.body is not None and asking.sees("r", wanted) else None
