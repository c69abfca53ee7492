"""The part of FHIRPath that R4's search parameters use, walked slowly over JSON with the types of every node.

https://hl7.org/fhirpath/. `resolve()` only looks at what the reference says: it follows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from tests.oracle.definitions import Definitions


class Node(NamedTuple):
    """A value in a resource: its FHIR type, where its children are described, and the value set it is bound to."""

    value: Any
    type: str
    home: tuple[str, str]
    value_set: str | None = None
    targets: tuple[str, ...] = ()


SCHEMA: Final = object()
"""Stands for any value: walked from it, an expression tells which types it can select."""

QUANTITIES = frozenset(("Quantity", "Age", "Distance", "Duration", "Count", "MoneyQuantity", "SimpleQuantity"))


def root(definitions: Definitions, resource: dict[str, Any]) -> Node:
    """The node of a whole resource."""
    return Node(resource, resource["resourceType"], (resource["resourceType"], ""))


def types(definitions: Definitions, expression: str, type: str) -> list[Node]:
    """What an expression can select from a resource of this type: nodes without a value, but with type and targets."""
    top = Node(SCHEMA, type, (type, ""))
    return evaluate(definitions, expression, top, top)


def children(definitions: Definitions, node: Node, name: str) -> Iterator[Node]:
    """The values of the element `name`: arrays one by one, choices by the type that is there."""
    element = definitions.elements(node.home[0]).get(node.home[1], {}).get(name)
    if element is None:
        return
    if node.value is SCHEMA:
        for type in element.types or ("BackboneElement",):
            yield Node(SCHEMA, type, element.home or (type, ""), element.value_set, element.targets)
        return
    if not isinstance(node.value, dict):
        return
    keys = [(name + t[0].upper() + t[1:], t) for t in element.types] if element.choice else None
    for key, type in keys or [(name, element.types[0] if element.types else "BackboneElement")]:
        values = node.value.get(key)
        for value in values if isinstance(values, list) else [values]:
            if value is None:
                continue
            if type == "Resource":
                yield root(definitions, value)
            else:
                # A family name has words that are found one by one; only its place tells it from other strings.
                home = ("HumanName", "family") if (node.type, name) == ("HumanName", "family") else (type, "")
                yield Node(value, type, element.home or home, element.value_set)


def is_a(type: str, wanted: str) -> bool:
    """Whether a type is `wanted`; `DateTime` is how one published expression spells dateTime."""
    wanted = {"DateTime": "dateTime"}.get(wanted, wanted)
    return type == wanted or (wanted == "Quantity" and type in QUANTITIES)


_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def local(definitions: Definitions, text: str) -> tuple[str, str] | None:
    """(type, id) of a relative reference, without its version."""
    found = _LOCAL.fullmatch(text)
    return (found[1], found[2]) if found and found[1] in definitions.resource_types else None


def target_type(definitions: Definitions, text: str) -> str | None:
    """The type that the text of a relative or absolute reference names."""
    if re.match(r"https?://", text):
        text = "/".join(text.split("/")[-4:] if "/_history/" in text else text.split("/")[-2:])
    found = local(definitions, text)
    return found[0] if found else None


def says(definitions: Definitions, reference: dict[str, Any]) -> str | None:
    """The type of a Reference's target: by its text or, where it has none, by Reference.type; None: it doesn't say."""
    text = reference.get("reference")
    return target_type(definitions, text) if text else reference.get("type")


# --- syntax -----------------------------------------------------------------------------------------------------------

_TOKEN = re.compile(r"\s*('[^']*'|%?[A-Za-z_][A-Za-z0-9_]*|\d+|!=|[.|()\[\]=])")

Walk = Callable[[Definitions, list[Node], Node], list[Node]]
"""(definitions, focus, the resource) -> found."""

_SYSTEM = ("System", "")


def _boolean(value: bool) -> list[Node]:
    return [Node(value, "boolean", _SYSTEM)]


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        position = 0
        text = text.strip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ValueError(f"unexpected {text[position:]!r}")
            self.tokens.append(match[1])
            position = match.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def next(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        if self.next() != token:
            raise ValueError(f"expected {token!r} in {self.tokens}")

    def conjunction(self) -> Walk:
        left = self.equality()
        while self.peek() == "and":
            self.next()
            left = _and(left, self.equality())
        return left

    def equality(self) -> Walk:
        left = self.union()
        while self.peek() in ("=", "!="):
            negated = self.next() == "!="
            left = _equals(left, self.union(), negated)
        return left

    def union(self) -> Walk:
        parts = [self.typed()]
        while self.peek() == "|":
            self.next()
            parts.append(self.typed())
        if len(parts) == 1:
            return parts[0]
        return lambda d, focus, resource: [n for part in parts for n in part(d, focus, resource)]

    def typed(self) -> Walk:
        left = self.path()
        while self.peek() in ("as", "is"):
            operator, type = self.next(), self.next()
            left = _cast(left, type) if operator == "as" else _is(left, type)
        return left

    def path(self) -> Walk:
        left = self.term()
        while self.peek() in (".", "["):
            if self.next() == "[":
                left = _index(left, int(self.next()))
                self.expect("]")
            else:
                name = self.next()
                left = self.function(left, name) if self.peek() == "(" else _child(left, name)
        return left

    def term(self) -> Walk:
        token = self.next()
        if token == "(":
            inner = self.conjunction()
            self.expect(")")
            return inner
        if token.startswith("'"):
            return lambda d, focus, resource: [Node(token[1:-1], "string", _SYSTEM)]
        if token in ("true", "false"):
            return lambda d, focus, resource: _boolean(token == "true")
        if token == "%resource":
            return lambda d, focus, resource: [resource]
        if self.peek() == "(":
            return self.function(_focus, token)
        if token[0].isupper():
            return lambda d, focus, resource: [n for n in focus if n.type == token or token in _ANY]
        return _child(_focus, token)

    def function(self, source: Walk, name: str) -> Walk:
        self.expect("(")
        if name in ("as", "ofType"):
            type = self.next()
            self.expect(")")
            return _cast(source, type)
        argument = self.conjunction() if self.peek() != ")" else _focus
        self.expect(")")
        return _FUNCTIONS[name](source, argument)


_ANY = ("Resource", "DomainResource")


def _focus(d: Definitions, focus: list[Node], resource: Node) -> list[Node]:
    return focus


def _child(source: Walk, name: str) -> Walk:
    return lambda d, focus, resource: [c for n in source(d, focus, resource) for c in children(d, n, name)]


def _index(source: Walk, index: int) -> Walk:
    return lambda d, focus, resource: source(d, focus, resource)[index : index + 1]


def _cast(source: Walk, type: str) -> Walk:
    return lambda d, focus, resource: [n for n in source(d, focus, resource) if is_a(n.type, type)]


def _is(source: Walk, type: str) -> Walk:
    def walk(d: Definitions, focus: list[Node], resource: Node) -> list[Node]:
        found = source(d, focus, resource)
        if found and found[0].value is SCHEMA:
            return [Node(SCHEMA, type, _SYSTEM)]
        return _boolean(is_a(found[0].type, type)) if found else []

    return walk


def _equals(left: Walk, right: Walk, negated: bool) -> Walk:
    def walk(d: Definitions, focus: list[Node], resource: Node) -> list[Node]:
        a, b = left(d, focus, resource), right(d, focus, resource)
        if any(n.value is SCHEMA for n in a):
            return [Node(SCHEMA, "boolean", _SYSTEM)]
        if not a or not b:
            return []
        equal = [(type(n.value), n.value) for n in a] == [(type(n.value), n.value) for n in b]
        return _boolean(equal is not negated)

    return walk


def _and(left: Walk, right: Walk) -> Walk:
    def walk(d: Definitions, focus: list[Node], resource: Node) -> list[Node]:
        a = [n.value for n in left(d, focus, resource)]
        b = [n.value for n in right(d, focus, resource)]
        if any(value is SCHEMA for value in (*a, *b)):
            return [Node(SCHEMA, "boolean", _SYSTEM)]
        if False in (*a, *b):
            return _boolean(False)
        return _boolean(True) if a and b else []

    return walk


def _where(source: Walk, condition: Walk) -> Walk:
    def walk(d: Definitions, focus: list[Node], resource: Node) -> list[Node]:
        found = []
        for node in source(d, focus, resource):
            (*_, held) = (Node(False, "boolean", _SYSTEM), *condition(d, [node], resource))
            if held.value is SCHEMA:  # `where(resolve() is Patient)`: what is left can only refer to a Patient
                found.append(node._replace(targets=(held.type,)) if held.type in d.resource_types else node)
            elif held.value is True:
                found.append(node)
        return found

    return walk


def _exists(source: Walk, argument: Walk) -> Walk:
    def walk(d: Definitions, focus: list[Node], resource: Node) -> list[Node]:
        found = source(d, focus, resource)
        return [Node(SCHEMA, "boolean", _SYSTEM)] if resource.value is SCHEMA else _boolean(bool(found))

    return walk


def _resolve(source: Walk, argument: Walk) -> Walk:
    """What each reference says that it refers to. One that says nothing (an identifier alone, what is contained) may be
    anything: it is what it is asked for, so that `patient:identifier` finds a logical reference without a type.
    """

    def walk(d: Definitions, focus: list[Node], resource: Node) -> list[Node]:
        found = []
        for node in source(d, focus, resource):
            if node.value is SCHEMA:
                found.append(Node(SCHEMA, "Resource", _SYSTEM))
                continue
            named = says(d, node.value)
            if named is not None:
                found.append(Node(None, named, (named, "")))
            elif "identifier" in node.value or node.value.get("reference", "#").startswith("#"):
                type = node.value.get("type")
                found.append(Node(None, type, (type, "")) if type else Node(None, _UNKNOWN, _SYSTEM))
        return found

    return walk


class _Unknown(str):
    """A type that equals every type."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


