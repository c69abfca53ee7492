"""`$validate`. https://hl7.org/fhir/R4/resource-operation-validate.html"""

from __future__ import annotations

from typing import Any, Final

from hilum.fhir.definitions import TYPE_NUMBER
from hilum.interactions import read, validating
from hilum.problems import Issue, Malformed, NotFound
from hilum.rest.message import Request
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.operations.outputs import Returned, resource
from hilum.rest.outcome import operation_outcome
from hilum.rest.router import Service

Body = dict[str, Any]

_LETTERS: Final = {None: "cur", "profile": "cur", "create": "c", "update": "u", "delete": "d"}
"""mode -> one of what the token must be allowed to do to the type."""

_GOOD: Final = Issue("information", "informational", "All OK: nothing was found.")
_DELETABLE: Final = Issue("information", "informational", "All OK: it can be deleted.")


async def validate(service: Service, request: Request, inputs: Inputs) -> Returned:
    """What there is to say of a resource as it would be written, or of one that is stored."""
    type, id = request.path[0], request.path[1] if len(request.path) == 3 else None
    if type not in TYPE_NUMBER:
        raise NotFound("FHIR R4 has no resource type of this name; see /metadata for those it has.")
    mode, body = inputs.text("mode"), inputs.body("resource")
    if mode not in _LETTERS:
        raise Malformed("mode must be create, update, delete or profile.", expression=_place(inputs, "mode"))
    validating.may_ask(request.who, type, _LETTERS[mode])
    if mode == "delete":
        if id is None:
            raise Malformed("mode delete is about a stored resource: POST [type]/[id]/$validate.")
        return _returned(await validating.deletable(service.door, request.who, type, id), _DELETABLE)
    if mode == "profile" and "profile" not in inputs:
        raise Malformed("mode profile needs the parameter profile.", expression=_place(inputs, "mode"))
    shown: tuple[int, ...] = ()
    size = request.size
    if body is None:
        if id is None:
            raise Malformed("resource is missing: the resource to validate.")
        stored = await read.read(service.door, request.who, type, id)
        body, shown, size = stored.body, (stored.seq,), len(stored.raw)
    issues = _named(type, id, mode, body)
    if not issues:
        profiles = inputs.each("profile")
        issues = await validating.validated(service.door, type, body, profiles, size=size)
    return _returned(issues, _GOOD, shown)


def _named(type: str, id: str | None, mode: str | None, body: Body) -> list[Issue]:
    """What the address says against the resource."""
    if body.get("resourceType") != type:
        return [Issue("error", "invalid", f"The resourceType must be {type}, as the URL says.", f"{type}.resourceType")]
    if id is not None and body.get("id") != id and (mode == "update" or "id" in body):
        found = "has no id" if body.get("id") is None else "has another id"
        return [Issue("error", "invalid", f"The body {found}; {type}.id must be the id in the URL.", f"{type}.id")]
    return []


def _place(inputs: Inputs, name: str) -> str | None:
    place = inputs.place(name)
    return place if place != name else None


def _returned(issues: list[Issue], good: Issue, shown: tuple[int, ...] = ()) -> Returned:
    return Returned((resource("return", operation_outcome(tuple(issues) or (good,))),), shown)


RESOURCE: Final = Operation(
    code="validate",
    name="Resource-validate",
    title="Validate a resource, as it would be written or as it is stored.",
    text="By R4's own rules, by the profiles that it claims in meta.profile and the one that is asked for, and by what "
    "the server knows of codes. Nothing is written. The answer to a validation is 200 with an OperationOutcome, "
    "whatever was found. Errors are what must be corrected: more than a write is refused for, which does without "
    "some of that (whether codes are of their systems, what a Bundle's links are). By GET, or without a resource, what "
    "is stored is validated. The mode create or update says which write is meant, and the token must allow it; delete, "
    "on an instance, tells whether it could be deleted; profile needs a profile. Parameters that are sent to "
    "Parameters/$validate are validated themselves where none of these parameters is in them.",
    levels=("type", "instance"),
    parameters=(
        Parameter("resource", "Resource", "The resource; what is stored where there is none."),
        Parameter("mode", "code", "create, update, delete or profile."),
        Parameter("profile", "uri", "The profile to validate against, beside those that the resource claims.", max="*"),
        Parameter("return", "OperationOutcome", "What was found.", 1, use="out"),
    ),
    hl7=True,
    gets=("instance",),
    large=True,
    run=validate,
)
