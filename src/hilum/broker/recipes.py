"""Recipes: which resources of one patient are gathered, starting from where, as files.

Each file `<name>.toml` is one recipe; `packaged/` holds those that come with hilum, and a folder one's own
(`hilum.tables.own`).

A search is written as in FHIR, https://hl7.org/fhir/R4/search.html, with `{patient}` for the patient's id and
`{Encounter}` for the ids of what came of that type:

    title = "Visits, and what was seen at them"
    start = ["mrn", "patient"]

    [[ask]]
    type = "Encounter"
    search = "patient={patient}&_include=Encounter:location"

    [[ask]]
    type = "Practitioner"
    read = "Encounter.participant.individual"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Literal

from hilum import fhirpath
from hilum.broker import payload
from hilum.broker.including import brought
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.guides.package import DEFINITIONS
from hilum.oauth.scopes import Search, pairs
from hilum.problems import Invalid, Malformed
from hilum.tables import own
from hilum.tables.own import Tables
from hilum.tables.place import Place

PATIENT: Final = "Patient"
"""The name of the first part of every gather."""
STARTS: Final = ("mrn", "patient", "launch")
"""A medical record number, the EHR's id of the patient, the patient of the launch context."""
SERVERS: Final = DEFINITIONS | {"AuditEvent", "Basic", "Bundle", "OperationOutcome", "Parameters", "Subscription"}
"""Types that tell a server how to work, or a client what came of it. Another server's have no say here: a profile or a
search parameter that an EHR sends along would hold for everybody's resources.
"""
STORES: Final[tuple[Literal["own", "none"], ...]] = ("own", "none")
"""Where what came goes: into hilum's own store, or nowhere (held sealed until it is delivered)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one gather: resources and bytes (as JSON) that are looked at, seconds, and requests at the same time."""

    resources: int = 20_000
    bytes: int = 128 << 20
    seconds: int = 600
    at_once: int = 4


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing that is asked for: a search, or the reading of what other resources refer to.

    `search`: the parameters, placeholders among their values. `read`: a FHIRPath to References or to URLs, whose
    targets of this type are read one by one; its first name is the type of what it looks at. `after`: the types that
    must have come before. `along`: those that a search brings along.
    """

    name: str
    type: str
    search: Search = ()
    read: str = ""
    after: tuple[str, ...] = ()
    along: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recipe:
    """`start`: some of STARTS; `store`: one of STORES. The patient comes first; an ask names only types above it.

    `payload`: the table of what is delivered, as it stands in the file; empty where nothing is.
    """

    name: str
    title: str
    start: tuple[str, ...]
    asks: tuple[Ask, ...]
    store: Literal["own", "none"] = "own"
    limits: Limits = Limits()
    payload: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def types(self) -> tuple[str, ...]:
        """The types that are asked for, the patient first: what scopes are needed for."""
        return tuple(dict.fromkeys((PATIENT, *(ask.type for ask in self.asks))))

    @property
    def taken(self) -> frozenset[str]:
        """The types of which anything is taken: what an EHR sends beside was not asked for."""
        return frozenset((*self.types, *(type for ask in self.asks for type in ask.along)))


class Recipes(Tables[Recipe]):
    """Recipes by name."""

    kind = "recipe"


@cache
def packaged() -> Mapping[str, Recipe]:
    """The recipes that come with hilum."""
    return own.packaged(files("hilum.broker") / "packaged", recipe)


def recipes(folder: Path) -> Recipes:
    """The packaged recipes, and those of a folder, if there is one, in their place."""
    return own.beside(Recipes, packaged(), folder, recipe)


def recipe(file: str, text: str) -> Recipe:
    """The recipe of a TOML text; its name is that of the file. Raises Misconfigured naming file, table and key."""
    name, place, table = own.opened("recipe", file, text)
    place.known(table, ("title", "start", "store", "limits", "ask", "payload"))
    title = place.at("title").text(table.get("title"))
    start = place.at("start").texts(table.get("start", list(STARTS)), STARTS)
    store = place.at("store").one_of(table.get("store", "own"), STORES)
    limits = _limits(place.at("limits"), table.get("limits", {}))
    asks: list[Ask] = []
    for where, one in place.at("ask").tables(table.get("ask", [])):
        asks.append(_ask(where, one, asks))
    delivered = table.get("payload", {})
    if type(delivered) is not dict:
        raise place.at("payload").wrong("must be a table", delivered)
    if delivered:
        payload.read(delivered, f"{place.file}, [payload]")
    return Recipe(name, title, start, tuple(asks), store, limits, delivered)


_MOST: Final = {"resources": 1_000_000, "megabytes": 4096, "seconds": 86_400, "at_once": 64}


def _limits(place: Place, table: Any) -> Limits:
    said = {key: place.at(key).whole(value, 1, _MOST[key]) for key, value in place.known(table, _MOST).items()}
    if "megabytes" in said:
        said["bytes"] = said.pop("megabytes") << 20
    return Limits(**said)


def _ask(place: Place, table: Any, above: list[Ask]) -> Ask:
    place.known(table, ("type", "name", "search", "read"))
    kind = table.get("type")
    if kind not in TYPE_NUMBER:
        raise place.at("type").wrong("must be a resource type of FHIR R4", kind)
    if kind in SERVERS:
        raise place.at("type").wrong(f"is {kind}, which is about servers: a recipe gathers what is about patients")
    if kind == PATIENT:
        raise place.at("type").wrong("is Patient, which every recipe starts with: leave it out")
    name = table.get("name", kind)
    if type(name) is not str or not re.fullmatch(r"[A-Za-z][A-Za-z0-9 -]{0,39}", name):
        raise place.at("name").wrong("must have at most 40 letters, digits, spaces and '-'", name)
    if name == PATIENT or any(one.name == name for one in above):
        raise place.at("name").wrong(f"{name!r} is that of another part: give each a `name` of its own")
    if ("search" in table) is ("read" in table):
        raise place.wrong("must have either `search` or `read`")
    types = (PATIENT, *(one.type for one in above))
    if "search" in table:
        search = _search(place.at("search"), table["search"], types)
        along = _along(place.at("search"), search)
        after = dict.fromkeys(word for _, value in search for word in placeholders(value) if word != "patient")
        return Ask(name, kind, search=search, after=tuple(after), along=along)
    return _read(place.at("read"), name, kind, table["read"], types)


_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_OURS: Final = frozenset(("_format", "_summary", "_elements", "_total", "_contained", "_containedType", "_pretty"))
"""Parameters that would make a search answer with something else than whole resources, or are not a recipe's to set."""


