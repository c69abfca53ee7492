"""Elements of resources that know where they stand, so that whatever is told of one can cite it.

Paths are simple FHIRPath with indices, from the type: `Encounter.participant[0].individual`. An element of a choice of
types is named as in the specification, without the type: `MedicationRequest.medication` for `medicationReference`.
https://hl7.org/fhir/R4/fhirpath.html#simple
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from hilum.fhir.resource import Resource
from hilum.fhirpath.references import target_type
from hilum.video.refusals import refused
from hilum.video.script import Citation

_PATIENTS: Final = ("subject", "patient")
"""Elements that say whose a resource is."""


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a version of a resource. `choice`: the type that ended its name, `Quantity` of `doseQuantity`."""

    reference: str
    path: str
    value: Any
    choice: str = ""

    def get(self, *names: str) -> Element | None:
        """The one below, name after name; None where one is not there. Of a list the whole list is the element."""
        found = self
        for name in names:
            if type(found.value) is not dict or name not in found.value:
                return None
            found = Element(self.reference, f"{found.path}.{name}", found.value[name])
        return found

    def of(self, name: str) -> Element | None:
        """The element of a choice of types: `medication` finds `medicationReference`."""
        for key, value in self.value.items() if type(self.value) is dict else ():
            kind = key.removeprefix(name)
            if kind != key and kind[:1].isupper():
                return Element(self.reference, f"{self.path}.{name}", value, kind)
        return None

    def each(self, *names: str) -> tuple[Element, ...]:
        """The items of a list below, each with its index."""
        found = self.get(*names)
        if found is None or type(found.value) is not list:
            return ()
        return tuple(Element(self.reference, f"{found.path}[{n}]", one) for n, one in enumerate(found.value))

    def text(self, *names: str) -> str:
        """The text below; "" where there is none."""
        found = self.get(*names)
        return found.value if found is not None and type(found.value) is str else ""

    def cite(self, said: str = "") -> Citation:
        """As a citation. `said`: the words that tell it."""
        return Citation(self.reference, self.path, self.value, said)

    @property
    def place(self) -> str:
        """For people who look for it: version and path."""
        return f"{self.reference}: {self.path}"


class Record:
    """The resources that a script may be made of, which are those of one patient."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        """Raises Refused: no patient, several, or something that is somebody else's."""
        self._roots: dict[str, Element] = {}
        for one in sorted((one for one in resources if not one.deleted), key=lambda one: (one.type, one.id)):
            self._roots[f"{one.type}/{one.id}"] = Element(
                f"{one.type}/{one.id}/_history/{one.version}", one.type, one.body
            )
        patients = tuple(self.all("Patient"))
        if len(patients) != 1:
            raise refused(
                "patient-missing", f"A script is made of one patient's record; {len(patients)} are here.", "Patient"
            )
        self.patient: Final = patients[0]
        """The Patient."""
        mine = "/".join(self.patient.reference.split("/")[:2])
        for root in self._roots.values():
            actors = tuple(one.get("actor") for one in root.each("participant"))
            about = [one for one in (*(root.get(name) for name in _PATIENTS), *actors) if one is not None]
            whose = {_key(one.text("reference")): one for one in about}
            others = [key for key in whose if target_type(key) == "Patient"]
            if others and mine not in others:
                raise refused("patient-other", "This resource is about another patient.", whose[others[0]].place)

    def all(self, type: str) -> Iterator[Element]:
        """The resources of a type that were not entered in error, by their ids. Raises Refused."""
        for root in self._roots.values():
            if root.path == type and not _in_error(root):
                yield understood(root)

    def target(self, reference: Element | None, *, needed: bool = False) -> Element | None:
        """What a Reference refers to: contained, or among the resources. Raises Refused where it was entered in error,
        or is `needed` and not there.
        """
        text = reference.text("reference") if reference is not None else ""
        found: Element | None = None
        if reference is not None and text.startswith("#"):
            root = self._roots["/".join(reference.reference.split("/")[:2])]
            found = next((one for one in root.each("contained") if one.text("id") == text[1:]), None)
        elif text:
            found = self._roots.get(_key(text))
            if found is not None and "/_history/" in text and not found.reference.endswith(text):
                found = None  # it said something else then, and nothing is known of that
        if found is not None and reference is not None and _in_error(found):
            raise refused("entered-in-error", "What this refers to was entered in error.", reference.place)
        if found is None and needed and reference is not None:
            raise refused("reference-broken", "What this refers to is not among the resources.", reference.place)
        return understood(found) if found is not None else None

    def same(self, reference: Element | None, other: Element) -> bool:
        """Whether a Reference refers to that resource."""
        text = reference.text("reference") if reference is not None else ""
        return bool(text) and self._roots.get(_key(text)) is other


def _key(reference: str) -> str:
    """A literal reference without its version. One that is absolute is to another server: our own are kept relative,
    and `Medication/17` is another drug there.
    """
    return reference.partition("/_history/")[0]


def understood(root: Element) -> Element:
    """The resource, or one that is contained. Raises Refused where something changes its meaning that nobody here
    knows. https://hl7.org/fhir/R4/extensibility.html#modifierExtension
    """
    if path := _changed(root.value):
        raise refused("not-understood", "This changes the meaning of the rest.", f"{root.place}{path}")
    return root


def _changed(value: Any) -> str:
    """The path of what does; "" for nothing."""
    if type(value) is dict:
        for name, item in value.items():
            if name in ("modifierExtension", "implicitRules"):
                return f".{name}"
            if (type(item) is dict or type(item) is list) and (path := _changed(item)):
                return f".{name}{path}"
    elif type(value) is list:
        for n, item in enumerate(value):
            if path := _changed(item):
                return f"[{n}]{path}"
    return ""


def _in_error(element: Element) -> bool:
    verification = (one.text("code") for one in element.each("verificationStatus", "coding"))
    return element.text("status") == "entered-in-error" or "entered-in-error" in verification
