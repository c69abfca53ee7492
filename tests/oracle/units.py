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


def factor(asked: str, written: str) -> Fraction | None:
    """By what a number in the unit `asked` is multiplied to be one in `written`; None where they do not convert.

    Units with an offset (Cel, [degF]) convert into nothing but themselves, and so does what is not in the table.
    """
    if asked == written:
        return Fraction(1)
    a, b = UNITS.get(asked), UNITS.get(written)
    if a is None or b is None or a[0] != b[0]:
        return None
    return a[1] / b[1]
