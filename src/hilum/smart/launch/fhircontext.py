"""What else than patient and encounter an app is opened with: `fhirContext`, read and judged where a launch is made.

https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html#fhir-context
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from hilum.fhir import json
from hilum.fhir.definitions import TYPES
from hilum.fhirpath.references import local
from hilum.problems import Invalid, Malformed

MOST: Final = 20
LONGEST: Final = 2048
NAMES: Final = ("reference", "canonical", "identifier", "type", "role")
LAUNCH: Final = "launch"
"""The only role that the guide itself defines, and what no role means."""
APART: Final = frozenset(("Patient", "Encounter"))
"""Types with a place of their own in the token response; here only in another role."""
_ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}\\^`]+")
_IDENTIFIER: Final = frozenset(("use", "type", "system", "value", "period", "assigner"))
_TYPES: Final = frozenset(TYPES)


def written(text: str) -> tuple[dict[str, Any], ...]:
    """What a person wrote: a line each of `ImagingStudy/7`, perhaps with a role after a space; or the array as JSON.

    Raises Invalid as `judged`.
    """
    if not text.strip().startswith("["):
        words = [line.split() for line in text.splitlines() if line.strip()]
        if any(len(line) > 2 for line in words):
            raise Invalid("Write one resource on a line: ImagingStudy/7, perhaps with its role after a space.")
        return judged([dict(zip(("reference", "role"), line, strict=False)) for line in words])
    try:
        return judged(json.parse(b'{"":' + text.encode() + b"}").get(""))
    except (Invalid, Malformed) as problem:
        if str(problem).startswith("fhirContext"):
            raise
        raise Invalid("What begins with [ must be a JSON array, as fhirContext is.") from None


def judged(items: Any) -> tuple[dict[str, Any], ...]:
    """The array as the token response will say it. Raises Invalid naming what can't be.

    A canonical whose url tells its type gets that, as the guide recommends.
    """
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise Invalid("fhirContext must be an array of objects.")
    if len(items) > MOST:
        raise Invalid(f"fhirContext may have {MOST} entries.")
    for number, item in enumerate(items):
        for wrong in _wrong(item):
            raise Invalid(f"fhirContext[{number}]{wrong}")
    return tuple(_typed(item) for item in items)


def _wrong(item: Any) -> Iterator[str]:
    if not isinstance(item, dict):
        yield " must be an object."
        return
    if not item.keys() & {"reference", "canonical", "identifier"}:
        yield " needs a reference, a canonical or an identifier."
    for name in sorted(item.keys() - set(NAMES)):
        yield f" has {name[:40]}, and only {', '.join(NAMES)} can be there."
    for name in ("reference", "canonical", "type", "role"):
        if name in item and not (isinstance(item[name], str) and 0 < len(item[name]) <= LONGEST):
            yield f".{name} must be a text that is not empty."
            return
    target = local(item["reference"]) if "reference" in item else None
    if "reference" in item and target is None:
        yield ".reference must be relative, to a resource of this server: ImagingStudy/7."
    if "canonical" in item and not _ABSOLUTE.fullmatch(item["canonical"]):
        yield ".canonical must be a canonical URL: https://example.org/Questionnaire/1|2."
    if "identifier" in item and not _is_identifier(item["identifier"]):
        yield ".identifier must be an Identifier, with a value."
    if "type" in item and item["type"] not in _TYPES:
        yield ".type must be a resource type."
    if target is not None and item.get("type", target[0]) != target[0]:
        yield ".type must be the type that the reference names."
    role = item.get("role", LAUNCH)
    if role != LAUNCH and not _ABSOLUTE.fullmatch(role):
        yield ".role must be an absolute URI, or launch."
    if role == LAUNCH and _type(item) in APART:
        yield f": {_type(item)} has its own place in a launch, and comes here only with another role."


def _is_identifier(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= _IDENTIFIER
        and isinstance(value.get("value"), str)
        and isinstance(value.get("system", ""), str)
        and bool(value["value"])
    )


def _type(item: dict[str, Any]) -> str:
    """What it is of, as far as it tells; "" where it doesn't."""
    if "type" in item:
        return str(item["type"])
    target = local(item.get("reference", ""))
    if target is not None:
        return target[0]
    segments = str(item.get("canonical", "")).partition("|")[0].rstrip("/").split("/")
    return segments[-2] if len(segments) > 1 and segments[-2] in _TYPES else ""


def _typed(item: dict[str, Any]) -> dict[str, Any]:
    type = _type(item)
    return item | ({"type": type} if type and "reference" not in item else {})
