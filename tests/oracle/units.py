"""UCUM units that the populations use, and their exact factors. https://ucum.org/ucum

Each row: code -> (dimension, how many of the dimension's base one such unit is).
"""

from __future__ import annotations

from fractions import Fraction

UCUM = "http://unitsofmeasure.org"

UNITS: dict[str, tuple[str, Fraction]] = {
    code: (dimension, Fraction(factor))
    for dimension, table in {
        "mass": {"g": "1", "kg": "1000", "mg": "1/1000", "ug": "1/1000000"},
        "amount concentration": {"mol/L": "1", "mmol/L": "1/1000", "umol/L": "1/1000000", "mmol/dL": "1/100"},
        "mass concentration": {"g/L": "1", "mg/dL": "1/100", "g/dL": "10", "mg/L": "1/1000", "ug/mL": "1/1000"},
        "length": {"m": "1", "cm": "1/100", "mm": "1/1000", "km": "1000", "[in_i]": "254/10000"},
        "time": {"s": "1", "min": "60", "h": "3600", "d": "86400", "ms": "1/1000"},
        "rate": {"/min": "1/60", "{beats}/min": "1/60", "/s": "1", "Hz": "1"},
        "pressure": {"mm[Hg]": "133322/1000", "kPa": "1000", "Pa": "1"},
        "none": {"1": "1", "%": "1/100", "{score}": "1"},
    }.items()
    for code, factor in table.items()
}


KELVINS: dict[str, tuple[Fraction, Fraction]] = {
    "K": (Fraction(1), Fraction(0)),
    "Cel": (Fraction(1), Fraction("273.15")),
    "[degF]": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
    "[degR]": (Fraction(5, 9), Fraction(0)),
}
"""code -> (how many kelvins one degree is, at how many kelvins it begins)."""


def conversion(asked: str, written: str) -> tuple[Fraction, Fraction] | None:
    """By what a number in the unit `asked` is multiplied, and what is added, to be one in `written`.

    None where they do not convert: what is not in the tables is comparable with itself alone.
    """
    if asked == written:
        return Fraction(1), Fraction(0)
    if asked in KELVINS and written in KELVINS:
        (by, begin), (other, start) = KELVINS[asked], KELVINS[written]
        return by / other, (begin - start) / other
    a, b = UNITS.get(asked), UNITS.get(written)
    if a is None or b is None or a[0] != b[0]:
        return None
    return a[1] / b[1], Fraction(0)
