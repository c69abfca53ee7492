"""A body of one version to the same of the other. Nothing is lost: what comes out gives, converted back, what went in.

Place by place, elements are matched by `tables.GROUPS` and else by name; values of datatypes are converted first. What
the other version can't hold exactly travels as an extension that stands for the element, beside the nearest that it can
hold. Such an extension is taken back only where it still agrees with the elements beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final, NamedTuple

from hilum.versions.items import UNKNOWN, Item, Items, Unfit, absent, fitting, is_absent, put, same, taken
from hilum.versions.schema import BACKBONE, R4, Body, Element, Place, Schema, is_primitive, r3
from hilum.versions.shapes import Group, Shape, kept, only_r3, only_r4
from hilum.versions.tables import GROUPS, MODIFIERS, TYPES

DEEPEST: Final = 100


class Refused(Exception):
    """What can't be converted without loss: the element (a FHIRPath), and why.

    `wrong`: it isn't a body of its own version.
    """

    def __init__(self, text: str, path: str = "", *, wrong: bool = False) -> None:
        super().__init__(text)
        self.text, self.path, self.wrong = text, path, wrong

    def under(self, step: str) -> Refused:
        """The same, seen from the parent."""
        return Refused(self.text, step + self.path, wrong=self.wrong)


class _Way(NamedTuple):
    """One direction. `down`: from 4.0 to 3.0. `work`: how many places may still be converted."""

    src: Schema
    dst: Schema
    down: bool
    work: Work


class Work:
    """An extension that stands for an element is converted as that, and again as itself where it is none after all:
    nested ones would double the work with each level. So a body has work in proportion to its size.
    """

    def __init__(self, body: Any) -> None:
        self.left = _LEAST + _EACH * _size(body)

    def spend(self) -> None:
        """Count one place. Raises Refused."""
        self.left -= 1
        if self.left < 0:
            raise Refused("has extensions in extensions for elements: too many to convert")


_LEAST: Final = 100
_EACH: Final = 8


def _size(body: Any) -> int:
    """How many objects there are in a body."""
    count, waiting = 0, [body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            count += 1
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return count


def down(body: Body) -> Body:
    """A resource of FHIR 4.0 as one of FHIR 3.0. Raises Refused."""
    work = Work(body)
    return _there_and_back(body, _Way(R4, r3(), True, work), _Way(r3(), R4, False, work))


def up(body: Body) -> Body:
    """A resource of FHIR 3.0 as one of FHIR 4.0. Raises Refused."""
    work = Work(body)
    return _there_and_back(body, _Way(r3(), R4, False, work), _Way(R4, r3(), True, work))


def _there_and_back(body: Body, there: _Way, back: _Way) -> Body:
    type_ = body.get("resourceType")
    root = type_ if isinstance(type_, str) and type_ in TYPES else "Resource"
    try:
        out = _resource(there, body, 0)
        again = _resource(back, out, 0)
    except Refused as found:
        raise found.under(root) from None
    path = _difference(body, again)
    if path is not None:
        path = root + path
        raise Refused(f"can't be told in FHIR {there.dst.version} without loss", path)
    return out


def _difference(one: Any, other: Any) -> str | None:
    """The path of the first place where a body has come back as something else; None: all of it came back.

    That something is unknown may have been added, where it is demanded and was missing, as in a summary.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        for name in [*one, *(name for name in other if name not in one)]:
            if name not in one and other[name] == UNKNOWN:
                continue
            found = _difference(one.get(name), other.get(name))
            if found is not None:
                return f".{name.removeprefix('_')}{found}"
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            found = _difference(*pair)
            if found is not None:
                return f"[{index}]{found}"
        return None
    return None if one == other and type(one) is type(other) else ""


# --- resources --------------------------------------------------------------------------------------------------------


def _resource(way: _Way, body: Any, depth: int) -> Body:
    type_ = body.get("resourceType") if isinstance(body, dict) else None
    if not isinstance(type_, str):
        raise Refused("must say what it is, such as resourceType Patient", wrong=True)
    if type_ not in TYPES:
        is_known = type_ in way.src.types
        what = type_ if is_known and type_.isalnum() else "This resource type"
        raise Refused(f"{what} can't be converted between FHIR 4.0 and FHIR 3.0 here")
    place = (type_, "")
    rest = {name: value for name, value in body.items() if name != "resourceType"}
    return {"resourceType": type_, **_object(way, rest, place, place, type_, type_, depth)}


