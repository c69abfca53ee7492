"""The search parameters of each resource type. https://hl7.org/fhir/R4/searchparameter-registry.html

A parameter is a union of selections (selections.py), each with its own number, under which stores keep its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from hilum import fhirpath
from hilum.fhir import definitions
from hilum.fhir.definitions import SearchParameter
from hilum.fhirpath.paths import NotAPath, Path, paths
from hilum.fhirpath.types import BOOLEAN
from hilum.problems import Invalid
from hilum.search import us_core
from hilum.search.composites import Pairs, apart, composite
from hilum.search.selections import (
    FORMS,
    PARTS,
    Leaf,
    Selection,
    computed,
    grouped,
    leaves,
    named_by,
    parted,
    selection,
    single,
    targets_of,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type.

    `type`: token, string, date, number, quantity, reference, uri, composite or special. `numbers`: under which its
    rows are stored; none for `_id` and `_lastUpdated`, nor for a composite whose components merely must all hold
    (`code-value-string`). `targets`: resource types that a reference may name, () for any. `restrict_to`: the target
    types that it is about where the element allows more (its numbers hold no others). `forms`: FHIR types of the
    elements that it selects. `phonetic`: its rows are TokenRows of sounds (sounds.py).

    Further numbers, each with rows of its own: `identifier` (TokenRows of Reference.identifier), `of_type` (TokenRows
    "system|code" of an Identifier's type, and its value), `text` (TermRows), `whole` (StringRows of uris as they are,
    and of MIME types without their parameters). `rest`: those of its `numbers` whose rows are parts of values (later
    words of a family name): no sort is by them.
    `components`: the parameters of a composite in the order in which a query names them; in its rows the token (the
    first, if there are two) comes first. `selections` and `pairs`: what is indexed. `single`: it is a date of which no
    resource has more than one.
    """

    base: str
    code: str
    url: str
    type: str
    expression: str
    numbers: tuple[int, ...] = ()
    targets: tuple[str, ...] = ()
    restrict_to: tuple[str, ...] = ()
    forms: frozenset[str] = frozenset()
    phonetic: bool = False
    identifier: tuple[int, ...] = ()
    of_type: tuple[int, ...] = ()
    text: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()
    rest: tuple[int, ...] = ()
    components: tuple[Parameter, ...] = ()
    selections: tuple[Selection, ...] = ()
    pairs: tuple[Pairs, ...] = ()
    single: bool = False

    @property
    def leaves(self) -> tuple[Leaf, ...]:
        """The leaves of all its selections."""
        return tuple(leaf for one in self.selections for leaf in one.leaves)


def _by_base(some: Iterable[SearchParameter]) -> dict[str, list[SearchParameter]]:
    found: dict[str, list[SearchParameter]] = {}
    for definition in some:
        for base in definition.base:
            found.setdefault(base, []).append(definition)
    return found


@cache
def canonical_types() -> tuple[str, ...]:
    """The types whose resources are named by a url and a business version: those that are searched by both."""
    return tuple(type for type in definitions.TYPES if {"url", "version"} <= {one.code for one in _r4().get(type, ())})


@cache
def _r4() -> dict[str, list[SearchParameter]]:
    return _by_base((*definitions.search_parameters(), *us_core.PARAMETERS))


_NOTHING: Final[Mapping[tuple[str, str], str]] = MappingProxyType({})


