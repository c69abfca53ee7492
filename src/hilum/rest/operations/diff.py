"""`$diff`: what changed between two versions, as a FHIRPath Patch. https://hl7.org/fhir/R4/fhirpatch.html

No operation of HL7's; the names are those of other servers, so that clients of theirs find it.
"""

from __future__ import annotations

from typing import Final

from hilum.fhir.resource import Resource
from hilum.interactions import contents, read
from hilum.interactions.build import apart
from hilum.interactions.difference import difference
from hilum.problems import Malformed, NotFound, Unprocessable
from hilum.rest.message import Request
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.operations.outputs import Returned, resource
from hilum.rest.router import Service


async def diff(service: Service, request: Request, inputs: Inputs) -> Returned:
    """Between versions of one resource, or of any two of a type."""
    system = len(request.path) == 1
    for name in ("fromVersion", "toVersion") if system else ("from", "to"):
        if name in inputs:
            where = "of one resource" if system else "of the system"
            raise Malformed(f"{name} is for $diff {where}.", expression=inputs.place(name))
    if system:
        old, new = [await _named(service, request, inputs, name) for name in ("from", "to")]
        if old.type != new.type:
            raise Malformed("from and to must name resources of one type.", expression=inputs.place("to"))
    else:
        type, id, _ = request.path
        last, first = inputs.number("toVersion"), inputs.number("fromVersion")
        new = await _version(service, request, type, id, last)
        if first is None and new.version == 1:
            raise NotFound("There is no version before the first one. Name another by fromVersion.")
        old = await _version(service, request, type, id, first or new.version - 1)
    for version in (old, new):
        if await contents.held(service.door, version) is not None:
            raise Unprocessable("The content of this Binary lies beside the store, and is not compared.")
    size = len(old.raw) + len(new.raw)
    found = await apart(size, difference, old.body, new.body, meta=bool(inputs.flag("includeMeta")))
    return Returned((resource("return", found),), (old.seq, new.seq))


async def _version(service: Service, request: Request, type: str, id: str, version: int | None) -> Resource:
    if version is None:
        return await read.read(service.door, request.who, type, id)
    return await read.vread(service.door, request.who, type, id, str(version))


async def _named(service: Service, request: Request, inputs: Inputs, name: str) -> Resource:
    """The version that `Patient/17` or `Patient/17/_history/2` names. Raises Malformed, NotFound, Gone, Forbidden."""
    text = inputs.text(name)
    if text is None:
        raise Malformed(f"{name} is missing: {_EXAMPLE}")
    parts = text.removeprefix(f"{service.door.base}/").split("/")
    if len(parts) == 2:
        return await read.read(service.door, request.who, *parts)
    if len(parts) == 4 and parts[2] == "_history":
        return await read.vread(service.door, request.who, parts[0], parts[1], parts[3])
    raise Malformed(f"{name} must name a resource of this server: {_EXAMPLE}", expression=inputs.place(name))


_EXAMPLE: Final = "Patient/17, or a version of it, Patient/17/_history/2."
_META: Final = Parameter("includeMeta", "boolean", "Whether to tell of meta, too, but for what the server stamps.")
_RETURN: Final = Parameter(
    "return", "Parameters", "A FHIRPath Patch: a PATCH with it makes the first version into the second.", 1, use="out"
)

RESOURCE: Final = Operation(
    code="diff",
    name="Resource-diff",
    title="What changed between two versions, as a FHIRPath Patch.",
    text="Of a resource: from `fromVersion`, else the version before, to `toVersion`, else the present one. Of the "
    "system: between any two resources of one type, or versions of such. The token must allow to read both. Lists are "
    "compared from both ends; what moved within one is told as changed. Without `includeMeta` nothing is said of meta.",
    levels=("instance", "system"),
    parameters=(
        Parameter("fromVersion", "positiveInt", "Of a resource: the version to begin with; else the one before."),
        Parameter("toVersion", "positiveInt", "Of a resource: the version to end with; else the present one."),
        Parameter("from", "uri", f"Of the system: what to begin with, {_EXAMPLE}"),
        Parameter("to", "uri", f"Of the system: what to end with, {_EXAMPLE}"),
        _META,
        _RETURN,
    ),
    run=diff,
)
