"""Units that can't be those of what was measured: a mass per volume under the LOINC code of an amount of substance.

A LOINC code says of what kind its units are (https://loinc.org/kb/users-guide/major-parts-of-a-loinc-term/): who reads
5.8 under 41653-7 reads mg/dL. FHIR's own rules don't see that. Whoever writes the unit otherwise, or takes another one
of the same kind, is not refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from hilum.devices.bundles import Part
from hilum.fhir.units import scale
from hilum.phd import nomenclature
from hilum.phd.reading import MDC
from hilum.problems import Issue, Unprocessable

_LOINC: Final = "http://loinc.org"
_UCUM: Final = "http://unitsofmeasure.org"


class _Doubtful(NamedTuple):
    """A unit that is none of those that are known of its LOINC code."""

    where: str
    unit: str
    loinc: str
    known: frozenset[str]


async def check(parts: Iterable[Part]) -> None:
    """Raises Unprocessable, with all that are wrong."""
    doubtful = [one for part in parts if part.type == "Observation" for one in _doubtful(part)]
    if doubtful:  # nearly never: what judges it takes a second to load
        wrong = await asyncio.to_thread(lambda: [_issue(one) for one in doubtful if not _alike(one)])
        if wrong:
            raise Unprocessable(issues=tuple(wrong))


def _doubtful(part: Part) -> Iterator[_Doubtful]:
    components = part.body.get("component")
    places = [(f"{part.where}.resource", part.body)]
    if type(components) is list:
        places += [(f"{part.where}.resource.component[{n}]", one) for n, one in enumerate(components)]
    for where, one in places:
        quantity = one.get("valueQuantity") if type(one) is dict else None
        if type(quantity) is not dict or quantity.get("system") != _UCUM or type(quantity.get("code")) is not str:
            continue
        unit: str = quantity["code"]
        for mdc in _codes(one, MDC):
            for loinc in _codes(one, _LOINC):
                known = nomenclature.units_of(int(mdc), loinc) if mdc.isascii() and mdc.isdigit() else frozenset()
                if known and unit not in known:
                    yield _Doubtful(f"{where}.valueQuantity.code", unit, loinc, known)


def _codes(body: dict[str, Any], system: str) -> list[str]:
    code = body.get("code")
    codings = code.get("coding") if type(code) is dict else None
    found = [one for one in codings if type(one) is dict] if type(codings) is list else []
    return [one["code"] for one in found if one.get("system") == system and type(one.get("code")) is str]


def _alike(one: _Doubtful) -> bool:
    return any(scale(one.unit, known) is not None for known in one.known)


def _issue(one: _Doubtful) -> Issue:
    text = f"LOINC {one.loinc} is measured in {' or '.join(sorted(one.known))}, or what can be converted to it."
    return Issue("error", "value", text, one.where)
