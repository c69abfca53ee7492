"""Recipes: which resources of one patient are gathered, starting from where, as files.

Each file `<name>.toml` is one recipe; `packaged/` holds those that come with hilum, and a folder one's own, which stand
in place of packaged ones of the same name. A file that is not sound stops only itself: whoever asks for its recipe is
told what is wrong with it, and gets no packaged one of the same name.

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
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

from hilum import fhirpath
from hilum.broker import payload
from hilum.broker.including import brought
from hilum.fhir.definitions import TYPE_NUMBER
from hilum.guides.package import DEFINITIONS
from hilum.oauth.scopes import Search, pairs
from hilum.problems import Invalid, Malformed, Misconfigured
from hilum.web import log

PATIENT: Final = "Patient"
"""The name of the first part of every gather."""
STARTS: Final = ("mrn", "patient", "launch")
"""A medical record number, the EHR's id of the patient, the patient of the launch context."""
SERVERS: Final = DEFINITIONS | {"AuditEvent", "Basic", "Bundle", "OperationOutcome", "Parameters", "Subscription"}
"""Types that tell a server how to work, or a client what came of it. Another server's have no say here: a profile or a
search parameter that an EHR sends along would hold for everybody's resources.
"""
STORES: Final = ("own", "none")
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


@dataclass(frozen=True, slots=True)
class Recipes(Mapping[str, Recipe]):
    """Recipes by name. `unsound`: what is wrong with the files that there are beside them, by the name that each would
    have.
    """

    sound: Mapping[str, Recipe]
    unsound: Mapping[str, str] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Recipe:
        return self.sound[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sound)

    def __len__(self) -> int:
        return len(self.sound)

    @property
    def names(self) -> frozenset[str]:
        """All that can be named: a file that is not sound may be mended."""
        return frozenset((*self.sound, *self.unsound))

    def named(self, name: str) -> Recipe:
        """That of this name. Raises Invalid, which says why there is none."""
        if name in self.sound:
            return self.sound[name]
        if name in self.unsound:
            raise Invalid(f"The recipe {name[:64]!r} can't be used. {self.unsound[name]}", expression="recipe")
        there = ", ".join(sorted(self.sound))
        raise Invalid(f"There is no recipe {name[:64]!r}. There are {there}.", expression="recipe")


@cache
def packaged() -> Mapping[str, Recipe]:
    """The recipes that come with hilum."""
    found = [one for one in (files("hilum.broker") / "packaged").iterdir() if one.name.endswith(".toml")]
    made = (recipe(one.name, one.read_text("utf-8")) for one in sorted(found, key=lambda one: one.name))
    return MappingProxyType({one.name: one for one in made})


def recipes(folder: Path) -> Recipes:
    """The packaged recipes, and those of a folder, if there is one, in their place."""
    found, unsound = dict(packaged()), {}
    for path in sorted(folder.glob("*.toml")):
        found.pop(path.stem, None)
        try:
            found[path.stem] = recipe(f"{folder.name}/{path.name}", _text(path))
        except Misconfigured as problem:
            unsound[path.stem] = str(problem)
    return Recipes(MappingProxyType(found), MappingProxyType(unsound))


class Own:
    """The recipes that there are whenever it is called, with those of this folder. What is wrong with a file is logged
    once.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._told = folder, frozenset[str]()

    def __call__(self) -> Recipes:
        """Those of now."""
        found = recipes(self._folder)
        wrong = frozenset(found.unsound.values())
        for text in sorted(wrong - self._told):
            log.warning("a recipe can't be used", text=text)
        self._told = wrong
        return found


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeError):
        text = f"Recipe {path.parent.name}/{path.name} can't be read: expected a file of UTF-8 text."
        raise Misconfigured(text) from None


def recipe(file: str, text: str) -> Recipe:
    """The recipe of a TOML text; its name is that of the file. Raises Misconfigured naming file, table and key."""
    name = Path(file).name.removesuffix(".toml")
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", name):
        raise Misconfigured(f"Recipe {file}: the name must have at most 40 letters a-z, digits and '-'.")
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"Recipe {file} is not TOML: {error}.") from None
    place = _Place(file)
    _known(place, table, ("title", "start", "store", "limits", "ask", "payload"))
    title = table.get("title")
    if type(title) is not str or not title.strip():
        raise place.at("title").wrong("must be a text.")
    start = _starts(place.at("start"), table.get("start", list(STARTS)))
    store = table.get("store", "own")
    if store not in STORES:
        raise place.at("store").wrong(f"must be one of {', '.join(STORES)}.")
    limits = _limits(place.at("limits"), table.get("limits", {}))
    listed = table.get("ask", [])
    if type(listed) is not list:
        raise place.at("ask").wrong("must be tables: [[ask]].")
    asks: list[Ask] = []
    for number, one in enumerate(listed, 1):
        asks.append(_ask(place.at(f"ask[{number}]"), one, asks))
    delivered = table.get("payload", {})
    if type(delivered) is not dict:
        raise place.at("payload").wrong("must be a table.")
    if delivered:
        payload.read(delivered, f"Recipe {file}, [payload]")
    return Recipe(name, title, start, tuple(asks), store, limits, delivered)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where something stands: a file, and the tables and keys down to it."""

    file: str
    key: str = ""

    def at(self, key: str) -> _Place:
        return _Place(self.file, f"{self.key}.{key}" if self.key else key)

    def wrong(self, what: str) -> Misconfigured:
        return Misconfigured(f"Recipe {self.file}: {self.key or 'the file'} {what}")


