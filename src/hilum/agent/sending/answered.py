"""A transaction's answer: whether it says, entry by entry, that everything is stored.

https://hl7.org/fhir/R4/http.html#transaction-response
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from hilum.agent.http import Answer

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_LOCATION: Final = re.compile(r"(?:^|/)([A-Z][A-Za-z]{1,60}/[A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?$")


class _Response(msgspec.Struct, frozen=True):
    status: str = ""
    location: str = ""


class _Entry(msgspec.Struct, frozen=True):
    response: _Response = _Response()


class _Identifier(msgspec.Struct, frozen=True):
    system: str = ""
    value: str = ""


class _Bundle(msgspec.Struct, frozen=True):
    resourceType: str
    type: str = ""
    identifier: _Identifier | None = None
    entry: list[_Entry] = []


@dataclass(frozen=True, slots=True)
class Answered:
    """`statuses`: of each entry. `locations`: "Observation/…", "" where none was said. `id`: of the Bundle."""

    statuses: tuple[int, ...]
    locations: tuple[str, ...]
    id: str

    def stored(self, entries: int) -> bool:
        """Whether each of so many entries is there."""
        return len(self.statuses) == entries and all(200 <= one < 300 and one != 202 for one in self.statuses)


def written(body: Mapping[str, Any]) -> bytes:
    """As JSON: numbers with the digits that they have."""
    return _ENCODER.encode(body)


def read(answer: Answer) -> Answered | None:
    """None: it is no answer to a transaction."""
    found = answer.json(_Bundle)
    if found is None or found.resourceType != "Bundle" or found.type != "transaction-response":
        return None
    statuses = [one.response.status[:3] for one in found.entry]
    return Answered(
        tuple(int(one) if one.isascii() and one.isdigit() else 0 for one in statuses),
        tuple(location(one.response.location) for one in found.entry),
        "" if found.identifier is None else found.identifier.value,
    )


def location(text: str) -> str:
    """Type and id of a URL, "" of what is none."""
    found = _LOCATION.search(text.partition("?")[0])
    return "" if found is None else found[1]


def receipt(batch: str, locations: tuple[str, ...], **more: Any) -> str:
    """What is kept of it: where everything is, nothing of what was measured."""
    return msgspec.json.encode({"bundle": batch, **more, "entries": locations}).decode()
