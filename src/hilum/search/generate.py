"""One function per resource type that walks a resource once and notes every index value: source text from a tree.

Closures over the same tree took ten times as long (350 us against 30 for an Observation). All paths of all search
parameters of a type are merged into one tree, so that a shared prefix is walked once, and the tree is written out as
Python. The text is made of the definitions alone; every name and code in it goes through `repr`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hilum import fhirpath
from hilum.fhir import definitions
from hilum.fhirpath.paths import Carries, Equals, Field, Path, RefersTo, Step
from hilum.fhirpath.references import local, target_type
from hilum.fhirpath.types import Type, properties
from hilum.search.dates import interval, period, timing
from hilum.search.parameters import lookup, parameters
from hilum.search.selections import Leaf, leaves
from hilum.search.text import fold, later_words


class Found(NamedTuple):
    """What a generated function fills: plain tuples, in document order, doubles and all."""

    tokens: list[tuple[int, str | None, str | None]]
    strings: list[tuple[int, str, str]]
    dates: list[tuple[int, int, int]]
    references: list[tuple[int, str, str]]
    uris: list[tuple[int, str]]
    compartments: list[tuple[str, str]]
    labels: list[tuple[str, str]]


Fill = Callable[..., None]
"""(body, *Found)"""


@dataclass(slots=True)
class _Place:
    """A place in the resource: the steps from here down, and what is noted of the value here, by form."""

    below: dict[Step, _Place] = field(default_factory=dict)
    numbers: dict[tuple[str, str | None], list[int]] = field(default_factory=dict)

    def add(self, leaf: Leaf, number: int) -> None:
        place = self
        for step in leaf.path.steps:
            place = place.below.setdefault(step, _Place())
        found = place.numbers.setdefault((leaf.form, leaf.system), [])
        if number not in found:
            found.append(number)


def generate(type: str) -> Fill:
    """The function for one resource type. Takes some milliseconds; keep it."""
    names: dict[str, Any] = dict(_NAMES)
    code = compile("\n".join(source(type, names)), f"<index of {type}>", "exec")
    # As dataclasses and namedtuple do: the text comes from the definitions, and everything quoted in it from repr.
    exec(code, names)  # noqa: S102
    fill: Fill = names["fill"]
    return fill


_NAMES: dict[str, Any] = {
    "fold": fold,
    "later_words": later_words,
    "interval": interval,
    "period": period,
    "timing": timing,
    "local": local,
    "target_type": target_type,
}


def source(type: str, names: dict[str, Any] | None = None) -> list[str]:
    """The lines of the function `fill`; what it refers to beside `_NAMES` is put into `names`."""
    root = _Place()
    computed: list[tuple[int, str]] = []
    for parameter in parameters(type):
        if parameter.number and not parameter.paths:
            computed.append((parameter.number, parameter.expression))
        for path in parameter.paths:
            for leaf in leaves(parameter.type, path):
                root.add(leaf, parameter.number)
    root.add(Leaf(_labels(type), "label"), 0)
    lines = ["def fill(v, tokens, strings, dates, references, uris, compartments, labels):"]
    lines += _below(root, "v", 1, owners(type))
    for i, (number, expression) in enumerate(computed):
        compute = fhirpath.compile(expression, type)
        if names is not None:
            names[f"computed{i}"] = compute
        lines += _computed(f"computed{i}", number, named_by(expression, type), compute({"resourceType": type}))
    return lines


def _computed(name: str, number: int, keys: tuple[str, ...] | None, otherwise: list[Any]) -> list[str]:
    """The lines for what is computed by an expression; `otherwise`: its values where none of the `keys` is there.

    Most resources have none of them, and to say so costs a tenth of an evaluation.
    """
    lines = [f" for x in {name}(v):", f"  tokens.append(({number}, None, 'true' if x else 'false'))"]
    if keys is None:
        return lines
    test = " or ".join(f"{key!r} in v" for name in keys for key in (name, f"_{name}")) or "False"
    constant = [f" tokens.append(({number}, None, {'true' if x else 'false'!r}))" for x in otherwise] or [" pass"]
    return [f" if {test}:", *(" " + line for line in lines), " else:", *(" " + line for line in constant)]


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
_ANYTHING = frozenset(("this", "children", "descendants", "repeat"))


def _labels(type: str) -> Path:
    (meta,) = Path((), Type(type)).into("meta")
    (security,) = meta.into("security")
    return security


def owners(type: str) -> dict[int, tuple[str, ...]]:
    """Number of a reference parameter -> the compartment types into which a target of that type puts the resource."""
    found: dict[int, set[str]] = {}
    for owner, members in definitions.compartments().items():
        for code in members.get(type, ()):
            if code != "{def}":
                found.setdefault(lookup(type, code).number, set()).add(owner)
    return {number: tuple(sorted(owners)) for number, owners in found.items()}


def _below(place: _Place, v: str, depth: int, owners: dict[int, tuple[str, ...]]) -> list[str]:
    """The lines for what is noted at a place, held by the variable `v`, and for everything below it."""
    lines = [" " * depth + line for key, numbers in place.numbers.items() for line in _note(key, numbers, v, owners)]
    for step, child in place.below.items():
        match step:
            case Field(key=key, many=many):
                w = f"v{depth}"
                lines.append(f"{' ' * depth}if {key!r} in {v}:")
                if not many:
                    lines.append(f"{' ' * depth} {w} = {v}[{key!r}]")
                    lines += _below(child, w, depth + 1, owners)
                else:
                    lines.append(f"{' ' * depth} for {w} in {v}[{key!r}]:")
                    if child.numbers:
                        # Arrays of primitives have nulls where there are only extensions.
                        lines.append(f"{' ' * depth}  if {w} is not None:")
                    lines += _below(child, w, depth + (3 if child.numbers else 2), owners)
                continue
            case Equals(key=key, value=value):
                condition = f"{v}.get({key!r}) == {value!r}"
            case Carries(url=url):
                condition = f"any(e.get('url') == {url!r} for e in {v}.get('extension', ()))"
            case RefersTo(type=target):
                condition = f"target_type({v}.get('reference', '')) == {target!r}"
        lines.append(f"{' ' * depth}if {condition}:")
        lines += _below(child, v, depth + 1, owners)
    return lines


def _note(key: tuple[str, str | None], numbers: list[int], v: str, owners: dict[int, tuple[str, ...]]) -> list[str]:
    """The lines that write the value in `v` down under each number."""
    form, system = key
    match form:
        case "coding" | "identifier":
            code = "code" if form == "coding" else "value"
            return [
                f"s = {v}.get('system'); c = {v}.get({code!r})",
                "if c is not None or s is not None:",
                *(f" tokens.append(({n}, s, c))" for n in numbers),
            ]
        case "label":
            return [f"labels.append(({v}.get('system', ''), {v}.get('code', '')))"]
        case "code":
            return [f"tokens.append(({n}, {system!r}, {v}))" for n in numbers]
        case "text":
            return [f"tokens.append(({n}, None, {v}))" for n in numbers]
        case "caseless":
            return [f"tokens.append(({n}, None, {v}.casefold()))" for n in numbers]
        case "boolean":
            return [f"tokens.append(({n}, None, 'true' if {v} else 'false'))" for n in numbers]
        case "string":
            return [f"f = fold({v})", *(f"strings.append(({n}, f, {v}))" for n in numbers)]
        case "family":
            return [
                f"f = fold({v})",
                *(f"strings.append(({n}, f, {v}))" for n in numbers),
                "if ' ' in f:",
                f" for f in later_words({v}):",
                *(f"  strings.append(({n}, f, {v}))" for n in numbers),
            ]
        case "date":
            return [f"l, h = interval({v})", *(f"dates.append(({n}, l, h))" for n in numbers)]
        case "period" | "timing":
            return [
                f"p = {form}({v})",
                "if p is not None:",
                *(f" dates.append(({n}, p[0], p[1]))" for n in numbers),
            ]
        case "uri":
            return [f"uris.append(({n}, {v}))" for n in numbers]
        case "reference":
            return _reference(numbers, v, owners)
        case _:
            raise AssertionError(form)


def _reference(numbers: list[int], v: str, owners: dict[int, tuple[str, ...]]) -> list[str]:
    types = sorted({owner for n in numbers for owner in owners.get(n, ())})
    lines = [
        f"p = local({v})",
        "if p is not None:",
        " t, i = p",
        *(f" references.append(({n}, t, i))" for n in numbers),
    ]
    if types:
        test = f"t == {types[0]!r}" if len(types) == 1 else f"t in {tuple(types)!r}"
        lines += [f" if {test}:", "  compartments.append(p)"]
    return [*lines, f"elif {v}[:1] != '#':", *(f" uris.append(({n}, {v}))" for n in numbers)]
