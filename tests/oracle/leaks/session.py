"""One token asks, in a world and in its twin, which has nothing of what the token may not see.

Every answer is judged in three ways: it is what the evaluator says; it holds no mark of anything hidden; and in the
twin it is the same, but for times and for ids that the server makes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.oracle.leaks import bundling, deriving, operating, reading, searching, writing
from tests.oracle.leaks.adapter import ADMIN, Server, fill
from tests.oracle.leaks.cases import Asking, Case
from tests.oracle.leaks.requests import Answer, Request, alike
from tests.oracle.leaks.rights import Rights
from tests.oracle.leaks.world import Step, World, mark_of, plain
from tests.oracle.records import BASE

KINDS: tuple[tuple[Callable[[Asking], Case], int], ...] = (
    (reading.read, 6),
    (reading.vread, 5),
    (reading.of_instance, 4),
    (reading.of_type, 3),
    (reading.of_everything, 1),
    (searching.search, 12),
    (searching.by_name, 4),
    (searching.looking_back, 3),
    (searching.looking_on, 4),
    (searching.of_identifier, 6),
    (operating.everything, 4),
    (operating.everyone, 1),
    (operating.graphql, 6),
    (deriving.meta, 5),
    (deriving.lastn, 5),
    (deriving.diff, 4),
    (deriving.document, 5),
    (deriving.everything, 3),
    (writing.create, 4),
    (writing.conditional_create, 5),
    (writing.update, 6),
    (writing.conditional_update, 5),
    (writing.patch, 6),
    (writing.conditional_patch, 4),
    (writing.delete, 3),
    (writing.conditional_delete, 4),
    (bundling.batch, 3),
    (bundling.batch_of_writes, 2),
    (bundling.transaction, 4),
    (bundling.several, 3),
    (bundling.conditional_reference, 3),
)
"""What makes cases, and how often."""

MOST_PAGES = 80


def case(asking: Asking) -> Case:
    """Any case."""
    makers, weights = zip(*KINDS, strict=True)
    make: Callable[[Asking], Case] = asking.chance.choices(makers, weights)[0]
    return make(asking)


@dataclass
class Side:
    """A server, and what of it was seen so far: how many versions, and which of its ids is which of the other's."""

    server: Server
    versions: int
    ids: dict[str, str] = field(default_factory=dict)

    async def ask(self, token: str, request: Request) -> list[Answer]:
        """The pages of an answer."""
        pages = [await self.server.ask(token, self._here(request))]
        while pages[-1].status == 200 and b'"relation":"next"' in pages[-1].body and len(pages) < MOST_PAGES:
            following = pages[-1].next
            if following is None:
                break
            pages.append(await self.server.ask(token, follow(following)))
        return pages

    def _here(self, request: Request) -> Request:
        """The request with this server's ids."""

        def renamed(value: Any) -> Any:
            text = json.dumps(value)
            for there, here in self.ids.items():
                text = text.replace(there, here)
            return json.loads(text)

        if not self.ids:
            return request
        pairs = {name: tuple(map(tuple, renamed(getattr(request, name)))) for name in ("query", "headers", "form")}
        return replace(request, path=renamed(request.path), body=renamed(request.body), **pairs)

    async def news(self) -> list[dict[str, Any]]:
        """The entries of the versions that came since, oldest first."""
        answer = await self.server.ask(ADMIN, Request("GET", "_history", (("_count", "40"),)))
        count = int(answer.json["total"]) - self.versions
        self.versions += count
        return list(reversed(answer.json["entry"][:count])) if count else []


def follow(url: str) -> Request:
    """The request of a link."""
    parts = urlsplit(url.removeprefix(BASE))
    return Request("GET", unquote(parts.path).strip("/"), tuple(parse_qsl(parts.query, keep_blank_values=True)))


