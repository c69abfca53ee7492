"""Who has reviewed a phrase table, as a file: `videos/reviews.toml` of the data directory.

[[review]]
language = "es"
version = "2026-11-23"        # of the phrase table: a review counts for no other
by = "Dr. Marisol Ibarra, MD"
on = 2026-11-30
"""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import msgspec

from hilum.problems import Misconfigured
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
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeError):
        raise Misconfigured(f"The reviews {file} can't be read: expected a file of UTF-8 text.") from None
    try:
        found = msgspec.convert(tomllib.loads(text), _File).review
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Misconfigured(f"Reviews {file}: {error}") from None
    for number, one in enumerate(found, 1):
        if one.language not in languages() or not one.by.strip():
            raise Misconfigured(f"Reviews {file}: review[{number}] must name a language that there is, and by whom.")
    return tuple(Review(one.language, one.version, one.by.strip(), one.on.isoformat()) for one in found)
