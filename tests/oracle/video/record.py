"""The Bundle that a script was made from: what holds now, which element stands where, and which words it may lend.

Read by itself: JSON with its digits, simple FHIRPath, the latest visit, what is booked, what is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

Body = dict[str, Any]
_ORDERS: Final = ("order", "original-order", "reflex-order", "filler-order", "instance-order")


def parse(text: str | bytes) -> Any:
    """JSON whose numbers keep their digits."""
    return json.loads(text, parse_float=Decimal)


def at(body: Any, path: str) -> Any:
    """The element at a simple path with indices, `Type.name[0].given`; a choice of types is named without its type.
    Raises LookupError where there is none.
    """
    type, *steps = path.split(".")
    if body.get("resourceType") != type:
        raise LookupError(path)
    for step in steps:
        found = re.fullmatch(r"(\w+)(?:\[(\d+)\])?", step)
        if found is None or not isinstance(body, dict):
            raise LookupError(path)
        names = (
            [found[1]]
            if found[1] in body
            else [key for key in body if re.fullmatch(found[1] + "[A-Z][A-Za-z0-9]*", key)]
        )
        if len(names) != 1:
            raise LookupError(path)
        body = body[names[0]]
        if found[2] is not None:
            if not isinstance(body, list):
                raise LookupError(path)
            body = body[int(found[2])]
    return body


def plain(text: Any) -> str:
    """Words with single spaces."""
    return " ".join(text.split()) if isinstance(text, str) else ""


def choice(body: Body, name: str) -> tuple[str, Any]:
    """The type and value of a choice of types; two Nones where there is none."""
    for key, value in body.items():
        if re.fullmatch(name + "[A-Z][A-Za-z0-9]*", key):
            return key[len(name) :], value
    return "", None


def instant(text: str | None) -> datetime | None:
    """When; a day without a time begins at noon, in UTC."""
    if not text:
        return None
    if "T" not in text:
        return datetime.fromisoformat(text + "T12:00:00+00:00") if len(text) == 10 else None
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def codings(concept: Body | None) -> list[Body]:
    return (concept or {}).get("coding", [])


def words(concept: Body | None) -> set[str]:
    """The texts of a CodeableConcept, with and without what a fully specified name ends with."""
    found = {plain((concept or {}).get("text")), *(plain(one.get("display")) for one in codings(concept))} - {""}
    return found | {re.sub(r" \([a-z/ ]+\)$", "", one) for one in found}


_LETTER: Final = {
    "left": re.compile(r"\b(?:L|Lt|LT)\b\.? (?=[a-z])"),
    "right": re.compile(r"\b(?:R|Rt|RT)\b\.? (?=[a-z])"),
}


def sides(*elements: Any) -> set[str]:
    """The sides that concepts or strings tell."""
    found = set()
    for one in elements:
        texts = {one} if isinstance(one, str) else words(one)
        for text in texts:
            small = text.casefold()
            found |= {"left"} if re.search(r"\bleft\b|\bizquierd", small) or _LETTER["left"].search(text) else set()
            found |= (
                {"right"}
                if _LETTER["right"].search(text)
                or re.search(r"\bright\b(?! (?:away|now|after|before))|\bderech", small)
                else set()
            )
            found |= {"left", "right"} if re.search(r"\bboth\b|\bbilateral|\bamb[oa]s\b", small) else set()
        if isinstance(one, dict):
            for coding in codings(one):
                found |= {"7771000": {"left"}, "24028007": {"right"}, "51440002": {"left", "right"}}.get(
                    coding.get("code", ""), set()
                )
    return found


class Record:
    """Of one patient, at a time. A Bundle may hold versions of a resource: the highest is what holds."""

    def __init__(self, bundle: str | bytes, now: datetime) -> None:
        self.now = now
        self.versions: dict[str, Body] = {}
        self.current: dict[str, Body] = {}
        latest: dict[str, int] = {}
        for entry in parse(bundle)["entry"]:
            body = entry["resource"]
            key, version = f"{body['resourceType']}/{body['id']}", int(body["meta"]["versionId"])
            self.versions[f"{key}/_history/{version}"] = body
            if version > latest.get(key, 0):
                latest[key], self.current[key] = version, body
        self.references = {f"{key}/_history/{version}" for key, version in latest.items()}
        (self.patient,) = (one for one in self.current.values() if one["resourceType"] == "Patient")

    def all(self, type: str) -> Iterator[Body]:
        """The patient's own of a type, that were not entered in error."""
        me = f"Patient/{self.patient['id']}"
        for one in self.current.values():
            if one["resourceType"] != type or one.get("status") == "entered-in-error":
                continue
            subject = one.get("subject") or one.get("patient")
            if subject is None or subject.get("reference") == me:
                yield one

    def target(self, reference: Body | None, within: Body | None = None) -> Body | None:
        text = (reference or {}).get("reference", "")
        if text.startswith("#"):
            return next((one for one in (within or {}).get("contained", ()) if one["id"] == text[1:]), None)
        return self.current.get("/".join(text.partition("/_history/")[0].split("/")[-2:]))

    def points(self, reference: Body | None, to: Body | None) -> bool:
        return to is not None and self.target(reference) is to

    @cached_property
    def drugs(self) -> set[str]:
        """Words of the names of all medicines in the Bundle, that are taken or not."""
        texts = {
            text
            for type in ("MedicationRequest", "MedicationStatement")
            for one in self.all(type)
            for text in self.drug(one)
        }
        found = {word.casefold() for text in texts for word in re.findall(r"[^\W\d_]{4,}", text)}
        return found - {
            "tablet",
            "tablets",
            "oral",
            "capsule",
            "solution",
            "inhaler",
            "actuat",
            "metered",
            "dose",
            "drops",
            "suspension",
            "injection",
            "cream",
            "extended",
            "release",
            "patch",
            "spray",
            "nasal",
        }

    def drug(self, one: Body) -> set[str]:
        """What a MedicationRequest's medicine is called."""
        kind, value = choice(one, "medication")
        if kind == "Reference":
            target = self.target(value, one)
            return words(target.get("code")) if target else set()
        return words(value)

    def first_names(self) -> set[str]:
        return {
            plain(one["given"][0])
            for one in self.patient.get("name", ())
            if one.get("use", "") in ("usual", "official", "") and one.get("given") and self._holds(one.get("period"))
        }

    def _holds(self, period: Body | None) -> bool:
        start, end = instant((period or {}).get("start")), instant((period or {}).get("end"))
        day = timedelta(days=1)
        return not (start and start - day > self.now) and not (end and end + day < self.now)

    @cached_property
    def visit(self) -> Body | None:
        """The latest that is over."""
        found = [
            (instant(one["period"]["start"]), one["id"], one)
            for one in self.all("Encounter")
            if one["status"] == "finished" and one.get("period", {}).get("start")
        ]
        return max(found, key=lambda one: (one[0] or self.now, one[1]))[2] if found else None

    @cached_property
    def booked(self) -> list[Body]:
        """Appointments to come, the next first."""
        found = [one for one in self.all("Appointment") if one["status"] in ("booked", "arrived", "checked-in")]
        found = [one for one in found if self._mine(one) and (instant(one.get("start")) or self.now) >= self.now]
        return sorted(found, key=lambda one: (instant(one["start"]) or self.now, one["id"]))

    def _mine(self, appointment: Body) -> bool:
        return any(self.target(one.get("actor")) is self.patient for one in appointment.get("participant", ()))

    @cached_property
    def planned(self) -> tuple[Body | None, Body | None]:
        """The next procedure, and the appointment for it."""
        found = []
        orders = [
            one
            for one in self.all("ServiceRequest")
            if one["status"] == "active" and one["intent"] in _ORDERS and not one.get("doNotPerform")
        ]
        orders += [one for one in self.all("Procedure") if one["status"] == "preparation"]
        for one in orders:
            booked = next((a for a in self.booked if any(self.points(b, one) for b in a.get("basedOn", ()))), None)
            start = booked["start"] if booked else occurrence(one)
            when = instant(start)
            if when is not None and when >= self.now - timedelta(days=1):
                found.append((when, one["id"], one, booked))
        return min(found, key=lambda one: one[:2])[2:] if found else (None, None)

    @cached_property
    def medicines(self) -> list[Body]:
        """What the patient takes; a statement of what is ordered as well is left out."""
        orders = [
            one
            for one in self.all("MedicationRequest")
            if one["status"] == "active" and one["intent"] in _ORDERS and not one.get("doNotPerform")
        ]
        ordered = {name.casefold() for one in orders for name in self.drug(one)}
        stated = [one for one in self.all("MedicationStatement") if one["status"] == "active"]
        return orders + [one for one in stated if not ordered & {name.casefold() for name in self.drug(one)}]

    def called(self, reference: Body | None) -> set[str]:
        """What a clinician or place that is referred to may be called."""
        found = self.target(reference)
        shown = {plain((reference or {}).get("display"))} - {""}
        if found is None:
            return shown
        if found["resourceType"] != "Practitioner":
            return {plain(found.get("name"))} - {""} or shown
        names = set()
        for one in found.get("name", ()):
            if one.get("use", "") not in ("usual", "official", ""):
                continue
            prefix, given, family = (one.get("prefix") or [""])[0], (one.get("given") or [""])[0], one.get("family", "")
            names |= (
                {plain(f"{prefix} {given} {family}"), plain(one.get("text"))} if family else {plain(one.get("text"))}
            )
        return names - {""} or shown

    def phones(self, found: Body) -> set[str]:
        """Numbers at work that hold."""
        return {
            plain(one.get("value"))
            for one in found.get("telecom", ())
            if one.get("system") == "phone"
            and one.get("use", "") in ("", "work", "mobile")
            and self._holds(one.get("period"))
        } - {""}

    def reasons(self, one: Body) -> set[str]:
        return {text for concept in self.reason_concepts(one) for text in words(concept)}

    def reason_concepts(self, one: Body) -> list[Body]:
        found = list(one.get("reasonCode", ()))
        references = [*one.get("reasonReference", ()), *(d.get("condition") for d in one.get("diagnosis", ()))]
        for reference in references:
            target = self.target(reference)
            if target is not None and not any(
                c.get("code") in ("refuted", "entered-in-error") for c in codings(target.get("verificationStatus"))
            ):
                found.append(target.get("code", {}))
        return found

    def reachable(self) -> Iterable[Body]:
        """References to whom one may be told to call: of visits, procedures, medicines, and one's own doctor."""
        order, booked = self.planned
        for visit in self.all("Encounter"):
            yield from (one["location"] for one in visit.get("location", ()) if "location" in one)
            yield visit.get("serviceProvider") or {}
            yield from (one.get("individual") or {} for one in visit.get("participant", ()))
        for one in filter(None, (order, booked)):
            yield from one.get("locationReference", ())
            yield from (p.get("actor") or {} for p in one.get("participant", ()))
            yield from (p for p in one.get("performer", ()) if "reference" in p)
            yield one.get("requester") or {}
        yield from (one.get("requester") or {} for one in self.medicines)
        yield from self.patient.get("generalPractitioner", ())
        yield self.patient.get("managingOrganization") or {}


def occurrence(one: Body) -> str | None:
    """When an order or a procedure is: a dateTime, or the start of a Period."""
    kind, value = choice(one, "occurrence")
    if not kind:
        kind, value = choice(one, "performed")
    return value if kind == "DateTime" else value.get("start") if kind == "Period" else None