# --- objects ----------------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A group, seen in one direction."""

    src: tuple[str, ...]
    dst: tuple[str, ...]
    there: Shape
    back: Shape
    same: bool = False


class _Plan(NamedTuple):
    """What to do with a place of one version that becomes a place of the other.

    `properties`: JSON property -> its element and type. `of`, `to`: element -> the row that it belongs to, in either
    version. `always`: rows that may give something though nothing is there.
    """

    rows: tuple[_Row, ...]
    properties: dict[str, tuple[str, str]]
    of: dict[str, int]
    to: dict[str, int]
    always: frozenset[int]


@cache
def _plan(down: bool, src: Place, dst: Place) -> _Plan:
    rows = _rows(down, src, dst)
    sources, targets = (R4, r3()) if down else (r3(), R4)
    goal = targets.elements(dst)
    return _Plan(
        rows,
        _properties(sources, src),
        {name: number for number, row in enumerate(rows) for name in row.src},
        {name: number for number, row in enumerate(rows) for name in row.dst},
        frozenset(
            number
            for number, row in enumerate(rows)
            if any(goal[name].required for name in row.dst) or (not row.src and row.there({}))
        ),
    )


def _rows(down: bool, src: Place, dst: Place) -> tuple[_Row, ...]:
    r4_place, r3_place = (src, dst) if down else (dst, src)
    groups: list[Group] = list(GROUPS.get(r4_place, ()))
    news, olds = R4.elements(r4_place), r3().elements(r3_place)
    told4 = {name for group in groups for name in group.r4}
    told3 = {name for group in groups for name in group.r3}
    for name in news:
        if name not in told4 and name != "extension":
            groups.append(kept(name) if name in olds and name not in told3 else only_r4(name))
            told3.add(name)
    groups += [only_r3(name) for name in olds if name not in told3 and name != "extension"]
    return tuple(
        _Row(group.r4, group.r3, group.down, group.up, group.same)
        if down
        else _Row(group.r3, group.r4, group.up, group.down, group.same)
        for group in groups
    )


def _properties(schema: Schema, place: Place) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for element in schema.elements(place).values():
        for type_ in element.types:
            name = element.property(type_)
            found[name] = element.name, type_
            if is_primitive(type_):
                found[f"_{name}"] = element.name, type_
    return found


def _present(way: _Way, body: Body, properties: dict[str, tuple[str, str]]) -> dict[str, dict[str, None]]:
    """Element -> the types of its values in this body, a set in order. Raises Refused for what is no element."""
    found: dict[str, dict[str, None]] = {}
    for name in body:
        known = properties.get(name)
        if known is None:
            step = f".{name.removeprefix('_')}" if name.removeprefix("_").isalnum() and len(name) < 64 else ""
            raise Refused(f"is no element of FHIR {way.src.version}", step, wrong=True)
        found.setdefault(known[0], {})[known[1]] = None
    return found


