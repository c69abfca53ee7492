"""The codes are true: their check digits hold, one code has one display, and others who use them call them the same."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from typing import Any

from tests.shared_data import DATA, needs_data
from tests.unit.demo.chartreading import codings

from hilum.demo.town import npi

SNOMED, LOINC = "http://snomed.info/sct", "http://loinc.org"
RXNORM, CVX = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/cvx"


def _multiply(a: int, b: int) -> int:
    """In the dihedral group of order 10."""
    if a < 5:
        return (a + b) % 5 if b < 5 else (a + b - 5) % 5 + 5
    return (a - 5 - b) % 5 + 5 if b < 5 else (a - b) % 5


def verhoeff_holds(digits: str) -> bool:
    """SNOMED CT identifiers end in a Verhoeff check digit (SNOMED CT TIG, check digit computation)."""
    permutation = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit)
        for _ in range(position % 8):
            value = permutation[value]
        check = _multiply(check, value)
    return check == 0


def luhn_holds(digits: str) -> bool:
    total = 0
    for position, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (1 + position % 2)
        total += doubled // 10 + doubled % 10
    return total % 10 == 0


def used(bundles: list[dict[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """(system, code) -> displays."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for coding in codings(bundles):
        if "display" in coding:
            found[coding["system"], coding["code"]].add(coding["display"])
    return found


def test_the_checks_know_right_from_wrong() -> None:
    assert verhoeff_holds("44054006")
    assert not verhoeff_holds("44054007")
    assert luhn_holds("79927398713")
    assert not luhn_holds("79927398714")


def test_snomed_codes_have_right_check_digits(bundles: list[dict[str, Any]]) -> None:
    codes = {code for system, code in used(bundles) if system == SNOMED}
    assert len(codes) > 80
    assert {code for code in codes if not verhoeff_holds(code)} == set()


def test_loinc_codes_have_right_check_digits(bundles: list[dict[str, Any]]) -> None:
    codes = {code for system, code in used(bundles) if system == LOINC}
    assert len(codes) > 30
    assert {code for code in codes if not luhn_holds(code.replace("-", ""))} == set()


def test_provider_identifiers_are_well_formed_and_nobodys(bundles: list[dict[str, Any]]) -> None:
    numbers = [
        identifier["value"]
        for entry in bundles[0]["entry"]
        for identifier in entry["resource"].get("identifier", [])
        if identifier["system"] == "http://hl7.org/fhir/sid/us-npi"
    ]
    assert len(set(numbers)) == 14
    assert all(number.startswith("9") and luhn_holds("80840" + number) for number in numbers)
    assert npi("123456789") == "1234567893"  # the example of the CMS check digit document


def test_one_code_has_one_display(bundles: list[dict[str, Any]]) -> None:
    assert {key: shown for key, shown in used(bundles).items() if len(shown) > 1} == {}


def _words(text: str) -> set[str]:
    return {w.rstrip("s") for w in re.findall(r"[a-z0-9]+", text.lower()) if len(w) > 2}


@needs_data
def test_synthea_calls_these_codes_the_same(bundles: list[dict[str, Any]]) -> None:
    """For every code that Synthea uses too, one of its displays shares a word with ours."""
    theirs: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path in sorted((DATA / "synthea" / "smart-generated").glob("*.json.gz"))[::7]:
        for coding in codings(json.loads(gzip.decompress(path.read_bytes()))):
            if "display" in coding:
                theirs[coding["system"], coding["code"]].add(coding["display"])
    shared = {
        key: names for key, names in used(bundles).items() if key in theirs and key[0] in (SNOMED, LOINC, RXNORM, CVX)
    }
    strangers = {
        key: (names, theirs[key])
        for key, names in shared.items()
        if not any(_words(a) & _words(b) for a in names for b in theirs[key])
    }
    assert len(shared) > 60
    assert strangers == {}
