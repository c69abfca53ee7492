"""Who has reviewed a phrase table, as a file: `videos/reviews.toml` of the data directory.

[[review]]
language = "es"
version = "2026-11-23"        # of the phrase table: a review counts for no other
by = "Dr. Marisol Ibarra, MD"
on = 2026-11-30
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec

from hilum.problems import Invalid, Misconfigured
from hilum.tables.place import Place
from hilum.tables.reading import converted, parsed, text
from hilum.video.phrases import Review, languages


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    language: str
    version: str
    by: str
    on: date


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    review: tuple[_Entry, ...] = ()


def read(file: Path) -> tuple[Review, ...]:
    """The reviews of a file; none where there is no file. Raises Misconfigured."""
    place = Place(f"Reviews {file}")
    try:
        found = converted(parsed(text(file, place.file), place.file), _File).review
    except Invalid as problem:
        raise Misconfigured(f"{place.file}: {problem}") from None
    for number, one in enumerate(found, 1):
        here = place.at(f"review[{number}]")
        here.at("language").one_of(one.language, languages())
        here.at("by").text(one.by)
    return tuple(Review(one.language, one.version, one.by.strip(), one.on.isoformat()) for one in found)
