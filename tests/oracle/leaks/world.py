"""What is stored, version by version, as the evaluator keeps it; and the same world without what somebody may not see.

A version is judged by what it says, a deletion by what it deleted: https://hl7.org/fhir/R4/http.html#history
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

from tests.oracle.evaluator import Population
from tests.oracle.leaks.rights import Rights
from tests.oracle.records import BASE, Item, Name

Body = dict[str, Any]

MARK = "http://example.org/mark"
"""The url of the extension in which a version has a text that no other version has."""


@dataclass(frozen=True)
class Step:
    """One write. `body` None: a deletion. Steps of one `group` are committed together."""

    method: str
    type: str
    id: str
    body: Body | None
    group: int = 0

    @property
    def name(self) -> Name:
        """(type, id)"""
        return self.type, self.id


@dataclass(frozen=True)
class Version:
    """`body` as stored; None: a deletion. `says`: what it is judged by."""

    step: Step
    number: int
    body: Body | None
    says: Item

    @property
    def name(self) -> Name:
        """(type, id)"""
        return self.step.name

    @property
    def key(self) -> tuple[str, str, int]:
        """(type, id, version)"""
        return (*self.step.name, self.number)


@dataclass
class World:
    """Versions in the order of their commits, and those of each resource. `now`: microseconds, for the prefix `ap`."""

    now: int
    versions: list[Version] = field(default_factory=list)
    by_name: dict[Name, list[Version]] = field(default_factory=dict)
    _population: Population | None = None

    def add(self, step: Step, body: Body | None) -> Version:
        """One more version; `body` as it was stored."""
        before = self.by_name.setdefault(step.name, [])
        content = body if body is not None else before[-1].body
        assert content is not None, "nothing is deleted twice"
        made = Version(step, len(before) + 1, body, Item(0, step.type, step.id, content))
        before.append(made)
        self.versions.append(made)
        self._population = None
        return made

    @property
    def population(self) -> Population:
        """What is there now, in the order in which the resources were first created."""
        if self._population is None:
            bodies = [some[-1].body for some in self.by_name.values() if some[-1].body is not None]
            self._population = Population(bodies, base=BASE, now=self.now)
        return self._population

    def current(self, type: str, id: str) -> Version | None:
        """The newest version, perhaps a deletion."""
        some = self.by_name.get((type, id))
        return some[-1] if some else None

    def may(self, rights: Rights, letter: str, version: Version | None) -> bool:
        """Whether this is allowed on that version; on none never."""
        return version is not None and self.sees(rights, letter, version)

    def sees(self, rights: Rights, letter: str, version: Version) -> bool:
        """The same, of a version that there is."""
        return self.allow(rights, letter, version.says)

    def allow(self, rights: Rights, letter: str, item: Item) -> bool:
        """Whether this is allowed on what says this."""
        return rights.allow(self.population, letter, self.lying(rights, item))

    def lying(self, rights: Rights, item: Item) -> Item:
        """The item in its compartments: a Binary is in those of what its security context refers to, where the token
        may read that, and else in none. https://hl7.org/fhir/R4/binary.html#security
        """
        if item.type != "Binary":
            return item
        type, _, id = item.body.get("securityContext", {}).get("reference", "").partition("/")
        of = self.current(type, id)
        lent = frozenset[Name]()
        if of is not None and of.body is not None and type != "Binary" and self.sees(rights, "r", of):
            lent = self.population.compartments(of.says)
        return replace(item, compartments=lent, values={})

    def hidden(self, rights: Rights) -> frozenset[Name]:
        """The resources with which nothing may be done, in none of their versions."""
        return frozenset(
            name
            for name, some in self.by_name.items()
            if not any(self.allow(rights, letter, one.says) for one in some for letter in "rsud")
            and not any(self.population.within(one.says, rights.named(name[0], "s")) for one in some)
        )


def mark_of(body: Body | None) -> str:
    """The text that only this version has."""
    if body is None:
        return ""
    if body["resourceType"] == "Binary":
        return str(body["data"])
    return next(str(one["valueString"]) for one in body.get("extension", ()) if one["url"] == MARK)


def plain(body: Body) -> Body:
    """A body without what the server says of it."""
    found: Body = json.loads(json.dumps(body))
    found.pop("id", None)
    meta = found.get("meta", {})
    for key in ("versionId", "lastUpdated"):
        meta.pop(key, None)
    if not meta:
        found.pop("meta", None)
    return found
