"""Index rows of the benchmark's Patients and Observations, straight from the bytes, written out by hand.

msgspec reads the few elements that are searched and skips the rest. The numbers of search parameters and types come
from outside (`Numbers`), because the floor writes into the layout that hilum's schema files lay down.
https://hl7.org/fhir/R4/patient.html#search, https://hl7.org/fhir/R4/observation.html#search
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from hashlib import blake2b
from html import unescape
from typing import Any, NamedTuple

import msgspec
from jellyfish import metaphone

DAY = 86_400_000_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_SIGN, _WRAP, _CODE, _UNIT = 1 << 63, 1 << 64, (1 << 44) - 1, (1 << 48) - 1
_TAG = re.compile("<[^>]*>")
_PUNCTUATION = {ord(c): None if c in "'." else " " for c in map(chr, range(128)) if unicodedata.category(c)[0] == "P"}
_SYMBOLS = _PUNCTUATION | {ord(c): " " for c in map(chr, range(128)) if unicodedata.category(c)[0] in "SC"}
_SYMBOLS[ord(".")] = " "
GENDER = "http://hl7.org/fhir/administrative-gender"
USE = "http://hl7.org/fhir/address-use"
STATUS = "http://hl7.org/fhir/observation-status"
RACE, ETHNICITY = (f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{what}" for what in ("race", "ethnicity"))


class Numbers(msgspec.Struct, frozen=True):
    """What hilum's definitions number: resource types, and per type the parameters that hold of each kind of row.

    `leaves[type][name]`: the numbers under which one value of that name makes a row each.
    """

    types: dict[str, int]
    leaves: dict[str, dict[str, list[int]]]


class Rows(NamedTuple):
    """Index rows. References and compartments name resources; a store makes integers of them.

    `tokens` are (parameter, key), texts beside codes among them; `strings` (parameter, folded, value); `dates`
    (parameter, span, low, high) with span 0: no more than a day; `quantities` (parameter, unit, low, high);
    `composites` (parameter, first, unit, low, high). `terms` (parameter, key, folded) and `units` (parameter, unit,
    system, code, display) go to the dictionaries. `shape`: the parameters that have a value. `narrative` and `content`
    are words.
    """

    tokens: set[tuple[int, int]]
    strings: set[tuple[int, str, str]]
    dates: list[tuple[int, int, int, int]]
    quantities: list[tuple[int, int, float, float]]
    composites: list[tuple[int, int, int, float, float]]
    references: list[tuple[int, str, str]]
    compartments: list[tuple[str, str]]
    terms: set[tuple[int, int, str]]
    units: list[tuple[int, int, str, str, str]]
    shape: tuple[int, ...]
    narrative: str
    content: str


class _Coding(msgspec.Struct, gc=False):
    code: str
    system: str | None = None
    display: str | None = None


class _Concept(msgspec.Struct, gc=False):
    coding: list[_Coding]
    text: str | None = None


class _Quantity(msgspec.Struct, gc=False):
    value: float
    unit: str
    system: str
    code: str


class _Reference(msgspec.Struct, gc=False):
    reference: str


class _Observation(msgspec.Struct, gc=False):
    status: str
    code: _Concept
    category: list[_Concept]
    subject: _Reference
    effectiveDateTime: str
    valueQuantity: _Quantity
    encounter: _Reference | None = None


class _Identifier(msgspec.Struct, gc=False):
    system: str
    value: str
    type: _Concept


class _Name(msgspec.Struct, gc=False):
    family: str | None = None
    given: list[str] = []
    prefix: list[str] = []


class _Contact(msgspec.Struct, gc=False):
    system: str
    value: str


class _Address(msgspec.Struct, gc=False):
    use: str
    line: list[str]
    city: str
    state: str
    postalCode: str
    country: str


class _Language(msgspec.Struct, gc=False):
    language: _Concept


class _Inner(msgspec.Struct, gc=False):
    valueCoding: _Coding | None = None


class _Extension(msgspec.Struct, gc=False):
    url: str
    extension: list[_Inner] = []


class _Patient(msgspec.Struct, gc=False):
    identifier: list[_Identifier]
    active: bool
    name: list[_Name]
    telecom: list[_Contact]
    gender: str
    birthDate: str
    address: list[_Address]
    communication: list[_Language]
    extension: list[_Extension] = []


def _signed(value: int) -> int:
    return value - _WRAP if value >= _SIGN else value


class Keys:
    """Keys as hilum makes them in one store: by its secret, and by the numbers that it gave to systems.

    The benchmark writes no system that its population has not: what else there is raises KeyError.
    """

    def __init__(self) -> None:
        self.systems: dict[str, int] = {}
        self.known = lru_cache(32_768)(self.key)
        self.exact = lru_cache(16_384)(self._exact)
        self.unit = lru_cache(4096)(self._unit)
        self.text = lru_cache(4096)(self._text)
        self.sounds = lru_cache(4096)(self._sounds)

    def open(self, secret: str, systems: dict[str, int]) -> None:
        """What the store says of itself."""
        self._hash = blake2b(key=bytes.fromhex(secret), digest_size=8).copy
        self.systems = systems

    def _hashed(self, text: str) -> int:
        one = self._hash()
        one.update(text.encode())
        return int.from_bytes(one.digest(), "little")

    def key(self, system: str | None, code: str) -> int:
        """The key of a token, made anew: `known` is for codes that come again."""
        value = self._hashed(code) & _CODE
        return _signed(value | self.systems[system] << 44) if system else value

    def _exact(self, text: str) -> int:
        """The key of a text, whole."""
        return _signed(self._hashed(text))

    def _unit(self, system: str, code: str, display: str) -> int:
        return (self._hashed(f"{system}|{code}|{display}") & _UNIT) or 1

    def _text(self, text: str) -> tuple[int, str]:
        """A text beside a code: (key, folded)."""
        folded = fold(text)
        return self.exact(folded), folded

    def _sounds(self, name: str) -> tuple[int, ...]:
        return tuple(self.key(None, sound) for word in fold(name).split() if (sound := metaphone(word)))


@lru_cache(4096)
def fold(text: str) -> str:
    """The searched form of an ASCII string."""
    return _fold(text)


def _fold(text: str) -> str:
    return " ".join(text.translate(_PUNCTUATION).lower().split())


def moment(text: str) -> int:
    """A date or an instant in microseconds since 1970: its begin."""
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def _split(text: str) -> str:
    """As `_fold`, and symbols part words."""
    return " ".join(text.translate(_SYMBOLS).lower().split())


def _words(raw: bytes) -> tuple[str, str]:
    """The words of the narrative and of everything."""
    body: dict[str, Any] = msgspec.json.decode(raw)
    found: list[str] = []
    for name, value in body.items():
        if name not in ("id", "meta"):
            _collect(name, value, found)
    everything = _split(" ".join(found))
    if "text" not in body:
        return "", everything
    narrative = _split(unescape(_TAG.sub(" ", body["text"]["div"])))
    return narrative, f"{narrative} {everything}"


def _collect(name: str, value: Any, found: list[str]) -> None:
    if isinstance(value, str):
        if name not in ("div", "resourceType"):
            found.append(value)
    elif isinstance(value, dict):
        for inner, one in value.items():
            _collect(inner, one, found)
    elif isinstance(value, list):
        for one in value:
            _collect(name, one, found)


def extractors(numbers: Numbers, keys: Keys, *, words: bool = True) -> dict[str, Callable[[bytes, str], Rows]]:
    """Per resource type: (bytes, id) -> Rows; without `words` narrative and content are left empty."""
    split = _words if words else _no_words
    return {"Observation": _observation(numbers, keys, split), "Patient": _patient(numbers, keys, split)}


def _no_words(_raw: bytes) -> tuple[str, str]:
    return "", ""


def _observation(
    numbers: Numbers, keys: Keys, words: Callable[[bytes], tuple[str, str]]
) -> Callable[[bytes, str], Rows]:
    leaf = numbers.leaves["Observation"]
    status, category, code, category_text, code_text = (
        leaf[c] for c in ("status", "category", "code", "category text", "code text")
    )
    (when,), (subject,), (encounter,), (amount,), (pair,) = (
        leaf[c] for c in ("date", "subject", "encounter", "value", "code and value")
    )
    always = {*status, *category, *code, when, subject, amount, pair}
    shapes = (tuple(sorted(always)), tuple(sorted({*always, encounter})))
    decode = msgspec.json.Decoder(_Observation).decode

    def extract(raw: bytes, id: str) -> Rows:
        body = decode(raw)
        tokens = {(n, keys.known(STATUS, body.status)) for n in status}
        terms: set[tuple[int, int, str]] = set()
        for under, beside, concepts in ((category, category_text, body.category), (code, code_text, (body.code,))):
            for concept in concepts:
                _concept(concept, under, beside, tokens, terms, keys)
        low = moment(body.effectiveDateTime)
        type, _, owner = body.subject.reference.partition("/")
        references = [(subject, type, owner)]
        compartments = [(type, owner)]
        if body.encounter is not None:
            type, _, visit = body.encounter.reference.partition("/")
            references.append((encounter, type, visit))
            compartments.append((type, visit))
        measured = body.valueQuantity
        unit, value = keys.unit(measured.system, measured.code, measured.unit), measured.value
        named = (unit, measured.system, measured.code, measured.unit)
        first = keys.known(body.code.coding[0].system, body.code.coding[0].code)
        return Rows(
            tokens, set(), [(when, 0, low, low + 999_999)], [(amount, unit, value, value)],
            [(pair, first, unit, value, value)], references, compartments, terms, [(amount, *named), (pair, *named)],
            shapes[len(references) - 1], *words(raw),
        )  # fmt: skip

    return extract


def _concept(
    concept: _Concept,
    under: list[int],
    beside: list[int],
    tokens: set[tuple[int, int]],
    terms: set[tuple[int, int, str]],
    keys: Keys,
) -> None:
    for coding in concept.coding:
        if under:
            value = keys.known(coding.system, coding.code)
            tokens.update([(n, value) for n in under])
    for text in (concept.text, *[coding.display for coding in concept.coding]):
        if text is not None:
            hashed, folded = keys.text(text)
            for n in beside:
                tokens.add((n, hashed))
                terms.add((n, hashed, folded))


def _patient(numbers: Numbers, keys: Keys, words: Callable[[bytes], tuple[str, str]]) -> Callable[[bytes, str], Rows]:
    leaf = numbers.leaves["Patient"]
    identifier, of_type, identifier_text, active, deceased, gender, email, phone, use, language, language_text = (
        leaf[c]
        for c in (
            "identifier", "identifier of type", "identifier text", "active", "deceased", "gender", "email", "phone",
            "use", "language", "language text",
        )
    )  # fmt: skip
    family, given, prefix, sound, line, city, state, code, country = (
        leaf[c] for c in ("family", "given", "prefix", "sound", "line", "city", "state", "postal code", "country")
    )
    (birth,) = leaf["birthdate"]
    extended = {RACE: leaf["race"], ETHNICITY: leaf["ethnicity"]}
    decode = msgspec.json.Decoder(_Patient).decode

    def extract(raw: bytes, id: str) -> Rows:
        body = decode(raw)
        tokens = {(n, keys.known(None, "true" if body.active else "false")) for n in active}
        tokens |= {(n, keys.known(None, "false")) for n in deceased}
        tokens |= {(n, keys.known(GENDER, body.gender)) for n in gender}
        terms: set[tuple[int, int, str]] = set()
        for one in body.identifier:
            value = keys.key(one.system, one.value)
            tokens.update([(n, value) for n in identifier])
            _concept(one.type, [], identifier_text, tokens, terms, keys)
            for coding in one.type.coding:
                value = keys.key(f"{coding.system}|{coding.code}", one.value)
                tokens.update([(n, value) for n in of_type])
        for contact in body.telecom:
            value = keys.key(None, contact.value)
            tokens.update([(n, value) for n in (email if contact.system == "email" else phone)])
        strings = set()
        for called in body.name:
            families = (called.family,) if called.family is not None else ()
            for under, parts in ((family, families), (given, called.given), (prefix, called.prefix)):
                for part in parts:
                    folded = fold(part)
                    strings.update([(n, folded, part) for n in under])
                    if under is not prefix:
                        tokens.update([(n, value) for n in sound for value in keys.sounds(part)])
        for home in body.address:
            tokens.update([(n, keys.known(USE, home.use)) for n in use])
            for under, parts in (
                (line, home.line), (city, (home.city,)), (state, (home.state,)), (code, (home.postalCode,)),
                (country, (home.country,)),
            ):  # fmt: skip
                for part in parts:
                    folded = fold(part)
                    strings.update([(n, folded, part) for n in under])
        for spoken in body.communication:
            _concept(spoken.language, language, language_text, tokens, terms, keys)
        for more in body.extension:
            for n in extended.get(more.url, ()):
                tokens.update(
                    [
                        (n, keys.known(None, one.valueCoding.code))
                        for one in more.extension
                        if one.valueCoding is not None
                    ]
                )
        low = (date.fromisoformat(body.birthDate).toordinal() - _EPOCH_DAY) * DAY
        texts = {n for n, _, _ in terms}
        shape = tuple(sorted({n for n, _ in tokens if n not in texts} | {n for n, _, _ in strings} | {birth}))
        return Rows(
            tokens, strings, [(birth, 0, low, low + DAY - 1)], [], [], [], [("Patient", id)], terms, [], shape,
            *words(raw),
        )  # fmt: skip

    return extract
