"""How a few elements of one version become a few of the other: the kinds of rows that `tables.py` is made of.

A shape is a pure function from values by element name to values by element name. Values of datatypes are converted
before. What a shape does not carry over exactly is seen by trying its inverse; it travels as an extension (convert.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hilum.versions.items import Item, Items
from hilum.versions.schema import BACKBONE, is_primitive

Values = Mapping[str, Items]
Shape = Callable[[Values], dict[str, Items]]


class Group(NamedTuple):
    """Elements of 4.0 and of 3.0 at one place that mean the same together, and the way between them.

    `same`: it is one element that means the same.
    """

    r4: tuple[str, ...]
    r3: tuple[str, ...]
    down: Shape
    up: Shape
    same: bool = False


def renamed(r4: str, r3: str) -> Group:
    """The same element by another name."""
    return Group((r4,), (r3,), lambda values: {r3: values[r4]}, lambda values: {r4: values[r3]}, True)


def kept(name: str) -> Group:
    """The same element."""
    return renamed(name, name)


def only_r4(name: str) -> Group:
    """An element that 3.0 has not."""
    return Group((name,), (), lambda values: {}, lambda values: {})


def only_r3(name: str) -> Group:
    """An element that 4.0 has not."""
    return Group((), (name,), lambda values: {}, lambda values: {})


def _text(items: Items) -> str | None:
    value = items[0].value if items else None
    return value if isinstance(value, str) else None


def _code(text: str) -> Items:
    return [Item("code", text)]


def codes(name: str, pairs: str = "", r3: str = "", r3_name: str = "") -> Group:
    """A code with other words. `pairs`: "r4=r3 …", the nearest; of several for one word the first is meant on the way
    back. `r3`: the codes that only 4.0 has, for which 3.0 has no word at all.
    """
    there, back = _pairs(pairs)
    missing = frozenset(r3.split())
    other = r3_name or name

    def down(values: Values) -> dict[str, Items]:
        found = [item for item in values[name] if item.value not in missing]
        return {other: [item._replace(value=there.get(item.value, item.value)) for item in found]}

    def up(values: Values) -> dict[str, Items]:
        return {name: [item._replace(value=back.get(item.value, item.value)) for item in values[other]]}

    return Group((name,), (other,), down, up)


def coded(name: str, system: str, pairs: str = "", r3_only: str = "", r3_name: str = "") -> Group:
    """A CodeableConcept of a code system in 4.0, that system's code in 3.0.

    `pairs`: "r4=r3 …" to the nearest, as in `codes`; `r3_only`: codes of 3.0 for which that system has none.
    """
    there, back = _pairs(pairs)
    alone = frozenset(r3_only.split())
    other = r3_name or name

    def down(values: Values) -> dict[str, Items]:
        for item in values[name]:
            for coding in item.value.get("coding", ()):
                if coding.get("system") == system and isinstance(coding.get("code"), str):
                    return {other: _code(there.get(coding["code"], coding["code"]))}
        return {other: []}

    def up(values: Values) -> dict[str, Items]:
        text = _text(values[other])
        if text is None or text in alone:
            return {name: []}
        return {name: [Item("CodeableConcept", {"coding": [{"system": system, "code": back.get(text, text)}]})]}

    return Group((name,), (other,), down, up)


def _pairs(text: str) -> tuple[dict[str, str], dict[str, str]]:
    """ "r4=r3 …" there and back; of several for one word the first is meant."""
    there: dict[str, str] = {}
    back: dict[str, str] = {}
    for pair in text.split():
        new, old = pair.split("=")
        there.setdefault(new, old)
        back.setdefault(old, new)
    return there, back


def flagged(
    status: str,
    flag: str,
    no: str,
    r3_status: str,
    *,
    yes: Any = True,
    other: Any = None,
    r4_only: str = "",
    r3_lacks: str = "",
) -> Group:
    """A status of 4.0 that says "not done" (`no`), which 3.0 says by a flag of its own beside a status.

    `r3_status`: what 3.0 has as the status then. `other`: the flag of what was done, None for none. `r4_only`: "r4=r3"
    for further statuses; `r3_lacks`: those for which 3.0 has no word at all.
    """
    words, back = _pairs(r4_only)
    missing = frozenset(r3_lacks.split())
    kind = "boolean" if isinstance(yes, bool) else "code"

    def down(values: Values) -> dict[str, Items]:
        items = values[status]
        if _text(items) == no:
            return {status: [items[0]._replace(value=r3_status)], flag: [Item(kind, yes)]}
        found = [item._replace(value=words.get(item.value, item.value)) for item in items if item.value not in missing]
        return {status: found, flag: [Item(kind, other)] if other is not None and items else []}

    def up(values: Values) -> dict[str, Items]:
        items = values[status]
        if values[flag] and values[flag][0].value == yes and values[flag][0].value is not None:
            if _text(items) == "entered-in-error":
                return {status: items}
            return {status: [items[0]._replace(value=no)] if items else _code(no)}
        return {status: [item._replace(value=back.get(item.value, item.value)) for item in items]}

    return Group((status,), (status, flag), down, up)


def wrapped(r4: str, r3: str, within: str) -> Group:
    """A value in 4.0, in 3.0 the element `within` of an element of its own: performer -> performer.actor."""

    def down(values: Values) -> dict[str, Items]:
        return {r3: [Item(BACKBONE, {within: item.value}) for item in values[r4]]}

    def up(values: Values) -> dict[str, Items]:
        return {r4: [Item("Reference", item.value[within]) for item in values[r3] if within in item.value]}

    return Group((r4,), (r3,), down, up)


def coding(name: str) -> Group:
    """A CodeableConcept in 4.0, in 3.0 a Coding."""

    def down(values: Values) -> dict[str, Items]:
        return {name: [Item("Coding", one.value["coding"][0]) for one in values[name] if one.value.get("coding")]}

    def up(values: Values) -> dict[str, Items]:
        return {name: [Item("CodeableConcept", {"coding": [item.value]}) for item in values[name]]}

    return Group((name,), (name,), down, up)


def text(name: str, r3_name: str = "") -> Group:
    """A CodeableConcept in 4.0, in 3.0 a string."""
    other = r3_name or name

    def down(values: Values) -> dict[str, Items]:
        found = [item.value["text"] for item in values[name] if isinstance(item.value.get("text"), str)]
        return {other: [Item("string", one) for one in found]}

    def up(values: Values) -> dict[str, Items]:
        return {
            name: [Item("CodeableConcept", {"text": item.value}) for item in values[other] if item.value is not None]
        }

    return Group((name,), (other,), down, up)


def note(r4: str = "note", r3: str = "comment") -> Group:
    """Annotations in 4.0, one text in 3.0."""

    def down(values: Values) -> dict[str, Items]:
        texts = [item.value["text"] for item in values[r4] if isinstance(item.value.get("text"), str)]
        return {r3: [Item("string", "\n".join(texts))] if texts else []}

    def up(values: Values) -> dict[str, Items]:
        return {r4: [Item("Annotation", {"text": item.value}) for item in values[r3] if item.value is not None]}

    return Group((r4,), (r3,), down, up)


def context(r4: str = "encounter", r3: str = "context") -> Group:
    """An encounter in 4.0; in 3.0 an encounter or an episode of care."""

    def up(values: Values) -> dict[str, Items]:
        return {r4: [item for item in values[r3] if not _is_episode(item.value)]}

    return Group((r4,), (r3,), lambda values: {r3: values[r4]}, up)


def _is_episode(value: Any) -> bool:
    return "EpisodeOfCare/" in str(value.get("reference", ""))


def canonical(name: str, r3_name: str = "") -> Group:
    """A canonical in 4.0, in 3.0 a Reference to it."""
    other = r3_name or name

    def down(values: Values) -> dict[str, Items]:
        return {other: [Item("Reference", {"reference": item.value}) for item in values[name] if item.value]}

    def up(values: Values) -> dict[str, Items]:
        found = [item.value.get("reference") for item in values[other]]
        return {name: [Item("canonical", one) for one in found if isinstance(one, str)]}

    return Group((name,), (other,), down, up)


def typed(r4: str, r3: str, type_: str) -> Group:
    """One type of a choice of 4.0, an element of its own in 3.0."""

    def down(values: Values) -> dict[str, Items]:
        return {r3: [item for item in values[r4] if item.type == type_]}

    def up(values: Values) -> dict[str, Items]:
        return {r4: [item._replace(type=type_) for item in values[r3]]}

    return Group((r4,), (r3,), down, up)


def member(body: dict[str, Any], name: str, type_: str) -> Items:
    """The values of an element within the value of another, as shapes find them."""
    value, extra = body.get(name), body.get(f"_{name}") if is_primitive(type_) else None
    if value is None and extra is None:
        return []
    return [Item(type_, one) for one in value] if isinstance(value, list) else [Item(type_, value, extra)]
