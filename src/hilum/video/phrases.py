"""A language's phrases, as a file: sentences with slots, forms for one and for many, units, routes, parts of the day.

`phrases/<language>.toml` holds all that hilum says in a language; nothing else is in the code. Where a phrase has a
`count` it has forms, `one` and `other` as CLDR names them for English and Spanish:
https://cldr.unicode.org/index/cldr-spec/plural-rules
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from hilum.problems import Invalid, Misconfigured
from hilum.tables.reading import converted, parsed
from hilum.video.refusals import refused
from hilum.video.script import Citation

SLOT: Final = re.compile(r"\{([a-z]+(?:[.-][a-z]+)*)\}")
"""A slot of a phrase: `{count}`, or `{visit.date}` for the date of the visit."""


@dataclass(frozen=True, slots=True)
class Told:
    """Words, how a voice says them, and the elements that they came from."""

    text: str
    spoken: str
    cites: tuple[Citation, ...] = ()


NOTHING: Final = Told("", "")


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: what it holds and nothing else."""


class Unit(Table, frozen=True):
    """A unit of doses. `text`: as it is written after a number, the same for all numbers; else `one` and `other` are.
    `one`, `other`: as they are said.
    """

    one: str
    other: str
    text: str = ""


class Route(Table, frozen=True):
    """How a medicine gets in: what one does, and where it goes."""

    verb: str
    words: str = ""


class Review(Table, frozen=True):
    """Who has read a version of the table as a clinician who speaks the language, and when."""

    language: str
    version: str
    by: str
    on: str


class Numbers(Table, frozen=True):
    """How a voice says `0.5`, `1-2` and `1½`."""

    point: str
    to: str
    plus: str
    fractions: Mapping[str, str]


class Phrases(Table, frozen=True):
    """All of a language. `own`: the language's own name. `phrases`:
    by name, or by name and form. `body`: places of the body, by the names of pictures;
    `when`, `weekday`: by the codes of Timing. `numbers`: words for numbers, which a person who edits may not write.
    `common`: words that tell that a text is in the language. `names`: of
    conditions, procedures and kinds of visits, by their code of SNOMED CT.
    """

    language: str
    own: str
    version: str
    notice: str
    months: tuple[str, ...]
    weekdays: tuple[str, ...]
    phrases: Mapping[str, str | Mapping[str, str]]
    units: Mapping[str, Unit]
    routes: Mapping[str, Route]
    body: Mapping[str, str]
    when: Mapping[str, str]
    weekday: Mapping[str, str]
    numbers: tuple[str, ...]
    common: tuple[str, ...]
    names: Mapping[str, str]
    spoken: Numbers

    def by(self, reviews: Iterable[Review]) -> str:
        """The notice that a script carries: none where this version was reviewed."""
        signed = ((one.language, one.version) for one in reviews)
        return "" if (self.language, self.version) in signed else self.notice

    def reads(self, text: str) -> bool:
        """Whether a text seems to be in the language: it has more of its common words than of any other's."""
        words = re.findall(r"[^\W\d_]+", text.casefold())
        own = sum(word in self.common for word in words)
        return own > max(
            sum(word in other.common for word in words)
            for other in languages().values()
            if other.language != self.language
        )

    def foreign(self, text: str) -> bool:
        """Whether a text seems to be in another language that is known."""
        return any(other.reads(text) for other in languages().values() if other.language != self.language)

    def slots(self, name: str) -> frozenset[str]:
        """The slots of a phrase, in any of its forms."""
        found = self.phrases[name]
        texts = (found,) if isinstance(found, str) else found.values()
        return frozenset(slot for text in texts for slot in SLOT.findall(text))

    def say(self, name: str, count: object = None, **slots: Told | str) -> Told:
        """A phrase with its slots filled, and the citations of what fills them. `count`: decides between forms; it is
        the slot `count` too where that isn't given.
        """
        found = self.phrases[name]
        text = found if isinstance(found, str) else found["one" if str(count) == "1" else "other"]
        if count is not None:
            slots.setdefault("count", str(count))
        return filled(text, slots)


def filled(text: str, slots: Mapping[str, Told | str]) -> Told:
    """A text with slots, filled. A slot that is empty takes the space before it along."""
    values = {name: Told(one, one) if isinstance(one, str) else one for name, one in slots.items()}
    parts = SLOT.split(re.sub(rf" ?{SLOT.pattern}", lambda found: found[0] if values[found[1]].text else "", text))
    told = [values[part] if number % 2 else Told(part, part) for number, part in enumerate(parts)]
    for before, (number, after) in zip(told, enumerate(told[1:], 1), strict=False):
        if (
            before.text.endswith((".", "!", "?")) and after.text[:1] == "."
        ):  # "at 2 p.m." ends a sentence with one full stop
            told[number] = Told(after.text[1:], after.spoken[1:], after.cites)
    return Told(
        "".join(one.text for one in told),
        "".join(one.spoken for one in told),
        tuple(cite for one in told for cite in one.cites),
    )


@cache
def languages() -> Mapping[str, Phrases]:
    """The tables that come with hilum, by language."""
    found = [one for one in (files("hilum.video") / "phrases").iterdir() if one.name.endswith(".toml")]
    return {made.language: made for made in (_read(one.name, one.read_text("utf-8")) for one in found)}


def language(code: str) -> Phrases:
    """The table of a language. Raises Refused."""
    try:
        return languages()[code]
    except KeyError:
        known = ", ".join(sorted(languages()))
        raise refused("language-unknown", f"There are no phrases in this language; there are: {known}.") from None


def _read(file: str, text: str) -> Phrases:
    try:
        return converted(parsed(text, f"Phrase table {file}"), Phrases)
    except Invalid as problem:
        raise Misconfigured(f"Phrase table {file}: {problem}") from None
