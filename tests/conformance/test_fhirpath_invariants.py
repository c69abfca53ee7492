"""Every invariant of R4 compiles at every place where it stands, but for the named.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.shared_data import DATA, needs_data
from tests.unit.fhirpath.oracle import evaluator, has_null
from tests.unit.fhirpath.samples import resources

from hilum.fhirpath import Condition, condition
from hilum.fhirpath.types import at
from hilum.problems import Problem

PACKAGE = DATA / "igs" / "hl7.fhir.r4.core.tgz"

EXCEPTIONS = {
    ("cid-0", "ChargeItemDefinition"): "is about a name, which a ChargeItemDefinition does not have (R4's own error)"
}
"""Invariants that don't compile, and why."""


@cache
def definitions() -> tuple[dict[str, Any], ...]:
    """The StructureDefinitions of R4's types, without profiles and logical models."""
    with tarfile.open(PACKAGE) as package:
        files = [member for member in package if "/StructureDefinition-" in member.name]
        found = [json.load(package.extractfile(member) or b"") for member in files]
    return tuple(body for body in found if body.get("derivation") != "constraint" and body["kind"] != "logical")


def places() -> Iterator[tuple[str, str, str, str]]:
    """(key, expression, type, path in it) of every constraint of every element."""
    for body in definitions():
        for element in body["snapshot"]["element"]:
            name, _, path = element["path"].partition(".")
            for constraint in element.get("constraint", ()):
                if "expression" in constraint:
                    yield constraint["key"], constraint["expression"], name, path


def compiled(expression: str, type: str, path: str) -> list[Condition]:
    """A condition for each type that the element may have."""
    return [condition(expression, one.name, one.path) for one in at(type, path)]


@needs_data
def test_every_invariant_of_r4_compiles_where_it_stands() -> None:
    seen = Counter[str]()
    refused: dict[tuple[str, str], str] = {}
    for key, expression, type, path in places():
        seen[key] += 1
        try:
            compiled(expression, type, path)
        except (Problem, KeyError) as problem:
            refused[key, f"{type}.{path}".rstrip(".")] = str(problem)
    print(sum(seen.values()), len(seen), len({(k, e) for k, e, _, _ in places()}))
    assert refused.keys() == EXCEPTIONS.keys(), refused
    assert sum(seen.values()) > 8_900
    assert len(seen) > 230


NOT_THEIRS = ("hasValue()", "%resource")
"""What fhirpathpy does not have."""


def rooted() -> Iterator[tuple[str, str, str]]:
    """(key, expression, type) of the constraints on whole resources of which there are samples."""
    for key, expression, type, path in places():
        if not path and type in resources() and (key, type) not in EXCEPTIONS:
            yield key, expression, type


@needs_data
def test_invariants_hold_where_fhirpathpy_says_so() -> None:
    verdicts = Counter[bool | None]()
    differing = []
    for key, expression, type in rooted():
        for body in resources()[type]:
            if has_null(body) or any(words in expression for words in NOT_THEIRS):
                continue
            mine = condition(expression, type)(body, resource=body)
            verdicts[mine] += 1
            if evaluator(expression)(body) != ([] if mine is None else [mine]):
                differing.append((key, type, body.get("id")))
    assert differing == []
    assert verdicts[True] > 500
    assert verdicts[False] > 0, verdicts