_UNKNOWN = _Unknown()


def _extension(source: Walk, argument: Walk) -> Walk:
    def walk(d: Definitions, focus: list[Node], resource: Node) -> list[Node]:
        (url,) = argument(d, focus, resource)
        found = (c for n in source(d, focus, resource) for c in children(d, n, "extension"))
        return [c for c in found if c.value is SCHEMA or c.value.get("url") == url.value]

    return walk


def _has_extension(source: Walk, argument: Walk) -> Walk:
    extension = _extension(source, argument)
    return lambda d, focus, resource: _boolean(bool(extension(d, focus, resource)))


_FUNCTIONS: dict[str, Callable[[Walk, Walk], Walk]] = {
    "where": _where,
    "exists": _exists,
    "resolve": _resolve,
    "extension": _extension,
    "hasExtension": _has_extension,
}


@lru_cache(maxsize=4096)
def parse(text: str) -> Walk:
    """The expression as a function. Raises ValueError or KeyError for what is more than R4's parameters use."""
    parser = _Parser(text)
    walk = parser.conjunction()
    if parser.peek():
        raise ValueError(f"unexpected {parser.peek()!r} in {text!r}")
    return walk


def evaluate(definitions: Definitions, expression: str, focus: Node, resource: Node) -> list[Node]:
    """What an expression selects below `focus`, in document order."""
    return parse(expression)(definitions, [focus], resource)
