"""XML Patch: a document to a `Patch`. https://www.rfc-editor.org/rfc/rfc5261

The resource is patched as the XML that it would be read as, and what comes out is read back; there elements may stand
in any order, since who appends one need not know what the specification lists after it. Each selector must find one
node (section 4.1). The prefixes `f` (FHIR) and `h` (XHTML) need no declaration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hilum.fhir import xml
from hilum.fhir.xml import selecting, tree
from hilum.fhir.xml.selecting import Attribute, Found
from hilum.fhir.xml.tree import Comment, Element, Name, Node, Text
from hilum.fhirpath import Work
from hilum.interactions.patches import Patch
from hilum.problems import Invalid, Malformed, Unprocessable

XML_PATCH: Final = "application/xml-patch+xml"
MOST_OPERATIONS: Final = 1000

Operation = Callable[[Element, Work], Element]
"""One change of a document, which is given and gives back its root."""


def parse_xml_patch(raw: bytes) -> Patch:
    """The Patch of an XML Patch document. Raises Malformed, naming the operation by its position."""
    changes = operations(tree.parse(raw))

    def patched(body: dict[str, Any], work: Work) -> Any:
        root = tree.parse(xml.encode(body))
        for change in changes:
            root = change(root, work)
        found, issues = xml.read(tree.written(root), ordered=False)
        if issues:
            raise Invalid(issues=tuple(issues))
        return found

    return Patch("xml", (patched,))


def operations(patch: Element) -> list[Operation]:
    """The operations of a patch document, whatever its root is called. Raises Malformed."""
    found = [_operation(one, f"Operation [{number}] of the patch") for number, one in enumerate(patch.elements())]
    if not found:
        raise Malformed("The XML Patch has no operations: add, replace or remove.")
    if len(found) > MOST_OPERATIONS:
        raise Malformed(f"The XML Patch has more than {MOST_OPERATIONS} operations.")
    return found


_ATTRIBUTES: Final = {
    "add": frozenset({"sel", "type", "pos", "id"}),
    "replace": frozenset({"sel", "id"}),
    "remove": frozenset({"sel", "ws", "id"}),
}


def _operation(one: Element, where: str) -> Operation:
    name = one.name[1]
    if name not in _ATTRIBUTES:
        raise Malformed(f"{where} must be add, replace or remove.")
    given = {local: value for (space, local), value in one.attributes.items() if not space}
    if len(given) < len(one.attributes) or given.keys() - _ATTRIBUTES[name]:
        raise Malformed(f"{where}: {name} takes the attributes {', '.join(sorted(_ATTRIBUTES[name] - {'id'}))}.")
    if not given.get("sel", "").strip():
        raise Malformed(f"{where} needs a selector, sel.")
    try:
        selector = selecting.parse(given["sel"], one.spaces)
    except Malformed as problem:
        raise Malformed(f"{where}: {problem}") from None

    def select(root: Element, work: Work) -> Attribute | Found:
        found = selecting.select(root, selector, work.spend)
        if len(found) != 1:
            said = "nothing" if not found else f"{len(found)} nodes"
            raise Unprocessable(f"{where}: its selector finds {said} in the resource; it must find one.")
        return found[0]

    if name == "add":
        return _add(one, given, select, where)
    return _replace(one, select, where) if name == "replace" else _remove(given, select, where)


Select = Callable[[Element, Work], Attribute | Found]


def _add(one: Element, given: dict[str, str], select: Select, where: str) -> Operation:
    kind, place = given.get("type", ""), given.get("pos", "")
    if place not in ("", "prepend", "before", "after"):
        raise Malformed(f"{where}: pos must be prepend, before or after.")
    attribute: Name | None = None
    if kind.startswith("namespace::"):
        return lambda root, work: _checked(root, select(root, work), where)  # names know their namespaces anyway
    if kind:
        attribute = _attribute(kind, one, where)

    def add(root: Element, work: Work) -> Element:
        found = select(root, work)
        if not isinstance(found, Found) or (place in ("", "prepend") and not isinstance(found.node, Element)):
            raise Unprocessable(f"{where}: its selector must find an element to add to.")
        if attribute is not None:
            if not isinstance(found.node, Element):
                raise Unprocessable(f"{where}: its selector must find an element to add to.")
            if attribute in found.node.attributes:
                raise Unprocessable(f"{where}: the element has that attribute already.")
            found.node.touch()
            found.node.attributes[attribute] = one.text()
            return root
        nodes = _copies(one)
        if place in ("before", "after"):
            if found.owner is None:
                raise Unprocessable(f"{where}: nothing may stand beside the root element.")
            _insert(found.owner, _index(found) + (place == "after"), nodes, work)
        else:
            assert isinstance(found.node, Element)
            _insert(found.node, 0 if place == "prepend" else len(found.node.children), nodes, work)
        return root

    return add


def _checked(root: Element, found: Attribute | Found, where: str) -> Element:
    if not isinstance(found, Found) or not isinstance(found.node, Element):
        raise Unprocessable(f"{where}: its selector must find an element.")
    return root


def _replace(one: Element, select: Select, where: str) -> Operation:
    def replace(root: Element, work: Work) -> Element:
        found = select(root, work)
        if isinstance(found, Attribute):
            found.owner.touch()
            found.owner.attributes[found.name] = one.text()
            return root
        if isinstance(found.node, Text):
            nodes: list[Node] = [Text(one.text())]
        else:
            wanted = Element if isinstance(found.node, Element) else type(found.node)
            nodes = [node for node in _copies(one) if not isinstance(node, Text) or node.strip()]
            if len(nodes) != 1 or not isinstance(nodes[0], wanted):
                raise Unprocessable(f"{where}: what it finds can only be replaced by one node of the same kind.")
        if found.owner is None:
            new = nodes[0]
            assert isinstance(new, Element)
            return new
        index = _index(found)
        del found.owner.children[index]
        _insert(found.owner, index, nodes, work)
        return root

    return replace


def _remove(given: dict[str, str], select: Select, where: str) -> Operation:
    space = given.get("ws", "")
    if space not in ("", "before", "after", "both"):
        raise Malformed(f"{where}: ws must be before, after or both.")

    def remove(root: Element, work: Work) -> Element:
        found = select(root, work)
        if isinstance(found, Attribute):
            found.owner.touch()
            del found.owner.attributes[found.name]
            return root
        owner = found.owner
        if owner is None:
            raise Unprocessable(f"{where} would remove the whole resource; use delete.")
        index = _index(found)
        first = index - (space in ("before", "both"))
        last = index + (space in ("after", "both"))
        for beside in {first, last} - {index}:
            node = owner.children[beside] if 0 <= beside < len(owner.children) else None
            if not isinstance(node, Text) or node.strip():
                raise Unprocessable(f"{where}: there is no white space beside the node, as its ws says.")
        owner.touch()
        work.spend(len(owner.children))
        del owner.children[first : last + 1]
        owner.settle()
        return root

    return remove


def _attribute(kind: str, one: Element, where: str) -> Name:
    """The attribute that `type` names: @name or attribute::name."""
    text = kind.removeprefix("attribute::").removeprefix("@")
    if text == kind:
        raise Malformed(f"{where}: type must be @name or namespace::prefix.")
    found = selecting.parse(f"*/@{text}", one.spaces)
    name = found[-1].name
    if len(found) != 2 or name is None:
        raise Malformed(f"{where}: type must name one attribute.")
    return name


def _index(found: Found) -> int:
    assert found.owner is not None
    return next(place for place, node in enumerate(found.owner.children) if node is found.node)


def _insert(owner: Element, index: int, nodes: list[Node], work: Work) -> None:
    owner.touch()
    work.spend(len(owner.children) + len(nodes))
    owner.children[index:index] = nodes
    for node in nodes:
        if isinstance(node, Element):
            node.parent = owner
    owner.settle()


def _copies(one: Element) -> list[Node]:
    """What an operation holds, to be put into a document: a patch may be applied again."""
    return [_copy(node) if isinstance(node, Element) else node for node in one.children]


def _copy(one: Element) -> Element:
    out = Element(one.name, None, one.spaces)
    out.attributes = dict(one.attributes)
    out.source = one.source
    for node in one.children:
        if isinstance(node, Element):
            child = _copy(node)
            child.parent = out
            out.children.append(child)
        else:
            out.children.append(node)
    return out


__all__ = ["XML_PATCH", "Comment", "operations", "parse_xml_patch"]