class Registry:
    """The parameters of all types: R4's own with those of US Core, and custom ones.

    A custom parameter shares the numbers of R4's selections where it takes all of their leaves; what else it takes is
    a selection of its own. R4's numbers never change by it.
    """

    def __init__(
        self, custom: Iterable[SearchParameter] = (), waiting: Mapping[tuple[str, str], str] = _NOTHING
    ) -> None:
        """`waiting`: why a parameter (base, code) can't be used yet: what whoever asks for it is told."""
        self._custom = _by_base(custom)
        self._waiting = waiting
        self._tables: dict[str, dict[str, Parameter]] = {}
        self.made: dict[tuple[Any, ...], Any] = {}
        """What others have generated from it (index.py, before.py): kept as long as the registry is."""

    def over(self, type: str) -> Registry:
        """The registry that decides about a type: R4's own wherever nothing is custom, so that it is shared."""
        if self is R4 or not self._custom:
            return R4
        return self if any(base in self._custom for base in (*_EVERY, type)) else R4

    def table(self, type: str) -> dict[str, Parameter]:
        """Code -> parameter, for one resource type, sorted by code. Raises Invalid when R4 has no such resource."""
        found = self._tables.get(type)
        if found is None:
            if type not in definitions.TYPE_NUMBER:
                raise Invalid(f"R4 has no resource type {type!r}.")
            found = _parameters(type, _of(_r4(), type), ())
            if custom := _of(self._custom, type):
                # R4's definitions come first, so that a custom one cannot take their codes.
                found = _parameters(type, custom, tuple(found.values())) | found
            found = self._tables[type] = dict(sorted(found.items()))
        return found

    def lookup(self, type: str, code: str) -> Parameter:
        """The parameter `code` of a resource type. Raises Invalid, with near misses or why it is not there."""
        found = self.table(type).get(code)
        if found is None:
            raise Invalid(self.why_not(type, code))
        return found

    def parameters(self, type: str) -> list[Parameter]:
        """All parameters by which resources of a type can be searched, sorted by code."""
        return list(self.table(type).values())

    def waiting(self, type: str) -> tuple[str, ...]:
        """The codes of those parameters of a type that can't be used yet."""
        return tuple(sorted({code for base, code in self._waiting if base in (*_EVERY, type)}))

    def why_not(self, type: str, code: str) -> str:
        """Why `code` is not in the table of a type: defined without an expression, or unknown; with near misses."""
        for definition in _of(_r4(), type):
            if definition.code == code:
                if code in GENERAL:
                    return f"{code!r} stands by itself: it is nothing to sort by, and no part of _filter or of a chain."
                return f"The search parameter {code!r} of {type} is not supported: R4 defines it without an expression."
        for base in (*_EVERY, type):
            if (base, code) in self._waiting:
                return self._waiting[base, code]
        near = self._near(type, code)
        hint = f" Did you mean {' or '.join(near)}?" if near else " The CapabilityStatement lists those that there are."
        return f"{type} has no search parameter {code[:64]!r}.{hint}"

    def _near(self, type: str, code: str) -> list[str]:
        table = self.table(type)
        if not code.startswith("_"):
            return get_close_matches(code, table, 3)
        own = [one for one in table if one.startswith("_")]
        return get_close_matches(code.lower(), list(dict.fromkeys((*GENERAL, *own))), 2, 0.7)


GENERAL: Final = (
    *("_count", "_sort", "_total", "_summary", "_elements", "_include", "_revinclude", "_contained", "_containedType"),
    *("_type", "_format", "_pretty", "_text", "_content", "_filter", "_list", "_has"),
)
"""Parameters of every search that are no resource's own. https://hl7.org/fhir/R4/search.html#Summary"""

_EVERY: Final = ("Resource", "DomainResource")
"""The bases that every type has."""

R4: Final = Registry()
"""Only what R4 defines."""

table = R4.table
lookup = R4.lookup
parameters = R4.parameters
why_not = R4.why_not


def _of(by_base: dict[str, list[SearchParameter]], type: str) -> list[SearchParameter]:
    return [one for base in (*_EVERY, type) for one in by_base.get(base, ())]


def _kind(definition: SearchParameter) -> str:
    return "phonetic" if definition.usage == "phonetic" else definition.type


def _parameters(type: str, some: list[SearchParameter], known: tuple[Parameter, ...]) -> dict[str, Parameter]:
    """The parameters as they apply to one type; `known` are those that have their numbers already."""
    found: dict[str, Parameter] = {}
    wanted: dict[str, dict[str, tuple[Leaf, ...]]] = {}
    for definition in some:
        code, kind, expression = definition.code, _kind(definition), definition.expression
        one = Parameter(type, code, definition.url, definition.type, expression or "", phonetic=kind == "phonetic")
        if code in ("_id", "_lastUpdated"):
            found[code] = one
        if expression is None or code in found or kind == "composite":
            continue
        try:
            selected = paths(fhirpath.parse(expression), type)
        except NotAPath:
            if (parameter := _computed(one, definition)) is not None:
                found[code] = parameter
            continue
        if taken := tuple(dict.fromkeys(leaf for path in selected for leaf in leaves(kind, path))):
            wanted.setdefault(kind, {})[code] = taken
            forms = frozenset(p.type.name for p in selected if _indexed(kind, p))
            found[code] = replace(one, forms=forms, targets=definition.target)
    by_url = {p.url: p for p in (*known, *found.values())}
    composites = [(d, parts) for d in some if (parts := _components(d, by_url)) and d.code not in found]
    for definition, parts in composites:
        for i, taken in enumerate(apart(type, definition, tuple(p.type for p in parts))):
            wanted.setdefault(parts[i].type, {})[f"{definition.code}${i}"] = taken
            found[f"{definition.code}${i}"] = parts[i]
    for kind, by_code in wanted.items():
        for code, selections in _numbered(type, kind, by_code, known).items():
            found[code] = _complete(found[code], selections)
    for definition, parts in composites:
        narrow = tuple(found.pop(f"{definition.code}${i}", found.get(part.code, part)) for i, part in enumerate(parts))
        found[definition.code] = _composite(type, definition, narrow)
    return found


