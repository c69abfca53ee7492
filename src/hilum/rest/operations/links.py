"""Links to a Binary's content for who has no token: to download a version, to upload one.
docs/how-to/store-big-files.md
"""

from __future__ import annotations

from typing import Any, Final

from hilum.access.bearer import bearer
from hilum.access.signed import DOWNLOAD, UPLOAD
from hilum.fhir.resource import instant
from hilum.interactions import read
from hilum.interactions.contents import TYPE
from hilum.interactions.uploads import foresee
from hilum.problems import Invalid, NotSupported
from hilum.rest.message import Request
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.operations.outputs import Returned, value
from hilum.rest.router import Service

SECONDS: Final = 300


async def download(service: Service, request: Request, inputs: Inputs) -> Returned:
    """A link to the content of a version, by default the current one; for who may read it now."""
    id, version = request.path[1], inputs.text("version")
    if version is None:
        resource = await read.read(service.door, request.who, TYPE, id)
    else:
        resource = await read.vread(service.door, request.who, TYPE, id, version)
    path = f"{TYPE}/{resource.id}/_history/{resource.version}"
    return _made(service, request, inputs, DOWNLOAD, path)


async def upload(service: Service, request: Request, inputs: Inputs) -> Returned:
    """A link by which one Binary is created, once; for who may create it now."""
    body: dict[str, Any] = {"resourceType": TYPE, "contentType": inputs.text("contentType")}
    context = inputs.body("securityContext")
    if context is not None:
        if not isinstance(context.get("reference"), str):
            raise Invalid("securityContext needs a reference.", expression=inputs.place("securityContext"))
        body["securityContext"] = {"reference": context["reference"]}
    await foresee(service.door, request.who, "c", body)
    size = inputs.number("maxSize") or service.largest
    return _made(
        service,
        request,
        inputs,
        UPLOAD,
        TYPE,
        media=body["contentType"],
        context=body.get("securityContext", {}).get("reference", ""),
        size=min(size, service.largest),
    )


def _made(service: Service, request: Request, inputs: Inputs, purpose: str, path: str, **more: Any) -> Returned:
    if service.signed is None:
        raise NotSupported("This server makes no links.")
    seconds = inputs.number("seconds") or SECONDS
    if seconds > service.longest_link:
        raise Invalid(
            f"A link holds for {service.longest_link:,} seconds at most (--link-seconds).",
            expression=inputs.place("seconds"),
        )
    token = bearer(request.headers) if service.token_needed else ""
    text, ends = service.signed.make(request.who, token, purpose, path, seconds, **more)
    return Returned(
        (
            value("url", "url", f"{service.door.base}/{path}?link={text}"),
            value("expires", "instant", instant(ends * 1_000_000)),
        )
    )


_SECONDS: Final = Parameter(
    "seconds", "positiveInt", f"How long it holds, {SECONDS} without. It ends with the access token in any case."
)
_OUT: Final = (
    Parameter("url", "url", "The link. Who has it needs no token.", 1, use="out"),
    Parameter("expires", "instant", "When it ends.", 1, use="out"),
)

TO_DOWNLOAD: Final = Operation(
    code="download-link",
    name="Binary-download-link",
    title="A link to the content of a Binary, for who has no token.",
    text="GET of it answers the content of that version, ranges of it too, as long as the token that it was made with "
    "would: what is revoked, or may not be read any more, is not to be had by it. It is audited as a read by whose "
    "token that is. It holds for nothing else, and tells nothing of what it is about.",
    levels=("instance",),
    types=(TYPE,),
    parameters=(Parameter("version", "string", "Which version; the current one without."), _SECONDS, *_OUT),
    affects_state=True,
    needs="r",
    run=download,
)

TO_UPLOAD: Final = Operation(
    code="upload-link",
    name="Binary-upload-link",
    title="A link by which one Binary is uploaded, for who has no token.",
    text="POST to it creates a Binary of the body, once, as whose token the link was made with, if they still may. The "
    "content type, the securityContext and the largest size are those that the link was made with; a request of "
    "another Content-Type is refused. What fails may be tried again.",
    levels=("type",),
    types=(TYPE,),
    parameters=(
        Parameter("contentType", "code", "The media type of what is uploaded.", 1),
        Parameter("securityContext", "Reference", "What the Binary is about: who may read that may read it."),
        Parameter("maxSize", "positiveInt", "How many bytes it may have, --max-binary-bytes without."),
        _SECONDS,
        *_OUT,
    ),
    affects_state=True,
    needs="c",
    run=upload,
)
