"""One function per resource type that walks a resource once and notes every index value: source text from a tree.

Closures over the same tree took ten times as long (350 us against 30 for an Observation). All paths of all search
parameters of a type are merged into one tree, so that a shared prefix is walked once, and the tree is written out as
Python. The text is made of the definitions alone; every name and code in it goes through `repr`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from hilum import fhirpath
from hilum.fhir import definitions
from hilum.fhirpath.paths import Carries, Equals, Field, Path, RefersTo, Step
from hilum.fhirpath.references import target_type
from hilum.fhirpath.types import Type, properties
from hilum.problems import Invalid, Unprocessable
from hilum.search.composites import Pairs, bounded
from hilum.search.notes import NAMES, Noted, Owners, note
from hilum.search.parameters import R4, Registry, canonical_types
from hilum.search.rows import DateRow, QuantityRow, ReferenceRow, TokenRow
from hilum.search.selections import Leaf, Selection, versioned


class Found(NamedTuple):
    """What a generated function fills: plain tuples, in document order, doubles and all; named as in `Rows`."""

    tokens: list[tuple[int, str | None, str | None]]
    strings: list[tuple[int, str, str]]
    terms: list[tuple[int, str]]
    dates: list[tuple[int, int, int]]
    quantities: list[tuple[int, float, float, str | None, str | None, str | None]]
    references: list[tuple[int, str, str]]
    uris: list[tuple[int, str]]
    composites: list[tuple[int, str | None, str | None, Any]]
    nears: list[tuple[int, float, float]]
    compartments: list[tuple[str, str]]
    labels: list[tuple[str, str]]


Fill = Callable[..., None]
"""(body, *Found)"""

_SECONDS: Final[dict[str, tuple[str, type]]] = {
    "token": ("tokens", TokenRow),
    "date": ("dates", DateRow),
    "quantity": ("quantities", QuantityRow),
    "number": ("quantities", QuantityRow),
    "reference": ("references", ReferenceRow),
}
"""Kind of a composite's second component -> the list that it is noted in, the row that it becomes."""


@dataclass(slots=True)
class _Place:
    """A place in the resource: the steps from here down, and what is noted of the value here, by form and system."""

    below: dict[Step, _Place] = field(default_factory=dict)
    noted: dict[tuple[str, str | None], list[Noted]] = field(default_factory=dict)
    pairs: list[Pairs] = field(default_factory=list)

    def at(self, path: Path) -> _Place:
        place = self
        for step in path.steps:
            place = place.below.setdefault(step, _Place())
        return place

    def add(self, leaf: Leaf, selection: Selection) -> None:
        form = "reference" if leaf.form == "unsaid" else leaf.form
        found = self.at(leaf.path).noted.setdefault((form, leaf.system), [])
        if (leaf, selection) not in found:
            found.append((leaf, selection))


def generate(type: str, registry: Registry = R4, only: Iterable[int] | None = None) -> Fill:
    """The function for one resource type, or for some of its numbers. Takes some milliseconds; keep it."""
    names: dict[str, Any] = {}
    code = compile("\n".join(source(type, names, registry, only)), f"<index of {type}>", "exec")
    # As dataclasses and namedtuple do: the text comes from the definitions, and everything quoted in it from repr.
    exec(code, names)  # noqa: S102 - see above
    fill: Fill = names["fill"]
    return fill