@dataclass
class Session:
    """One token in a world."""

    token: str
    asking: Asking
    main: Side
    twin: Side | None
    integrity: bool = False
    """References must lead somewhere, and nothing is deleted that is referred to: then a write may be refused."""

    @property
    def world(self) -> World:
        """What is stored."""
        return self.asking.world

    def secrets(self) -> dict[str, str]:
        """Mark -> whose it is, of all versions that may not be shown; a mark stays through a patch."""
        rights, world = self.asking.rights, self.world
        hidden, shown = {}, set()
        for one in world.versions:
            named = world.population.within(one.says, rights.named(one.step.type, "s"))
            if named or any(world.sees(rights, letter, one) for letter in "rs"):
                shown.add(mark_of(one.body))
            elif one.body is not None:
                hidden[mark_of(one.body)] = "/".join(map(str, one.key))
        return {mark: whose for mark, whose in hidden.items() if mark not in shown}

    async def check(self, case: Case) -> list[str]:
        """Ask, and all that is wrong with the answer."""
        secrets = self.secrets()
        pages = await self.main.ask(self.token, case.request)
        wrong = []
        said = case.expect(pages)
        conflict = self.integrity and (pages[0].status == 409 or b'"status":"409"' in pages[0].body)
        if said is not None and not conflict:
            wrong.append(said)
        wrong += _tainted(pages, secrets, case.request)
        # That something unseen refers to what is to be deleted can't be kept from who is not to break it.
        if self.twin is not None and not (conflict and "delete" in case.kind):
            others = await self.twin.ask(self.token, case.request)
            if not case.timed:
                wrong += _differing(pages, others)
        if pages[0].status == 200 and b'"relation":"next"' in pages[0].body:
            foreign = await self.main.server.ask(ADMIN, follow(pages[0].next or ""))
            if foreign.status != 400:
                wrong.append(f"LINK: another token follows it, status {foreign.status}")
        if case.request.method not in ("GET", "HEAD"):
            wrong += await self._stored(case, fine=said is None)
        return wrong

    async def _stored(self, case: Case, *, fine: bool) -> list[str]:
        """Learn what was written, and say where it isn't what should have been."""
        made = await self.main.news()
        group = self.world.versions[-1].step.group + 1
        found = []
        for entry in made:
            type, id = entry["fullUrl"].split("/")[-2:]
            method, body = entry["request"]["method"], entry.get("resource")
            found.append((method, type, id, None if body is None else plain(body)))
            self.world.add(Step(method, type, id, body, group), body)
        if self.twin is not None:
            there = await self.twin.news()
            if len(there) != len(made):
                return [f"{len(made)} versions were made, in the twin {len(there)}"]
            for mine, yours in zip(made, there, strict=True):
                here, other = (one["fullUrl"].rpartition("/")[2] for one in (mine, yours))
                if here != other:
                    self.twin.ids[here] = other
        right = [(one.method, one.type, one.id, one.body) for one in case.writes]
        same = len(found) == len(right) and all(
            (a[0], a[1], a[3]) == (b[0], b[1], b[3]) and b[2] in (None, a[2])
            for a, b in zip(sorted(found, key=_key), sorted(right, key=_key), strict=True)
        )
        return [] if same or not fine else [f"stored {found}, must be {right}"]


def _key(one: tuple[Any, ...]) -> str:
    return json.dumps((one[0], one[1], one[3]), sort_keys=True) + (one[2] or "" if one[3] is None else "")


def _tainted(pages: Iterable[Answer], secrets: dict[str, str], request: Request | None) -> list[str]:
    """Marks that are in an answer though they may not, and were not in the request."""
    asked = "" if request is None else json.dumps(request.body)
    found = []
    for page in pages:
        text = page.body.decode() + str(page.headers)
        found += [f"LEAK: it holds {whose}" for mark, whose in secrets.items() if mark in text and mark not in asked]
    return found


def _differing(pages: list[Answer], others: list[Answer]) -> list[str]:
    """Where the twin's answers are others."""
    if len(pages) != len(others):
        return [f"TWIN: {len(pages)} pages, without what is hidden {len(others)}"]
    for number, (mine, yours) in enumerate(zip(pages, others, strict=True)):
        a, b = alike(mine), alike(yours)
        if a != b:
            at = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            at = max(0, at - 120)
            shown, other = a[at : at + 300], b[at : at + 300]
            return [f"TWIN: page {number} is\n    …{shown}\n  without what is hidden\n    …{other}"]
    return []


KNOWLEDGE = ("CodeSystem", "ValueSet")
"""What the server knows of codes: `:in`, `:below` and their like mean the same for everybody."""


async def twin(server: Server, world: World, rights: Rights, *, integrity: bool) -> Side:
    """The same world on an empty store, without what is hidden; but a token knows whose it is.

    `integrity`: what the rest refers to stays, since that it is there is no secret where all references hold.
    """
    own = {owner for grant in rights.grants for owner in grant.owners or ()}
    away = {name for name in world.hidden(rights) - own if name[0] not in KNOWLEDGE}
    if integrity:
        kept = [one.body for one in world.versions if one.name not in away]
        away -= {name for body in kept for name in operating.REFERENCE.findall(json.dumps(body))}
    steps = [one.step for one in world.versions if one.name not in away]
    await fill(server.store, steps)
    return Side(server, len(steps))


async def settled(server: Server, steps: list[Step], now: int) -> World:
    """A world that holds what was committed to a store."""
    world = World(now)
    for step, body in zip(steps, await fill(server.store, steps), strict=True):
        world.add(step, body)
    return world
