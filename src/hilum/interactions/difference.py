"""What changed between two versions, as a FHIRPath Patch that makes the one into the other.

https://hl7.org/fhir/R4/fhirpatch.html

Element by element: what is there in both is looked into, and lists are compared from both ends, so that what was put in
or taken out at one place is told as that. Each value is compared with one other, so that the work is that of reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final

from hilum.fhirpath.types import Property, Type, is_abstract, properties
from hilum.interactions.fhirpath_patch import MOST_OPERATIONS
from hilum.interactions.patches import Body
from hilum.interactions.places import Item, Place, by_key
from hilum.problems import Issue, Unprocessable

Part = dict[str, Any]
_OWN: Final = ("resourceType", "id", "meta")
_STAMP: Final = ("versionId", "lastUpdated")
"""Of meta what a server writes itself; no patch can."""
_KEYWORDS: Final = frozenset(
    ("and", "as", "contains", "div", "false", "implies", "in", "is", "mod", "or", "true", "xor")
)
"""Names of elements that are words of FHIRPath, too: `text.div`."""
_VALUES: Final = {one.type: one.key for one in properties(Type("Parameters", "parameter"))["value"]}
"""Data type -> how a parameter holds it."""
_TOO_MANY: Final = f"The versions differ in more than {MOST_OPERATIONS} places, which no patch may have."


def difference(old: Body, new: Body, *, meta: bool = False) -> Body:
    """The Parameters of the patch from `old` to `new`, stored bodies of one type.

    Without `meta` nothing is said of it; the id and what servers stamp are never part of it. Raises Unprocessable (too
    costly) where it would be longer than patches may be.
    """
    kind = Type(old["resourceType"])
    found: list[Part] = []
    changes = [_object(_bare(old, _OWN), _bare(new, _OWN), kind, kind.name)]
    if meta:  # every stored body has one
        held = [_bare(body.get("meta", {}), _STAMP) for body in (old, new)]
        changes.append(_object(held[0], held[1], Type("Meta"), f"{kind}.meta"))
    for operation in chain(*changes):
        found.append(operation)
        if len(found) > MOST_OPERATIONS:
            raise Unprocessable(issues=(Issue("error", "too-costly", _TOO_MANY),))
    return {"resourceType": "Parameters"} | ({"parameter": found} if found else {})


def _bare(body: Body, without: tuple[str, ...]) -> Body:
    return {name: value for name, value in body.items() if name.removeprefix("_") not in without}


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values say the same, digits of decimals among it, in whichever order."""
    if type(one) is not type(other):
        return False
    if type(one) is dict:
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if type(one) is list:
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other) and str(one) == str(other)


# --- what differs -----------------------------------------------------------------------------------------------------


def _object(old: Body, new: Body, owner: Type, path: str) -> Iterator[Part]:
    """What makes one object into another: its elements in the order of their definition.

    What is taken away comes last, since an object that is empty for a moment would be gone.
    """
    known = by_key(owner)
    names = {known[name][0] for key in (*old, *new) if (name := key.removeprefix("_")) in known}
    gone: list[Part] = []
    for name in properties(owner):
        if name in names:
            if _chosen(new, owner, name) is None:
                gone += _element(old, new, owner, name, path)
            else:
                yield from _element(old, new, owner, name, path)
    yield from gone


def _element(old: Body, new: Body, owner: Type, name: str, path: str) -> Iterator[Part]:
    had, has = _chosen(old, owner, name), _chosen(new, owner, name)
    here = f"{path}.`{name}`" if name in _KEYWORDS else f"{path}.{name}"
    before = [] if had is None else Place(old, name, had, owner, None).items()
    after = [] if has is None else Place(new, name, has, owner, None).items()
    if had is None or has is None:
        for number in reversed(range(len(before))):
            many = had is not None and had.many
            yield _operation("delete", path=f"{here}[{number}]" if many else here)
        for item in after:
            assert has is not None
            yield _operation("add", path=path, name=name, value=_value(item, has.type))
    elif has.many:
        yield from _list(before, after, has, path, name, here)
    else:
        yield from _one(before[0], after[0], had, has, here)


def _chosen(body: Body, owner: Type, name: str) -> Property | None:
    """The property that an object has of an element: of a choice the one that was chosen."""
    return next((one for one in properties(owner)[name] if one.key in body or f"_{one.key}" in body), None)


def _list(before: list[Item], after: list[Item], kind: Property, path: str, name: str, here: str) -> Iterator[Part]:
    """What makes one list into another: what they begin and end with alike stays."""
    shorter = min(len(before), len(after))
    begin = 0
    while begin < shorter and same(list(before[begin]), list(after[begin])):
        begin += 1
    end = 0
    while end < shorter - begin and same(list(before[-1 - end]), list(after[-1 - end])):
        end += 1
    paired = shorter - begin - end
    for number in range(begin, begin + paired):
        yield from _one(before[number], after[number], kind, kind, f"{here}[{number}]")
    for number in range(begin + paired, len(after) - end):
        value = _value(after[number], kind.type)
        if end:
            yield _operation("insert", path=here, index=number, value=value)
        else:
            yield _operation("add", path=path, name=name, value=value)
    for number in reversed(range(begin + paired, len(before) - end)):
        yield _operation("delete", path=f"{here}[{number}]")


def _one(before: Item, after: Item, had: Property, has: Property, here: str) -> Iterator[Part]:
    """What makes one value into another: looked into, unless it is another kind of value."""
    old, new = before[0], after[0]
    if had.key == has.key and same(list(before), list(after)):
        return
    kind = has.type
    if had.key == has.key and type(old) is dict and type(new) is dict:
        if not is_abstract(kind):
            yield from _object(old, new, kind, here)
            return
        if old["resourceType"] == new["resourceType"]:
            yield from _object(old, new, Type(old["resourceType"]), here)
            return
    yield _operation("replace", path=here, value=_value(after, kind))


# --- how it is written ------------------------------------------------------------------------------------------------


def _operation(type: str, *, value: Part | None = None, index: int | None = None, **texts: str) -> Part:
    """https://hl7.org/fhir/R4/fhirpatch.html: the parts of one operation."""
    parts: list[Part] = [{"name": "type", "valueCode": type}]
    parts += [{"name": name, "valueString": text} for name, text in texts.items()]
    if index is not None:
        parts.append({"name": "index", "valueInteger": index})
    if value is not None:
        parts.append({"name": "value"} | value)
    return {"name": "operation", "part": parts}


def _value(item: Item, kind: Type) -> Part:
    """A value as that of a parameter: of its type, as a resource, or, where parameters know no such type, in parts."""
    value, extra = item
    if type(value) is not dict:
        key = _VALUES.get(kind, "valueString")
        return ({} if value is None else {key: value}) | ({} if extra is None else {f"_{key}": extra})
    if is_abstract(kind):
        return {"resource": value}
    if kind in _VALUES:
        return {_VALUES[kind]: value}
    parts: list[Part] = []
    for name in properties(kind):
        chosen = _chosen(value, kind, name)
        if chosen is not None:
            items = Place(value, name, chosen, kind, None).items()
            parts += [{"name": name} | _value(one, chosen.type) for one in items]
    return {"part": parts}
