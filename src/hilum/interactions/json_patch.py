"""JSON Patch: a document to a `Patch`. https://www.rfc-editor.org/rfc/rfc6902 (paths: RFC 6901, JSON Pointer)

On parsed bodies, so that Decimals keep their digits. `test` compares numbers by value, never with strings (clause 4.6).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, Final

from hilum.fhir import json
from hilum.fhirpath.nodes import same
from hilum.interactions.patches import Patch
from hilum.problems import Malformed, Unprocessable

MOST_OPERATIONS: Final = 10_000
MOST_COPIES: Final = 100
MOST_COPIED: Final = 10_000
"""Values in one copied tree. Without these bounds, forty copies of a value into itself would fill the memory."""

Pointer = tuple[str, ...]
_MISSING: Final = object()
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


def parse_json_patch(raw: bytes) -> Patch:
    """The Patch of a JSON Patch document. Raises Malformed, naming the operation by its position."""
    found = json.parse(b'{"patch":' + raw + b"}")  # `parse` takes objects only
    document = found["patch"]
    if len(found) != 1 or type(document) is not list:
        raise Malformed("A JSON Patch must be an array of operations.")
    if len(document) > MOST_OPERATIONS:
        raise Malformed(f"The JSON Patch has more than {MOST_OPERATIONS} operations.")
    if sum(type(item) is dict and item.get("op") == "copy" for item in document) > MOST_COPIES:
        raise Malformed(f"The JSON Patch has more than {MOST_COPIES} copy operations.")
    return Patch("json", tuple(_operation(item, f"Operation [{i}] of the patch") for i, item in enumerate(document)))


def _operation(item: Any, where: str) -> Callable[[Any], Any]:
    if type(item) is not dict:
        raise Malformed(f"{where} must be an object.")
    name = item.get("op")
    if type(name) is not str or name not in _OPERATIONS:
        raise Malformed(f"{where}: op must be one of {', '.join(_OPERATIONS)}.")
    path = _pointer(item.get("path"), where, "path")
    apply, needs = _OPERATIONS[name]
    argument: Any = None
    if needs == "from":
        argument = _pointer(item.get("from"), where, "from")
        if name == "move" and path[: len(argument)] == argument and path != argument:
            raise Malformed(f"{where} moves a value into itself.")
    elif needs == "value":
        if "value" not in item:
            raise Malformed(f"{where}: {name} needs a value.")
        argument = item["value"]
    return lambda body: apply(body, path, argument, where)


def _pointer(text: Any, where: str, member: str) -> Pointer:
    if type(text) is not str or (text and text[0] != "/") or re.search(r"~(?![01])", text):
        raise Malformed(f"{where}: {member} must be a JSON Pointer such as /name/0/family.")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def _parent(body: Any, path: Pointer, where: str) -> Any:
    for part in path[:-1]:
        body = _child(body, part, where)
    return body


def _child(value: Any, part: str, where: str) -> Any:
    found = _MISSING
    if type(value) is dict:
        found = value.get(part, _MISSING)
    elif type(value) is list and _INDEX.fullmatch(part) and int(part) < len(value):
        found = value[int(part)]
    if found is _MISSING:
        raise Unprocessable(f"{where}: its path does not exist in the resource.")
    return found


def _value(body: Any, path: Pointer, where: str) -> Any:
    for part in path:
        body = _child(body, part, where)
    return body


def _add(body: Any, path: Pointer, value: Any, where: str) -> Any:
    value = deepcopy(value)  # a patch may be applied again, to a newer version
    if not path:
        return value
    parent, last = _parent(body, path, where), path[-1]
    if type(parent) is dict:
        parent[last] = value
    elif type(parent) is list and last == "-":
        parent.append(value)
    elif type(parent) is list and _INDEX.fullmatch(last) and int(last) <= len(parent):
        parent.insert(int(last), value)
    else:
        raise Unprocessable(f"{where}: there is no such place to add to in the resource.")
    return body


def _remove(body: Any, path: Pointer, _: Any, where: str) -> Any:
    if not path:
        raise Unprocessable(f"{where} would remove the whole resource; use delete.")
    parent = _parent(body, path, where)
    _child(parent, path[-1], where)
    del parent[path[-1] if type(parent) is dict else int(path[-1])]
    return body


def _replace(body: Any, path: Pointer, value: Any, where: str) -> Any:
    value = deepcopy(value)
    if not path:
        return value
    parent = _parent(body, path, where)
    _child(parent, path[-1], where)
    parent[path[-1] if type(parent) is dict else int(path[-1])] = value
    return body


def _move(body: Any, path: Pointer, source: Pointer, where: str) -> Any:
    value = _value(body, source, where)
    if path == source:
        return body
    return _add(_remove(body, source, None, where), path, value, where)


def _copy(body: Any, path: Pointer, source: Pointer, where: str) -> Any:
    value = _value(body, source, where)
    if sum(1 for _ in zip(_tree(value), range(MOST_COPIED + 1), strict=False)) > MOST_COPIED:
        raise Unprocessable(f"{where} copies more than {MOST_COPIED} values.")
    return _add(body, path, value, where)


def _tree(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        yield item
        if type(item) is dict:
            waiting.extend(item.values())
        elif type(item) is list:
            waiting.extend(item)


def _test(body: Any, path: Pointer, value: Any, where: str) -> Any:
    if not same(_value(body, path, where), value):
        raise Unprocessable(f"{where}: the test failed, the resource has another value there.")
    return body


_OPERATIONS: Final[dict[str, tuple[Callable[[Any, Pointer, Any, str], Any], str]]] = {
    "add": (_add, "value"),
    "remove": (_remove, ""),
    "replace": (_replace, "value"),
    "move": (_move, "from"),
    "copy": (_copy, "from"),
    "test": (_test, "value"),
}
"""op -> what it does, and the member it needs beside path."""