def source(
    type: str, names: dict[str, Any] | None = None, registry: Registry = R4, only: Iterable[int] | None = None
) -> list[str]:
    """The lines of the function `fill`; what they refer to is put into `names`.

    `only`: the numbers that are noted; None for all, and for compartments and labels as well.
    """
    wanted = None if only is None else frozenset(only)
    names = {} if names is None else names
    names |= NAMES | {"target_type": target_type, "new": tuple.__new__, "bounded": bounded}
    names |= {row.__name__: row for _, row in _SECONDS.values()}
    root = _Place()
    computed: dict[Selection, tuple[str, ...]] = {}
    for parameter in registry.parameters(type):
        for selection in parameter.selections:
            if not (kept := _kept(selection, wanted)).numbers:
                continue
            if kept.expression is not None:
                computed[kept] = parameter.targets
            for leaf in kept.leaves:
                root.add(leaf, kept)
        for pairs in parameter.pairs:
            place = root.at(pairs.context)
            if (wanted is None or pairs.number in wanted) and pairs not in place.pairs:
                place.pairs.append(pairs)
    lines: list[str] = []
    if type in canonical_types() and (wanted is None or versioned(type) in wanted):
        lines += [" if 'url' in v and 'version' in v:", "  u = v['url'] + '|' + v['version']"]
        lines += [f"  strings.append(({versioned(type)}, u, u))"]
    kept_by: Owners = {}
    if wanted is None:
        kept_by = owners(type, registry)
        root.at(_labels(type)).noted["label", None] = []
    lines = [f"def fill(v, {', '.join(Found._fields)}):", *lines]
    lines += _below(root, "v", 1, kept_by) or [" pass"]
    for i, (selection, targets) in enumerate(computed.items()):
        name, expression = f"computed{i}", selection.expression or ""
        compute = fhirpath.compile(expression, type)
        names[name] = _fitting(compute)
        noted = [f" for x in {name}(v):"]
        if selection.kind == "token":
            noted.append(f"  tokens.append(({selection.main}, None, 'true' if x else 'false'))")
        else:  # a resource nested in another: no reference, but searched as one
            noted.append(f"  if x.get('resourceType') in {targets!r} and 'id' in x:")
            noted.append(f"   references.append(({selection.main}, x['resourceType'], x['id']))")
        constant = [bool(x) for x in compute({"resourceType": type})]
        lines += _unless_absent(noted, selection, named_by(expression, type), constant)
    return lines


def _fitting(compute: Callable[[dict[str, Any]], list[Any]]) -> Callable[[dict[str, Any]], list[Any]]:
    """What is computed; nothing of a resource that the expression does not fit (two names, where it means one)."""

    def computed(body: dict[str, Any]) -> list[Any]:
        try:
            return compute(body)
        except (Invalid, Unprocessable):
            return []

    return computed


def _kept(selection: Selection, wanted: frozenset[int] | None) -> Selection:
    """The selection with the wanted numbers alone."""
    if wanted is None or wanted.issuperset(selection.numbers):
        return selection

    def kept(number: int) -> int:
        return number if number in wanted else 0

    one = selection
    return replace(
        one,
        main=kept(one.main),
        text=kept(one.text),
        of_type=kept(one.of_type),
        identifier=kept(one.identifier),
        whole=kept(one.whole),
        rest=kept(one.rest),
    )


def _unless_absent(
    noted: list[str], selection: Selection, keys: tuple[str, ...] | None, constant: list[bool]
) -> list[str]:
    """The lines for what is computed by an expression; `constant`: its values where none of the `keys` is there.

    Most resources have none of them, and to say so costs a tenth of an evaluation.
    """
    if keys is None:
        return noted
    test = " or ".join(f"{key!r} in v" for name in keys for key in (name, f"_{name}")) or "False"
    otherwise = [f"  tokens.append(({selection.main}, None, {'true' if x else 'false'!r}))" for x in constant]
    return [f" if {test}:", *(f" {line}" for line in noted), " else:", *(otherwise or ["  pass"])]


def named_by(expression: str, type: str) -> tuple[str, ...] | None:
    """The properties at the top of a resource that the expression may look at, by the names in it; None: any.

    Names that go no further than an element, or mean another, make it too many but never too few.
    """
    names = set(_NAME.findall(expression))
    if names & _ANYTHING or "%" in expression:
        return None
    found = {one.key for name, kinds in properties(Type(type)).items() if name in names for one in kinds}
    return tuple(sorted(found))


_NAME = re.compile(r"[A-Za-z_]\w*")
_ANYTHING = frozenset(("this", "children", "descendants", "repeat", "repeatAll", "checkModifiers", "hasExtension"))


def _labels(type: str) -> Path:
    (meta,) = Path((), Type(type)).into("meta")
    (security,) = meta.into("security")
    return security


