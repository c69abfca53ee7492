"""Index rows of the benchmark's Patients and Observations, straight from the bytes, written out by hand.

msgspec reads the few elements that are searched and skips the rest. The numbers of search parameters and types come
from outside (`Numbers`), because the floor writes into the layout that hilum's schema files lay down.
https://hl7.org/fhir/R4/patient.html#search, https://hl7.org/fhir/R4/observation.html#search
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec
from xxhash import xxh3_64_intdigest

DAY = 86_400_000_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_SIGN, _WRAP, _MASK = 1 << 63, 1 << 64, (1 << 20) - 1
_PUNCTUATION = {ord(c): None if c in "'." else " " for c in map(chr, range(128)) if unicodedata.category(c)[0] == "P"}
GENDER = "http://hl7.org/fhir/administrative-gender"
USE = "http://hl7.org/fhir/address-use"
STATUS = "http://hl7.org/fhir/observation-status"


class Numbers(msgspec.Struct, frozen=True):
    """What hilum's definitions number: resource types, and per type the search parameters by code."""

    types: dict[str, int]
    parameters: dict[str, dict[str, int]]


class Rows(NamedTuple):
    """Index rows. References and compartments name resources; a store makes integers of them.

    `strings` are (parameter, folded, value); `dates` (parameter, span, low, high) with span 0: no more than a day.
    """

    tokens: set[tuple[int, int]]
    strings: set[tuple[int, str, str]]
    dates: list[tuple[int, int, int, int]]
    references: list[tuple[int, str, str]]
    compartments: list[tuple[str, str]]


class _Coding(msgspec.Struct, gc=False):
    code: str
    system: str | None = None


class _Concept(msgspec.Struct, gc=False):
    coding: list[_Coding]


class _Reference(msgspec.Struct, gc=False):
    reference: str


class _Observation(msgspec.Struct, gc=False):
    status: str
    code: _Concept
    category: list[_Concept]
    subject: _Reference
    effectiveDateTime: str
    encounter: _Reference | None = None


class _Identifier(msgspec.Struct, gc=False):
    system: str
    value: str


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


class _Patient(msgspec.Struct, gc=False):
    identifier: list[_Identifier]
    active: bool
    name: list[_Name]
    telecom: list[_Contact]
    gender: str
    birthDate: str
    address: list[_Address]
    communication: list[_Language]


def _key(system: str | None, code: str) -> int:
    value = xxh3_64_intdigest(code.encode()) & ~_MASK
    if system:
        value |= (xxh3_64_intdigest(system.encode()) & _MASK) or 1
    return value - _WRAP if value >= _SIGN else value


known_key = lru_cache(4096)(_key)
"""For codes that come again; identifiers and telephone numbers don't."""
_system = lru_cache(256)(lambda system: (xxh3_64_intdigest(system.encode()) & _MASK) or 1)


def exact(text: str) -> int:
    """The key of a string as written."""
    value = xxh3_64_intdigest(text.encode())
    return value - _WRAP if value >= _SIGN else value


def key(system: str, code: str) -> int:
    """The key of a token that will not come again; its system does."""
    value = xxh3_64_intdigest(code.encode()) & ~_MASK | _system(system)
    return value - _WRAP if value >= _SIGN else value


@lru_cache(4096)
def fold(text: str) -> str:
    """The searched form of an ASCII string."""
    return " ".join(text.translate(_PUNCTUATION).lower().split())


def extractors(numbers: Numbers) -> dict[str, Callable[[bytes, str], Rows]]:
    """Per resource type: (bytes, id) -> Rows."""
    return {"Observation": _observation(numbers), "Patient": _patient(numbers)}


def _observation(numbers: Numbers) -> Callable[[bytes, str], Rows]:
    number = numbers.parameters["Observation"]
    status, category, code = number["status"], number["category"], number["code"]
    combined, when, subject, encounter = number["combo-code"], number["date"], number["subject"], number["encounter"]
    decode = msgspec.json.Decoder(_Observation).decode

    def extract(raw: bytes, id: str) -> Rows:
        body = decode(raw)
        tokens = {(status, known_key(STATUS, body.status))}
        for concept in body.category:
            for coding in concept.coding:
                tokens.add((category, known_key(coding.system, coding.code)))
        for coding in body.code.coding:
            value = known_key(coding.system, coding.code)
            tokens.add((code, value))
            tokens.add((combined, value))
        low = int(datetime.fromisoformat(body.effectiveDateTime).timestamp()) * 1_000_000
        type, _, owner = body.subject.reference.partition("/")
        references = [(subject, type, owner)]
        compartments = [(type, owner)]
        if body.encounter is not None:
            type, _, visit = body.encounter.reference.partition("/")
            references.append((encounter, type, visit))
            compartments.append((type, visit))
        return Rows(tokens, set(), [(when, 0, low, low + 999_999)], references, compartments)

    return extract


def _patient(numbers: Numbers) -> Callable[[bytes, str], Rows]:
    number = numbers.parameters["Patient"]
    identifier, active, deceased, gender = (number[c] for c in ("identifier", "active", "deceased", "gender"))
    email, phone, telecom, use, language = (number[c] for c in ("email", "phone", "telecom", "address-use", "language"))
    name, family, given, birth = (number[c] for c in ("name", "family", "given", "birthdate"))
    address, city, state, code, country = (
        number[c] for c in ("address", "address-city", "address-state", "address-postalcode", "address-country")
    )
    not_deceased = (deceased, known_key(None, "false"))
    decode = msgspec.json.Decoder(_Patient).decode

    def extract(raw: bytes, id: str) -> Rows:
        body = decode(raw)
        tokens = {not_deceased, (active, known_key(None, "true" if body.active else "false"))}
        tokens.add((gender, known_key(GENDER, body.gender)))
        for one in body.identifier:
            tokens.add((identifier, key(one.system, one.value)))
        for contact in body.telecom:
            value = _key(None, contact.value)
            tokens.add((telecom, value))
            tokens.add((email if contact.system == "email" else phone, value))
        strings = set()
        for called in body.name:
            if called.family is not None:
                folded = fold(called.family)
                strings |= {(family, folded, called.family), (name, folded, called.family)}
            for part in called.given:
                folded = fold(part)
                strings |= {(given, folded, part), (name, folded, part)}
            for part in called.prefix:
                strings.add((name, fold(part), part))
        for home in body.address:
            tokens.add((use, known_key(USE, home.use)))
            for line in home.line:
                strings.add((address, fold(line), line))
            for parameter, part in (
                (city, home.city), (state, home.state), (code, home.postalCode), (country, home.country)
            ):  # fmt: skip
                folded = fold(part)
                strings |= {(parameter, folded, part), (address, folded, part)}
        for spoken in body.communication:
            for coding in spoken.language.coding:
                tokens.add((language, known_key(coding.system, coding.code)))
        low = (date.fromisoformat(body.birthDate).toordinal() - _EPOCH_DAY) * DAY
        return Rows(tokens, strings, [(birth, 0, low, low + DAY - 1)], [], [("Patient", id)])

    return extract
