"""Roles: what people may do, as a table (`roles.toml`, and a file of one's own).

What an app may do for a user is never more than that: https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from hilum.access.shared import BELONGS
from hilum.fhir.definitions import TYPE_NUMBER, compartments
from hilum.oauth.scopes import LETTERS, Search, pairs
from hilum.problems import Invalid, Misconfigured
from hilum.search.constraints import constraint
from hilum.tables.reading import parsed

PAGES: Final = ("clients", "users", "consents", "audit", "brand", "guides", "ehrs", "orders")
"""What `console` may name."""
PICKS: Final = ("none", "own", "any")
"""Whose record a user may choose for an app."""


@dataclass(frozen=True, slots=True)
class Rule:
    """These interactions (letters of `cruds`) on these types (`("*",)`: all, without those of `but`).

    `own`: only in the records of the user's patients. `search`: only what these parameters find. `shared`: see `Role`.
    """

    types: tuple[str, ...]
    may: frozenset[str]
    but: frozenset[str] = frozenset()
    own: bool = False
    search: Search = ()
    shared: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Role:
    """`rules`: alternatives, each complete in itself. `picks`: one of `PICKS`; `console`: some of `PAGES`.

    `shared`: types outside of records that apps bound to a patient may fetch by name; None: `shared.BY_NAME`.
    """

    name: str
    title: str
    rules: tuple[Rule, ...]
    picks: str = "none"
    console: frozenset[str] = frozenset()
    second_factor: bool = False
    shared: tuple[str, ...] | None = None


Roles = Mapping[str, Role]


@cache
def packaged() -> Roles:
    """The roles that come with hilum."""
    return roles((files("hilum.access") / "roles.toml").read_text("utf-8"))


def roles(text: str, base: Roles = MappingProxyType({})) -> Roles:
    """The roles of a TOML text beside those of `base`, in place of them where names are the same.

    Raises Misconfigured naming the line and the key.
    """
    own = {name: _role(_Place(text, name), table) for name, table in parsed(text, "The table of roles").items()}
    return MappingProxyType(dict(base) | own)


def rules(names: Iterable[str], table: Roles) -> tuple[Rule, ...]:
    """The rules of a user with these roles; a role that there is not any more has none."""
    return tuple(dict.fromkeys(rule for name in names if name in table for rule in table[name].rules))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the text something stands: a role, and what of it."""

    text: str
    role: str
    key: str = ""

    def at(self, key: str) -> _Place:
        return _Place(self.text, self.role, f"{self.key}.{key}" if self.key else key)

    def wrong(self, what: str) -> Misconfigured:
        header = re.compile(
            rf"\s*(\[\s*[\"']?{re.escape(self.role)}[\"']?\s*\]|[\"']?{re.escape(self.role)}[\"']?\s*=)"
        )
        lines = self.text.splitlines()
        line = next((number for number, one in enumerate(lines, 1) if header.match(one)), 1)
        return Misconfigured(f"Roles, line {line} and below: {self.key or 'the role'} of {self.role!r} {what}")


_ROLE: Final = frozenset(("title", "rules", "picks", "console", "second_factor", "shared"))
_RULE: Final = frozenset(("types", "may", "but", "within", "search"))


def _role(place: _Place, table: Any) -> Role:
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", place.role):
        raise place.wrong("must have a name of at most 40 letters a-z, digits, '-' and '_'.")
    _known(place, table, _ROLE)
    title = table.get("title", place.role)
    if type(title) is not str or not title.strip():
        raise place.at("title").wrong("must be a text.")
    picks = table.get("picks", "none")
    if picks not in PICKS:
        raise place.at("picks").wrong(f"must be one of {', '.join(PICKS)}.")
    console = frozenset(_texts(place.at("console"), table.get("console", [])))
    if not console <= set(PAGES):
        raise place.at("console").wrong(f"may name {', '.join(PAGES)}.")
    second = table.get("second_factor", False)
    if type(second) is not bool:
        raise place.at("second_factor").wrong("must be true or false.")
    shared = None
    if "shared" in table:
        shared = _types(place.at("shared"), table["shared"])
        for one in shared:
            if one in BELONGS or one in _IN_RECORDS:
                raise place.at("shared").wrong(f"names {one}, which is part of patients' records.")
    listed = table.get("rules")
    if type(listed) is not list:
        raise place.at("rules").wrong("must be a list of tables.")
    made = tuple(_rule(place.at(f"rules[{number}]"), one, shared) for number, one in enumerate(listed))
    return Role(place.role, title, made, picks, console, second, shared)


_IN_RECORDS: Final = frozenset(("Patient", "AuditEvent", "Basic", "Binary", "Bundle", *compartments()["Patient"]))


def _rule(place: _Place, table: Any, shared: tuple[str, ...] | None) -> Rule:
    _known(place, table, _RULE)
    named = table.get("types")
    types = ("*",) if named == "*" else _types(place.at("types"), named)
    if not types:
        raise place.at("types").wrong('must be "*" or name resource types.')
    may = table.get("may")
    if type(may) is not str or not may or may != "".join(letter for letter in LETTERS if letter in may):
        raise place.at("may").wrong("must be letters of 'cruds', in this order.")
    but = frozenset(_types(place.at("but"), table.get("but", [])))
    if but and types != ("*",):
        raise place.at("but").wrong('only goes with types = "*".')
    within = table.get("within", "")
    if within not in ("", "own"):
        raise place.at("within").wrong('may only be "own".')
    return Rule(types, frozenset(may), but, within == "own", _search(place.at("search"), table, types), shared)


def _search(place: _Place, table: dict[str, Any], types: tuple[str, ...]) -> Search:
    if "search" not in table:
        return ()
    text = table["search"]
    found = pairs(text) if type(text) is str else None
    if found is None:
        raise place.wrong("must be search parameters: name=value, joined by '&'.")
    if types == ("*",):
        raise place.wrong("only goes with types that are named.")
    for one in types:
        try:
            constraint(one, found)
        except Invalid as problem:
            raise place.wrong(f"can't limit a rule on {one}: {problem}") from None
    return found


def _known(place: _Place, table: Any, keys: frozenset[str]) -> None:
    if type(table) is not dict:
        raise place.wrong("must be a table.")
    for key in table:
        if key not in keys:
            raise place.at(key).wrong(f"is not known; known here: {', '.join(sorted(keys))}.")


def _types(place: _Place, value: Any) -> tuple[str, ...]:
    found = _texts(place, value)
    for one in found:
        if one not in TYPE_NUMBER:
            raise place.wrong(f"names {one!r}, which is no resource type of FHIR R4.")
    return found


def _texts(place: _Place, value: Any) -> tuple[str, ...]:
    if type(value) is not list or not all(type(one) is str for one in value):
        raise place.wrong("must be a list of texts.")
    return tuple(dict.fromkeys(value))
