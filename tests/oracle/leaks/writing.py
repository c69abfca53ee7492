"""Create, update, patch and delete, plain and conditional: who may, and what is stored of it.

What is written must be allowed before and after; what a token for one patient writes lies in that patient's
compartment, and enters and leaves no other's. What may not be seen is as what never was.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from tests.oracle.criteria import Refused
from tests.oracle.leaks.cases import REFUSED, Asking, Case, Pages, Write, statuses
from tests.oracle.leaks.populations import VALUES, WRITABLE
from tests.oracle.leaks.requests import Request
from tests.oracle.leaks.world import Body, Version, plain
from tests.oracle.records import Item, Name

Pairs = tuple[tuple[str, str], ...]


VACANT = "vacant"
"""An id that nothing has and nothing refers to: what is referred to before it is there counts as created then."""


# --- the laws ---------------------------------------------------------------------------------------------------------


def may_hold(asking: Asking, letter: str, type: str, id: str, body: Body, old: Body | None) -> bool:
    """Whether a version that says this may follow one that says that."""
    population, permits = asking.world.population, asking.rights.permits(type, letter)
    new = asking.world.lying(asking.rights, Item(0, type, id, body))
    holding = [one for one in permits if population.within(new, (one,))]
    if any(one.owners is None for one in holding):
        return True
    return bool(holding) and _others(asking, letter, new) == (
        set() if old is None else _others(asking, letter, asking.world.lying(asking.rights, Item(0, type, id, old)))
    )


def may_remove(asking: Asking, old: Item) -> bool:
    """Whether it is the token's alone."""
    old = asking.world.lying(asking.rights, old)
    population, permits = asking.world.population, asking.rights.permits(old.type, "d")
    if any(one.owners is None and population.within(old, (one,)) for one in permits):
        return True
    return not _others(asking, "d", old)


def _others(asking: Asking, letter: str, item: Item) -> set[Name]:
    """The other patients in whose compartments it lies."""
    permits = asking.rights.permits(item.type, letter)
    own = {owner for one in permits for owner in one.owners or ()}
    return {name for name in asking.world.population.compartments(item) if name[0] == "Patient"} - own


# --- making requests --------------------------------------------------------------------------------------------------


def _type(asking: Asking) -> str:
    """A type; mostly one of which something may be written."""
    if asking.maybe(0.7):
        some = [type for type in WRITABLE if any(asking.rights.permits(type, letter) for letter in "cud")]
        if some:
            return asking.pick(some)
    return asking.pick(WRITABLE)


def _name(asking: Asking, type: str) -> Name:
    """Of what this suite has made, since that is valid."""
    some = [name for name in asking.world.by_name if name[0] == type and name[1][0] in "x0"]
    return asking.pick(some) if some and asking.maybe(0.93) else (type, VACANT)


def criteria(asking: Asking, type: str) -> Pairs:
    """Some that few match."""
    value = ",".join({asking.pick(VALUES) for _ in range(asking.pick((1, 1, 2)))})
    name = "_id" if type == "Binary" else "identifier"
    pairs: Pairs = ((name, asking.pick((value, f"urn:leak|{value.partition(',')[0]}"))),)
    if type == "Binary":
        return (("_id", _name(asking, type)[1]),)
    kind = asking.chance.random()
    if kind < 0.25:
        pairs += (("_id", _name(asking, type)[1]),)
    elif kind < 0.5 and type in ("Observation", "Device", "Task", "DocumentReference", "MedicationStatement", "Basic"):
        pairs += ((f"patient:Patient.{asking.pick(('identifier', '_id'))}", asking.pick((*VALUES, "n1", "n2"))),)
    elif kind < 0.6 and type in ("Observation", "DocumentReference"):
        pairs += (("_has:List:item:code:missing", "false"),)
    return pairs


