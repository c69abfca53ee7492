"""FHIR's own functions. https://hl7.org/fhir/R4/fhirpath.html#functions

What they need of the world is asked of the `Surroundings`. (`hasExtension` stands in one search parameter of R4,
QuestionnaireResponse-item-subject, and is defined nowhere.)
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from hilum.fhir.definitions import names
from hilum.fhirpath import temporal
from hilum.fhirpath.function import Function, checked
from hilum.fhirpath.nodes import NOTHING, Node, Scope, boolean, resource_type, step
from hilum.fhirpath.types import BOOLEAN, DATE, DATETIME, TIME, Type, is_a
from hilum.fhirpath.values import Value, collection, made, single
from hilum.problems import Invalid

_DEFINITION: Final = "http://hl7.org/fhir/StructureDefinition/"


def _url(given: tuple[list[Node], ...], name: str) -> str | None:
    value = single(given[0], f"{name}()")
    return None if value is None else checked(value, "string", name)


def _extension(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    url = _url(given, "extension")
    scope.work.spend(len(nodes))
    return [
        found
        for node in nodes
        for found in step(node, "extension")
        if type(found.value) is dict and found.value.get("url") == url and url is not None
    ]


def _has_extension(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    return boolean(bool(_extension(nodes, scope, given)))


def reference(node: Node) -> str | None:
    """The text of a reference: of a Reference, a uri or a text."""
    text = node.value.get("reference") if type(node.value) is dict else node.value
    return text if type(text) is str else None


def target(text: str, scope: Scope) -> Node | None:
    """What a reference leads to: what the surroundings find, or a contained resource.

    They are asked first: contained resources may be thousands, which those who know them need not go through.
    """
    if text == "#":
        return scope.root
    body = None if scope.around.resolve is None else scope.around.resolve(text)
    if body is None and text.startswith("#"):
        root = scope.root.value
        contained = root.get("contained") if type(root) is dict else None
        if type(contained) is list:
            scope.work.spend(len(contained))
            body = next((one for one in contained if type(one) is dict and one.get("id") == text[1:]), None)
    return None if body is None else Node(body, resource_type(body))


def _resolve(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    scope.work.spend(len(nodes))
    found = (target(text, scope) for node in nodes if (text := reference(node)) is not None)
    return [one for one in found if one is not None]


def _coded(nodes: list[Node], name: str) -> Any:
    """The code, Coding or CodeableConcept, as JSON."""
    if len(nodes) > 1:
        raise Invalid(f"FHIRPath: {name}() was given several items; it takes one.")
    return nodes[0].value if nodes else None


def _member_of(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    coded, url, ask = _coded(nodes, "memberOf"), _url(given, "memberOf"), scope.around.member_of
    return NOTHING if coded is None or url is None or ask is None else boolean(ask(coded, url))


def _subsumes(name: str, *, turned: bool) -> Function:
    def plain(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
        one, other, ask = _coded(nodes, name), _coded(given[0], name), scope.around.subsumes
        if one is None or other is None or ask is None:
            return NOTHING
        return boolean(ask(other, one) if turned else ask(one, other))

    return Function((1, 1), BOOLEAN, plain=plain, outside=True)


def _conforms_to(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    if len(nodes) > 1:
        raise Invalid("FHIRPath: conformsTo() was given several items; it takes one.")
    url = _url(given, "conformsTo")
    if not nodes or url is None:
        return NOTHING
    name = url.removeprefix(_DEFINITION).partition("|")[0]
    base = Type(name) if url.startswith(_DEFINITION) else None
    if base is not None and name in names():
        return boolean(is_a(nodes[0].type, name))
    ask = scope.around.conforms_to
    if ask is None:
        return NOTHING
    found = ask(nodes[0].value, url)
    if found is None:
        raise Invalid("FHIRPath: conformsTo() names a profile that is not known here.")
    return boolean(found)


def _html_checks(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    ask = scope.around.html_checks
    if ask is None or len(nodes) != 1 or type(nodes[0].value) is not str or nodes[0].type != Type("xhtml"):
        return NOTHING
    scope.work.read(len(nodes[0].value))
    return boolean(ask(nodes[0].value))


def _check_modifiers(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
    named = (single(some, "checkModifiers()") for some in given)
    allowed = {checked(one, "string", "checkModifiers") for one in named if one is not None}
    for node in nodes:
        some = step(node, "modifierExtension")
        scope.work.spend(1 + len(some))
        if any(type(one.value) is not dict or one.value.get("url") not in allowed for one in some):
            raise Invalid("FHIRPath: checkModifiers() found a modifier extension that it does not allow.")
    return nodes


def _clock(kind: str, result: Type) -> Function:
    """now(), today() and timeOfDay(): what the surroundings say; empty where they don't."""

    def plain(nodes: list[Node], scope: Scope, given: tuple[list[Node], ...]) -> list[Node]:
        now: datetime | None = scope.around.now
        return NOTHING if now is None else [made(temporal.moment(now, kind))]

    return Function(result=result, plain=plain, outside=True)


def variable(value: Value) -> list[Node]:
    """A value that the surroundings give to an environment variable as a collection."""
    if value is None or isinstance(value, Node):
        return NOTHING if value is None else [value]
    if isinstance(value, list | tuple):
        return [node for one in value for node in variable(one)]
    if isinstance(value, dict):
        return [Node(value, resource_type(value, Type("Element")))]
    return collection(value)


RESOURCES: Final[dict[str, Function]] = {
    "extension": Function((1, 1), Type("Extension"), plain=_extension),
    "hasExtension": Function((1, 1), BOOLEAN, plain=_has_extension),
    "resolve": Function(result=None, plain=_resolve, outside=True),
    "memberOf": Function((1, 1), BOOLEAN, plain=_member_of, outside=True),
    "subsumes": _subsumes("subsumes", turned=False),
    "subsumedBy": _subsumes("subsumedBy", turned=True),
    "conformsTo": Function((1, 1), BOOLEAN, plain=_conforms_to, outside=True),
    "htmlChecks": Function(result=BOOLEAN, plain=_html_checks, outside=True),
    "checkModifiers": Function((0, 100), plain=_check_modifiers),
    "now": _clock("datetime", DATETIME),
    "today": _clock("date", DATE),
    "timeOfDay": _clock("time", TIME),
}
