"""Profiles, tags and security labels: which are in use, and how they are put on a resource and taken off.

https://hl7.org/fhir/R4/resource.html#Meta, https://hl7.org/fhir/R4/resource-operation-meta.html

What is added or removed makes a new version. FHIR leaves that open; here labels decide who may see a version, so that
one that changed under its number would make the history, the audit and every ETag untrue.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from hilum.access.policy import Principal
from hilum.fhir.definitions import TYPES
from hilum.fhir.resource import Resource
from hilum.fhirpath import Work
from hilum.interactions.door import Door
from hilum.interactions.patches import Body, Patch, copied
from hilum.interactions.permit import permits_for
from hilum.problems import Invalid, Issue, Unprocessable
from hilum.search.alternatives import Token
from hilum.search.clauses import Part, UnequalClause
from hilum.search.parameters import R4
from hilum.search.query import Query

MOST: Final = 1000
"""Different labels of one kind that are told of; where there are more, nobody reads them, and looking takes long."""
_AT_ONCE: Final = 50
KINDS: Final = {"profile": "_profile", "tag": "_tag", "security": "_security"}
"""Element of Meta -> the search parameter about it."""


@dataclass(frozen=True, slots=True)
class Labels:
    """`meta`: of all kinds those in use, sorted. `seqs`: of which versions they were read."""

    meta: Body
    seqs: tuple[int, ...]


async def labels(door: Door, who: Principal, type: str | None) -> Labels:
    """What is in use on current resources of a type, or of all types, that `who` may search.

    Each round asks for resources with a label that is not known yet, so that it takes as many searches as there are
    labels at most, however many resources have them. Raises Forbidden, Unprocessable (too costly).
    """
    counted = (await door.store.counts()).types
    types = (type,) if type is not None else TYPES
    allowed = dict(zip(types, permits_for(who, types, "s"), strict=True))
    there = {name: allowed[name] for name in types if allowed[name] and counted.get(name)}
    meta: Body = {}
    seqs: set[int] = set()
    for element, code in KINDS.items():
        found: dict[tuple[str, str], Any] = {}
        after: str | None = None
        while there:
            parts = tuple(_part(name, code, found, some) for name, some in there.items())
            page = await door.store.search(Query(parts, count=_AT_ONCE, after=after))
            before = len(found)
            for resource in page.resources:
                for one in resource.body.get("meta", {}).get(element, ()):
                    if one is not None:  # a profile that is nothing but an extension
                        found.setdefault(identity(one), one)
                seqs.add(resource.seq)
            if len(found) > MOST:
                raise _too_many(element)
            if page.next is None:
                break
            after = page.next if len(found) == before else None  # a tag of no code is never known
        if found:
            meta[element] = [found[name] for name in sorted(found)]
    return Labels(meta, tuple(sorted(seqs)))


def _part(type: str, code: str, known: Iterable[tuple[str, str]], some: Any) -> Part:
    """Resources of a type with a label that is none of those that are known."""
    parameter = R4.table(type)[code]
    if parameter.type == "uri":
        uris = tuple(dict.fromkeys(name for _, url in known for name in (url, url.partition("|")[0])))
        clause = UnequalClause(parameter.numbers, (), uris)
    else:
        clause = UnequalClause(parameter.numbers, tuple(Token(system, code) for system, code in known))
    return Part(type, (clause,), some)


def identity(one: Any) -> tuple[str, str]:
    """What makes two of them the same: "system+code. Version and display are ignored"; of profiles the full URL."""
    if isinstance(one, dict):
        return str(one.get("system", "")), str(one.get("code", ""))
    return "", str(one)


def _too_many(element: str) -> Unprocessable:
    text = f"There are more than {MOST} different values of meta.{element}: ask of one type, or search by them."
    return Unprocessable(issues=(Issue("error", "too-costly", text),))


# --- changes ----------------------------------------------------------------------------------------------------------


def adding(meta: Body, where: str) -> Patch:
    """The patch that adds what `meta` holds: "sets, and duplicates are not created". Raises Invalid naming `where`."""
    wanted = _wanted(meta, where)

    def add(body: Body, work: Work) -> Body:
        for element, some in wanted.items():
            held = body.setdefault("meta", {})
            listed = held.setdefault(element, [])
            listed += [None] * (len(held.get(f"_{element}", ())) - len(listed))
            known = {identity(one) for one in listed if one is not None}
            new = [copied(one) for name, one in some.items() if name not in known]
            listed += new
            beside = held.get(f"_{element}")
            if beside is not None:  # extensions of the profiles, in step with them, which may all be without a URL
                beside += [None] * len(new)
            if not listed:
                del held[element]
        return body

    return Patch("meta", (add,))


def removing(meta: Body, where: str) -> Patch:
    """The patch that removes what `meta` names: "not an error if these do not exist". Raises Invalid."""
    wanted = _wanted(meta, where)

    def remove(body: Body, work: Work) -> Body:
        held = body.get("meta", {})
        for element, some in wanted.items():
            listed = held.get(element, [])
            kept = [number for number, one in enumerate(listed) if identity(one) not in some]
            if len(kept) == len(listed):
                continue
            beside = held.pop(f"_{element}", None)
            held[element] = [listed[number] for number in kept]
            if beside is not None and any(beside[number] is not None for number in kept):
                held[f"_{element}"] = [beside[number] for number in kept]
            if not kept:
                del held[element]
        return body

    return Patch("meta", (remove,))


def _wanted(meta: Body, where: str) -> dict[str, dict[tuple[str, str], Any]]:
    found: dict[str, dict[tuple[str, str], Any]] = {}
    for element in KINDS:
        for number, one in enumerate(meta.get(element, ())):
            place = f"{where}.{element}[{number}]"
            if one is None or not identity(one)[1]:
                raise Invalid("Each is told by its code (and system), profiles by their URL.", expression=place)
            found.setdefault(element, {}).setdefault(identity(one), one)
    if not found:
        raise Invalid("The meta names no profile, tag or security label.", expression=where)
    return found


def meta_of(resource: Resource) -> Body:
    """The meta of a version."""
    found: Body = resource.body["meta"]
    return found
