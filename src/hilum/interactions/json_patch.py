"""JSON Patch: a document to a `Patch`. https://www.rfc-editor.org/rfc/rfc6902 (paths: RFC 6901, JSON Pointer)

On parsed bodies, so that Decimals keep their digits. `test` compares numbers by value, never with strings (clause 4.6).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from hilum.fhir import json
from hilum.fhirpath import Work
from hilum.fhirpath.nodes import same
from hilum.interactions.patches import Patch, copied
from hilum.problems import Malformed, Unprocessable

MOST_OPERATIONS: Final = 10_000
MOST_COPIES: Final = 100
"""Without this and the allowance of work, forty copies of a value into itself would fill the memory."""
MOST_STEPS: Final = 200
"""Steps of one path; validation lets 64 elements stand within each other, two steps each."""

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


def _operation(item: Any, where: str) -> Callable[[Any, Work], Any]:
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
    return lambda body, work: apply(body, path, argument, where, work)


def _pointer(text: Any, where: str, member: str) -> Pointer:
    if type(text) is not str or (text and text[0] != "/") or re.search(r"~(?![01])", text):
        raise Malformed(f"{where}: {member} must be a JSON Pointer such as /name/0/family.")
    if text.count("/") > MOST_STEPS:
        raise Malformed(f"{where}: {member} has more than {MOST_STEPS} steps.")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])


def _parent(body: Any, path: Pointer, where: str, work: Work) -> Any:
    work.spend(len(path))
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


def _value(body: Any, path: Pointer, where: str, work: Work) -> Any:
    work.spend(len(path))
    for part in path:
        body = _child(body, part, where)
    return body


def _add(body: Any, path: Pointer, value: Any, where: str, work: Work) -> Any:
    return _put(body, path, copied(value), where, work)


def _put(body: Any, path: Pointer, value: Any, where: str, work: Work) -> Any:
    if not path:
        return value
    parent, last = _parent(body, path, where, work), path[-1]
    if type(parent) is dict:
        parent[last] = value
    elif type(parent) is list and last == "-":
        parent.append(value)
    elif type(parent) is list and _INDEX.fullmatch(last) and int(last) <= len(parent):
        parent.insert(int(last), value)
    else:
        raise Unprocessable(f"{where}: there is no such place to add to in the resource.")
    return body


def _remove(body: Any, path: Pointer, _: Any, where: str, work: Work) -> Any:
    if not path:
        raise Unprocessable(f"{where} would remove the whole resource; use delete.")
    parent = _parent(body, path, where, work)
    _child(parent, path[-1], where)
    del parent[path[-1] if type(parent) is dict else int(path[-1])]
    return body


def _replace(body: Any, path: Pointer, value: Any, where: str, work: Work) -> Any:
    value = copied(value)
    if not path:
        return value
    parent = _parent(body, path, where, work)
    _child(parent, path[-1], where)
    parent[path[-1] if type(parent) is dict else int(path[-1])] = value
    return body


def _move(body: Any, path: Pointer, source: Pointer, where: str, work: Work) -> Any:
    value = _value(body, source, where, work)
    if path == source:
        return body
    return _put(_remove(body, source, None, where, work), path, value, where, work)


def _copy(body: Any, path: Pointer, source: Pointer, where: str, work: Work) -> Any:
    value = _value(body, source, where, work)
    work.look_at(value)
    return _put(body, path, copied(value), where, work)


def _test(body: Any, path: Pointer, value: Any, where: str, work: Work) -> Any:
    if not same(_value(body, path, where, work), value):
        raise Unprocessable(f"{where}: the test failed, the resource has another value there.")
    return body


_OPERATIONS: Final[dict[str, tuple[Callable[[Any, Pointer, Any, str, Work], Any], str]]] = {
    "add": (_add, "value"),
    "remove": (_remove, ""),
    "replace": (_replace, "value"),
    "move": (_move, "from"),
    "copy": (_copy, "from"),
    "test": (_test, "value"),
}
"""op -> what it does, and the member it needs beside path."""