def found_by(asking: Asking, type: str, pairs: Pairs) -> Sequence[Name] | None:
    """What criteria find for this token; None: they are refused."""
    if not asking.rights.permits(type, "s"):
        return None
    try:
        return asking.world.population.search(type, pairs, asking.policy).matches
    except Refused:
        return None


def _match(asking: Asking) -> int:
    """A version for If-Match; 0: none."""
    return asking.pick((1, 2, 3)) if asking.maybe(0.25) else 0


def _headers(match: int) -> tuple[tuple[str, str], ...]:
    return (("If-Match", f'W/"{match}"'),) if match else ()


def _prefer(asking: Asking) -> tuple[tuple[str, str], ...]:
    """What the answer should be; mostly as it comes."""
    wanted = asking.pick(("", "", "", "", "minimal", "representation", "OperationOutcome"))
    return (("Prefer", f"return={wanted}"),) if wanted else ()


def _next(asking: Asking, type: str, before: Body | None) -> Body:
    """What the next version says: another thing, or of the same patient, or the very same."""
    if before is not None and asking.maybe(0.12):
        return plain(before)
    made = asking.maker.make(type)
    for element in ("subject", "patient", "for", "participant", "securityContext"):
        if before is not None and element in before and element in made and asking.maybe(0.6):
            made[element] = copy.deepcopy(before[element])
    return made


# --- create -----------------------------------------------------------------------------------------------------------


def create(asking: Asking) -> Case:
    """POST."""
    type = _type(asking)
    body = asking.maker.make(type)
    request = Request("POST", type, headers=_prefer(asking), body=body)
    if not asking.rights.permits(type, "c"):
        return Case("create", request, statuses(403))
    return _created(asking, "create", "POST", "c", request, body)


def _created(asking: Asking, kind: str, method: str, letter: str, request: Request, body: Body) -> Case:
    type = body["resourceType"]
    if not may_hold(asking, letter, type, body.get("id", "new"), body, None):
        return Case(kind, request, statuses(403))
    readable = method == "POST" or asking.world.allow(asking.rights, "r", Item(0, type, body.get("id", "new"), body))
    return _done(kind, request, 201, readable, (Write(method, type, body.get("id"), plain(body)),))


def _done(kind: str, request: Request, status: int, readable: bool, writes: tuple[Write, ...] = ()) -> Case:
    """The write is done, and what is stored then is shown to who may read it, if they want to see it."""
    wanted = dict(request.headers).get("Prefer", "")

    def expect(pages: Pages) -> str | None:
        shown = pages[0].json.get("resourceType")
        if shown not in (None, "OperationOutcome") and (not readable or wanted.endswith(("minimal", "Outcome"))):
            return f"{shown} is shown"
        if readable and wanted.endswith("representation") and shown in (None, "OperationOutcome"):
            return "it is not shown"
        return statuses(status)(pages)

    return Case(kind, request, expect, writes)


def conditional_create(asking: Asking) -> Case:
    """POST with If-None-Exist."""
    type = _type(asking)
    body, pairs = asking.maker.make(type), criteria(asking, type)
    headers = (("If-None-Exist", urlencode(pairs)), *_prefer(asking))
    request = Request("POST", type, headers=headers, body=body)
    if not asking.rights.permits(type, "c"):
        return Case("conditional create", request, statuses(403))
    found = found_by(asking, type, pairs)
    if found is None:
        return Case("conditional create", request, statuses(*REFUSED))
    if len(found) > 1:
        return Case("conditional create", request, statuses(412))
    if found:
        current = asking.world.current(*found[0])
        readable = current is not None and asking.sees("r", current)
        return Case("conditional create", request, statuses(200 if readable else 403))
    return _created(asking, "conditional create", "POST", "c", request, body)


# --- update -----------------------------------------------------------------------------------------------------------


