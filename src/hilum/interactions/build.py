"""How a write is built: validate, name, index. Pure: bodies in, Writes and preconditions out.

https://hl7.org/fhir/R4/http.html#transactional-integrity
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container
from dataclasses import replace
from typing import Any, Final, ParamSpec, TypeVar

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource, draft
from hilum.guides.naming import untagged
from hilum.interactions import state
from hilum.interactions.conforming import judged
from hilum.interactions.contents import same
from hilum.interactions.defining import commit
from hilum.interactions.door import Door, Written
from hilum.interactions.known import NONE, extensions, unknown
from hilum.interactions.links import local_references, relative
from hilum.interactions.permit import (
    Lent,
    Permits,
    audit,
    covers,
    judged_by,
    lying,
    may_hold,
    may_remove,
    refuse_hidden,
)
from hilum.oauth.ledger import Put
from hilum.problems import Invalid, Issue, Malformed, PreconditionFailed
from hilum.search.before import before
from hilum.search.index import index
from hilum.search.parameters import Registry
from hilum.search.rows import NO_ROWS, Rows
from hilum.store.blobs.blob import Blob
from hilum.store.interface import Precondition, Present, Unreferenced, Write
from hilum.validation import validate

Body = dict[str, Any]

LARGE: Final = 1 << 18
"""Bytes of a resource: what is longer is validated and indexed in a thread, so that the event loop serves others."""

P = ParamSpec("P")
T = TypeVar("T")


async def apart(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a pure function says of a resource of so many bytes, from a thread when it is large."""
    return await asyncio.to_thread(work, *args, **kwargs) if size > LARGE else work(*args, **kwargs)


def findings(type: str, body: Body, extensions: Container[str] = NONE) -> tuple[Issue, ...]:
    """What must be corrected in a body that should be a `type`; empty when it may be stored.

    `extensions`: modifiers that are known beyond R4's own.
    """
    return _refusing(_found(type, body, extensions))


def _refusing(issues: tuple[Issue, ...]) -> tuple[Issue, ...]:
    """The errors; what is only better otherwise can wait for them."""
    found = tuple(issue for issue in issues if issue.severity in ("error", "fatal"))
    return (*found, issues[-1]) if found and issues[-1].code == "informational" else found


def _found(type: str, body: Body, extensions: Container[str]) -> tuple[Issue, ...]:
    if body.get("resourceType") != type:
        return (
            Issue("error", "invalid", f"The resourceType must be {type}, as the URL says.", f"{type}.resourceType"),
        )
    return tuple(validate(body, extensions=extensions))


async def checked(door: Door, type: str, body: Body, size: int = 0) -> tuple[Issue, ...]:
    """What is found in a body that may be stored: warnings and informations. Raises Invalid with all errors, Busy."""
    try:
        return await apart(size, valid, type, body)
    except Invalid as problem:
        if not unknown(problem):
            raise
    return await apart(size, valid, type, body, await extensions(door))


def valid(type: str, body: Body, extensions: Container[str] = NONE) -> tuple[Issue, ...]:
    """As `checked`, with the modifiers that are known beyond R4's own."""
    found = _found(type, body, extensions)
    if found:
        refusing = _refusing(found)
        if refusing:
            raise Invalid(issues=refusing)
    return found


def check_id(type: str, id: str, body: Body) -> None:
    """Raises Invalid unless the body says the id of the URL. https://hl7.org/fhir/R4/http.html#update"""
    if body.get("id") != id:
        found = "has no id" if body.get("id") is None else "has another id"
        raise Invalid(f"The body {found}; {type}.id must be the id in the URL.", expression=f"{type}.id")


def check_match(if_match: str | None, current: Resource | None) -> None:
    """If-Match against the current version: `3`, `W/"3"`, a list of such, or `*`. Raises PreconditionFailed, Malformed.

    https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1: one of the list is enough.

    A deleted resource still has a version, the deletion's, but `*` asks for one that exists.
    """
    if if_match is None:
        return
    if current is None:
        raise PreconditionFailed("If-Match names a version, but there is no such resource.")
    wanted = [tag.strip().removeprefix("W/").strip('"') for tag in if_match.split(",")]
    if wanted == ["*"]:
        if current.deleted:
            raise PreconditionFailed("If-Match asks for a resource that exists, but this one was deleted.")
        return
    if not any(wanted):
        raise Malformed('If-Match must name a version, such as W/"3".')
    if str(current.version) not in wanted:
        named = "the one" if len(wanted) == 1 else "one of those"
        raise PreconditionFailed(f"The current version is {current.version}, not {named} that If-Match names.")


