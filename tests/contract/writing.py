"""Short ways to say what the contract suite writes and asks."""

from __future__ import annotations

from typing import Any

from hilum.fhir.resource import Resource, draft
from hilum.search.alternatives import Token
from hilum.search.clauses import Clause, NotClause, Part, Permit, TokenClause
from hilum.search.index import index
from hilum.search.parameters import table
from hilum.search.query import Query
from hilum.search.rows import NO_ROWS
from hilum.store.interface import Audit, Commit, HistoryQuery, Page, Precondition, Resolves, Store, Versions, Write

AUDIT = Audit(agent="Practitioner/1", client="tests", interaction="create", token="jti-1")
ALL = (Permit(None),)

Body = dict[str, Any]


def patient(family: str = "Chalmers", mrn: str | None = None, **more: Any) -> Body:
    """A Patient with a name and, if wanted, a medical record number."""
    body: Body = {"resourceType": "Patient", "name": [{"family": family}], **more}
    if mrn is not None:
        body["identifier"] = [{"system": "urn:mrn", "value": mrn}]
    return body


def observation(subject: str | None = None, code: str = "8867-4", **more: Any) -> Body:
    """An Observation about `subject`, such as Patient/1."""
    body: Body = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        **more,
    }
    if subject is not None:
        body["subject"] = {"reference": subject}
    return body


def put(body: Body, id: str, *, over: Resource | None = None, method: str = "PUT") -> Write:
    """The write that makes `body` the version after `over` (None: the first)."""
    type = body["resourceType"]
    old = index(type, over.body, id) if over is not None and not over.deleted else NO_ROWS
    version = over.version + 1 if over is not None else 1
    return Write(method, type, id, version, draft(body, id), index(type, body, id), old)


def gone(over: Resource) -> Write:
    """The write that deletes `over`."""
    return Write("DELETE", over.type, over.id, over.version + 1, None, NO_ROWS, index(over.type, over.body, over.id))


def commit(*writes: Write, given: tuple[Precondition, ...] = (), to: Store | None = None) -> Commit:
    """A commit of those writes; `to`: one by the search parameters (and the setting of full text) of that store."""
    return Commit(writes, AUDIT, given, 0 if to is None else to.catalogue.generation)


async def create(store: Store, body: Body, id: str) -> Resource:
    """One resource, committed on its own."""
    (made,) = await store.commit(commit(put(body, id), to=store))
    return made


async def replace(store: Store, over: Resource, body: Body) -> Resource:
    """Its next version."""
    (made,) = await store.commit(commit(put(body, over.id, over=over), to=store))
    return made


async def delete(store: Store, over: Resource) -> Resource:
    """Its deletion."""
    (made,) = await store.commit(commit(gone(over)))
    return made


def asking(*clauses: Clause, types: tuple[str, ...] = ("Patient",), **more: Any) -> Query:
    """A query with every permission, unless `permits` (one entry per type) says otherwise."""
    permits = more.pop("permits", (ALL,) * len(types))
    return Query(tuple(Part(type, clauses, one) for type, one in zip(types, permits, strict=True)), **more)


def numbers(type: str, code: str) -> tuple[int, ...]:
    """Under which numbers the rows of a parameter are."""
    return table(type)[code].numbers


def token(type: str, code: str, value: str | None, system: str | None = None, *, negated: bool = False) -> Clause:
    """`code=system|value`; system None: any, "": none."""
    found = TokenClause(numbers(type, code), (Token(system, value),))
    return NotClause(found) if negated else found


def mrn(value: str) -> Clause:
    """`identifier=urn:mrn|value` on Patient."""
    return token("Patient", "identifier", value, "urn:mrn")


def nobody(value: str) -> Resolves:
    """`If-None-Exist: identifier=urn:mrn|value`."""
    return Resolves(asking(mrn(value)), ())


def chronicle(*types: str, **more: Any) -> HistoryQuery:
    """A history with every permission, unless `permits` says otherwise."""
    permits = more.pop("permits", (ALL,) * len(types))
    return HistoryQuery(types, permits, **more)


def ids(page: Page | Versions) -> list[str]:
    """The logical ids of a page, in order."""
    return [resource.id for resource in page.resources]


def versions(page: Versions) -> list[tuple[str, int, str]]:
    """(id, version, method) of a page of history, in order."""
    return [(resource.id, resource.version, resource.method) for resource in page.resources]
