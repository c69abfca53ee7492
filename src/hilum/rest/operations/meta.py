"""`$meta`, `$meta-add` and `$meta-delete`. https://hl7.org/fhir/R4/resource-operation-meta.html"""

from __future__ import annotations

from typing import Final

from hilum.fhir.resource import Resource
from hilum.interactions import contents, labels, patch, read
from hilum.interactions.patches import Patch
from hilum.rest import conditions
from hilum.rest.message import Request
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.operations.outputs import Returned, value
from hilum.rest.router import Service


async def meta(service: Service, request: Request, inputs: Inputs) -> Returned:
    """Of the system or a type the labels in use; of a resource or a version its meta."""
    path = request.path
    if len(path) <= 2:
        found = await labels.labels(service.door, request.who, path[0] if len(path) == 2 else None)
        return Returned((value("return", "Meta", found.meta or _NOTHING),), found.seqs)
    if len(path) == 3:
        resource = await read.read(service.door, request.who, path[0], path[1])
    else:
        resource = await read.vread(service.door, request.who, path[0], path[1], path[3])
    if await contents.held(service.door, resource) is not None:  # a read of it doesn't show the tag either
        said = contents.whole(resource.body)["meta"]
        return Returned((value("return", "Meta", said),), (resource.seq,), resource)
    return _of(resource, (resource.seq,))


_NOTHING: Final = {
    "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "not-applicable"}]
}
"""No label is in use: FHIR has no empty elements, and `return` is mandatory."""


async def add(service: Service, request: Request, inputs: Inputs) -> Returned:
    """A new version with these profiles, tags and labels."""
    return await _change(service, request, labels.adding(inputs.value("meta"), f"{inputs.place('meta')}.value"))


async def delete(service: Service, request: Request, inputs: Inputs) -> Returned:
    """A new version without them."""
    return await _change(service, request, labels.removing(inputs.value("meta"), f"{inputs.place('meta')}.value"))


async def _change(service: Service, request: Request, change: Patch) -> Returned:
    match = request.header(b"if-match")
    type, id = request.path[0], request.path[1]
    found = await patch.patch(service.door, request.who, type, id, change, match)
    if not found.readable:  # the labels that it has now hide it from who put them on
        return Returned((), version=found.resource, recorded=found.changed)
    return _of(found.resource, () if found.changed else (found.resource.seq,), recorded=found.changed)


def _of(resource: Resource, shown: tuple[int, ...], *, recorded: bool = False) -> Returned:
    headers = tuple(conditions.version_headers(resource))
    found = value("return", "Meta", resource.body["meta"])
    return Returned((found,), shown, resource, headers=headers, recorded=recorded)


_META: Final = Parameter("return", "Meta", "The meta.", 1, use="out")

RESOURCE: Final = Operation(
    code="meta",
    name="Resource-meta",
    title="The meta of a resource or a version; of a type or the system the profiles, tags and security labels in use.",
    text="Of a resource or a version it is what a read of it shows. Of a type or the system it is what the current "
    "resources have that the token may search, each once: profiles by their URL, tags and labels by system and code. "
    "More than 1000 of a kind are refused as too costly.",
    levels=("system", "type", "instance", "version"),
    parameters=(_META,),
    hl7=True,
    run=meta,
)

_CHANGES: Final = (
    "A new version is made, as by a PATCH, and the token must allow to update and to read the resource, as it is and "
    "as it becomes: labels decide who may see a version, so that one which changed under its number would make the "
    "history untrue. If-Match is honoured. What changes nothing makes no version. Versions in the history stay as they "
    "are."
)

ADD: Final = Operation(
    code="meta-add",
    name="Resource-meta-add",
    title="Add profiles, tags and security labels to a resource.",
    text=f"What the resource has already is not added again: profiles are told by their URL, tags and labels by system "
    f"and code. {_CHANGES}",
    levels=("instance",),
    parameters=(Parameter("meta", "Meta", "The profiles, tags and security labels to add.", 1), _META),
    hl7=True,
    affects_state=True,
    needs="u",
    run=add,
)

DELETE: Final = Operation(
    code="meta-delete",
    name="Resource-meta-delete",
    title="Delete profiles, tags and security labels from a resource.",
    text=f"What the resource does not have is passed over: profiles are told by their URL, tags and labels by system "
    f"and code. {_CHANGES}",
    levels=("instance",),
    parameters=(Parameter("meta", "Meta", "The profiles, tags and security labels to delete.", 1), _META),
    hl7=True,
    affects_state=True,
    needs="u",
    run=delete,
)
