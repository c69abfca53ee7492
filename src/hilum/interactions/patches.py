"""What a patch is, in whichever language it is written: operations from body to body. https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hilum.fhir import json
from hilum.problems import Invalid, Unprocessable

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Patch:
    """Operations in order, each from a body to a body; made by `parse_json_patch` or `parse_fhirpath_patch`.

    An operation may change the body it is given. It raises Unprocessable when it can't be applied.
    """

    kind: str
    operations: tuple[Callable[[Body], Body], ...]

    def applied(self, raw: bytes) -> Body:
        """The body that the stored `raw` becomes. Raises Unprocessable, and Invalid when id or resourceType change."""
        body = json.parse(raw)
        type, id = body["resourceType"], body["id"]
        try:
            for operation in self.operations:
                body = operation(body)
        except RecursionError:
            raise Unprocessable("The patch makes the resource too deeply nested.") from None
        if not isinstance(body, dict) or body.get("resourceType") != type:
            raise Invalid("A patch can't change the resourceType.", expression=type)
        if body.get("id") != id:
            raise Invalid("A patch can't change or remove the id.", expression=f"{type}.id")
        return body
