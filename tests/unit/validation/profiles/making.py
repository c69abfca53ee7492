"""Tiny profiles for tests: a snapshot of the elements that a test is about."""

from __future__ import annotations

from typing import Any

from hilum.fhir import core
from hilum.problems import Issue
from hilum.terminology.questions import Answers
from hilum.validation.profiles import check
from hilum.validation.profiles.definitions import Loaded

URL = "http://example.org/StructureDefinition/p"
CORE = "http://hl7.org/fhir/StructureDefinition/"


class Core:
    """R4's own definitions."""

    generation = 0
    structure = staticmethod(core.structure)
    value_set = staticmethod(core.value_set)
    code_system = staticmethod(core.code_system)


def element(path: str, **said: Any) -> dict[str, Any]:
    """An element definition; `slice_` is its sliceName, `type_` the code of its one type."""
    made: dict[str, Any] = {"path": path, "min": 0, "max": "*"}
    name = said.pop("slice_", None)
    if name is not None:
        made["sliceName"] = name
    type_ = said.pop("type_", None)
    if type_ is not None:
        made["type"] = [{"code": type_}]
    return made | said


def profile(*elements: dict[str, Any], type_: str = "Patient", url: str = URL, **said: Any) -> dict[str, Any]:
    """A profile with that snapshot, the root before it."""
    return {
        "resourceType": "StructureDefinition",
        "url": url,
        "type": type_,
        "kind": "resource",
        "derivation": "constraint",
        "baseDefinition": CORE + type_,
        "snapshot": {"element": [element(type_), *elements]},
        **said,
    }


def sliced(*discriminators: tuple[str, str], rules: str = "open", **said: Any) -> dict[str, Any]:
    """A slicing by those (type, path)."""
    return {"discriminator": [{"type": t, "path": p} for t, p in discriminators], "rules": rules, **said}


def issues(body: dict[str, Any], *profiles: dict[str, Any], answers: Answers | None = None, **more: Any) -> list[Issue]:
    """The findings on a body by the first of the profiles."""
    return check(body, profiles[0]["url"], Loaded(profiles, base=Core()), answers, **more)


def wrong(body: dict[str, Any], *profiles: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    """The errors: (path, code)."""
    return [(str(one.expression), one.code) for one in issues(body, *profiles, **more) if one.severity == "error"]
