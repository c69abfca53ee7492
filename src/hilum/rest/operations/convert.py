"""`$convert-data`: its name is kept for the interchange of HL7 v2 and C-CDA, and not claimed until that is there."""

from __future__ import annotations

from typing import Final

from hilum.rest.operations.operation import Operation

RESERVED: Final = Operation(
    code="convert-data",
    name="convert-data",
    title="HL7 v2 and C-CDA to FHIR",
    text="The name is kept for the interchange.",
    levels=("system",),
    reserved="it comes with the interchange of HL7 v2 and C-CDA.",
)
