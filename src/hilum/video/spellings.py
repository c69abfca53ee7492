"""How records write units and routes: `spellings.toml`, read once. The words that are told are in the phrase tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

OTHER: Final = "other"
"""The route that is told in the record's own words."""


class _Spellings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    units: Mapping[str, tuple[str, ...]]
    routes: Mapping[str, tuple[str, ...]]


@cache
def _spellings() -> _Spellings:
    text = files("hilum.video").joinpath("spellings.toml").read_text("utf-8")
    return msgspec.toml.decode(text, type=_Spellings)


def units() -> Mapping[str, tuple[str, ...]]:
    """Names of units by their code."""
    return _spellings().units


def routes() -> tuple[str, ...]:
    """The routes that are known, and the other one."""
    return (*_spellings().routes, OTHER)


def unit(written: str) -> str:
    """The code of a unit that is written so, as its code or as a name; "" where none is."""
    if written in units():
        return written
    small = written.casefold()
    return next((code for code, names in units().items() if small in names), "")


def route(codes: Iterable[str], names: Iterable[str]) -> str:
    """The route that one of these codes or names means, or OTHER."""
    written = {*codes, *(name.casefold() for name in names)}
    return next((key for key, known in _spellings().routes.items() if written & set(known)), OTHER)
