"""A patient's readings by kind: what charts draw, and what tables beside them tell, out of Observations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

from hilum.phd import nomenclature

Body = Mapping[str, Any]

TEST: Final = "HTEST"
"""Of meta.security: no patient's. https://terminology.hl7.org/CodeSystem-v3-ActReason.html"""
ESTIMATE: Final = "preliminary"
LEFT_OUT: Final = frozenset(("entered-in-error", "cancelled", "registered"))
_REFERENCE_ID: Final = re.compile(r"MDC_[A-Z0-9_]+: ")
"""Before a name for people, as the guide writes texts."""
_LOINC: Final = "http://loinc.org"
_CLOCKS: Final = "PhdCoincidentTimeStampObservation"
_BESIDE: Final = frozenset(
    map(str, (nomenclature.HIGH_RESOLUTION_STAMP, nomenclature.NUMERIC_ACCURACY, nomenclature.SUPPLEMENTAL_TYPES))
)
"""Components that tell of the measurement, and are none."""


class Kind(NamedTuple):
    """What was measured, in which unit: those of another unit have a chart of their own."""

    code: str
    title: str
    unit: str


class Value(NamedTuple):
    """`part`: of a panel, such as the systolic pressure; "" of what is one number. `number` None: there is none."""

    part: str
    number: Decimal | None
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """One measurement. `at` None: its time can't be drawn. `time`: as people read it. `device`: a reference."""

    id: str
    at: datetime | None
    time: str
    values: tuple[Value, ...]
    estimate: bool
    device: str


@dataclass(frozen=True, slots=True)
class Series:
    """All of a kind, the newest first. `parts`: in the order of panels."""

    kind: Kind
    readings: tuple[Told, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """Those that there are."""
        return tuple(dict.fromkeys(value.part for one in self.readings for value in one.values))

    @property
    def drawn(self) -> bool:
        """Whether there is something for a chart."""
        return any(one.at is not None and value.number is not None for one in self.readings for value in one.values)


@dataclass(frozen=True, slots=True)
class Readings:
    """`tests`: how many test measurements were left out."""

    series: tuple[Series, ...]
    tests: int


def readings(observations: Iterable[Body]) -> Readings:
    """By kind, those with the newest reading first."""
    kinds: dict[Kind, list[Told]] = {}
    tests = 0
    for body in observations:
        if _is_test(body):
            tests += 1
        elif body.get("status") not in LEFT_OUT and not _is_of_device(body):
            found = _told(body)
            if found is not None:
                kinds.setdefault(found[0], []).append(found[1])
    series = [Series(kind, tuple(sorted(some, key=_newest, reverse=True))) for kind, some in kinds.items()]
    series.sort(key=lambda one: _newest(one.readings[0]), reverse=True)
    return Readings(tuple(series), tests)


def _newest(one: Told) -> tuple[float, str]:
    return (0.0 if one.at is None else one.at.timestamp()), one.id


def _is_test(body: Body) -> bool:
    return any(_code(one) == TEST for one in _maps(_map(body.get("meta")).get("security")))


def _is_of_device(body: Body) -> bool:
    """What its clock said, or its battery: no reading of a patient."""
    if str(nomenclature.BATTERY) in _codes(body.get("code")):
        return True
    return any(type(one) is str and one.endswith(_CLOCKS) for one in _list(_map(body.get("meta")).get("profile")))


def _told(body: Body) -> tuple[Kind, Told] | None:
    """None for what says neither what it is nor anything."""
    values, unit = _values(body)
    code, title = _named(body.get("code"))
    if not values or not title:
        return None
    at, time = _time(body)
    device = _map(body.get("device")).get("reference", "")
    told = Told(str(body.get("id", "")), at, time, values, body.get("status") == ESTIMATE, str(device))
    return Kind(code, title, unit), told


def _values(body: Body) -> tuple[tuple[Value, ...], str]:
    """With the unit, "" where it has none."""
    parts = [part for part in _maps(body.get("component")) if _codes(part.get("code")).isdisjoint(_BESIDE)]
    panel = [(_named(part.get("code"))[1], part) for part in parts if "valueQuantity" in part]
    if "valueQuantity" not in body and panel:
        units = {_unit(part["valueQuantity"]) for _, part in panel}
        unit = units.pop() if len(units) == 1 else ""
        return tuple(_value(name, part, told=not unit) for name, part in panel), unit
    if "valueQuantity" in body:
        return (_value("", body, told=False),), _unit(body["valueQuantity"])
    text = "; ".join(_texts([body, *parts]))
    return ((Value("", None, text),) if text else ()), ""


def _value(part: str, holder: Body, *, told: bool) -> Value:
    """`told`: with its unit in the text."""
    quantity = _map(holder.get("valueQuantity"))
    number = quantity.get("value")
    if not isinstance(number, int | Decimal):
        return Value(part, None, "no value")
    exact = Decimal(number)
    text = f"{quantity.get('comparator', '')}{exact:f}"
    return Value(part, exact, f"{text} {_unit(quantity)}".strip() if told else text)


def _texts(holders: Iterable[Body]) -> Iterator[str]:
    """What they say that is no number."""
    for one in holders:
        if type(one.get("valueString")) is str:
            yield one["valueString"]
        elif "valueCodeableConcept" in one:
            name, said = _named(one.get("code"))[1], _named(one["valueCodeableConcept"])[1]
            yield f"{name}: {said}" if "resourceType" not in one else said
        elif "valueSampledData" in one:
            yield "a wave of samples"
        elif "dataAbsentReason" in one:
            yield f"no value ({_named(one['dataAbsentReason'])[1]})"


def _named(concept: Any) -> tuple[str, str]:
    """Its code, LOINC's where it has one, and its name for people."""
    concept = _map(concept)
    codings = sorted(_maps(concept.get("coding")), key=lambda one: one.get("system") != _LOINC)
    code = next((_code(one) for one in codings if _code(one)), "")
    display = next((str(one["display"]) for one in codings if one.get("display")), "")
    return code, _REFERENCE_ID.sub("", str(concept.get("text") or display or code))


def _time(body: Body) -> tuple[datetime | None, str]:
    period = _map(body.get("effectivePeriod"))
    text = str(body.get("effectiveDateTime") or period.get("start") or "")
    return _at(text), text[:16].replace("T", " ") + (f" {_zone(text)}" if len(text) > 16 else "")


def _zone(text: str) -> str:
    """`UTC`, or the offset: the time is told as the device's place had it."""
    return "UTC" if text.endswith(("Z", "+00:00")) else text[-6:]


def _at(text: str) -> datetime | None:
    """A day counts from its beginning; None for a month or a year, which is nowhere in a chart."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _unit(quantity: Any) -> str:
    quantity = _map(quantity)
    return str(quantity.get("unit") or quantity.get("code") or "")


def _codes(concept: Any) -> set[str]:
    return {_code(one) for one in _maps(_map(concept).get("coding"))}


def _code(coding: Body) -> str:
    return str(coding.get("code", ""))


def _map(value: Any) -> Body:
    return value if isinstance(value, dict) else {}


def _maps(value: Any) -> list[Body]:
    return [one for one in _list(value) if isinstance(one, dict)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
