"""What a query needs from the store, by the interactions that REST has: read and search, under the same policy.

References of one level to one type are one search by `_id`, and so are the lists that several resources of a level
have of what refers to them. https://hl7.org/fhir/R4/graphql.html#references and #searching
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from graphql import GraphQLObjectType
from msgspec.structs import replace

from hilum.access.policy import Principal
from hilum.fhir.resource import Resource
from hilum.fhirpath import Work
from hilum.fhirpath.references import local
from hilum.fhirpath.types import Type
from hilum.graphql import limits
from hilum.graphql.arguments import Pairs, pairs, reference_parameter
from hilum.graphql.errors import Failed
from hilum.graphql.plan import Field, Items, Plan, holds, locator
from hilum.graphql.schema import connection_of, object_of
from hilum.interactions import search as searching
from hilum.interactions.door import Door
from hilum.interactions.read import read, vread
from hilum.problems import Forbidden, Gone, Invalid, Issue, NotFound, Problem, Unprocessable
from hilum.search.index import index
from hilum.search.limits import TooCostly
from hilum.search.parameters import R4, Parameter, Registry
from hilum.search.parse import Parsed, parse_query
from hilum.store.interface import Page

_BREATH: Final = 50
"""After so many resources others get their turn: finding out what one refers to takes about 50 us."""
_UNRESOLVED: Final = (
    "A reference can't be resolved: what it names is not here, or may not be seen with this token. With "
    "resource(optional: true) such references are passed over."
)
Body = dict[str, Any]
Name = tuple[str, str]
_AT_ONCE: Final = 200
"""So many ids stand in one search; the limit of a list of alternatives is 1,000."""


class Cursors(Protocol):
    """Seals a search and its position into text that a client can neither read nor forge. Raises Malformed.

    `holder`: whose it is (`Principal.holder`).
    """

    def seal_search(self, path: tuple[str, ...], parameters: Pairs, position: str, holder: str) -> str:
        """The cursor."""
        ...

    def open_search(self, path: tuple[str, ...], cursor: str, holder: str) -> tuple[Pairs, str]:
        """Parameters and position."""
        ...


@dataclass(slots=True, eq=False)
class Ask:
    """What a field needs from the store. `items`: where it goes. `body`: the resource or the Reference that has it.

    `root`: the resource that `body` is in, for references to contained resources.
    """

    field: Field
    items: Items
    body: Body
    root: Body


class Found(NamedTuple):
    """One object for an Ask: its JSON, its type, and the resource that it is in."""

    body: Body
    type: GraphQLObjectType
    root: Body


@dataclass(slots=True)
class Fetch:
    """The way to the store of one request. `now`: microseconds since 1970, for `ap`; `page`: resources on a page;
    `registry`: the search parameters that there are. `shown`: seqs of the versions that went into the answer.
    """

    door: Door
    who: Principal
    cursors: Cursors
    now: int
    page: int = 1000
    registry: Registry = R4
    searches: int = 0
    resources: int = 0
    shown: set[int] = field(default_factory=set)
    _current: dict[Name, Resource | None] = field(default_factory=dict)

    async def all(self, asks: Sequence[Ask], plan: Plan, work: Work) -> list[list[Found]]:
        """What is found for each. Raises Failed."""
        references = [one for one in asks if one.field.meaning.kind == "resource"]
        targets = {id(one): self._target(one, plan) for one in references}
        await self._load({name for name in targets.values() if isinstance(name, tuple)})
        reverse: dict[Field, list[Ask]] = {}
        for one in asks:
            if one.field.meaning.kind == "list" and "_reference" in one.field.arguments:
                reverse.setdefault(one.field, []).append(one)
        lists: dict[int, list[Found]] = {}
        for one_field, some in reverse.items():
            with _At(one_field):
                lists |= await self._referring(one_field, some)
        found: list[list[Found]] = []
        for one in asks:
            with _At(one.field):
                if one.field.meaning.kind == "resource":
                    found.append(await self._resolved(one, targets[id(one)]))
                elif id(one) in lists:
                    found.append(lists[id(one)])
                else:
                    found.append(await self._root(one, work))
        return found

    # --- references --------------------------------------------------------------------------------------------------

    def _target(self, ask: Ask, plan: Plan) -> Name | Body | None:
        """What a Reference leads to: a name, a contained resource, nothing that is wanted ({}), or nowhere (None)."""
        text = ask.body.get("reference")
        if not isinstance(text, str):
            return None
        if text[:1] == "#":
            if text == "#":
                return ask.root
            inside = ask.root.get("contained") or ()
            found = next((one for one in inside if one.get("id") == text[1:]), None)
            return None if found is None else found if self._wanted(ask.field, found["resourceType"], plan) else {}
        name = local(text.removeprefix(self.door.base + "/"))
        if name is None:
            return None
        return name if self._wanted(ask.field, name[0], plan) else {}

    @staticmethod
    def _wanted(one: Field, type: str, plan: Plan) -> bool:
        """Whether anything is selected of a resource of this type."""
        if one.arguments.get("type", type) != type:
            return False
        return bool(plan.fields(object_of(type, plan.document.schema.types.registry), one.selections))

    async def _resolved(self, ask: Ask, target: Name | Body | None) -> list[Found]:
        if isinstance(target, dict):
            return [Found(target, object_of(target["resourceType"], self.registry), ask.root)] if target else []
        resource = None
        if target is not None:
            _, _, version = ask.body["reference"].partition("/_history/")
            resource = await self._version(*target, version) if version else self._current[target]
        if resource is not None:
            return [self._made(resource)]
        if ask.field.arguments.get("optional"):
            return []
        raise Unprocessable(issues=(Issue("error", "not-found", _UNRESOLVED),))

    async def _load(self, names: Iterable[Name]) -> None:
        """Read what is not known yet: several of a type by one search."""
        by_type: dict[str, list[str]] = {}
        for type, id in sorted(names):
            if (type, id) not in self._current:
                self._current[type, id] = None
                by_type.setdefault(type, []).append(id)
        for type, ids in by_type.items():
            self._count(len(ids))
            policy = self.who.policy
            permits = policy.permits(type, "r")
            if not permits:
                continue
            # A reference is read, so that 'r' is what counts; a search sees by 's'.
            if len(ids) == 1 or permits != policy.permits(type, "s"):
                for id in ids:
                    self._search()
                    self._current[type, id] = await self._read(type, id)
                continue
            for start in range(0, len(ids), _AT_ONCE):
                some = ids[start : start + _AT_ONCE]
                page = await self._page(type, [("_id", ",".join(some)), ("_count", str(len(some)))])
                self._current.update(((type, one.id), one) for one in page.resources)

    async def _read(self, type: str, id: str) -> Resource | None:
        try:
            return await read(self.door, self.who, type, id)
        except (NotFound, Gone, Forbidden):
            return None

    async def _version(self, type: str, id: str, version: str) -> Resource | None:
        self._search()
        self._count(1)
        try:
            return await vread(self.door, self.who, type, id, version)
        except (NotFound, Gone, Forbidden):
            return None

    # --- reads and searches ------------------------------------------------------------------------------------------

    async def _root(self, ask: Ask, work: Work) -> list[Found]:
        means, given = ask.field.meaning, ask.field.arguments
        if means.kind == "read":
            id = given.get("id", given.get("_id"))
            if id is None or ("id" in given and "_id" in given):
                raise Invalid(f"{means.type} needs the argument id.")
            self._search()
            self._count(1)
            return [self._made(await read(self.door, self.who, means.type, id))]
        if means.kind == "list":
            asked = pairs(means.type, given, self.registry)
            return [self._made(one) for one in await self._list(means.type, asked, given.get("_count"))]
        return [await self._connection(ask, work)]

    def _made(self, resource: Resource) -> Found:
        self.shown.add(resource.seq)
        return Found(resource.body, object_of(resource.type, self.registry), resource.body)

    async def _list(self, type: str, asked: Pairs, count: int | None) -> Sequence[Resource]:
        """All that match, or the first `count`; too many are an error. https://hl7.org/fhir/R4/graphql.html#list"""
        most = min(limits.MOST_LIST, limits.MOST_RESOURCES - self.resources)
        wanted = most if count is None else min(count, most)
        page = await self._page(type, [*asked, ("_count", str(wanted))])
        if page.next is not None and (count is None or count > most):
            raise TooCostly(
                f"More than {most} {type} match, and a List has all or none. Narrow the search, give _count to have "
                f"only the first, or page through {type}Connection."
            )
        self._count(len(page.resources))
        return page.resources

    async def _referring(self, one: Field, asks: list[Ask]) -> dict[int, list[Found]]:
        """The lists, by Ask, of what refers to the resources of a level: one search for all of them."""
        type, given = one.meaning.type, one.arguments
        parameter = reference_parameter(type, given["_reference"], self.registry)
        asked, count = pairs(type, given, self.registry), given.get("_count")
        names = {id(ask): (str(ask.body["resourceType"]), str(ask.body["id"])) for ask in asks if "id" in ask.body}
        distinct = sorted(set(names.values()))
        by_name: dict[Name, list[Found]] = {name: [] for name in distinct}
        step = 1 if count is not None else _AT_ONCE
        for start in range(0, len(distinct), step):
            some = distinct[start : start + step]
            alternatives = ",".join("/".join(name) for name in some)
            resources = await self._list(type, [*asked, (parameter.code, alternatives)], count)
            for number, resource in enumerate(resources):
                if number % _BREATH == _BREATH - 1:
                    await asyncio.sleep(0)
                for name in some if len(some) == 1 else _referred(resource, parameter, self.registry):
                    if name in by_name:
                        by_name[name].append(self._made(resource))
        return {key: by_name[name] for key, name in names.items()} | {
            id(ask): [] for ask in asks if id(ask) not in names
        }

    async def _connection(self, ask: Ask, work: Work) -> Found:
        one = ask.field
        given, type = one.arguments, one.meaning.type.removesuffix("Connection")
        path = ("$graphql", type)
        after, offset = "", 0
        cursor = given.get("cursor", given.get("_cursor"))
        if cursor is not None:
            if given.keys() - {"cursor", "_cursor"}:
                raise Invalid("A cursor holds its search: give no other arguments with it.")
            asked, after = self.cursors.open_search(path, cursor, self.who.holder)
            held = dict(asked[-2:])
            asked, offset, filter = asked[:-2], int(held["_offset"]), held["fhirpath"]
        else:
            asked, filter = pairs(type, given, self.registry), given.get("fhirpath", "")
            if "_reference" in given:
                if "id" not in ask.body:
                    raise Invalid("A resource without an id is referred to by nothing.")
                parameter = reference_parameter(type, given["_reference"], self.registry)
                asked.append((parameter.code, f"{ask.body['resourceType']}/{ask.body['id']}"))
            size = given.get("_count", 20)
            asked.append(("_count", str(max(0, min(size, self.page, limits.MOST_LIST)))))
        selected = _selected(one)
        total = [("_total", "accurate")] if "count" in selected else []
        page = await self._page(type, [*asked, *total], after or None)
        self._count(len(page.resources))
        resources: Sequence[Resource] = page.resources
        if filter:
            find = locator(filter, Type(type))
            resources = [one for one in resources if holds(find, one.body, work)]
        self.shown.update(one.seq for one in resources)

        def seal(position: str, number: int) -> str:
            held = [*asked, ("_offset", str(number)), ("fhirpath", filter)]
            return self.cursors.seal_search(path, held, position, self.who.holder)

        body: Body = {
            "count": page.total,
            "offset": offset,
            "pagesize": int(dict(asked)["_count"]),
            "edges": [{"mode": "match", "resource": one.body} for one in resources],
        }
        if "first" in selected:
            body["first"] = seal("", 0)
        if page.next is not None and page.resources and "next" in selected:
            body["next"] = seal(page.next, offset + len(page.resources))
        return Found(body, connection_of(type, self.registry), ask.root)

    async def _page(self, type: str, asked: Pairs, after: str | None = None) -> Page:
        self._search()

        def understand(registry: Registry) -> Parsed:
            return parse_query(
                type,
                asked,
                base=self.door.base,
                now=self.now,
                max_count=limits.MOST_LIST,
                default_count=20,
                full_text=self.door.store.full_text,
                registry=registry,
            )

        parsed = await searching.understood(self.door, asked, understand)
        if after is not None:
            parsed = _at(parsed, after)
        return await searching.search(self.door, self.who, parsed)

    # --- limits ------------------------------------------------------------------------------------------------------

    def _search(self) -> None:
        self.searches += 1
        if self.searches > limits.MOST_SEARCHES:
            raise TooCostly(f"The query needs more than {limits.MOST_SEARCHES} searches; ask for less at once.")

    def _count(self, resources: int) -> None:
        self.resources += resources
        if self.resources > limits.MOST_RESOURCES:
            raise TooCostly(f"The query looks at more than {limits.MOST_RESOURCES} resources; ask for less at once.")


class _At:
    """Problems within it are said of this field."""

    def __init__(self, field: Field) -> None:
        self._field = field

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Problem) and not isinstance(error, Failed):
            raise Failed(error, self._field.places) from None


def _referred(resource: Resource, parameter: Parameter, registry: Registry) -> list[Name]:
    """What a resource refers to by a parameter."""
    rows = index(resource.type, resource.body, None, registry).references
    return list(dict.fromkeys((one.type, one.id) for one in rows if one.parameter in parameter.numbers))


def _selected(one: Field) -> set[str]:
    """The names that are selected directly; of fragments all that they have, wherever they apply."""
    found: set[str] = set()
    waiting: list[Any] = list(one.selections)
    while waiting:
        for node in waiting.pop().selections:
            if node.kind == "field":
                found.add(node.name.value)
            elif node.kind == "inline_fragment":
                waiting.append(node.selection_set)
            else:
                return {"count", "first", "next"}
    return found


def _at(parsed: Parsed, after: str) -> Parsed:
    return replace(parsed, query=replace(parsed.query, after=after))