def placeholders(value: str) -> list[str]:
    """The names in braces."""
    return _PLACEHOLDER.findall(value)


def _search(place: Place, text: Any, types: tuple[str, ...]) -> Search:
    found = pairs(text) if type(text) is str else None
    if found is None:
        raise place.wrong("must be search parameters: name=value, joined by '&'", text)
    named: list[str] = []
    for name, value in found:
        if name in _OURS:
            raise place.wrong(f"must not set {name}: a recipe gathers whole resources")
        for word in placeholders(value):
            if word != "patient" and (word not in types or word == PATIENT):
                raise place.wrong(f"names {{{word}}}: expected {{patient}}, or the type of an ask above")
            if word != "patient" and value != f"{{{word}}}":
                raise place.wrong(f"must have {{{word}}} as the whole value of {name}: it stands for a list of ids")
            named.append(word)
    if not named:
        raise place.wrong("must say whose: with {patient}, or the type of an ask above, as a value")
    if len({word for word in named if word != "patient"}) > 1 or len(named) != len(set(named)):
        raise place.wrong("must name each placeholder once, and one type at most")
    return found


def _along(place: Place, search: Search) -> tuple[str, ...]:
    try:
        found = brought(search)
    except Invalid as problem:
        raise place.wrong(str(problem)) from None
    if servers := ", ".join(sorted(SERVERS.intersection(found))):
        text = f"brings along {servers}, which is about servers: name the type that is meant,"
        raise place.wrong(f"{text} Type:parameter:Target")
    return found


def _read(place: Place, name: str, kind: str, text: Any, types: tuple[str, ...]) -> Ask:
    source = text.partition(".")[0] if type(text) is str else ""
    if source not in types:
        raise place.wrong("must be a FHIRPath that begins with Patient or the type of an ask above", text)
    try:
        fhirpath.compile(text, source)
    except (Malformed, Invalid) as problem:
        raise place.wrong(f"is no FHIRPath on {source}: {problem}") from None
    return Ask(name, kind, read=text, after=(source,))