def update(asking: Asking) -> Case:
    """PUT to an id that there is, or not."""
    type = _type(asking)
    _, id = _name(asking, type)
    current = asking.world.current(type, id)
    body = _next(asking, type, None if current is None else current.body) | {"id": id}
    match, only_new = _match(asking), asking.maybe(0.1)
    headers = (*_headers(match), *((("If-None-Match", "*"),) if only_new else ()), *_prefer(asking))
    request = Request("PUT", f"{type}/{id}", headers=headers, body=body)
    if not asking.rights.permits(type, "u"):
        return Case("update", request, statuses(403))
    if current is not None and not asking.sees("u", current):
        current = None
    if match and (current is None or current.number != match):
        return Case("update", request, statuses(412))
    if only_new and current is not None and current.body is not None:
        return Case("update", request, statuses(412))
    if current is None and not asking.rights.unlimited(type, "u"):
        return Case("update", request, statuses(404))
    return _updated(asking, "update", request, type, id, body, current)


def _updated(
    asking: Asking, kind: str, request: Request, type: str, id: str, body: Body, current: Version | None
) -> Case:
    old = None if current is None else current.body
    if not may_hold(asking, "u", type, id, body, old):
        return Case(kind, request, statuses(403))
    readable = asking.world.allow(asking.rights, "r", Item(0, type, id, body))
    if old is not None and plain(old) == plain(body) and readable:
        return _done(kind, request, 200, readable)
    method = "PATCH" if "patch" in kind else "PUT"
    return _done(kind, request, 201 if old is None else 200, readable, (Write(method, type, id, plain(body)),))


def conditional_update(asking: Asking) -> Case:
    """PUT to what criteria find."""
    type = _type(asking)
    pairs = criteria(asking, type)
    found = found_by(asking, type, pairs)
    body = _next(asking, type, asking.value(found[0]) if found and asking.maybe(0.6) else None)
    if asking.maybe(0.25):
        body["id"] = asking.pick((found[0][1] if found else VACANT, _name(asking, type)[1]))
    if asking.maybe(0.2) and (some := _out_of_reach(asking, type)) is not None:
        pairs, body = some
        found = found_by(asking, type, pairs)
    request = Request("PUT", type, pairs, _prefer(asking), body)
    if not asking.rights.permits(type, "u"):
        return Case("conditional update", request, statuses(403))
    if found is None:
        return Case("conditional update", request, statuses(*REFUSED))
    if len(found) > 1:
        return Case("conditional update", request, statuses(412))
    if not found:
        return _put_new(asking, request, type, body)
    if body.get("id", found[0][1]) != found[0][1]:
        return Case("conditional update", request, statuses(400))
    current = asking.world.current(*found[0])
    if current is None or not asking.sees("u", current):
        return Case("conditional update", request, statuses(403))
    return _updated(asking, "conditional update", request, type, found[0][1], body | {"id": found[0][1]}, current)


def _out_of_reach(asking: Asking, type: str) -> tuple[Pairs, Body] | None:
    """Criteria for what may perhaps be found and not be changed, and what would bring it within reach."""
    there = [some[-1] for name, some in asking.world.by_name.items() if name[0] == type and some[-1].body is not None]
    out = [one for one in there if not asking.sees("u", one) and one.name[1][0] in "x0"]
    within = [one.body for one in there if asking.sees("u", one) and one.name[1][0] in "x0"]
    if not out or not within:
        return None
    body = asking.pick(within)
    assert body is not None
    return (("_id", asking.pick(out).name[1]),), asking.maker.marked(plain(body))


def _put_new(asking: Asking, request: Request, type: str, body: Body) -> Case:
    """Nothing was found: the resource is created, under its id if the token may choose one and it is free."""
    id = body.get("id")
    if id is None:
        return _created(asking, "conditional update", "PUT", "u", request, body)
    if not asking.rights.unlimited(type, "u"):
        return Case("conditional update", request, statuses(403))
    current = asking.world.current(type, id)
    if current is not None and current.body is not None:
        return Case("conditional update", request, statuses(409))
    return _created(asking, "conditional update", "PUT", "u", request, body)