def _known(place: _Place, table: Any, keys: Iterable[str]) -> None:
    if type(table) is not dict:
        raise place.wrong("must be a table.")
    for key in table:
        if key not in keys:
            raise place.at(key).wrong(f"is not known; known here: {', '.join(keys)}.")


def _starts(place: _Place, value: Any) -> tuple[str, ...]:
    if type(value) is not list or not value or not all(one in STARTS for one in value):
        raise place.wrong(f"must be a list of {', '.join(STARTS)}.")
    return tuple(dict.fromkeys(value))


_MOST: Final = {"resources": 1_000_000, "megabytes": 4096, "seconds": 86_400, "at_once": 64}


def _limits(place: _Place, table: Any) -> Limits:
    _known(place, table, _MOST)
    for key, value in table.items():
        if type(value) is not int or not 1 <= value <= _MOST[key]:
            raise place.at(key).wrong(f"must be a whole number from 1 to {_MOST[key]}.")
    said = {("bytes" if key == "megabytes" else key): value for key, value in table.items()}
    if "bytes" in said:
        said["bytes"] <<= 20
    return Limits(**said)


def _ask(place: _Place, table: Any, above: list[Ask]) -> Ask:
    _known(place, table, ("type", "name", "search", "read"))
    kind = table.get("type")
    if kind not in TYPE_NUMBER:
        raise place.at("type").wrong("must be a resource type of FHIR R4.")
    if kind in SERVERS:
        raise place.at("type").wrong(f"is {kind}, which is about servers: a recipe gathers what is about patients.")
    if kind == PATIENT:
        raise place.at("type").wrong("is Patient, which every recipe starts with: leave it out.")
    name = table.get("name", kind)
    if type(name) is not str or not re.fullmatch(r"[A-Za-z][A-Za-z0-9 -]{0,39}", name):
        raise place.at("name").wrong("must have at most 40 letters, digits, spaces and '-'.")
    if name == PATIENT or any(one.name == name for one in above):
        raise place.at("name").wrong(f"{name!r} is that of another part: give each a `name` of its own.")
    if ("search" in table) is ("read" in table):
        raise place.wrong("must have either `search` or `read`.")
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


def _search(place: _Place, text: Any, types: tuple[str, ...]) -> Search:
    found = pairs(text) if type(text) is str else None
    if found is None:
        raise place.wrong("must be search parameters: name=value, joined by '&'.")
    named: list[str] = []
    for name, value in found:
        if name in _OURS:
            raise place.wrong(f"must not set {name}: a recipe gathers whole resources.")
        for word in placeholders(value):
            if word != "patient" and (word not in types or word == PATIENT):
                raise place.wrong(f"names {{{word}}}: expected {{patient}}, or the type of an ask above.")
            if word != "patient" and value != f"{{{word}}}":
                raise place.wrong(f"must have {{{word}}} as the whole value of {name}: it stands for a list of ids.")
            named.append(word)
    if not named:
        raise place.wrong("must say whose: with {patient}, or the type of an ask above, as a value.")
    if len({word for word in named if word != "patient"}) > 1 or len(named) != len(set(named)):
        raise place.wrong("must name each placeholder once, and one type at most.")
    return found


def _along(place: _Place, search: Search) -> tuple[str, ...]:
    try:
        found = brought(search)
    except Invalid as problem:
        raise place.wrong(str(problem)) from None
    if servers := ", ".join(sorted(SERVERS.intersection(found))):
        text = f"brings along {servers}, which is about servers: name the type that is meant,"
        raise place.wrong(f"{text} Type:parameter:Target.")
    return found


def _read(place: _Place, name: str, kind: str, text: Any, types: tuple[str, ...]) -> Ask:
    source = text.partition(".")[0] if type(text) is str else ""
    if source not in types:
        raise place.wrong("must be a FHIRPath that begins with Patient or the type of an ask above.")
    try:
        fhirpath.compile(text, source)
    except (Malformed, Invalid) as problem:
        raise place.wrong(f"is no FHIRPath on {source}: {problem}") from None
    return Ask(name, kind, read=text, after=(source,))
