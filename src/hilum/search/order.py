"""By what a resource is sorted, from its index rows: ascending by the least value, descending by the greatest.

https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from typing import Any

from hilum.search.query import Sort
from hilum.search.rows import Rows


def sorted_by(key: Sort, type: str, rows: Rows) -> Any:
    """The value by which a resource of the type stands in the order of a search parameter; None: it has none."""
    numbers = dict(key.numbers).get(type, ())
    found: list[Any]
    match key.kind:
        case "string" | "uri":
            found = [row.folded for row in rows.strings if row.parameter in numbers]
        case "token":  # as one text: by code, then by system
            found = [f"{row.code or ''}\0{row.system or ''}" for row in rows.tokens if row.parameter in numbers]
        case "date":
            found = [row.high if key.down else row.low for row in rows.dates if row.parameter in numbers]
        case "quantity":
            found = [row.high if key.down else row.low for row in rows.quantities if row.parameter in numbers]
        case _:
            found = [f"{row.type}/{row.id}" for row in rows.references if row.parameter in numbers]
    return (max if key.down else min)(found, default=None)
