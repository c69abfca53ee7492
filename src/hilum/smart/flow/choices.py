"""What an app may get, cut into what people can tell apart; and what is left of it where they leave something out.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters:
a person may allow less than was asked for. Where all parts of a scope are allowed it is granted as it stands; else the
parts, and then what no part names (other kinds, types that are added later) is left out with the rest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from hilum.oauth.scopes import Scope, Search, widest, written
from hilum.smart.flow.categories import CATEGORIES
from hilum.smart.words import words

SEE: Final = "see"
GROUPS: Final = ((SEE, "rs"), ("change", "cu"), ("delete", "d"))
"""Letters of `cruds` that people decide on together."""
_LETTERS: Final = {name: frozenset(letters) for name, letters in GROUPS}


class Choice(NamedTuple):
    """One thing to allow. `level`: patient or user; `group`: of `GROUPS`; `search`: of this kind only.

    With `rest` it is what no other choice on the same type (or `*`) names, and counts only together with all of them.
    """

    level: str
    group: str
    type: str
    search: Search = ()
    rest: bool = False

    @property
    def key(self) -> str:
        """Its name in a form: `patient/Observation.rs?category=laboratory`."""
        return written([Scope(self.level, self.type, _LETTERS[self.group], self.search)])


Named = Mapping[tuple[str, str], Mapping[str, tuple[Search, ...]]]
"""(level, group) -> the types that scopes name there -> the searches by which they limit them."""


def choices(resources: Sequence[Scope]) -> tuple[Choice, ...]:
    """All that there is to decide on, each once."""
    named = _named(resources)
    found: dict[str, Choice] = {}
    for scope in resources:
        for group, letters in _LETTERS.items():
            if scope.interactions & letters:
                for one in _of(scope.level, group, scope.type, scope.search, named):
                    found.setdefault(one.key, one)
    return tuple(found.values())


def granted(resources: Sequence[Scope], ticked: Collection[str]) -> tuple[Scope, ...]:
    """What is left of the scopes where these choices (their keys) are allowed: all of them leave all."""
    named = _named(resources)
    return widest(part for scope in resources for part in _left(scope, ticked, named))


def listed() -> tuple[str, ...]:
    """The types that are named one by one where an app asks for all."""
    return (*words()["record"], *words()["around"])


def _named(resources: Iterable[Scope]) -> Named:
    """What one scope names is cut out of the wider ones, too: unticked it must not come back through them."""
    found: dict[tuple[str, str], dict[str, tuple[Search, ...]]] = {}
    for scope in resources:
        for group, letters in _LETTERS.items():
            if scope.type != "*" and scope.interactions & letters:
                types = found.setdefault((scope.level, group), {})
                types[scope.type] = types.get(scope.type, ()) + ((scope.search,) if scope.search else ())
    return found


def _of(level: str, group: str, type: str, search: Search, named: Named) -> Iterator[Choice]:
    if search:
        yield Choice(level, group, type, search)
    elif type == "*":
        for one in _types(level, group, named):
            yield from _of(level, group, one, (), named)
        yield Choice(level, group, "*", rest=True)
    else:
        kinds = CATEGORIES.get(type, ()) if group == SEE else ()
        kinds = tuple(dict.fromkeys(kinds + named.get((level, group), {}).get(type, ())))
        for kind in kinds:
            yield Choice(level, group, type, kind)
        yield Choice(level, group, type, rest=bool(kinds))


def _types(level: str, group: str, named: Named) -> Iterable[str]:
    return dict.fromkeys((*listed(), *named.get((level, group), ())))


def _left(scope: Scope, ticked: Collection[str], named: Named) -> Iterator[Scope]:
    found: dict[tuple[str, Search], frozenset[str]] = {}
    for group, letters in _LETTERS.items():
        if common := scope.interactions & letters:
            for place in _ticked(scope.level, group, scope.type, scope.search, ticked, named):
                found[place] = found.get(place, frozenset()) | common
    for (type, search), interactions in found.items():
        yield Scope(scope.level, type, interactions, search, scope.v1)


def _ticked(
    level: str, group: str, type: str, search: Search, ticked: Collection[str], named: Named
) -> Iterator[tuple[str, Search]]:
    parts = tuple(_of(level, group, type, search, named))
    if all(part.key in ticked for part in parts):
        yield type, search
    elif type == "*" and not search:
        for one in _types(level, group, named):
            yield from _ticked(level, group, one, (), ticked, named)
    else:
        yield from ((part.type, part.search) for part in parts if part.key in ticked and not part.rest)
