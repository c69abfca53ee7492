"""HL7's PHD guide as a validator has it: its profiles and R4's, and what its value sets say."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from tests.shared_data import DATA
from tests.unit.validation.profiles.making import Core

from hilum.fhir import json as fhir_json
from hilum.fhir import xml
from hilum.phd.reading import MDC
from hilum.terminology.questions import Answers, Question, Verdict, rounds
from hilum.validation import validate
from hilum.validation.profiles import conformance
from hilum.validation.profiles.definitions import Loaded

Body = dict[str, Any]

SHARED = DATA.parent
GUIDE = SHARED / "spec" / "phd" / "resources"
EXAMPLES = SHARED / "data" / "phd-examples"
needs_guide = pytest.mark.skipif(not GUIDE.is_dir(), reason="../shared/spec/phd is missing")
needs_examples = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="../shared/data/phd-examples is missing")


@cache
def resources() -> tuple[Body, ...]:
    """Some of the guide's own resources have elements out of order: what could be read is taken."""
    return tuple(xml.read(path.read_bytes())[0] for path in sorted(GUIDE.glob("*.xml")))


@cache
def definitions() -> Loaded:
    return Loaded(resources(), base=Core())


def by_url(url: str) -> Body | None:
    return next((one for one in resources() if one.get("url") == url), None)


@cache
def asn1() -> dict[str, tuple[str, str, str]]:
    """Code -> (name, event or state, measurement or attribute), as the guide's code system has them."""
    found = {}
    for one in (by_url("http://hl7.org/fhir/uv/phd/CodeSystem/ASN1ToHL7") or {})["concept"]:
        said = {each["code"]: each.get("valueString", each.get("valueCode")) for each in one["property"]}
        found[one["code"]] = (one["display"], said["type"], said["source"])
    return found


def wrong(body: Body) -> list[tuple[str, str]]:
    """The errors: (path, code), by R4 and by each profile that it claims or that its codes imply.

    What stands in a Bundle is held against its profiles by itself, as a server does that gets it.
    """
    entries = body.get("entry", ())
    if not entries:
        return whole(body)
    own = [found for found in whole(body) if ".resource" not in found[0]]
    return own + [found for one in entries for found in whole(one["resource"])]


def whole(body: Body) -> list[tuple[str, str]]:
    """The same of a Bundle with all that is in it, so that references lead somewhere."""
    body = fhir_json.parse(fhir_json.encode(body))
    answers = Answers()
    for missing in rounds(answers):
        answers.learn({one: _answer(one) for one in missing})
        found = [*validate(body), *conformance(body, definitions(), answers)]
    return sorted({(str(one.expression), one.code) for one in found if one.severity in ("error", "fatal")})


def _answer(question: Question) -> Verdict:
    known = by_url(question.value_set.split("|")[0]) if question.value_set else None
    if known is None:
        return Verdict(None, "unknown-value-set")
    is_in = any(_included(one, question) for one in known["compose"]["include"])
    return Verdict(is_in, "" if is_in else "not-in-value-set", system=question.system)


def _included(one: Body, question: Question) -> bool:
    if one["system"] != question.system:
        return False
    if "concept" in one:
        return any(each["code"] == question.code for each in one["concept"])
    for each in one.get("filter", ()):
        if each["property"] == "source" and asn1().get(question.code, ("", "", ""))[2] != each["value"]:
            return False
        if question.system == MDC and each["property"] == "partition":
            same = str(int(question.code) >> 16) == each["value"]
            if same is (each["op"] == "not-in"):
                return False
    return True
