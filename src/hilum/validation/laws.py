"""Invariants of R4 written by hand: those that many resources meet, and those whose general form is slow.

Each says whether one element, given as JSON, keeps the law of that key; a test shows that it says what the FHIRPath
says. Nothing may raise here, whatever the JSON is. https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

Law = Callable[[Any], bool]

_NAME = re.compile(r"[A-Z][A-Za-z0-9_]{0,254}")
_BATCHES = ("batch", "transaction", "history")
_ANSWERS = ("batch-response", "transaction-response", "history")


def items(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of what should be an array of objects."""
    if type(value) is list:
        for item in value:
            if type(item) is dict:
                yield item


def named(value: Any) -> bool:
    """xxx-0: a name that machines can use, where there is one."""
    name = value.get("name")
    return type(name) is not str or _NAME.fullmatch(name) is not None


def coded(value: Any, name: str, system: str, *codes: str) -> bool:
    """Whether a CodeableConcept of that element has one of those codes."""
    concept = value.get(name)
    codings = concept.get("coding") if type(concept) is dict else None
    return any(coding.get("system") == system and coding.get("code") in codes for coding in items(codings))


# --- comparing times -------------------------------------------------------------------------------------------------

_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?", re.ASCII
)
_ANYWHERE: Final = timedelta(hours=14)
"""How far local time can be from UTC: a date alone has no zone."""


def ordered(first: Any, last: Any) -> bool:
    """False when the one (a date, dateTime or instant) is later than the other, whatever they leave open."""
    if type(first) is not str or type(last) is not str:
        return True
    if len(first) == len(last) <= 10 or (len(first) == len(last) and first[19:] == last[19:]):
        return first <= last
    start, end = _moment(first, low=True), _moment(last, low=False)
    return start is None or end is None or start <= end


def _moment(text: str, *, low: bool) -> datetime | None:
    """The first, or the last, moment that is meant, in UTC; None when it is none."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        if hour is None:
            found = datetime(int(year), int(month or 1), int(day or 1))
            if low:
                return found - _ANYWHERE
            if day is not None:
                found += timedelta(days=1)
            elif month is not None:
                found = datetime(found.year + found.month // 12, found.month % 12 + 1, 1)
            else:
                found = datetime(found.year + 1, 1, 1)
            return found + _ANYWHERE
        found = datetime(int(year), int(month), int(day), int(hour), int(minute))
        found += timedelta(seconds=int(second or 0))  # 60 is one, sometimes
        if fraction:
            found += timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
        if zone and zone != "Z":
            away = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:6]))
            found += -away if zone[0] == "+" else away
    except (ValueError, OverflowError):
        return None
    return found


# --- laws ------------------------------------------------------------------------------------------------------------

_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
_CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
_ALLERGY = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification"
_WRONG = "entered-in-error"


def unreferenced(value: Any) -> list[int]:
    """dom-3: which contained resources nothing refers to, and which don't refer to what contains them."""
    contained = value.get("contained")
    wanted = [
        (index, item)
        for index, item in enumerate(contained if type(contained) is list else ())
        if type(item) is dict and "id" in item  # without one it is no good anyway
    ]
    if not wanted:
        return []
    said = fragments({name: child for name, child in value.items() if name != "contained"})
    own = [fragments(item) for _, item in wanted]
    said = said.union(*own)
    pairs = zip(wanted, own, strict=True)
    return [index for (index, item), refers in pairs if f"#{item['id']}" not in said and "#" not in refers]


def fragments(value: Any) -> set[str]:
    """The strings below a JSON value that begin with `#`, those of links in narratives as well."""
    found: set[str] = set()
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if type(one) is dict:
            ahead.extend(one.values())
        elif type(one) is list:
            ahead.extend(one)
        elif type(one) is str:
            if one[:1] == "#":
                found.add(one)
            elif one[:4] == "<div":
                found.update(_LINKED.findall(one))
    return found


_LINKED: Final = re.compile(r"""=["'](#[^"']+)["']""")
"""What a narrative links to, or shows: an image may be a contained Binary."""


def _dom_4(value: Any) -> bool:
    metas = [item.get("meta") for item in items(value.get("contained"))]
    return not any(type(meta) is dict and ("versionId" in meta or "lastUpdated" in meta) for meta in metas)


def _dom_5(value: Any) -> bool:
    metas = [item.get("meta") for item in items(value.get("contained"))]
    return not any(type(meta) is dict and "security" in meta for meta in metas)


def _rng_2(value: Any) -> bool:
    """Of quantities in the same unit only: others can't be compared without converting them."""
    low, high = value.get("low"), value.get("high")
    if type(low) is not dict or type(high) is not dict:
        return True
    if any(low.get(name) != high.get(name) for name in ("system", "code", "unit")):
        return True
    least, most = low.get("value"), high.get("value")
    if not isinstance(least, int | Decimal) or not isinstance(most, int | Decimal):
        return True
    return least <= most


def _obs_7(value: Any) -> bool:
    """The value of an Observation is not that of a component with the same code."""
    code = value.get("code")
    mine = {_key(coding) for coding in items(code.get("coding"))} if type(code) is dict else set()
    for component in items(value.get("component")):
        other = component.get("code")
        if type(other) is dict and any(_key(coding) in mine for coding in items(other.get("coding"))):
            return False
    return True


def _key(value: Any, depth: int = 0) -> Any:
    """The value in a form that can be looked up among many; equal if the values are. Deeper than any may be: alike."""
    if depth > _DEEPEST:
        return None
    if type(value) is dict:
        return frozenset((name, _key(child, depth + 1)) for name, child in value.items())
    return tuple(_key(child, depth + 1) for child in value) if type(value) is list else value


