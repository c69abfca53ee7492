"""Ids: each is there once within a resource. https://hl7.org/fhir/R4/element.html#id"""

from __future__ import annotations

from hilum.validation.profiles.running import Found, error
from hilum.validation.profiles.shapes import RESOURCES, children
from hilum.validation.profiles.walking import Here


def ids(here: Here) -> Found:
    """Elements of one resource with the same id: the second and further ones. What is contained counts for itself."""
    value = here.item.value
    if type(value) is not dict:
        return None
    seen: set[str] = set()
    out: Found = None
    waiting = [("", value, here.item.kind)]
    while waiting:
        path, holder, kind = waiting.pop()
        here.scope.run.step()
        if kind.name == "ElementDefinition":
            continue  # its ids are those of the definition that it is a part of, twice: in snapshot and differential
        for _, item in reversed(list(children(holder, kind))):
            if item.kind.name in RESOURCES and not item.kind.path:
                continue
            below = item.value if type(item.value) is dict else item.extra
            if type(below) is dict:
                waiting.append((path + item.step, below, item.kind))
        id_ = holder.get("id")
        if path and type(id_) is str and kind.name != "ElementDefinition":
            if id_ in seen:
                out = (out or []) + error("business-rule", "has an id that another element has already", path)
            seen.add(id_)
    return out