def _object(way: _Way, body: Body, src: Place, dst: Place, label: str, other: str, depth: int) -> Body:
    """`label` and `other`: what the place is called in either version."""
    way.work.spend()
    if depth > DEEPEST:
        raise Refused("is nested too deeply")
    sources, targets = way.src.elements(src), way.dst.elements(dst)
    plan = _plan(way.down, src, dst)
    body, extensions = _extended(body, sources, f"{way.dst.url}{other}.")
    if "modifierExtension" in body:
        body, more = _modified(body, f"{way.dst.url}{other}.", other)
        extensions = [*extensions, *more]
    present = _present(way, body, plan.properties)
    waiting = _standing(extensions, f"{way.dst.url}{other}.", targets) if extensions else {}
    out: Body = {}
    carried: list[Body] = []
    modifying: list[Body] = []
    touched = {plan.of[name] for name in present if name in plan.of} | plan.always
    touched |= {plan.to[name] for name in waiting if name in plan.to}
    for row in (plan.rows[number] for number in sorted(touched)):
        values = {
            name: _values(way, body, sources[name], present[name], _pair(row, name, targets), depth)
            if name in present
            else []
            for name in row.src
        }
        if row.src and not any(values.values()) and not any(name in waiting for name in row.dst):
            _fill(out, row, values, sources, targets)
            continue
        if row.same and not waiting and _passes(values[row.src[0]], sources[row.src[0]], targets[row.dst[0]]):
            put(out, targets[row.dst[0]], values[row.src[0]])
            continue
        bare = {name: [] if sources[name].required and is_absent(one) else one for name, one in values.items()}
        found = _taken_back(way, row, bare, waiting, sources, targets, other, depth)
        as_it_was = found is not None
        if found is None:
            has_place = any(targets[name].required for name in row.dst)
            given = values if has_place else bare
            found = {name: fitting(one, targets[name]) for name, one in _shaped(row.there, given, row.src).items()}
            if not _agree(_fitted(_shaped(row.back, _full(found, row.dst), row.src), sources), given):
                for name in row.src:
                    if name == "modifierExtension" and given[name]:
                        raise Refused(f"can't be told in FHIR {way.dst.version}", f".{name}")
                    into = modifying if f"{label}.{name}" in MODIFIERS else carried
                    into += [
                        _standing_for(way, item, sources[name], f"{way.src.url}{label}.{name}") for item in given[name]
                    ]
        for name, one in found.items():
            put(out, targets[name], one)
        if not as_it_was:
            _fill(out, row, values, sources, targets)
    used = {id(one) for some in waiting.values() for one in some}
    whole = [*_extensions(way, [one for one in extensions if id(one) not in used], depth), *carried]
    for name, some in (("extension", whole), ("modifierExtension", [*out.get("modifierExtension", []), *modifying])):
        if some:
            if name in targets:
                out[name] = some
            elif "meta" in targets and name == "extension":
                out["meta"] = _extend(out.get("meta", {}), some)
            else:
                raise Refused(f"has an element for which FHIR {way.dst.version} has no place ({_names(carried)})")
    return out


def _passes(items: Items, source: Element, target: Element) -> bool:
    """Whether values can stand as they are in the same element of the other version."""
    if not items or (len(items) > 1 and not target.many) or (source.required and is_absent(items)):
        return False
    return all(item.type in target.types for item in items)


def _extended(body: Body, sources: dict[str, Element], begin: str) -> tuple[Body, list[Body]]:
    """The rest of a place, and its extensions. A Bundle, a Binary and Parameters have none: their meta has them."""
    if "extension" in sources:
        return body, _list(body, "extension")
    meta = body.get("meta")
    if "meta" not in sources or not isinstance(meta, dict) or "extension" not in meta:
        return body, []
    found = _list(meta, "extension")
    own = [one for one in found if str(one.get("url")).startswith(begin)]
    others = [one for one in found if not str(one.get("url")).startswith(begin)]
    if not own:
        return body, []
    left = {name: value for name, value in meta.items() if name != "extension"}
    left |= {"extension": others} if others else {}
    rest = {name: value for name, value in body.items() if name != "meta"}
    return (rest | {"meta": left} if left else rest), own


def _modified(body: Body, begin: str, label: str) -> tuple[Body, list[Body]]:
    """The rest of a place, and the modifier extensions that stand for elements of the other version."""
    found = _list(body, "modifierExtension")
    urls = {begin + name.removeprefix(f"{label}.") for name in MODIFIERS if name.startswith(f"{label}.")}
    own = [one for one in found if one.get("url") in urls]
    if not own:
        return body, []
    rest = {name: value for name, value in body.items() if name != "modifierExtension"}
    left = [one for one in found if one.get("url") not in urls]
    return (rest | {"modifierExtension": left} if left else rest), own


def _extend(meta: Body, some: list[Body]) -> Body:
    return {**meta, "extension": [*meta.get("extension", []), *some]}


def _names(carried: Iterable[Body]) -> str:
    return ", ".join(sorted({str(one["url"]).rpartition("extension-")[2] for one in carried})) or "extension"


def _list(body: Body, name: str) -> list[Any]:
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Refused("must be an array of objects", f".{name}", wrong=True)
    return value


def _fill(
    out: Body, row: _Row, values: dict[str, Items], sources: dict[str, Element], targets: dict[str, Element]
) -> None:
    """Say of what the other version demands, and this one has not, that it is unknown."""
    if any(sources[name].required and not values[name] for name in row.src):
        return  # it is missing already, as in a summary
    for name in row.dst:
        element = targets[name]
        if element.required and not any(
            key in out or f"_{key}" in out for key in (element.property(type_) for type_ in element.types)
        ):
            put(out, element, absent(element))


