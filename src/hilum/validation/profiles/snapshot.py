"""Snapshots made of differentials. https://hl7.org/fhir/R4/profiling.html#snapshot

The base's snapshot is read into a tree: an element has children and slices. The differential is laid over it, element
by element; where it goes below what the base spells out, the definition of the element's type, or of the profile on it,
is unfolded there. Then the tree is written out again, with the paths and ids of the new profile.
https://hl7.org/fhir/R4/elementdefinition.html#id tells how ids are made, #interpretation what may be said where.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from hilum.problems import Unprocessable
from hilum.validation.profiles.definitions import Definitions

Body = dict[str, Any]

_STRUCTURE: Final = "http://hl7.org/fhir/StructureDefinition/"
_SYSTEM: Final = "http://hl7.org/fhirpath/System."
MOST: Final = 3_000
"""Elements of a differential. The largest of those that HL7 publishes has some hundreds."""
MOST_MADE: Final = 50_000
"""Elements of a snapshot, with all that is made on the way to it."""
_DEEPEST: Final = 64

_BY_TYPE: Final = {"discriminator": [{"type": "type", "path": "$this"}], "ordered": False, "rules": "open"}
_BY_URL: Final = {"discriminator": [{"type": "value", "path": "url"}], "ordered": False, "rules": "open"}
"""How choices are sliced where a differential names a type of them alone, and extensions wherever they are."""

_OWN: Final = frozenset(
    ("id", "path", "sliceName", "slicing", "constraint", "type", "binding", "base", "mustSupport", "isModifier")
)
"""What is not simply taken over from an element of a differential."""
_CHOSEN: Final = ("fixed", "pattern", "minValue", "maxValue", "defaultValue")
"""Of each of these one may stand: what a differential says replaces another type of it."""
_BACKBONE: Final = frozenset(("BackboneElement", "Element"))
_KEPT: Final = ("mustSupport", "isModifier")
"""Flags that nothing takes back once they are set."""


class Node:
    """An element with what is below it; `children` None: not spelled out, the type says it."""

    __slots__ = ("before", "children", "element", "name", "slices")

    def __init__(self, name: str, element: Body, children: list[Node] | None = None) -> None:
        self.name, self.element, self.children = name, element, children
        self.slices: list[Node] = []
        self.before: Body | None = None  # the element as it was in the base, once the differential was laid over it

    def child(self, name: str) -> Node | None:
        """The child of that name, without a slice."""
        return next((one for one in self.children or () if one.name == name), None)

    def slice(self, name: str) -> Node | None:
        """The slice of that name."""
        return next((one for one in self.slices if one.element.get("sliceName") == name), None)


class Said:
    """What a differential says of an element and of what is below: `name` as in the path, `slice` "" for none."""

    __slots__ = ("below", "element", "name", "slice")

    def __init__(self, name: str, slice: str, element: Body | None = None) -> None:
        self.name, self.slice, self.element = name, slice, element
        self.below: list[Said] = []


def snapshot(differential_body: Body, base_body: Body, definitions: Definitions) -> Body:
    """The StructureDefinition with a snapshot, from its differential and its base, which has one.

    What the differential says is taken at its word where it contradicts the base: whoever checks by it finds out.
    Raises Unprocessable when there is no sense in it: an element that the base does not have, a type that is not known.
    """
    tree = read(base_body["snapshot"]["element"])
    root = differential_body.get("type") or tree.name
    kind = differential_body.get("derivation", "constraint")
    making = _Making(definitions, new=kind == "specialization", logical=differential_body.get("kind") == "logical")
    tree.name = str(root).rpartition("/")[2]
    said = differential(differential_body.get("differential", {}).get("element", ()), tree.name)
    if said is not None:
        making.lay(tree, said)
    if making.new:
        tree.element["base"] = {"path": tree.name, "min": 0, "max": "*"}
    elements = list(written(tree))
    return {**differential_body, "snapshot": {"element": elements}}


# --- reading and writing ----------------------------------------------------------------------------------------------


def read(elements: Iterable[Body]) -> Node:
    """The tree of a snapshot. Raises Unprocessable when it has no elements."""
    root: Node | None = None
    open_: list[tuple[str, Node]] = []
    for number, element in enumerate(elements):
        if number > MOST_MADE:
            raise Unprocessable(f"A snapshot has more than {MOST_MADE:,} elements.")
        path = str(element.get("path", ""))
        parent, _, name = path.rpartition(".")
        if root is None:
            root = Node(name, dict(element))
            open_ = [(path, root)]
            continue
        while open_ and open_[-1][0] != parent:
            open_.pop()
        if not open_:
            raise Unprocessable(f"A snapshot has {path[:200]} where its parent does not stand before it.")
        above = open_[-1][1]
        if above.children is None:
            above.children = []
        node = Node(name, dict(element))
        whole = _sliced(above, name) if "sliceName" in element else None
        if whole is None:
            above.children.append(node)
        else:
            node.name = whole.name
            whole.slices.append(node)
        open_.append((path, node))
    if root is None:
        raise Unprocessable("A snapshot has no elements.")
    return root


def _sliced(above: Node, name: str) -> Node | None:
    """The element that an element of that name is a slice of; `valueQuantity` is one of `value[x]`."""
    found = above.child(name)
    return found if found is not None else _choice(above, name)[0]


def _choice(above: Node, name: str) -> tuple[Node | None, str]:
    """The choice that has a type of that name, and the type; (None, "") when there is none."""
    for one in above.children or ():
        if one.name.endswith("[x]") and name.startswith(one.name[:-3]):
            rest = name[len(one.name) - 3 :]
            for type in one.element.get("type", ()):
                code = str(type.get("code", ""))
                if code[:1].upper() + code[1:] == rest:
                    return one, code
    return None, ""


def written(node: Node, path: str = "", id: str = "") -> Iterator[Body]:
    """The elements of a tree in order, with paths and ids."""
    path = f"{path}.{node.name}" if path else node.name
    own = f"{id}.{node.name}" if id else node.name
    if "sliceName" in node.element and id:
        own += f":{node.element['sliceName']}"
    element = {"id": own, "path": path}
    element.update((k, v) for k, v in node.element.items() if k not in ("id", "path"))
    yield element
    for one in node.children or ():
        yield from written(one, path, own)
    for one in node.slices:
        yield from written(one, path.rpartition(".")[0], id)


def differential(elements: Iterable[Body], root: str) -> Said | None:
    """The tree of a differential, whose elements may leave out what is above them. None when it is empty.

    Where an element stands is said by its path, and by the slices before it; or by its id, where that fits the path.
    """
    top: Said | None = None
    for number, element in enumerate(elements):
        if number > MOST:
            raise Unprocessable(f"A differential has more than {MOST:,} elements.")
        steps = _steps(element)
        if top is None:
            top = Said(steps[0][0], "")
        if len(steps) == 1:
            top.element = element
            continue
        at = top
        for name, slice in steps[1:-1]:
            at = _below(at, name, slice)
        name, slice = steps[-1]
        last = next((one for one in reversed(at.below) if (one.name, one.slice) == (name, slice or "")), None)
        if last is None or last.element is not None:
            last = Said(name, slice or "")
            at.below.append(last)
        last.element = element
    return top


def _steps(element: Body) -> list[tuple[str, str | None]]:
    """Names and slices on the way to an element; a slice None: not said, the last one that was begun is meant."""
    path = str(element.get("path", "")).split(".")
    if len(path) > _DEEPEST:
        raise Unprocessable(f"An element of a differential is nested deeper than {_DEEPEST} levels.")
    named = [part.partition(":") for part in str(element.get("id", "")).split(".")]
    own = str(element.get("sliceName", ""))
    if len(named) == len(path) and all(
        name == at or _same_choice(name, at) for (name, _, _), at in zip(named[1:], path[1:], strict=True)
    ):
        sliced: list[tuple[str, str | None]] = [(at, slice) for (_, _, slice), at in zip(named, path, strict=True)]
        return [*sliced[:-1], (path[-1], own or named[-1][2])]
    return [*((at, None) for at in path[:-1]), (path[-1], own)]


def _same_choice(one: str, other: str) -> bool:
    """`value[x]` and `valueQuantity`."""
    short, long = sorted((one, other), key=lambda name: not name.endswith("[x]"))
    return short.endswith("[x]") and long.startswith(short[:-3])


def _below(at: Said, name: str, slice: str | None) -> Said:
    """The one below of that name and slice, begun where it is not there."""
    for one in reversed(at.below):
        if one.name == name and (slice is None or one.slice == slice):
            return one
    made = Said(name, slice or "")
    at.below.append(made)
    return made


# --- laying over ------------------------------------------------------------------------------------------------------


class _Making:
    """One snapshot under way. `new`: elements may be there that the base has not, since a type is defined."""

    def __init__(self, definitions: Definitions, *, new: bool, logical: bool = False) -> None:
        self._definitions = definitions
        self._logical = logical
        self.new = new
        self._made = 0

    def lay(self, node: Node, said: Said, within: bool = False) -> None:
        """What a differential says of an element and of all below it, over what the base says. `within`: of a slice."""
        if said.element is not None:
            self._over(node, said.element)
        if not said.below:
            return
        self._unfold(node, said)
        within = within or "sliceName" in node.element
        for one in sorted(said.below, key=lambda one: bool(one.slice)):  # what is said of all counts for each slice
            self._count(1)
            self.lay(self._place(node, one, said, within), one, within)

    def _count(self, number: int) -> None:
        self._made += number
        if self._made > MOST_MADE:
            raise Unprocessable(f"A differential comes to more than {MOST_MADE:,} elements.")

    def _copied(self, node: Node) -> Node:
        """Another one of the same, with all that is below and without its slices; values are never changed in place."""
        self._count(1)
        made = Node(node.name, dict(node.element))
        if node.children is not None:
            made.children = []
            for one in node.children:
                child = self._copied(one)
                child.slices = [self._copied(each) for each in one.slices]
                made.children.append(child)
        return made

    def _place(self, above: Node, said: Said, around: Said, within: bool) -> Node:
        """The element that is meant, made where it is new."""
        whole, code = above.child(said.name), ""
        if whole is None:
            whole, code = _choice(above, said.name)
        if whole is None:
            if self.new and said.element is not None:
                return self._added(above, said)
            raise Unprocessable(f"A differential names {said.name[:100]!r}, which {above.name[:100]} does not have.")
        if code:
            alone = not any(
                one is not said and (one.name == whole.name or _choice(above, one.name)[0] is whole)
                for one in around.below
            )
            return self._typed(whole, said, code, alone, within)
        return self._slice(whole, said.slice) if said.slice else whole

    def _typed(self, whole: Node, said: Said, code: str, alone: bool, within: bool) -> Node:
        """`valueQuantity`: a slice of the choice, or the choice itself where it can't be anything else.

        It can't within a slice, where nothing but it is said (`alone`), and where it must be there.
        """
        types = [one for one in whole.element.get("type", ()) if one.get("code") == code]
        name = said.slice or said.name
        element = said.element or {}
        if whole.slice(name) is None and not said.slice:
            if "slicing" not in whole.element and (len(whole.element["type"]) == 1 or (alone and within)):
                whole.element["type"] = types
                return whole
            if alone and element.get("min", 0) > 0:
                whole.element["type"] = types
                whole.element["min"] = element["min"]
                whole.element.setdefault("slicing", {**_BY_TYPE, "rules": "closed"})
        whole.element.setdefault("slicing", _BY_TYPE)
        made = self._slice(whole, name)
        if len(made.element.get("type", ())) != 1:
            made.element["type"] = types
        return made

    def _slice(self, whole: Node, name: str) -> Node:
        found = whole.slice(name)
        if found is not None:
            return found
        kin, _, _ = name.rpartition("/")
        origin = whole.slice(kin) if kin else None
        made = self._copied(origin or whole)
        own = made.element if origin is not None or whole.before is None else whole.before
        made.element = {k: v for k, v in own.items() if k != "slicing"}
        made.element["sliceName"] = name
        made.element["min"] = 0
        if "slicing" not in whole.element and whole.name in ("extension", "modifierExtension"):
            whole.element["slicing"] = _BY_URL
        places = [n for n, one in enumerate(whole.slices) if _within(one.element["sliceName"], kin)] if kin else []
        whole.slices.insert(places[-1] + 1 if places else len(whole.slices), made)
        return made

    def _added(self, above: Node, said: Said) -> Node:
        """An element that a new type has and its base has not."""
        assert said.element is not None
        element: Body = {"base": {"path": said.element.get("path"), **_range(said.element)}}
        types = {str(one.get("code", "")) for one in said.element.get("type", ())}
        if not self._logical and not any(name.startswith(_SYSTEM) or self._resource(name) for name in types):
            root = self._definitions.structure(_STRUCTURE + ("Extension" if types == {"Extension"} else "Element"))
            if root is not None:
                element["constraint"] = root["snapshot"]["element"][0].get("constraint", [])
        made = Node(said.name, element)
        if above.children is None:
            above.children = []
        above.children.append(made)
        return made

    def _resource(self, name: str) -> bool:
        found = self._definitions.structure(_STRUCTURE + name)
        return found is not None and found.get("kind") == "resource"

    # --- one element over another -------------------------------------------------------------------------------------

    def _over(self, node: Node, said: Body) -> None:
        """One element of a differential over that of the base."""
        node.before = node.before or dict(node.element)
        types = said.get("type", ())
        if len(types) == 1 and types[0].get("profile") and not self.new:
            self._of_profile(node, types[0])
        out = node.element
        for key, value in said.items():
            if key in _OWN:
                continue
            for kind in _CHOSEN:
                if key.startswith(kind) and key[len(kind) : len(kind) + 1].isupper():
                    for other in [k for k in out if k.startswith(kind) and k[len(kind) : len(kind) + 1].isupper()]:
                        del out[other]
            out[key] = value
        if "sliceName" in said and "sliceName" in out:
            out["sliceName"] = out["sliceName"]
        for flag in _KEPT:
            if flag in said:
                out[flag] = bool(said[flag] or out.get(flag))
        if "slicing" in said:
            out["slicing"] = {**out.get("slicing", {}), **said["slicing"]}
        if "type" in said and not ("contentReference" in out and {one.get("code") for one in types} <= _BACKBONE):
            out["type"] = said["type"]
            out.pop("contentReference", None)
        if "binding" in said:
            out["binding"] = _bound(out.get("binding", {}), said["binding"])
        if "constraint" in said:
            out["constraint"] = joined(out.get("constraint", ()), said["constraint"])
        if "condition" in said:
            out["condition"] = list(dict.fromkeys((*node.element.get("condition", ()), *said["condition"])))

    def _of_profile(self, node: Node, type: Body) -> None:
        """A profile on the type of an element says what it says of its root: that of an extension its cardinality."""
        found = self._definitions.structure(str(type["profile"][0]))
        if found is None or found.get("kind") == "resource" or not found.get("snapshot", {}).get("element"):
            return
        root = found["snapshot"]["element"][0]
        own = node.element
        kept = {
            k: v
            for k, v in root.items()
            if k not in ("id", "path", "sliceName", "slicing", "base", "type", "condition", "binding")
        }
        if type.get("code") != "Extension":
            kept.pop("min", None)
            kept.pop("max", None)
        constraints = joined(own.get("constraint", ()), root.get("constraint", ()))
        node.element = {**own, **kept}
        if constraints:
            node.element["constraint"] = constraints
        node.element.update((flag, True) for flag in _KEPT if own.get(flag))
        if type.get("code") == "Extension" and node.children is not None:
            node.children = None  # those of any extension: what is below is said by this one

    # --- what is below ------------------------------------------------------------------------------------------------

    def _unfold(self, node: Node, said: Said) -> None:
        """Spell out the children of an element, from its type or from what it refers to."""
        if node.children is not None and any(True for _ in node.children):
            return
        if "contentReference" in node.element:
            self._refer(node)
            return
        types = node.element.get("type", ())
        for type in types:
            root = self._tree(type)
            if root is not None and (len(types) == 1 or all(_named(root, one.name) for one in said.below)):
                node.children = root.children
                return
        if self.new:
            node.children = []
            return
        names = ", ".join(str(one.get("code")) for one in types) or "nothing"
        raise Unprocessable(
            f"A differential goes below {node.name[:100]}, whose type ({names[:200]}) is not known here."
        )

    def _tree(self, type: Body) -> Node | None:
        """The tree of a type, or of the first profile on it that there is."""
        code = str(type.get("code", ""))
        found: Body | None = None
        if code != "Reference" or not type.get("targetProfile"):
            for profile in type.get("profile", ()):
                found = found or self._definitions.structure(str(profile))
        if found is None:
            if code.startswith(_SYSTEM):
                code = next((e["valueUrl"] for e in type.get("extension", ()) if "valueUrl" in e), "string")
            found = self._definitions.structure(code if ":" in code else _STRUCTURE + code)
        if found is None or not found.get("snapshot", {}).get("element"):
            return None
        self._count(len(found["snapshot"]["element"]))
        return read(found["snapshot"]["element"])

    def _refer(self, node: Node) -> None:
        """Take the children of the element that another one is like."""
        place = str(node.element["contentReference"])
        url, _, id = place.partition("#")
        name = id.partition(".")[0]
        found = self._definitions.structure(url or _STRUCTURE + name)
        if found is not None and found.get("snapshot", {}).get("element"):
            self._count(len(found["snapshot"]["element"]))
            meant: Node | None = read(found["snapshot"]["element"])
            for step in id.split(".")[1:]:
                meant = meant and meant.child(step.partition(":")[0])
            if meant is not None:
                node.children = meant.children
                node.element = {k: v for k, v in node.element.items() if k != "contentReference"}
                node.element["type"] = meant.element.get("type", [])
                return
        raise Unprocessable(f"A differential goes below {node.name[:100]}, which is like {place[:100]}: there is none.")


def _named(root: Node, name: str) -> bool:
    return root.child(name) is not None or _choice(root, name)[0] is not None


def _within(name: str, kin: str) -> bool:
    return name == kin or name.startswith(f"{kin}/")


def _range(element: Body) -> Body:
    return {"min": element.get("min", 0), "max": element.get("max", "1")}


def _bound(was: Body, said: Body) -> Body:
    """A binding over another: the value set stays where none is said, extensions are those of the new one."""
    out = {k: v for k, v in was.items() if k != "extension"} | said
    if (
        "extension" not in said
        and said.get("valueSet", was.get("valueSet")) == was.get("valueSet")
        and "extension" in was
    ):
        out["extension"] = was["extension"]
    return out


def joined(was: Iterable[Body], more: Iterable[Body]) -> list[Body]:
    """Constraints by key: what stood there stays."""
    found = {str(one.get("key")): one for one in was}
    for one in more:
        found.setdefault(str(one.get("key")), one)
    return list(found.values())
