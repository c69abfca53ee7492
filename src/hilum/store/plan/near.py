"""`near`: positions within a distance. https://hl7.org/fhir/R4/location.html#search

The squares of the map that a circle touches are ranges of the index; what lies in them is measured exactly, here, so
that every store draws the same circle.
"""

from __future__ import annotations

import math
from typing import Final

from hilum.search.clauses import NearClause
from hilum.search.places import RADIUS
from hilum.search.places import meters as distance
from hilum.store import keys
from hilum.store.plan.access import Access
from hilum.store.plan.dialect import Steps
from hilum.store.plan.lists import these
from hilum.store.plan.planning import Planning
from hilum.store.plan.thresholds import too_costly
from hilum.store.sql import Part, join

MOST: Final = 200_000
"""How many positions one search measures."""
_AT_ONCE: Final = 64
"""How many ranges one statement asks for."""
_SQUARES: Final = 16
"""Into how many squares across and along a circle's box is cut at most."""


def near(on: Planning, clause: NearClause) -> Steps[Access]:
    """Within the distance of any of the points."""
    found: list[int] = []
    listed = on.dialect.within("k.param", clause.parameters)
    for latitude, longitude, meters in clause.values:
        squares = ranges(latitude, longitude, meters)
        for start in range(0, len(squares), _AT_ONCE):
            pieces = [
                Part(
                    f"SELECT k.rid, k.lat, k.lon FROM near k WHERE {listed.sql} AND k.cell BETWEEN ? AND ?",
                    (*listed.values, *one),
                )
                for one in squares[start : start + _AT_ONCE]
            ]
            union = join(" UNION ALL ", pieces)
            rows = yield Part(f"{union.sql} LIMIT {MOST + 1}", union.values)
            if len(rows) > MOST:
                raise too_costly("There are too many places so near. Search within a shorter distance.")
            found += [rid for rid, lat, lon in rows if distance(latitude, longitude, lat, lon) <= meters]
    return these(on, "near", sorted(set(found)))


def ranges(latitude: float, longitude: float, meters: float) -> list[tuple[int, int]]:
    """Ranges of `keys.cell` that hold every position within `meters`, few and without gaps between neighbours."""
    angle = meters / RADIUS * (1 + 1e-9) + 1e-12
    up = math.degrees(angle)
    south, north = latitude - up, latitude + up
    spans = [(-180.0, 180.0)]
    if south > -90 and north < 90 and angle < math.pi / 2:
        ratio = math.sin(angle) / math.cos(math.radians(latitude))
        if ratio < 1:
            aside = math.degrees(math.asin(ratio))
            west, east = longitude - aside, longitude + aside
            spans = [(west, east)]
            if west < -180:
                spans = [(west + 360, 180.0), (-180.0, east)]
            elif east > 180:
                spans = [(west, 180.0), (-180.0, east - 360)]
    bottom, top = keys.along(max(-90.0, south)), keys.along(min(90.0, north))
    squares: set[tuple[int, int]] = set()
    for west, east in spans:
        left, right = keys.across(max(-180.0, west)), keys.across(min(180.0, east))
        level = 0
        while max(right - left, top - bottom) >> level >= _SQUARES:
            level += 1
        for column in range(left >> level, (right >> level) + 1):
            for row in range(bottom >> level, (top >> level) + 1):
                first = keys.cell(column << level, row << level)
                squares.add((first, first + (1 << 2 * level) - 1))
    joined: list[tuple[int, int]] = []
    for low, high in sorted(squares):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined
