"""Names of drugs, to know one by: `drugs.toml`, read once. Nothing of it is told."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import msgspec

from hilum.video.allergies import CLASSES


class _Drugs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stems: tuple[str, ...]
    names: frozenset[str]


@cache
def _drugs() -> _Drugs:
    text = files("hilum.video").joinpath("drugs.toml").read_text("utf-8")
    found = msgspec.toml.decode(text, type=_Drugs)
    return _Drugs(found.stems, found.names.union(*CLASSES.values()))


def named(word: str) -> bool:
    """Whether a word in small letters is the name of a drug, as far as is known here."""
    return word in _drugs().names or (len(word) > 5 and word.endswith(_drugs().stems))