def owners(type: str, registry: Registry = R4) -> Owners:
    """Number of a reference selection -> the compartment types into which a target of that type puts the resource."""
    found: dict[int, set[str]] = {}
    for owner, members in definitions.compartments().items():
        for code in members.get(type, ()):
            if code != "{def}":
                for number in registry.lookup(type, code).numbers:
                    found.setdefault(number, set()).add(owner)
    return {number: tuple(sorted(owners)) for number, owners in found.items()}


def _below(place: _Place, v: str, depth: int, owners: Owners) -> list[str]:
    """The lines for what is noted at a place, held by the variable `v`, and for everything below it."""
    pad = " " * depth
    lines: list[str] = []
    for (form, system), noted in place.noted.items():
        if form == "label":
            lines.append(f"{pad}labels.append(({v}.get('system', ''), {v}.get('code', '')))")
        else:
            lines += [pad + line for line in note(form, system, noted, v, owners)]
    for pairs in place.pairs:
        lines += _paired(pairs, v, depth)
    for step, child in place.below.items():
        match step:
            case Field(key=key, many=many):
                w = f"v{depth}"
                if not (inner := _below(child, w, depth + (1 if not many else 3 if child.noted else 2), owners)):
                    continue
                lines.append(f"{pad}if {key!r} in {v}:")
                if not many:
                    lines.append(f"{pad} {w} = {v}[{key!r}]")
                else:
                    lines.append(f"{pad} for {w} in {v}[{key!r}]:")
                    if child.noted:
                        # Arrays of primitives have nulls where there are only extensions.
                        lines.append(f"{pad}  if {w} is not None:")
                lines += inner
                continue
            case Equals(key=key, value=value):
                condition = f"{v}.get({key!r}) == {value!r}"
            case Carries(url=url):
                condition = f"any(e.get('url') == {url!r} for e in {v}.get('extension', ()))"
            case RefersTo(type=target):
                condition = f"target_type({v}.get('reference', '')) == {target!r}"
        if inner := _below(child, v, depth + 1, owners):
            lines += [f"{pad}if {condition}:", *inner]
    return lines


def _paired(pairs: Pairs, v: str, depth: int) -> list[str]:
    """The lines for one composite in the element `v`: first what is rarer, its second value."""
    pad = " " * depth
    lines: list[str] = []
    held = [f"b{i}_{depth}" for i in range(len(pairs.seconds))]
    for name, kind, some, whole in zip(held, pairs.kinds, pairs.seconds, pairs.whole, strict=True):
        lines += [f"{pad}{name} = []", *_into(name, kind, some, "v" if whole else v, depth)]
    lines += [f"{pad}if {' and '.join(held)}:", f"{pad} a{depth} = []"]
    lines += _into(f"a{depth}", "token", pairs.first, "v" if pairs.absolute else v, depth + 1)
    rows = [f"new({_SECONDS[kind][1].__name__}, q{i})" for i, kind in enumerate(pairs.kinds)]
    second = rows[0] if len(rows) == 1 else f"({', '.join(rows)})"
    lines.append(f"{pad} bounded(len(composites), a{depth}, {', '.join(held)})")
    lines += [f"{pad} composites += [({pairs.number}, s, c, {second}) for _, s, c in a{depth}"]
    lines[-1] += "".join(f" for q{i} in {name}" for i, name in enumerate(held)) + "]"
    return lines


def _into(name: str, kind: str, some: tuple[Leaf, ...], v: str, depth: int) -> list[str]:
    """The lines that note leaves in a list of that name, under no number."""
    list_, _ = _SECONDS[kind]
    root = _Place()
    for leaf in some:
        root.add(leaf, _UNNUMBERED)
    here, there = f"{list_}.append(({_UNNUMBERED.main}, ", f"{name}.append((0, "
    lines = [line.replace(here, there) for line in _below(root, v, depth, {})]
    # A reference to elsewhere is no second value.
    return [line.replace(f"uris.append(({_UNNUMBERED.main}, r))", "pass") for line in lines]


_UNNUMBERED: Final = Selection("", (), -1)
