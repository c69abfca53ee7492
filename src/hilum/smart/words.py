"""Scopes, people and dates in plain words, for pages: the words themselves are data (`words.toml`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from hilum.fhir.naming import about as about
from hilum.fhir.naming import name as name
from hilum.oauth.scopes import Search


@cache
def words() -> Mapping[str, Any]:
    """The file."""
    found: dict[str, Any] = tomllib.loads((files("hilum.smart") / "words.toml").read_text("utf-8"))
    return found


def type_in_words(type: str) -> str:
    """A resource type: `Allergies`; its own name in words where there is no better one."""
    for table in ("record", "around", "other"):
        if type in words()[table]:
            return str(words()[table][type])
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type).capitalize()


def search_in_words(type: str, search: Search) -> str:
    """What search parameters leave of a type: `Lab results`, or `Test results and measurements (code=1)`."""
    if len(search) == 1 and search[0][0] == "category":
        found = words()["kinds"].get(type, {}).get(search[0][1].rpartition("|")[2])
        if found is not None:
            return str(found)
    if found := words()["parts"].get(type, {}).get("&".join(f"{name}={value}" for name, value in search)):
        return str(found)
    what = "All kinds of data" if type == "*" else type_in_words(type)
    return f"{what} ({', '.join(f'{name}={value}' for name, value in search)})"


def visit(body: Mapping[str, Any]) -> tuple[str, str]:
    """An Encounter: what it was, and when and how it stands."""
    kinds = [
        one for one in (*body.get("type", []), body.get("serviceType"), {"coding": [body.get("class", {})]}) if one
    ]
    what = next((text for one in kinds if (text := concept(one))), "Visit")
    period = body.get("period", {})
    when = " to ".join(dict.fromkeys(str(period[end])[:10] for end in ("start", "end") if period.get(end)))
    return what, ", ".join(part for part in (when, str(body.get("status", ""))) if part)


def concept(concept: Mapping[str, Any]) -> str:
    """A CodeableConcept; "" where it has no words. https://hl7.org/fhir/R4/datatypes.html#CodeableConcept"""
    codings = [one for one in concept.get("coding", []) if type(one) is dict]
    shown = next((one["display"] for one in codings if one.get("display")), "")
    return str(concept.get("text") or shown)
