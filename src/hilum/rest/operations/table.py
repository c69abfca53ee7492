"""The table of operations. What stands here is what there is.

Routes, inputs, the CapabilityStatement, OperationDefinitions and docs/reference/operations.md are made from it.
"""

from __future__ import annotations

from typing import Final

from hilum.rest.operations import (
    convert,
    diff,
    document,
    everything,
    expand,
    graphql,
    lastn,
    links,
    lookup,
    meta,
    translate,
    validate,
    validate_code,
    versions,
)
from hilum.rest.operations.operation import Operation

OPERATIONS: Final[tuple[Operation, ...]] = (
    everything.PATIENT,
    everything.ENCOUNTER,
    document.COMPOSITION,
    lastn.OBSERVATION,
    graphql.RESOURCE,
    meta.RESOURCE,
    meta.ADD,
    meta.DELETE,
    validate.RESOURCE,
    diff.RESOURCE,
    versions.CAPABILITIES,
    expand.EXPAND,
    validate_code.VALUE_SET,
    validate_code.CODE_SYSTEM,
    lookup.LOOKUP,
    lookup.SUBSUMES,
    translate.TRANSLATE,
    translate.CLOSURE,
    links.TO_DOWNLOAD,
    links.TO_UPLOAD,
    convert.RESERVED,
)
