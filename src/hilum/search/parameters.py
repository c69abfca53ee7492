"""The search parameters of each resource type. https://hl7.org/fhir/R4/searchparameter-registry.html

What a parameter selects decides its number, under which stores keep its rows: parameters of one type that select the
same (`code` and `combo-code` do not; `patient` and `subject` of Observation do, but for the type of the target) share
one number, so that each row is stored once. The number is a hash of the selection and nothing else: the same in every
process, store and release, and another one as soon as the selection changes and old rows would be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from hashlib import blake2b
from typing import Final

from hilum import fhirpath
from hilum.fhir import definitions
from hilum.fhir.definitions import SearchParameter
from hilum.fhirpath.paths import Field, NotAPath, Path, RefersTo, paths
from hilum.fhirpath.types import BOOLEAN
from hilum.problems import Invalid

_URI: Final = frozenset(("uri", "url", "canonical", "oid", "uuid"))

INDEXED: Final[dict[str, frozenset[str]]] = {
    "token": frozenset(("CodeableConcept", "Coding", "Identifier", "ContactPoint", "Extension"))
    | frozenset(("boolean", "code", "string", "id"))
    | _URI,
    "string": frozenset(("string", "markdown", "HumanName", "Address", "Extension")),
    "date": frozenset(("date", "dateTime", "instant", "Period", "Timing")),
    "reference": frozenset(("Reference", "canonical", "uri", "Extension")),
    "uri": _URI,
}
"""Parameter type -> FHIR types that are indexed for it. https://hl7.org/fhir/R4/search.html#table

What is not here is not in the index: the text of Immunization.occurrence is no date, nor is Procedure.performedAge.
"""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter of one resource type.

    `number`: under which its rows are stored; 0 for `_id` and `_lastUpdated`, which have none. `type`: token, string,
    date, reference or uri. `targets`: resource types that a reference may name, () for any. `restrict_to`: the only
    target types that the parameter is about, while the rows under `number` may hold others; () when it is about all.
    `forms`: FHIR types of the elements that it selects. `paths`: what is indexed; empty when the expression computes.
    """

    base: str
    code: str
    url: str
    type: str
    number: int
    expression: str
    targets: tuple[str, ...] = ()
    restrict_to: tuple[str, ...] = ()
    forms: frozenset[str] = frozenset()
    paths: tuple[Path, ...] = ()


def number(type: str, code: str) -> int:
    """Under which number (31 bits, positive) the rows of a parameter are stored. Raises as `lookup`."""
    return lookup(type, code).number


def lookup(type: str, code: str) -> Parameter:
    """The parameter `code` of a resource type. Raises Invalid, with near misses or the reason why it is not there."""
    found = table(type).get(code)
    if found is None:
        raise Invalid(why_not(type, code))
    return found


def parameters(type: str) -> list[Parameter]:
    """All parameters by which resources of a type can be searched, sorted by code."""
    return list(table(type).values())


@cache
def table(type: str) -> dict[str, Parameter]:
    """Code -> parameter, for one resource type, sorted by code. Raises Invalid when R4 has no such resource."""
    if type not in definitions.TYPE_NUMBER:
        raise Invalid(f"R4 has no resource type {type!r}.")
    found = {}
    for definition in _definitions(type):
        if (parameter := _parameter(type, definition)) is not None:
            found[parameter.code] = parameter
    return dict(sorted(found.items()))


def why_not(type: str, code: str) -> str:
    """Why `code` is not in the table of a type: not supported yet, or unknown; with near misses."""
    for definition in _definitions(type):
        if definition.code == code:
            kind = "phonetic" if definition.usage == "phonetic" else definition.type
            return f"The search parameter {code!r} of {type} is not supported: {kind} parameters like it have no index."
    near = get_close_matches(code, table(type), 3)
    hint = f" Did you mean {' or '.join(near)}?" if near else " The CapabilityStatement lists those that there are."
    return f"{type} has no search parameter {code[:64]!r}.{hint}"


@cache
def _by_base() -> dict[str, list[SearchParameter]]:
    found: dict[str, list[SearchParameter]] = {}
    for definition in definitions.search_parameters():
        for base in definition.base:
            found.setdefault(base, []).append(definition)
    return found


def _definitions(type: str) -> list[SearchParameter]:
    by_base = _by_base()
    return by_base["Resource"] + by_base["DomainResource"] + by_base.get(type, [])


def _parameter(type: str, definition: SearchParameter) -> Parameter | None:
    """The parameter as it applies to one type; None when nothing of it can be indexed."""
    kind, code, expression = definition.type, definition.code, definition.expression
    if code in ("_id", "_lastUpdated"):
        return Parameter(type, code, definition.url, kind, 0, expression or "")
    if kind not in INDEXED or expression is None or definition.usage != "normal":
        return None
    try:
        selected = paths(fhirpath.parse(expression), type)
    except NotAPath:
        if kind == "token" and fhirpath.static_types(expression, type) == frozenset((BOOLEAN,)):
            found = _number(type, kind, [f"={expression}"])
            return Parameter(type, code, definition.url, kind, found, expression, forms=frozenset(("boolean",)))
        return None
    selected = tuple(p for p in selected if p.type.name in INDEXED[kind])
    if not selected:
        return None
    selected, restrict_to = _unrestricted(selected)
    return Parameter(
        type,
        code,
        definition.url,
        kind,
        _number(type, kind, sorted(map(str, selected))),
        expression,
        restrict_to or targets_of(selected),
        restrict_to,
        frozenset(p.type.name for p in selected),
        selected,
    )


def _unrestricted(selected: tuple[Path, ...]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Paths that all end in the same `where(resolve() is X)`, without it, and (X,); any others as they are."""
    last = {path.steps[-1] for path in selected}
    match last.pop():
        case RefersTo(type=target) if not last:
            return tuple(dict.fromkeys(Path(path.steps[:-1], path.type) for path in selected)), (target,)
    return selected, ()


def targets_of(selected: tuple[Path, ...]) -> tuple[str, ...]:
    """The resource types that the References among the paths may point to; () for any."""
    found: set[str] = set()
    for path in selected:
        if path.type.name == "Extension":
            return ()
        fields = [step for step in path.steps if isinstance(step, Field)]
        if path.type.name == "Reference":
            found.update(fields[-1].targets or ("Resource",))
    return () if "Resource" in found else tuple(sorted(found))


def _number(type: str, kind: str, selection: list[str]) -> int:
    text = "|".join((type, kind, *selection))
    return int.from_bytes(blake2b(text.encode(), digest_size=4).digest(), "big") & 0x7FFFFFFF or 1
