"""IEEE 11073-10101's codes in words, in UCUM and in LOINC: what nomenclature.toml says.

A code is 32 bits wide: its partition * 65536 + its term code. https://hl7.org/fhir/uv/phd, "Nomenclature codes"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

NUMERIC_ACCURACY: Final = 67914
HIGH_RESOLUTION_STAMP: Final = 68073
SUPPLEMENTAL_TYPES: Final = 68193
SYNCHRONIZATION: Final = 68220
SYNCHRONIZATION_ACCURACY: Final = 68221
BATTERY: Final = 67996
PERSONAL_HEALTH_DEVICE: Final = 65573
PERSONAL_HEALTH_GATEWAY: Final = 531981
GENERIC_DEVICE: Final = 528457
NOT_SYNCHRONIZED: Final = 532224
HARDWARE: Final = 531974
SOFTWARE: Final = 531975
FIRMWARE: Final = 531976
PROTOCOL: Final = 531977
CERTIFIED_DEVICES: Final = 532353
REGULATION_STATUS: Final = 532354
PERCENT: Final = 262688


@dataclass(frozen=True, slots=True)
class Term:
    """`reference`: its normative name, "MDC_TEMP_BODY". `text`: ours, in English."""

    reference: str
    text: str


@dataclass(frozen=True, slots=True)
class Unit:
    """`text`: as people write it."""

    reference: str
    ucum: str
    text: str


@dataclass(frozen=True, slots=True)
class Bit:
    """An event or a state. `cleared`: what it says when not set; None of an event, which is told only when set."""

    name: str
    set: str
    cleared: str | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    loinc: str
    units: tuple[str, ...]
    needed: bool


def term(code: int) -> Term | None:
    """None: a code that was not known when this was written."""
    return _terms().get(code)


def unit(code: int) -> Unit | None:
    """Of a unit by all its 32 bits."""
    return _units().get(code)


def unit_of(ucum: str) -> int | None:
    """The MDC unit of UCUM's; the first where several are the same in UCUM."""
    return next((code for code, one in _units().items() if one.ucum == ucum), None)


def vital_sign(code: int, ucum: str) -> str | None:
    """R4's LOINC code of a vital sign in a unit that the profile of it takes.

    A blood pressure in kPa is none: R4's profile takes mm[Hg] only, and a server that keeps to it would refuse one.
    https://hl7.org/fhir/R4/observation-vitalsigns.html
    """
    loinc, *units = _vital_signs().get(code, ("",))
    return loinc if ucum in units else None


def loinc(code: int, ucum: str) -> str | None:
    """LOINC's code of what is no vital sign: it depends on the unit whether it is a mass or an amount of substance."""
    return _loinc().get(code, {}).get(ucum)


def part(code: int, ucum: str) -> str | None:
    """LOINC's code of a part of a panel, such as the systolic blood pressure."""
    found = _parts().get(code)
    return found.loinc if found is not None and ucum in found.units else None


def units_of(code: int, loinc: str) -> frozenset[str]:
    """UCUM's units in which a LOINC code is that of a measurement; none: it is not, or nobody has told us."""
    vital, *units = _vital_signs().get(code, ("",))
    found = {ucum for ucum, one in _loinc().get(code, {}).items() if one == loinc}
    told = _parts().get(code)
    return frozenset(
        (*found, *(units if vital == loinc else ()), *(told.units if told is not None and told.loinc == loinc else ()))
    )


def needed() -> frozenset[int]:
    """Parts without which a panel is none."""
    return frozenset(code for code, one in _parts().items() if one.needed)


def bits(code: int) -> dict[int, Bit]:
    """What each defined bit of a measurement says; empty: nobody has told us. Bit 0 is the highest."""
    return _bits().get(code, {})


@cache
def _blocks() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads((files("hilum.phd") / "nomenclature.toml").read_text("utf-8"))


def _rows(name: str) -> Iterator[tuple[str, Any]]:
    return ((code, row) for block in _blocks()[name] for code, row in block["codes"].items())


@cache
def _terms() -> dict[int, Term]:
    return {int(code): Term(*row) for code, row in _rows("terms")}


@cache
def _units() -> dict[int, Unit]:
    return {int(code): Unit(*row) for code, row in _rows("units")}


@cache
def _vital_signs() -> dict[int, tuple[str, ...]]:
    return {int(code): tuple(row) for code, row in _rows("vital")}


@cache
def _loinc() -> dict[int, dict[str, str]]:
    return {int(code): row for code, row in _rows("loinc")}


@cache
def _parts() -> dict[int, _Part]:
    return {int(code): _Part(first, tuple(units), needed) for code, (first, *units, needed) in _rows("parts")}


@cache
def _bits() -> dict[int, dict[int, Bit]]:
    found: dict[int, dict[int, Bit]] = {}
    for name, row in _rows("bits"):
        code, bit = name.split(".")
        found.setdefault(int(code), {})[int(bit)] = Bit(*row)
    return found
