"""How far one place is from another. https://hl7.org/fhir/R4/location.html#positional"""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt
from typing import Final

RADIUS: Final = 6_371_008.8
"""The mean radius of the earth in meters (WGS 84)."""


def meters(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """The great circle between two positions in degrees, by the haversine formula."""
    a, b = radians(latitude), radians(other_latitude)
    half = sin((b - a) / 2) ** 2 + cos(a) * cos(b) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * RADIUS * asin(min(1.0, sqrt(half)))
