"""The entries of a page's matches: of what matches itself, and of what another resource contains.

https://hl7.org/fhir/R4/search.html#contained and https://hl7.org/fhir/R4/search.html#score
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import Final

from hilum.fhir import json
from hilum.fhir.resource import Resource
from hilum.rest import bundle, subset
from hilum.rest.presentation import Presentation
from hilum.store.interface import Page
from hilum.store.plan.entries import ITSELF

_MATCH: Final = b',"search":{"mode":"match"'


@dataclass(frozen=True, slots=True)
class _Match:
    """`at`: what follows the base in its fullUrl; None where it has none, as a contained resource without an id."""

    resource: Resource
    at: str | None
    score: float | None


async def matches(base: bytes, page: Page, shown: Presentation) -> list[bytes]:
    """The entries, in the order of the page. A contained resource stands under `[address of its container]#[id]`."""
    if not page.places and not page.scores:
        return bundle.matches(base, page.resources, await subset.show_all(page.resources, shown))
    places = page.places or repeat(ITSELF)
    scores = page.scores or repeat(None)
    found = [_match(*one) for one in zip(page.resources, places, scores, strict=False)]
    contents = await subset.show_all([one.resource for one in found], shown)
    return [_entry(base, *one) for one in zip(found, contents, strict=True)]


def _match(resource: Resource, place: int, score: float | None) -> _Match:
    at = f"{resource.type}/{resource.id}"
    if place == ITSELF:
        return _Match(resource, at, score)
    body = resource.body["contained"][place]
    id = body.get("id")
    contained = Resource(body["resourceType"], id or "", resource.version, resource.last_updated, json.encode(body))
    return _Match(contained, None if id is None else f"{at}#{id}", score)


def _entry(base: bytes, match: _Match, raw: bytes) -> bytes:
    url = b'"fullUrl":"%b/%b",' % (base, match.at.encode()) if match.at is not None else b""
    score = b',"score":%.4f' % match.score if match.score is not None else b""
    return b"".join((b"{", url, b'"resource":', raw, _MATCH, score, b"}}"))
