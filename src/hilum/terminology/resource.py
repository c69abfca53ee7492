"""The concepts of a CodeSystem resource. https://hl7.org/fhir/R4/codesystem.html

The hierarchy is written by nesting concepts, or by the concept properties `parent`, `child` and `subsumedBy`
(https://hl7.org/fhir/R4/codesystem-concept-properties.html); one code may have several parents. `inactive`, `status`,
`retirementDate` and `notSelectable` say what may be used.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from hilum.terminology.concepts import Designation, Entry, Head, Property

Body = dict[str, Any]

_OVER: Final = ("parent", "subsumedBy")
_KINDS: Final = ("Code", "Coding", "String", "Integer", "Boolean", "DateTime", "Decimal")
_STANDARD: Final = "http://hl7.org/fhir/concept-properties#"
_GONE: Final = ("inactive", "retired", "obsolete", "withdrawn")


class Resource:
    """A `rows.Source` of a CodeSystem's body. What occurs only as `child` of another is a concept if it is one."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._uris = {
            one["code"]: str(one["uri"]).removeprefix(_STANDARD)
            for one in body.get("property", ())
            if "uri" in one and "code" in one
        }
        self._parents: dict[str, list[str]] = {}
        for concept, parent in self._walk():
            over = self._parents.setdefault(concept["code"], [])
            if parent is not None:
                over.append(parent)
            for one in concept.get("property", ()):
                other = one.get("valueCode")
                if other is not None:
                    meaning = self._meaning(one["code"])
                    if meaning in _OVER:
                        over.append(other)
                    elif meaning == "child":
                        self._parents.setdefault(other, []).append(concept["code"])

    @property
    def size(self) -> int:
        """How many concepts it lists."""
        return sum(1 for _ in self._walk())

    def edges(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each code and its parents."""
        for concept, _ in self._walk():
            yield concept["code"], tuple(self._parents[concept["code"]])

    def entries(self) -> Iterator[Entry]:
        """Each concept."""
        for concept, _ in self._walk():
            yield self._entry(concept)

    def _walk(self) -> Iterator[tuple[Body, str | None]]:
        waiting: list[tuple[Body, str | None]] = [(one, None) for one in reversed(self._body.get("concept", ()))]
        while waiting:
            concept, parent = waiting.pop()
            yield concept, parent
            waiting.extend((child, concept["code"]) for child in reversed(concept.get("concept", ())))

    def _meaning(self, code: str) -> str:
        return self._uris.get(code, code)

    def _entry(self, concept: Body) -> Entry:
        properties, inactive, abstract = [], False, False
        for one in concept.get("property", ()):
            kind = next((kind for kind in _KINDS if f"value{kind}" in one), None)
            if kind is None:
                continue
            value = one[f"value{kind}"]
            properties.append(Property(one["code"], kind[0].lower() + kind[1:] if kind != "Coding" else kind, value))
            match self._meaning(one["code"]):
                case "inactive":
                    inactive = inactive or value is True or value == "true"
                case "status":
                    inactive = inactive or value in _GONE
                case "retirementDate" if kind == "DateTime":
                    inactive = inactive or _past(str(value))
                case "notSelectable" | "abstract":
                    abstract = abstract or value is True or value == "true"
        designations = tuple(
            Designation(one["value"], one.get("language", ""), one.get("use"))
            for one in concept.get("designation", ())
            if "value" in one
        )
        return Entry(
            concept["code"],
            concept.get("display", ""),
            concept.get("definition", ""),
            designations,
            tuple(properties),
            inactive,
            abstract,
        )


def head(body: Body, source: str, seq: int, count: int) -> Head:
    """What is kept of a CodeSystem beside its concepts."""
    about = {key: value for key, value in body.items() if key not in ("concept", "text", "contained")}
    return Head(body.get("url", ""), body.get("version", ""), source, seq, count, about)


def _past(date: str) -> bool:
    """Whether a FHIR date is over."""
    return date[:10] <= datetime.now(UTC).date().isoformat()[: len(date[:10])]