# --- patch ------------------------------------------------------------------------------------------------------------


def _steps(asking: Asking, before: Body | None) -> tuple[list[Body], bool]:
    """A JSON Patch that tests something, moves it to another patient, or changes a text; and whether it applies."""
    mark = asking.maker.mark()
    steps: list[Body] = [{"op": "add", "path": "/language", "value": asking.pick(("en", "de"))}]
    applies = before is not None
    if asking.maybe(0.4):
        value = asking.pick(VALUES)
        steps.insert(0, {"op": "test", "path": "/identifier/0/value", "value": value})
        applies = applies and isinstance(before, dict) and _first_value(before) == value
    whose = [one for one in ("subject", "patient", "for") if before is not None and one in before]
    if whose and asking.maybe(0.4):
        steps.append({"op": "replace", "path": f"/{whose[0]}", "value": asking.maker.patient()})
    if before is not None and "extension" in before and asking.maybe(0.5):
        at = len(before["extension"]) - 1
        steps.append({"op": "replace", "path": f"/extension/{at}/valueString", "value": mark})
    return steps, applies


def _first_value(body: Body) -> str | None:
    found = body.get("identifier")
    return str(found[0]["value"]) if isinstance(found, list) else None


def _patched(before: Body, steps: list[Body]) -> Body:
    after: Body = copy.deepcopy(before)
    for one in steps:
        *way, last = one["path"].split("/")[1:]
        at: Any = after
        for part in way:
            at = at[int(part)] if isinstance(at, list) else at[part]
        if one["op"] != "test":
            at[last] = one["value"]
    return after


_JSON_PATCH = ("Content-Type", "application/json-patch+json")


def patch(asking: Asking) -> Case:
    """PATCH."""
    type = asking.pick([one for one in WRITABLE if one != "Binary"]) if asking.maybe(0.3) else _type(asking)
    _, id = _name(asking, type)
    current = asking.world.current(type, id)
    steps, applies = _steps(asking, None if current is None else current.body)
    match = _match(asking)
    request = Request("PATCH", f"{type}/{id}", headers=(*_headers(match), *_prefer(asking), _JSON_PATCH), body=steps)
    if not (asking.rights.permits(type, "u") and asking.rights.permits(type, "r")):
        return Case("patch", request, statuses(403))
    if current is not None and not _both(asking, current):
        current = None
    if match and (current is None or current.number != match):
        return Case("patch", request, statuses(412))
    if current is None:
        return Case("patch", request, statuses(404))
    return _patching(asking, "patch", request, current, steps, applies)


def _both(asking: Asking, current: Version) -> bool:
    return asking.sees("u", current) and asking.sees("r", current)


def _patching(asking: Asking, kind: str, request: Request, current: Version, steps: list[Body], applies: bool) -> Case:
    if current.body is None:
        return Case(kind, request, statuses(410))
    if not applies:
        return Case(kind, request, statuses(400, 409, 422))
    after = _patched(current.body, steps)
    return _updated(asking, kind, request, current.step.type, current.step.id, after, current)


def conditional_patch(asking: Asking) -> Case:
    """PATCH of what criteria find."""
    type = _type(asking)
    return _patch_of_found(asking, type, criteria(asking, type))


def _patch_of_found(asking: Asking, type: str, pairs: Pairs) -> Case:
    found = found_by(asking, type, pairs)
    steps, applies = _steps(asking, asking.value(found[0]) if found else None)
    request = Request("PATCH", type, pairs, headers=(_JSON_PATCH, *_prefer(asking)), body=steps)
    if not (asking.rights.permits(type, "u") and asking.rights.permits(type, "r")):
        return Case("conditional patch", request, statuses(403))
    if found is None:
        return Case("conditional patch", request, statuses(*REFUSED))
    if len(found) != 1:
        return Case("conditional patch", request, statuses(412 if found else 404))
    current = asking.world.current(*found[0])
    if current is None or not _both(asking, current):
        return Case("conditional patch", request, statuses(403))
    return _patching(asking, "conditional patch", request, current, steps, applies)


