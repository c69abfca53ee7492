"""`$versions`: which versions of FHIR may be named. https://hl7.org/fhir/R4/capabilitystatement-operation-versions.html

"The only way for client to find out what versions a server supports" by the parameter fhirVersion of media types.
"""

from __future__ import annotations

from typing import Final

from hilum.rest import media
from hilum.rest.message import Request
from hilum.rest.operations.inputs import Inputs
from hilum.rest.operations.operation import Operation, Parameter
from hilum.rest.operations.outputs import Returned, value
from hilum.rest.router import Service


async def versions(service: Service, request: Request, inputs: Inputs) -> Returned:
    """All of them, and the one that is meant where none is named."""
    found = [value("version", "code", name) for name in sorted(set(media.VERSIONS.values()))]
    return Returned((*found, value("default", "code", media.PLAIN.version)))


CAPABILITIES: Final = Operation(
    code="versions",
    name="CapabilityStatement-versions",
    title="Which versions of FHIR this server speaks.",
    text="Each may be named as `fhirVersion` in Accept, Content-Type and `_format`; what is converted is in stu3.md.",
    levels=("system",),
    types=("CapabilityStatement",),
    parameters=(
        Parameter("version", "code", "One of them, such as 3.0.", 1, "*", use="out"),
        Parameter("default", "code", "The one that is meant where none is named.", 1, use="out"),
    ),
    hl7=True,
    run=versions,
)
