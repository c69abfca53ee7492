"""The general parameters: how resources are to be shown. https://hl7.org/fhir/R4/http.html#parameters"""

from __future__ import annotations

from typing import NamedTuple

from hilum.problems import Malformed

GENERAL = frozenset(("_format", "_pretty", "_summary", "_elements"))
_SUMMARIES = ("true", "text", "data", "count", "false")
_YES_NO = {"true": True, "false": False}


class Presentation(NamedTuple):
    """How resources are to be shown: `summary` is `false` unless asked for, `elements` empty: all of them."""

    pretty: bool = False
    summary: str = "false"
    elements: tuple[str, ...] = ()
    format: str | None = None

    @property
    def whole(self) -> bool:
        """True when the stored bytes can be served as they are."""
        return self.summary == "false" and not self.elements

    def parameters(self) -> list[tuple[str, str]]:
        """The same as query parameters, for the links of a Bundle."""
        found = [("_format", self.format)] if self.format is not None else []
        found += [("_pretty", "true")] if self.pretty else []
        found += [("_summary", self.summary)] if self.summary != "false" else []
        return found + ([("_elements", ",".join(self.elements))] if self.elements else [])


PLAIN = Presentation()


def general(parameters: list[tuple[str, str]]) -> tuple[Presentation, list[tuple[str, str]]]:
    """Take `_format`, `_pretty`, `_summary` and `_elements` out of the parameters. Raises Malformed."""
    found: dict[str, str] = {}
    rest = []
    for name, value in parameters:
        if name in GENERAL and value:  # an empty one is as any other empty one
            if found.setdefault(name, value) != value:  # clients add _format=json to links that have it
                raise Malformed(f"{name} may be given once.")
        else:
            rest.append((name, value))
    if not found:
        return PLAIN, rest
    summary = found.get("_summary", "false")
    if summary not in _SUMMARIES:
        raise Malformed(f"_summary must be one of {', '.join(_SUMMARIES)}.")
    if found.get("_pretty", "false") not in _YES_NO:
        raise Malformed("_pretty must be true or false.")
    elements = tuple(name for name in (part.strip() for part in found.get("_elements", "").split(",")) if name)
    return Presentation(_YES_NO[found.get("_pretty", "false")], summary, elements, found.get("_format")), rest