def _shaped(shape: Shape, values: dict[str, Items], names: tuple[str, ...]) -> dict[str, Items]:
    """What a shape makes of values; it is written for such as are legal, and these nobody has judged yet."""
    try:
        return shape(values)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise Refused("has not the shape that it must have", f".{names[0]}" if names else "", wrong=True) from None


def _full(found: dict[str, Items], names: Iterable[str]) -> dict[str, Items]:
    return {name: found.get(name, []) for name in names}


def _fitted(found: dict[str, Items], elements: dict[str, Element]) -> dict[str, Items]:
    return {name: fitting(one, elements[name]) for name, one in found.items()}


def _agree(one: dict[str, Items], other: dict[str, Items]) -> bool:
    return all(same(one.get(name, []), other.get(name, [])) for name in {*one, *other})


# --- values -----------------------------------------------------------------------------------------------------------


def _pair(row: _Row, name: str, targets: dict[str, Element]) -> Element | None:
    """The element of the other version that holds the same things, if it is one."""
    if len(row.src) != len(row.dst):
        return None
    return targets[row.dst[row.src.index(name)]]


def _values(
    way: _Way,
    body: Body,
    element: Element,
    types: Iterable[str],
    pair: Element | None,
    depth: int,
) -> Items:
    """The values of an element; those of datatypes are the other version's already."""
    try:
        found = taken(body, element, types)
    except Unfit as wrong:
        raise Refused(str(wrong), f".{element.name}", wrong=True) from None
    out = []
    for index, item in enumerate(found):
        try:
            out.append(_value(way, item, element, pair, depth + 1))
        except Refused as refused:
            raise refused.under(f".{element.name}" + (f"[{index}]" if element.many else "")) from None
    return out


def _value(way: _Way, item: Item, element: Element, pair: Element | None, depth: int) -> Item:
    if is_primitive(item.type):
        if item.extra is None or "extension" not in item.extra:
            return item
        return item._replace(extra={**item.extra, "extension": _extensions(way, _list(item.extra, "extension"), depth)})
    if item.type == "Resource":
        return item._replace(value=_resource(way, item.value, depth))
    src = element.places[element.types.index(item.type)]
    assert src is not None
    if item.type != BACKBONE:
        if not _has(way.dst, item.type):
            return item
        return item._replace(value=_object(way, item.value, src, (item.type, ""), item.type, item.type, depth))
    dst = pair.places[pair.types.index(BACKBONE)] if pair is not None and BACKBONE in pair.types else None
    if dst is None:
        return item._replace(value=_alone(way, item.value, src, depth))
    names = way.src.label(src), way.dst.label(dst)
    return item._replace(value=_object(way, item.value, src, dst, *names, depth))


def _has(schema: Schema, type_: str) -> bool:
    try:
        schema.elements((type_, ""))
    except KeyError:
        return False
    return True


@cache
def _known(is_r4: bool, place: Place) -> dict[str, tuple[str, str]]:
    return _properties(R4 if is_r4 else r3(), place)


def _alone(way: _Way, body: Body, src: Place, depth: int) -> Body:
    """What the other version has no place for, with the values in it as that version writes them."""
    if depth > DEEPEST:
        raise Refused("is nested too deeply")
    sources = way.src.elements(src)
    out: Body = {}
    for name, types in _present(way, body, _known(way.down, src)).items():
        put(out, sources[name], _values(way, body, sources[name], types, None, depth))
    return out


def _extensions(way: _Way, extensions: list[Any], depth: int) -> list[Body]:
    place = ("Extension", "")
    out = []
    for index, one in enumerate(extensions):
        try:
            out.append(_object(way, one, place, place, "Extension", "Extension", depth + 1))
        except Refused as refused:
            raise refused.under(f".extension[{index}]") from None
    return out


# --- extensions that stand for elements -------------------------------------------------------------------------------


def _standing(extensions: list[Body], begin: str, targets: dict[str, Element]) -> dict[str, list[Body]]:
    """The extensions that stand for elements of this place in the other version, by element."""
    found: dict[str, list[Body]] = {}
    for one in extensions:
        url = one.get("url")
        if isinstance(url, str) and url.startswith(begin) and url[len(begin) :] in targets:
            found.setdefault(url[len(begin) :], []).append(one)
    return found


