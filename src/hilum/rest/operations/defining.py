"""The OperationDefinition of each operation, made from its row. https://hl7.org/fhir/R4/operationdefinition.html

They are read as `OperationDefinition/hilum-[name]`, which is their canonical URL where hilum defined them; of those
that are HL7's they say what is supported here, and name HL7's as their `base`. Nobody can store anything under such an
id.
"""

from __future__ import annotations

from typing import Any, Final

from hilum import __version__
from hilum.access.policy import Principal
from hilum.interactions.auditing import OWN_DEFINITION
from hilum.interactions.permit import permits
from hilum.rest.operations.operation import HL7, Operation, Parameter
from hilum.rest.operations.table import OPERATIONS

DATE: Final = "2026-11-23"
"""When what the table says last changed."""
_BY_ID: Final = {one.own_id: one for one in OPERATIONS if not one.reserved}


def own(who: Principal, id: str, base: str) -> dict[str, Any] | None:
    """The definition of this id; None where it is none. Raises Forbidden for who may read no OperationDefinition."""
    found = _BY_ID.get(id) if id.startswith(OWN_DEFINITION) else None
    if found is None:
        return None
    permits(who, "OperationDefinition", "r")
    return definition(found, base)


def definition(operation: Operation, base: str) -> dict[str, Any]:
    """The OperationDefinition of one row."""
    body: dict[str, Any] = {
        "resourceType": "OperationDefinition",
        "id": operation.own_id,
        "url": f"{base}/OperationDefinition/{operation.own_id}",
        "version": __version__,
        "name": _name(operation.own_id),
        "title": operation.title,
        "status": "active",
        "kind": "operation",
        "date": DATE,
        "publisher": "hilum",
        "description": operation.text,
        "affectsState": operation.affects_state,
        "code": operation.code,
    }
    if operation.hl7:
        body["base"] = f"{HL7}{operation.name}"
    body["resource"] = list(operation.types or ("Resource",))
    body["system"] = "system" in operation.levels
    body["type"] = "type" in operation.levels
    body["instance"] = "instance" in operation.levels
    if operation.parameters:
        body["parameter"] = [_parameter(one) for one in operation.parameters]
    return body


def _name(id: str) -> str:
    """A name that programs can use: `HilumResourceMeta`."""
    return "".join(part[:1].upper() + part[1:] for part in id.split("-"))


def _parameter(one: Parameter, *, part: bool = False) -> dict[str, Any]:
    body: dict[str, Any] = {"name": one.name, "use": one.use, "min": one.min, "max": one.max, "documentation": one.text}
    if one.parts:
        body["part"] = [_parameter(below) for below in one.parts]
    else:
        body["type"] = one.type
    if one.search_type:
        body["searchType"] = one.search_type
    return body
