"""A plan told to people: clauses by the codes of their parameters, decisions as lines. Values are in neither.

`named` says what a clause asks for, `timed` adds what the statements took, `lines` writes the notes of `Planning` out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any, Final, TypeVar

from hilum.fhir.definitions import TYPES
from hilum.search.clauses import (
    AllClause,
    AnyClause,
    ChainClause,
    Clause,
    CompartmentClause,
    HasClause,
    IdClause,
    LastUpdatedClause,
    ListClause,
    MissingClause,
    NotClause,
    PhraseClause,
    TextClause,
)
from hilum.search.contained import held, inner, local
from hilum.search.parameters import R4, Registry
from hilum.store.plan.dialect import Steps
from hilum.store.plan.planning import Planning

T = TypeVar("T")
_NAMES: Final = 5
"""How many names or types a line lists before it says how many more there are."""


def named(clause: Clause, types: Sequence[str], registry: Registry = R4) -> str:
    """What the clause is about, by codes of parameters: no value, and nothing of a policy but that it is one."""
    match clause:
        case IdClause():
            return "_id"
        case LastUpdatedClause():
            return "_lastUpdated"
        case CompartmentClause():
            return "compartment"
        case ListClause():
            return "_list"
        case TextClause(where) | PhraseClause(where):
            return f"_{where}"
        case NotClause(inner):
            return f"not {named(inner, types, registry)}"
        case AnyClause(inner) | AllClause(inner):
            word = " or " if isinstance(clause, AnyClause) else " and "
            return f"({word.join(dict.fromkeys(named(one, types, registry) for one in inner))})"
        case MissingClause(parameters):
            return f"{_code(registry, types[0], parameters)}:missing"
        case HasClause(source, parameters, names):
            return f"_has:{source.type}:{_code(registry, source.type, parameters or names)}"
        case ChainClause(parameters, _, names):
            return _code(registry, types[0], parameters or names)
    return _code(registry, types[0], clause.parameters)


def _code(registry: Registry, type: str, numbers: tuple[int, ...]) -> str:
    """The parameter of the type that has the most of these numbers, and no others."""
    wanted, best, most = frozenset(numbers), "a parameter", 0
    for code, one in registry.table(type).items():
        for own in (one.numbers, one.text, one.of_type, one.identifier, one.whole):
            if len(own) > most and wanted.issuperset(own):
                best, most = code, len(own)
    return best if most else _contained(registry, wanted)


def _contained(registry: Registry, numbers: frozenset[int]) -> str:
    """The same of what contained resources say; see `contained`."""
    within = tuple(map(inner, numbers))
    for type in TYPES:
        if held(type) in numbers:
            return f"contained {type}"
        if local(type) in numbers:
            return f"contained {type}:_id"
        some = registry.table(type).values()
        if any(
            set(within).issubset((*one.numbers, *one.text, *one.of_type, *one.whole, *one.identifier)) for one in some
        ):
            return f"contained {type}:{_code(registry, type, within)}"
    return "a parameter"


def timed(on: Planning, steps: Steps[T]) -> Steps[T]:
    """The same steps; after each decision is noted what the statements took that led to it."""
    decided, asked, rows, seconds = len(on.notes), 0, 0, 0.0
    answer: Sequence[Any] | None = None
    while True:
        try:
            part = next(steps) if answer is None else steps.send(answer)
        except StopIteration as stop:
            found: T = stop.value
            break
        finally:
            if asked and len(on.notes) > decided:
                took = {"step": "statements", "count": asked, "rows": rows, "ms": round(seconds * 1000, 3)}
                on.notes.insert(decided + 1, took)
                asked, rows, seconds = 0, 0, 0.0
            decided = len(on.notes)
        begun = perf_counter()
        answer = yield part
        seconds += perf_counter() - begun
        asked, rows = asked + 1, rows + len(answer)
    return found


def lines(notes: Sequence[dict[str, Any]]) -> list[str]:
    """The notes of a plan, a line each; what belongs to a line is indented under it."""
    found: list[str] = []
    for note in notes:
        found += _TOLD.get(note["step"], _plain)(note)
    return found


def _driver(note: dict[str, Any]) -> Iterator[str]:
    kind = "" if note["driver"] in note["by"] else f" ({note['driver']})"
    yield (
        f"{_some(note['types'])}: {note['by']} drives{kind}"
        if note["driver"]
        else f"{_some(note['types'])}: all are walked"
    )
    for one in note["counts"]:
        yield f"    counted {one['clause']}: {_rows(one['rows'], many=one['many'])}"
    if not note["counted"]:
        yield "    nothing is counted: it is alone, and walks in order until the page is full"
    if note["probes"]:
        yield f"    each row is probed for {', '.join(note['probes'])}"


def _statements(note: dict[str, Any]) -> Iterator[str]:
    yield f"    {_many(note['count'], 'statement')}, {_many(note['rows'], 'row')}, {note['ms']:.2f} ms"


def _chain(note: dict[str, Any]) -> Iterator[str]:
    how = "the other end is probed by each reference" if note["probed"] else f"{note['found']:,} found first"
    yield f"chain to {_some(note['targets'])}: {how}"


def _inward(note: dict[str, Any]) -> Iterator[str]:
    targets = _some(note["targets"])
    yield f"chain to contained {targets}: {note['read']:,} that may be meant are read, {note['found']:,} are"


def _has(note: dict[str, Any]) -> Iterator[str]:
    how = "probed one by one" if "probed" in note else f"{note['found']:,} found, which refer to {note['targets']:,}"
    yield f"_has of {note['source']}: {how}"


def _hope(note: dict[str, Any]) -> Iterator[str]:
    yield f"walked {note['walked']} newest first: {note['found']:,} matches in the first {note['rows']:,}"


def _after_hope(note: dict[str, Any]) -> Iterator[str]:
    yield f"counted again: {note['driver']} has {_rows(note['rows'], many=note['many'])}"


def _sort(note: dict[str, Any]) -> Iterator[str]:
    by = note["by"] if isinstance(note["by"], str) else ", ".join(note["by"])
    if note.get("collected"):
        yield f"sort by {by}: all matches collected and sorted"
    elif note.get("walked"):
        yield f"sort by {by}: its index walked, {note['found']:,} found"
    elif "different" in note:
        yield f"sort by {by}: {note['different']:,} different codes, walked one by one"
    else:
        yield f"sort by {by}: the texts of {note['read']:,} codes read"


def _moved(note: dict[str, Any]) -> Iterator[str]:
    yield f"changed since the first page: {_many(note['rows'], 'row')}, put where they stood then"


def _page(note: dict[str, Any]) -> Iterator[str]:
    more = ", and there are more" if note["more"] else ""
    brought = f", {note['included']:,} brought along" if note["included"] else ""
    yield f"page: {_many(note['resources'], 'resource')}{more}{brought}"


def _plain(note: dict[str, Any]) -> Iterator[str]:
    yield ", ".join(f"{name}: {value}" if name != "step" else str(value) for name, value in note.items())


_TOLD: Final[dict[str, Callable[[dict[str, Any]], Iterator[str]]]] = {
    "driver": _driver,
    "statements": _statements,
    "chain": _chain,
    "inward": _inward,
    "_has": _has,
    "hope": _hope,
    "after hope": _after_hope,
    "sort": _sort,
    "changed since the first page": _moved,
    "page": _page,
}


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {more} more" if more > 0 else "")


def _rows(count: int, *, many: bool) -> str:
    return f"{count:,} rows or more" if many else _many(count, "row")


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}" + ("" if count == 1 else "s")
