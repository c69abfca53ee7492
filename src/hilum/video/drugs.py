"""Which drug a name is of, however it is written: `Amoxicillin`, `AMOXICILINA 250 mg`, `Amoxil`, `X (amoxicillin)`.

Names are compared by their words, without forms, salts and numbers; what is told are the record's own words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

FORMS: Final = frozenset((
    "actuat", "capsule", "capsules", "caps", "cream", "delayed", "disintegrating", "dose", "drops", "drug", "extended",
    "hour", "inhaler", "injection", "liquid", "metered", "nasal", "ointment", "oral", "patch", "pill", "powder",
    "product", "release", "solution", "spray", "suspension", "syrup", "tablet", "tablets", "tabs", "topical", "unit",
    "units", "with", "chewable", "daily", "film", "coated", "prefilled", "syringe", "pack", "auto", "injector",
    "comprimido", "comprimidos", "crema", "cápsula", "cápsulas", "gotas", "inhalador", "inyección", "jarabe", "parche",
    "pastilla", "pastillas", "solución", "suspensión", "tableta", "tabletas", "unidades",
))  # fmt: skip
"""Words in names of medicines that say in what form they come."""
_AROUND: Final = frozenset((
    "allergy", "allergic", "substance", "containing", "medication", "known", "allergen", "class", "intolerance",
    "adverse", "reaction", "alergia",
))  # fmt: skip
"""Words around the names of allergies."""
_SALTS: Final = frozenset((
    "acetate", "acid", "besylate", "bicarbonate", "calcium", "carbonate", "chloride", "citrate", "gluconate",
    "hydrochloride", "clorhidrato", "maleate", "mesylate", "oxide", "phosphate", "potassium", "sodium", "succinate",
    "sulfate", "tartrate",
))  # fmt: skip
"""What a drug comes as, unless it is nothing else: `Losartan potassium`, but `Potassium chloride`."""
_SPELT: Final = (("ph", "f"), ("th", "t"), ("ch", "c"), ("y", "i"), ("h", ""), ("oe", "e"), ("ae", "e"))
"""How English spells what Spanish, and at times American English, spells shorter."""
SHORT: Final = 5
"""Letters: no longer words are known by their ends."""
_VITAMIN: Final = re.compile(r"\bvitamin[ae]?[\s-]+([a-z])[\s-]?(\d*)\b")

Words = frozenset[str]
"""The words of a name that tell a drug from others, folded."""


@dataclass(frozen=True, slots=True)
class Names:
    """What a drug is called: `by`, each of its names; `beside`, what stands in brackets after one."""

    by: frozenset[Words]
    beside: frozenset[Words]

    def same(self, other: Names) -> bool:
        """Whether they are of one drug."""
        return bool(self.by & (other.by | other.beside) or self.beside & other.by)


def names(texts: Iterable[str]) -> Names:
    """Those in texts that are all of one drug."""
    by, beside = set[Words](), set[Words]()
    for text in texts:
        by |= {words(text), words(re.sub(r"[(\[][^)\]]*[)\]]", " ", text))}
        beside |= {words(found) for found in re.findall(r"[(\[]([^)\]]*)[)\]]", text)}
    return Names(frozenset(by - {frozenset()}), frozenset(beside - {frozenset()}))


def words(text: str) -> Words:
    """The words of a name that tell a drug from others."""
    small = _plain(text)
    found = {
        folded(word) for word in re.findall(r"[a-z]+", small) if len(word) > 3 or folded(word) in _known()
    } - _ASIDE
    found = {known for word in found - _SALT or found for known in _known().get(word, {word})}
    for letter, number in _VITAMIN.findall(small):
        found.add(
            letter + number if letter == "b" else letter
        )  # B6 and B12 are two, D2 and D3 are given for one another
    return frozenset(found)


def folded(word: str) -> str:
    """A word as it is in all spellings: `amoxycillin`, `Amoxicillin` and `amoxicilina` are one."""
    small = _plain(word)
    for long, short in _SPELT:
        small = small.replace(long, short)
    small = re.sub(r"(.)\1", r"\1", small).removesuffix("s")
    return re.sub(r"(?<=...)(?:ium|io|um|a|e|o)$", "", small)


def apart(one: str, other: str) -> bool:
    """Whether two names are of drugs that are known, and have none in common."""
    return bool(_told(one) and _told(other)) and _told(one).isdisjoint(_told(other))


def drug(word: str) -> bool:
    """Whether a word in small letters is the name of a drug, as far as is known here: one that records call by other
    names too, one that ends as such names do, or another.
    """
    known = _drugs()
    return folded(word) in _all() or word in known.others or (len(word) > SHORT and word.endswith(known.stems))


def _told(text: str) -> Words:
    """The drugs of a name that are known by any of their names, or by how they end."""
    ends = {
        folded(word) for word in re.findall(r"[a-z]+", _plain(text)) if len(word) > SHORT and word.endswith(_stems())
    }
    return words(text) & _whole() | ends


def _plain(text: str) -> str:
    split = unicodedata.normalize("NFKD", text.casefold())
    return "".join(one for one in split if not unicodedata.combining(one))


class _Drugs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stems: tuple[str, ...]
    others: frozenset[str]
    names: Mapping[str, tuple[str, ...]]


@cache
def _drugs() -> _Drugs:
    return msgspec.toml.decode(files("hilum.video").joinpath("drugs.toml").read_text("utf-8"), type=_Drugs)


@cache
def _known() -> Mapping[str, Words]:
    """The words of a drug, by each of its other names: the first word of a name of two tells it."""
    return {
        folded(other.split()[0]): frozenset(folded(word) for word in name.split())
        for name, others in _drugs().names.items()
        for other in others
    }


@cache
def _all() -> frozenset[str]:
    return frozenset(_known()) | {folded(name) for name in _drugs().names if " " not in name}


@cache
def _whole() -> Words:
    """The words of all drugs that have other names."""
    return frozenset(folded(word) for name in _drugs().names for word in name.split()) - _SALT


@cache
def _stems() -> tuple[str, ...]:
    return tuple(map(_plain, _drugs().stems))


_ASIDE: Final = frozenset(map(folded, FORMS | _AROUND))
_SALT: Final = frozenset(map(folded, _SALTS))