def _components(definition: SearchParameter, by_url: dict[str, Parameter]) -> tuple[Parameter, ...]:
    """The parameters that a composite consists of; () when one is not there, and of all other parameters."""
    found = tuple(by_url[c.definition] for c in definition.component if c.definition in by_url)
    return found if len(found) == len(definition.component) else ()


def _indexed(kind: str, path: Path) -> bool:
    return kind == "special" or (kind, path.type.name) in FORMS or (kind, path.type.name) in PARTS


def _numbered(
    type: str, kind: str, wanted: dict[str, tuple[Leaf, ...]], known: tuple[Parameter, ...]
) -> dict[str, tuple[Selection, ...]]:
    """Code -> selections."""
    if not known:
        return grouped(type, kind, parted(wanted) if kind == "reference" else wanted)
    there = {one for p in known for one in p.selections if one.kind == kind and one.leaves}
    found = {}
    for code, some in wanted.items():
        # Alone, so that its leaves are parted as it says; then with those that part R4's own.
        left = set(parted({code: some})[code]) if kind == "reference" else set(some)
        for one in sorted(there, key=lambda one: one.numbers):
            for leaf in one.leaves:  # R4 parts by target what this one takes as a whole
                if leaf.but and (whole := Leaf(leaf.path, "reference")) in left:
                    left.remove(whole)
                    left.update(Leaf(leaf.path, "reference", only=only) for only in leaf.but)
                    left |= {Leaf(leaf.path, "reference", but=leaf.but), Leaf(leaf.path, "unsaid", but=leaf.but)}
        taken = []
        for one in sorted(there, key=lambda one: one.numbers):
            if left.issuperset(one.leaves):
                taken.append(one)
                left.difference_update(one.leaves)
        if left:
            taken.append(selection(type, kind, left))
        found[code] = tuple(taken)
    return found


def _complete(parameter: Parameter, selections: tuple[Selection, ...]) -> Parameter:
    """With the numbers of its selections, and the targets that they can have."""
    some = [leaf for one in selections for leaf in one.leaves]
    references = [leaf for leaf in some if leaf.form == "reference"]
    restrict_to: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    if references:
        targets = targets_of(references) or (parameter.targets if "Extension" in parameter.forms else ())
        if all(leaf.only for leaf in references):
            restrict_to = targets
    elif parameter.type == "reference" and some and all(leaf.form in ("canonical", "uri") for leaf in some):
        named = named_by(some)
        targets = tuple(type for type in canonical_types() if not named or type in named)
    return replace(
        parameter,
        numbers=(*(one.main for one in selections if one.main), *(one.rest for one in selections if one.rest)),
        rest=tuple(one.rest for one in selections if one.rest),
        targets=targets,
        restrict_to=restrict_to,
        identifier=tuple(one.identifier for one in selections if one.identifier),
        of_type=tuple(one.of_type for one in selections if one.of_type),
        text=tuple(one.text for one in selections if one.text),
        whole=tuple(one.whole for one in selections if one.whole),
        selections=selections,
        single=parameter.type == "date" and len(selections) == 1 and single(parameter.base, selections[0].leaves),
    )


def _computed(parameter: Parameter, definition: SearchParameter) -> Parameter | None:
    """A token that is a boolean, or the resource that is nested in a Bundle; None for anything else."""
    expression = parameter.expression
    if parameter.type == "token" and fhirpath.static_types(expression, parameter.base) == frozenset((BOOLEAN,)):
        forms: frozenset[str] = frozenset(("boolean",))
        targets: tuple[str, ...] = ()
    elif parameter.type == "reference" and expression.endswith(".resource"):
        forms, targets = frozenset(("Resource",)), definition.target
    else:
        return None
    one = computed(parameter.base, parameter.type, expression, targets)
    return replace(parameter, numbers=(one.main,), targets=targets, restrict_to=targets, forms=forms, selections=(one,))


def _composite(type: str, definition: SearchParameter, components: tuple[Parameter, ...]) -> Parameter:
    pairs = composite(type, definition, tuple(p.type for p in components))
    return Parameter(
        type,
        definition.code,
        definition.url,
        "composite",
        definition.expression or "",
        tuple(one.number for one in pairs),
        components=components,
        pairs=pairs,
    )