def _taken_back(
    way: _Way,
    row: _Row,
    values: dict[str, Items],
    waiting: dict[str, list[Body]],
    sources: dict[str, Element],
    targets: dict[str, Element],
    other: str,
    depth: int,
) -> dict[str, Items] | None:
    """What extensions say that a group's elements are in the other version, if that agrees with what they are here."""
    names = [name for name in row.dst if name in waiting]
    if not names:
        return None
    found: dict[str, Items] = {name: [] for name in row.dst}
    for name in names:
        read = [_meant(way, one, targets[name], depth) for one in waiting[name]]
        items = [item for item in read if item is not None]
        if len(items) < len(read) or not same(fitting(items, targets[name]), items):
            items = []
        found[name] = items
    if all(found[name] for name in names) and _agree(_fitted(_shaped(row.back, found, row.src), sources), values):
        return found
    for name in names:
        del waiting[name]
    return None


@cache
def _carries(down: bool) -> frozenset[str]:
    """The types that an extension may have as its value in the version that is written."""
    schema = r3() if down else R4
    return frozenset(schema.elements(("Extension", ""))["value"].types)


def _standing_for(way: _Way, item: Item, element: Element, url: str) -> Body:
    """The extension that stands for one value of an element."""
    name = f"value{item.type[:1].upper()}{item.type[1:]}"
    if is_primitive(item.type):
        if item.type in _carries(way.down):
            return _with_value({"url": url}, name, item)
        return {"url": url, "extension": [_with_value({"url": item.type}, "valueUri", item)]}
    if item.type in _carries(way.down):
        return {"url": url, name: item.value}
    if item.type == "Resource":
        raise Refused(f"can't be told in FHIR {way.dst.version}")
    place = element.places[element.types.index(item.type)]
    assert place is not None
    parts: list[Body] = []
    for child in way.src.elements(place).values():
        if child.name == "extension":
            continue
        parts += [_standing_for(way, one, child, child.name) for one in taken(item.value, child, child.types)]
    parts += item.value.get("extension", [])
    return {"url": url, "extension": [{"url": item.type, "extension": parts}] if element.choice else parts}


def _with_value(out: Body, name: str, item: Item) -> Body:
    if item.value is not None:
        out[name] = item.value
    if item.extra is not None:
        out[f"_{name}"] = item.extra
    return out


def _meant(way: _Way, extension: Body, element: Element, depth: int) -> Item | None:
    """The value that an extension stands for, as the other version writes it; None when it stands for none."""
    parts = extension.get("extension", [])
    for type_ in element.types:
        name = f"value{type_[:1].upper()}{type_[1:]}"
        if is_primitive(type_):
            found = extension if name in extension or f"_{name}" in extension else None
            if found is None and len(parts) == 1 and isinstance(parts[0], dict) and parts[0].get("url") == type_:
                found, name = parts[0], "valueUri"
            if found is not None:
                extra = found.get(f"_{name}")
                item = Item(type_, found.get(name), extra if isinstance(extra, dict) else None)
                return _value(way, item, element, None, depth + 1)
        elif isinstance(extension.get(name), dict) and _has(way.src, type_):
            value = _object(way, extension[name], (type_, ""), (type_, ""), type_, type_, depth + 1)
            return Item(type_, value)
    if "url" not in extension or not isinstance(parts, list) or not parts or depth > DEEPEST:
        return None
    if element.choice:
        first = parts[0]
        kind, within = (first.get("url"), first.get("extension")) if isinstance(first, dict) else (None, None)
        if len(parts) > 1 or kind not in element.types or is_primitive(str(kind)) or not isinstance(within, list):
            return None
        return _rebuilt(way, within, element, str(kind), depth)
    type_ = element.types[0]
    if is_primitive(type_) or type_ == "Resource":
        return None
    return _rebuilt(way, parts, element, type_, depth)


def _rebuilt(way: _Way, parts: list[Any], element: Element, type_: str, depth: int) -> Item | None:
    place = element.places[element.types.index(type_)]
    assert place is not None
    children = way.dst.elements(place)
    held: dict[str, Items] = {}
    rest = []
    for part in parts:
        name = part.get("url") if isinstance(part, dict) else None
        if isinstance(name, str) and name in children:
            item = _meant(way, part, children[name], depth + 1)
            if item is None:
                return None
            held.setdefault(name, []).append(item)
        else:
            rest.append(part)
    body: Body = {}
    for name, some in held.items():
        if not same(fitting(some, children[name]), some):
            return None
        put(body, children[name], some)
    if rest:
        body["extension"] = _extensions(way, rest, depth)
    return Item(type_, body)