def rows_of(current: Resource | None, registry: Registry) -> Rows:
    """The index rows that the store holds for the current version: none for a deletion."""
    return NO_ROWS if current is None or current.deleted else index(current.type, current.body, None, registry)


def image(
    door: Door,
    method: str,
    type: str,
    id: str,
    body: Body,
    current: Resource | None,
    registry: Registry,
    known: Rows | None = None,
    *,
    packaged: bool = False,
) -> Write:
    """The Write that makes `body` the next version after `current`. `known`: its index rows, where somebody has them.

    `registry`: of the catalogue that the commit names. `packaged`: it comes with a package (guides.py), which alone
    says so by its tags: from what others write those are left out.

    References to the server's own base become relative. The id of the body is not trusted: compartments depend on it.
    """
    if not packaged and "meta" in body:
        own = untagged(body, None if current is None or current.deleted else current.body)
        body, known = own, known if own is body else None
    made = draft(body, id)
    if (door.base + "/").encode() in made.tail:
        body, known = relative(body, door.base), None
        made = draft(body, id)
    version = 1 if current is None else current.version + 1
    rows = index(type, body, id, registry) if known is None else known
    old = NO_ROWS if current is None or current.deleted else before(current, made, body, rows, registry)
    return Write(method, type, id, version, made, rows, old)


def unchanged(write: Write, current: Resource | None) -> bool:
    """Whether the write would store the very same bytes again, but for versionId and lastUpdated."""
    if current is None or current.deleted or write.draft is None:
        return False
    return write.draft.stamp(current.version, current.last_updated) == current.raw


def removal(allowed: Permits, current: Resource, registry: Registry, lent: Lent = None) -> Write:
    """The Write that deletes. `lent`: see `permit`. Raises Forbidden when the resource isn't the principal's alone."""
    rows = rows_of(current, registry)
    may_remove(allowed, current.id, lying(rows, lent, 0))
    return Write("DELETE", current.type, current.id, current.version + 1, None, NO_ROWS, rows)


def integrity(door: Door, bodies: list[Body], removed: list[tuple[str, str]]) -> tuple[Precondition, ...]:
    """With referential integrity: what the bodies refer to must exist once all is written; nothing to `removed`."""
    if not door.integrity:
        return ()
    prefix_free = (relative(body, door.base) for body in bodies)
    targets = sorted({target for body in prefix_free for target in local_references(body)})
    return (*(Present(*target) for target in targets), *(Unreferenced(*name) for name in removed))


def targets(conditions: tuple[Precondition, ...]) -> list[tuple[str, str]]:
    """What must exist, by these conditions."""
    return [(condition.type, condition.id) for condition in conditions if isinstance(condition, Present)]


async def put(
    door: Door,
    who: Principal,
    allowed: Permits,
    interaction: str,
    method: str,
    type: str,
    id: str,
    body: Body,
    current: Resource | None,
    preconditions: tuple[Precondition, ...] = (),
    *,
    size: int = 0,
    told: tuple[Issue, ...] = (),
    blob: Blob | None = None,
    puts: tuple[Put, ...] = (),
) -> Written:
    """Commit `body` as the version after `current` (None: the first), judged by `allowed`.

    `told`: what validation said of it.

    What changes nothing makes no version, if the principal may read what is there. `size`: bytes of the body as it
    came, if it may be large. `blob`: of a Binary, where its content is if not in the body. `puts`: records that are new
    with the version. Raises Forbidden, Unprocessable (a profile), VersionChanged, CriteriaChanged, Conflict, Busy.
    """
    if type == "Basic":
        state.check(door, who, method, body, current)
    if current is not None:
        size = max(size, len(current.raw))
    catalogue = door.store.catalogue
    write = await apart(size, image, door, method, type, id, body, current, catalogue.registry)
    if blob is not None:
        write = replace(write, blob=blob)
    lent = await judged_by(door, who, allowed, current, body) if type == "Binary" else None
    new = lying(write.rows, lent, 1)
    may_hold(allowed, write.id, new, lying(write.old, lent, 0))
    readable = method == "POST" or covers(who, type, write.id, new)
    if readable and unchanged(write, current) and (blob is None or await same(door, current, blob)):
        assert current is not None
        return Written(current, created=False, changed=False, readable=readable, issues=told)
    told += await judged(door, type, body, size)
    conditions = preconditions
    if door.integrity:
        present = await apart(size, integrity, door, [body], [])
        await refuse_hidden(door, who, allowed, targets(present), {(type, id)}, current)
        conditions += present
    made = await commit(door, catalogue, (write,), audit(who, interaction), conditions, puts=puts)
    return Written(made[0], created=current is None or current.deleted, readable=readable, issues=told)