# --- delete -----------------------------------------------------------------------------------------------------------


def delete(asking: Asking) -> Case:
    """DELETE: 204, also of what is not there."""
    type = _type(asking)
    _, id = _name(asking, type)
    return _deletion(asking, type, id, _match(asking))


def shared_deletes(asking: Asking, most: int = 3) -> Iterator[Case]:
    """DELETE of what also lies in somebody else's record, as it is by then: chance seldom comes upon that."""
    some = [name for name in asking.world.by_name if asking.rights.permits(name[0], "d")]
    alive = [one for name in some if (one := asking.world.current(*name)) is not None and one.body is not None]
    shared = [one for one in alive if asking.sees("d", one) and not may_remove(asking, one.says)]
    for one in shared[:most]:
        yield _deletion(asking, *one.name, 0)


def only_searched(asking: Asking, most: int = 3) -> Iterator[Case]:
    """What criteria find that may be searched and no more is not deleted, nor patched; that is rare, too."""
    found = [
        one
        for some in asking.world.by_name.values()
        if (one := some[-1]).body is not None and asking.rights.permits(one.step.type, "s") and asking.sees("s", one)
    ]
    deleted = [one for one in found if asking.rights.permits(one.step.type, "d") and not asking.sees("d", one)]
    for one in deleted[:most]:
        yield _deletion_of_found(asking, one.step.type, _by_id(one), False)
    written = [one for one in found if all(asking.rights.permits(one.step.type, letter) for letter in "ur")]
    patched = [one for one in written if not _both(asking, one)]
    for one in patched[:most]:
        yield _patch_of_found(asking, one.step.type, _by_id(one))


def _by_id(one: Version) -> Pairs:
    return (("_id", one.step.id),)


def _deletion(asking: Asking, type: str, id: str, match: int) -> Case:
    current = asking.world.current(type, id)
    request = Request("DELETE", f"{type}/{id}", headers=_headers(match))
    if not asking.rights.permits(type, "d"):
        return Case("delete", request, statuses(403))
    if current is not None and not asking.sees("d", current):
        current = None
    if match and (current is None or current.number != match):
        return Case("delete", request, statuses(412))
    if current is None or current.body is None:
        return Case("delete", request, statuses(204))
    if not may_remove(asking, current.says):
        return Case("delete", request, statuses(403))
    return Case("delete", request, statuses(204), (Write("DELETE", type, id, None),))


def conditional_delete(asking: Asking) -> Case:
    """DELETE of what criteria find, of one or of all."""
    type = _type(asking)
    return _deletion_of_found(asking, type, criteria(asking, type), asking.maybe(0.4))


def _deletion_of_found(asking: Asking, type: str, pairs: Pairs, multiple: bool) -> Case:
    request = Request("DELETE", type, (*pairs, ("_multiple", "true")) if multiple else pairs)
    if not asking.rights.permits(type, "d"):
        return Case("conditional delete", request, statuses(403))
    found = found_by(asking, type, pairs)
    if found is None:
        return Case("conditional delete", request, statuses(*REFUSED))
    if len(found) > 1 and not multiple:
        return Case("conditional delete", request, statuses(412))
    current = [one for name in found if (one := asking.world.current(*name)) is not None]
    if not all(asking.sees("d", one) and may_remove(asking, one.says) for one in current):
        return Case("conditional delete", request, statuses(403))
    return Case("conditional delete", request, statuses(204), tuple(Write("DELETE", *name, None) for name in found))


def failed(pages: Pages) -> str | None:
    """Refused, in whatever words."""
    return None if pages[0].status >= 400 else f"status {pages[0].status}, must be refused"
