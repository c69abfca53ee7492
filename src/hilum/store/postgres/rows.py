"""A stored row as the value that flows."""

from __future__ import annotations

from typing import Any, Final

from hilum.fhir.resource import Resource
from hilum.store.postgres.names import METHODS, type_of

COLUMNS: Final = "r.rid, r.version, r.seq, r.method, r.id, r.body"


def as_resource(row: Any) -> Resource:
    """COLUMNS as a Resource; a deletion has no body."""
    rid, version, seq, method, id, body = row
    return Resource(type_of(rid), id, version, seq, body or b"", METHODS[method])
