"""Resources of every type that have a value of every search parameter, made from the definitions alone.

`abundant(definitions, type, number)`: one of the many resources that a type can have, with a value in every element
that any search parameter looks at. Where a choice must be made (the type of value[x], of a reference's target, the
code that a parameter asks for), the number makes it, so that some of a row of them have each. All that a resource says
has its number in it: dates are of the year 1900 + number. `bare`: a resource that says nothing.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from tests.oracle.definitions import Definitions, Element, SearchParameter

Body = dict[str, Any]

_DEPTH = 8
_NAME = re.compile(r"[A-Za-z]\w*")
_WHERE = re.compile(r"(\w+)\s*=\s*'([^']*)'")
_EXTENSION = re.compile(r"([\w.]+)\.(?:extension\('([^']+)'\)|where\(hasExtension\('([^']+)'\)\))")
_VALUES = {"token": ("CodeableConcept", "code"), "reference": ("Reference",), "string": ("string",)}
_NEVER = frozenset(("extension", "modifierExtension", "contained", "id", "assigner"))
_INSIDE = frozenset(("Bundle.entry.resource",))


def bare(type: str) -> Body:
    """As little as a resource can be."""
    return {"resourceType": type, "id": "bare", "meta": {"lastUpdated": "2001-01-01T00:00:00Z"}}


def abundant(definitions: Definitions, type: str, number: int) -> Body:
    """See above. The id is n and the number."""
    return {"resourceType": type} | _Maker(definitions, type, number).whole() | {"id": f"n{number}"}


@lru_cache(maxsize=200)
def _looked_at(definitions: _Hashed, type: str) -> tuple[frozenset[str], dict[str, list[str]], list[SearchParameter]]:
    """The names in the expressions of a type's parameters, what they compare elements with, and the parameters."""
    known = list(definitions.it.parameters(type))
    texts = [one.expression for one in known] + [part.expression for one in known for part in one.components]
    names = {name for text in texts for name in _NAME.findall(text)}
    literals: dict[str, list[str]] = {}
    for text in texts:
        for name, value in _WHERE.findall(text):
            if value not in literals.setdefault(name, []):
                literals[name].append(value)
    if any(one.type == "special" for one in known):
        names |= {"latitude", "longitude"}
    return frozenset(names), literals, known


class _Hashed:
    """Definitions as a key of a cache."""

    def __init__(self, it: Definitions) -> None:
        self.it = it

    def __hash__(self) -> int:
        return id(self.it)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Hashed) and other.it is self.it