_DEEPEST: Final = 2 * 64
"""Objects and arrays within each other: see structure.py."""


def _con_3(value: Any) -> bool:
    """R4's text compares a CodeableConcept with a string, which is never equal; its words are kept instead."""
    codings = [coding for concept in items(value.get("category")) for coding in items(concept.get("coding"))]
    return not any(coding.get("code") == "problem-list-item" for coding in codings) or coded(
        value, "verificationStatus", _VERIFICATION, _WRONG
    )


def _bdl_7(value: Any) -> bool:
    if value.get("type") == "history":
        return True
    seen: set[str] = set()
    for entry in items(value.get("entry")):
        url = entry.get("fullUrl")
        if type(url) is not str:
            continue
        resource = entry.get("resource")
        meta = resource.get("meta") if type(resource) is dict else None
        version = meta.get("versionId") if type(meta) is dict else None
        if type(version) is str:
            url += version
        if url in seen:
            return False
        seen.add(url)
    return True


def _bdl_9(value: Any) -> bool:
    identifier = value.get("identifier")
    return type(identifier) is dict and "system" in identifier and "value" in identifier


def first_type(value: Any) -> str | None:
    """The type of the resource of a Bundle's first entry."""
    entry = next(items(value.get("entry")), {})
    resource = entry.get("resource")
    found = resource.get("resourceType") if type(resource) is dict else None
    return found if type(found) is str else None


def _codes(value: Any) -> Iterator[Any]:
    """All codes of a CodeSystem's concepts."""
    ahead = [value]
    while ahead:
        one = ahead.pop()
        for concept in items(one.get("concept")):
            yield concept.get("code")
            ahead.append(concept)


def _links(value: Any) -> Iterator[Any]:
    """All linkIds of a Questionnaire."""
    ahead = [value]
    while ahead:
        one = ahead.pop()
        for item in items(one.get("item")):
            yield item.get("linkId")
            ahead.append(item)


def distinct(values: Iterator[Any]) -> bool:
    """Whether no string comes twice."""
    strings = [value for value in values if type(value) is str]
    return len(strings) == len(set(strings))


def _elements(value: Any, part: str) -> list[dict[str, Any]]:
    holder = value.get(part)
    return list(items(holder.get("element"))) if type(holder) is dict else []


def _que_10(value: Any) -> bool:
    kinds = ("boolean", "decimal", "integer", "string", "text", "url", "open-choice")
    return "maxLength" not in value or value.get("type") in kinds


LAWS: Final[dict[str, Law]] = {
    "ait-2": lambda v: not coded(v, "verificationStatus", _ALLERGY, _WRONG) or "clinicalStatus" not in v,
    "bdl-1": lambda v: "total" not in v or v.get("type") in ("searchset", "history"),
    "bdl-2": lambda v: v.get("type") == "searchset" or not any("search" in e for e in items(v.get("entry"))),
    "bdl-3": lambda v: all(("request" in e) == (v.get("type") in _BATCHES) for e in items(v.get("entry"))),
    "bdl-4": lambda v: all(("response" in e) == (v.get("type") in _ANSWERS) for e in items(v.get("entry"))),
    "bdl-7": _bdl_7,
    "bdl-8": lambda v: type(v.get("fullUrl")) is not str or "/_history/" not in v["fullUrl"],
    "bdl-9": lambda v: v.get("type") != "document" or _bdl_9(v),
    "bdl-10": lambda v: v.get("type") != "document" or type(v.get("timestamp")) is str,
    "bdl-11": lambda v: v.get("type") not in (None, "document") or first_type(v) == "Composition",
    "bdl-12": lambda v: v.get("type") not in (None, "message") or first_type(v) == "MessageHeader",
    "con-3": lambda v: "clinicalStatus" in v or _con_3(v),
    "con-4": lambda v: coded(v, "clinicalStatus", _CLINICAL, "resolved", "remission", "inactive"),
    "con-5": lambda v: not coded(v, "verificationStatus", _VERIFICATION, _WRONG) or "clinicalStatus" not in v,
    "csd-1": lambda v: distinct(_codes(v)),
    "dom-3": lambda v: not unreferenced(v),
    "dom-4": _dom_4,
    "dom-5": _dom_5,
    "mdd-1": lambda v: ordered(v.get("whenPrepared"), v.get("whenHandedOver")),
    "obs-7": _obs_7,
    "org-2": lambda v: v.get("use") != "home",
    "org-3": lambda v: v.get("use") != "home",
    "per-1": lambda v: ordered(v.get("start"), v.get("end")),
    "que-2": lambda v: distinct(_links(v)),
    "que-7": lambda v: v.get("operator") != "exists" or "answerBoolean" in v or "_answerBoolean" in v,
    "que-10": _que_10,
    "rng-2": _rng_2,
    "sdf-1": lambda v: v.get("derivation") == "constraint" or distinct(e.get("path") for e in _elements(v, "snapshot")),
    "sdf-16": lambda v: (
        all("id" in e for e in _elements(v, "snapshot")) and distinct(e.get("id") for e in _elements(v, "snapshot"))
    ),
    "sdf-17": lambda v: (
        all("id" in e for e in _elements(v, "differential"))
        and distinct(e.get("id") for e in _elements(v, "differential"))
    ),
    "Task.inv-1": lambda v: ordered(v.get("authoredOn"), v.get("lastModified")),
}
"""Key, or type and key where several types have one of that key."""
