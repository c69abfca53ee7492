"""What a patch is, in whichever language it is written: operations from body to body. https://hl7.org/fhir/R4/http.html#patch"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hilum.fhir import json
from hilum.fhirpath import Work
from hilum.problems import Invalid, Unprocessable

Body = dict[str, Any]
MOST_WORK: Final = 500_000
"""Items that all operations of one patch visit together: half a second at most, in the turn of one request."""


@dataclass(frozen=True, slots=True)
class Patch:
    """Operations in order, each from a body to a body; made by `parse_json_patch` or `parse_fhirpath_patch`.

    An operation may change the body it is given, and draws on the patch's allowance of work. It raises Unprocessable
    when it can't be applied.
    """

    kind: str
    operations: tuple[Callable[[Body, Work], Body], ...]

    def applied(self, raw: bytes) -> Body:
        """The body that the stored `raw` becomes. Raises Unprocessable, and Invalid when id or resourceType change."""
        body = json.parse(raw)
        type, id = body["resourceType"], body["id"]
        work = Work(MOST_WORK)
        try:
            for operation in self.operations:
                body = operation(body, work)
        except RecursionError:
            raise Unprocessable("The patch makes the resource too deeply nested.") from None
        if not isinstance(body, dict) or body.get("resourceType") != type:
            raise Invalid("A patch can't change the resourceType.", expression=type)
        if body.get("id") != id:
            raise Invalid("A patch can't change or remove the id.", expression=f"{type}.id")
        return body


def copied(value: Any) -> Any:
    """A JSON value that shares nothing that can change: a patch may be applied again, to a newer version.

    Ten times faster than copy.deepcopy, which matters when somebody's patch carries megabytes.
    """
    if type(value) is dict:
        return {key: copied(item) for key, item in value.items()}
    if type(value) is list:
        return [copied(item) for item in value]
    return value