class _Maker:
    """One resource in the making."""

    def __init__(self, definitions: Definitions, type: str, number: int) -> None:
        self.definitions = definitions
        self.type = type
        self.number = number
        self.chance = random.Random(f"{type} {number}")
        self.names, self.literals, self.parameters = _looked_at(_Hashed(definitions), type)

    def whole(self) -> Body:
        """The elements of the resource."""
        body = self.elements(self.type, "", 0, own=True)
        body["meta"] = {
            "lastUpdated": f"{1900 + self.number}-03-01T10:00:00Z",
            "profile": [f"http://p.example/{self.number}"],
            "source": f"http://s.example/{self.number}",
            "tag": [self.coding()],
            "security": [self.coding()],
        }
        for path, url, kind in self.extensions():
            self.extend(body, path, url, kind)
        return body

    # --- extensions -------------------------------------------------------------------------------------------------

    def extensions(self) -> Iterator[tuple[list[str], str, str]]:
        """Where an extension stands (names of elements), its url, and the type of the parameter that looks for it."""
        for one in self.parameters:
            for where, direct, has in _EXTENSION.findall(one.expression):
                type, *path = where.split(".")
                if type == self.type:
                    yield path, direct or has, one.type if direct else "token"

    def extend(self, body: Body, path: list[str], url: str, kind: str) -> None:
        """Put an extension of a fitting type there."""
        places: list[Any] = [body]
        for name in path:
            places = [
                one
                for place in places
                for one in (place.get(name, []) if isinstance(place.get(name), list) else [place.get(name)])
                if isinstance(one, dict)
            ]
        value = self.chance.choice(_VALUES[kind])
        said = {"reference": f"{self.target(())}/r{self.number}"} if value == "Reference" else self.value(value, "", 0)
        for place in places:
            place.setdefault("extension", []).append({"url": url, f"value{value[0].upper()}{value[1:]}": said})

    # --- elements ---------------------------------------------------------------------------------------------------

    def elements(self, home: str, path: str, depth: int, *, own: bool) -> Body:
        """The children of one place; of the resource's `own` those alone that a parameter may look at."""
        found: Body = {}
        for element in self.definitions.elements(home).get(path, {}).values():
            if element.name in _NEVER and not (own and element.name in self.names and not path):
                continue
            if depth >= _DEPTH or (own and element.name not in self.names) or element.name == "meta":
                continue
            self.put(found, home, path, element, depth, own=own)
        return found

    def put(self, found: Body, home: str, path: str, element: Element, depth: int, *, own: bool) -> None:
        """One element, with a value of one of its types."""
        where = ".".join(part for part in (home, path, element.name) if part)
        if where in _INSIDE:
            found[element.name] = self.nested()
            return
        kinds = element.types or ("BackboneElement",)
        kind = kinds[(self.number + len(element.name)) % len(kinds)] if element.choice else kinds[0]
        if kind in ("Resource", "Narrative", "Extension"):
            return
        key = element.name + kind[0].upper() + kind[1:] if element.choice else element.name
        if element.home is not None:
            again = element.home != (home, f"{path}.{element.name}".strip("."))  # described by another place: a circle
            value: Any = None if again and depth > 3 else self.elements(*element.home, depth + 1, own=own)
        elif kind == "Reference":
            value = self.reference(element.targets)
        else:
            value = self.value(kind, element.name, depth + 1)
        if value not in (None, {}):
            found[key] = [value] if element.many else value

    def nested(self) -> Body:
        """What a Bundle holds."""
        type = self.chance.choice(("Composition", "MessageHeader", "Patient"))
        return {"resourceType": type, "id": f"r{self.number}"}

    def reference(self, targets: tuple[str, ...]) -> Body:
        """To one of the target types."""
        return {"reference": f"{self.target(targets)}/r{self.number}"}

    def target(self, targets: tuple[str, ...]) -> str:
        known = [one for one in targets if one in self.definitions.resource_types]
        if known:
            return known[self.number % len(known)]
        return self.chance.choice(("Patient", "Practitioner", "Observation", "Location", "RelatedPerson"))

    # --- values -----------------------------------------------------------------------------------------------------

    def coding(self) -> Body:
        n = self.number
        return {"system": f"http://c.example/{n}", "code": f"c{n}", "display": f"Display {n}"}

    def value(self, kind: str, name: str, depth: int) -> Any:
        """A value of a data type; `name`: of the element that it is for."""
        n, year = self.number, 1900 + self.number
        match kind:
            case "boolean":
                return n % 2 == 0
            case "integer" | "positiveInt" | "unsignedInt":
                return n + 1
            case "decimal":
                return n + 0.5
            case "string" | "markdown" | "xhtml":
                return f"Text{n} of {name or 'it'}"
            case "code":
                known = self.literals.get(name, [])
                return known[n % (len(known) + 1)] if n % (len(known) + 1) < len(known) else f"c{n}"
            case "id":
                return f"i{n}"
            case "uri" | "url" | "canonical":
                return f"http://u.example/{n}"
            case "oid":
                return f"urn:oid:1.2.{n}"
            case "uuid":
                return f"urn:uuid:00000000-0000-4000-8000-{n:012}"
            case "base64Binary":
                return "AAAA"
            case "date":
                return f"{year}-05-17"
            case "dateTime" | "instant":
                return f"{year}-05-17T10:00:00Z"
            case "time":
                return "10:00:00"
            case "Coding":
                return self.coding()
            case "CodeableConcept":
                return {"coding": [self.coding()], "text": f"Concept {n}"}
            case "Identifier":
                return {"system": f"http://i.example/{n}", "value": f"v{n}", "type": {"coding": [self.coding()]}}
            case "Period":
                return {"start": f"{year}-02-01", "end": f"{year}-11-30"}
            case "Timing":
                return {"event": [f"{year}-02-01", f"{year}-11-30"]}
            case "Range":
                unit = {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
                return {"low": {"value": n, **unit}, "high": {"value": n + 0.5, **unit}}
            case "Money":
                return {"value": n + 0.5, "currency": "EUR"}
            case "Quantity" | "Age" | "Count" | "Distance" | "Duration" | "SimpleQuantity" | "MoneyQuantity":
                return {"value": n + 0.5, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
            case "SampledData":
                return {"origin": {"value": n}, "period": 1, "dimensions": 1, "lowerLimit": n, "upperLimit": n + 1}
            case "HumanName":
                return {"family": f"Family{n}", "given": [f"Given{n}"], "prefix": [f"Prefix{n}"]}
            case "Address":
                parts = ("city", "state", "postalCode", "country")
                return {"use": f"c{n}", "line": [f"Line{n}"]} | {part: f"{part.title()}{n}" for part in parts}
            case "Reference":
                return self.reference(())
        return self.elements(kind, "", depth, own=False) or None
