"""What the renderer itself writes, beside the script, by language: words.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

OTHERWISE: Final = "en"


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of one language. `first`: the day that a week begins with, Monday being 0."""

    code: str
    title: str
    right: str
    left: str
    behind: str
    am: str
    pm: str
    morning: str
    evening: str
    picture: str
    months: tuple[str, ...]
    days: tuple[str, ...]
    initials: tuple[str, ...]
    first: int
    day: str


@cache
def _all() -> dict[str, Words]:
    text = (files("hilum.video.local") / "words.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), dict[str, Words])


def primary(language: str) -> str:
    """`es` of `es-419`. https://www.rfc-editor.org/rfc/rfc5646#section-2.2.1"""
    return language.replace("_", "-").split("-")[0].lower()


def words(language: str) -> Words:
    """English where there are none of a language."""
    return _all().get(primary(language)) or _all()[OTHERWISE]
