"""How far hilum and HL7's reference validator agree on HL7's own cases. See docs/reference/validation-cases.md.

In question are the cases for R4 without questionnaires, CDS Hooks and packages that are not in ../shared/data. Each
outcome of the reference counts once: a file by R4 alone, and by a profile where the case names one. Two agree on the
verdict when both or neither have errors, and on the places when their errors stand at the same paths.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.conformance import validator_cases
from tests.shared_data import needs_data

pytestmark = needs_data

VERDICTS, PLACES = 0.90, 0.80

REASONS = {
    "terminology": "the reference asked tx.fhir.org about SNOMED CT, LOINC, CVX, ICD-10-CM or NCI, which are not here",
    "pack": "the reference knows HL7's extension pack, which comes after R4 and is not here",
    "reference": "the reference validator contradicts the definition that it checks by, or itself",
    "place": "both find the same fault, and tell it at another element",
    "cql": "the reference compiles the library's CQL",
    "json": "what is no JSON object is refused as a whole: comments, several objects; the reference reads on",
    "xml": "what is no FHIR XML is told by both, at places of which XML has no number",
}

DISAGREEMENTS = {
    # outcome: why
    "ch/mixed-valueset-dr (base)": "terminology",
    "ch/mixed-valueset-dr (profile)": "terminology",
    "mr-m-cql-library (base)": "cql",
    "mr-covid-m2 (base)": "terminology",
    "vs-bad-code (base)": "terminology",
    "mni-patientOverview-bundle-example1b (base)": "terminology",
    "cvx (base)": "terminology",
    "bundle-id-4 (base)": "terminology",
    "bundle-id-5 (base)": "terminology",
    "bundle-with-contained (base)": "terminology",
    "bundle-enrl (base)": "terminology",
    "xml-fail (base)": "xml",
    "uuid-extension (base)": "terminology",
    "PulseOxBundle_25Oct2022 (base)": "terminology",
    "json-comments-1-yes (base)": "json",
    "json-comma-bad-1 (base)": "json",
    "test-ndjson (base)": "json",
    "japanese-utf8-ok (base)": "xml",
    "attachment-tx (base)": "place",
    "profile-patient-op1 (base)": "pack",
    "obs-temp-code2 (base)": "terminology",
    "xhtml-ctrl-source1 (profile)": "reference",
}


@dataclass(frozen=True)
class Judged:
    """One outcome, and what the two have at which path."""

    case: validator_cases.Case
    ours: dict[str, str]
    theirs: dict[str, str]

    @property
    def same_verdict(self) -> bool:
        return bool(self.ours) == bool(self.theirs)

    @property
    def same_places(self) -> bool:
        return set(self.ours) == set(self.theirs)


@cache
def judged() -> tuple[Judged, ...]:
    found = []
    for case in validator_cases.cases():
        told, body = validator_cases.issues(case)
        found.append(Judged(case, validator_cases.ours(told, body), validator_cases.theirs(case, body)))
    return tuple(found)


def test_enough_outcomes_are_in_question() -> None:
    assert len(judged()) >= 200


def test_verdicts_agree_with_those_of_the_reference() -> None:
    good = sum(one.same_verdict for one in judged())
    assert good / len(judged()) >= VERDICTS, f"{good} of {len(judged())}"


def test_places_of_errors_agree_with_those_of_the_reference() -> None:
    good = sum(one.same_places for one in judged())
    assert good / len(judged()) >= PLACES, f"{good} of {len(judged())}"


def test_every_disagreement_has_a_reason() -> None:
    without = [one for one in judged() if not one.same_places and one.case.id not in DISAGREEMENTS]
    told = [
        f"{one.case.id}: hilum alone {sorted(set(one.ours) - set(one.theirs))}, "
        f"the reference alone {sorted(set(one.theirs) - set(one.ours))}"
        for one in without
    ]
    assert not told, "\n".join(told)
    agreed = {one.case.id for one in judged() if one.same_places}
    assert not agreed & DISAGREEMENTS.keys(), "these agree: take them out of the table"


def test_reasons_are_known() -> None:
    assert set(DISAGREEMENTS.values()) <= set(REASONS)
