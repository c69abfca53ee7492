"""Which drug a name is of."""

from __future__ import annotations

import pytest

from hilum.video.drugs import apart, drug, folded, names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Amoxicillin 250 mg capsule", "amoxicilina 250 mg cápsula"),
        ("amoxycillin", "AMOXICILLIN 250MG caps"),
        ("Hydrochlorothiazide 25 mg", "hidroclorotiazida 25 mg"),
        ("Hydrochlorothiazide 25 mg", "HCTZ 25 mg"),
        ("Levothyroxine", "levotiroxina"),
        ("Losartan potassium 50 mg", "losartán 50 mg"),
        ("Tylenol 325 mg", "Acetaminofén 325 mg tableta"),
        ("Paracetamol", "acetaminophen 325 MG Oral Tablet [Tylenol]"),
        ("ASA 81 mg", "ácido acetilsalicílico 100 mg"),
        ("Lantus", "insulin glargine 100 unit/mL"),
        ("Toujeo (insulin glargine)", "insulin glargine"),
        ("Vitamin D3 1000 unit", "vitamina D2"),
        ("Colecalciferol (vitamin D3)", "Vitamin D"),
        ("lithium carbonate 300 mg", "litio"),
        ("Metformin 500 mg", "metformin extended release 750 mg"),
    ],
)
def test_names_of_one_drug(one: str, other: str) -> None:
    assert names([one]).same(names([other])) and names([other]).same(names([one]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("insulin lispro", "insulin glargine"),
        ("Vitamin D3 1000 unit", "Vitamin B12"),
        ("Vitamin B6", "Vitamin B12"),
        ("Potassium chloride", "Sodium chloride"),
        ("Calcium carbonate", "lithium carbonate"),
        ("Ibuprofen (generic)", "Metformin (generic)"),
        ("Lisinopril", "lisinopril / hydrochlorothiazide"),
        ("10 mg tablet", "20 mg tablet"),
    ],
)
def test_names_of_two_drugs(one: str, other: str) -> None:
    assert not names([one]).same(names([other]))


def test_one_of_the_names_is_enough() -> None:
    assert names(["Brandia", "amoxicillin 250 MG Oral Capsule [Brandia]"]).same(names(["Amoxicillin"]))


def test_other_names_are_known_and_common_words_are_not() -> None:
    assert all(map(drug, ("Tylenol", "tylenol", "paracetamol", "acetaminofén", "HCTZ")))
    assert not any(map(drug, ("rest", "water", "persona", "alegre", "cada", "día")))
    assert folded("Amoxycillin") == folded("amoxicilinas") == "amoxicilin"


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        ("Warfarin", "metformin 500 MG", True),
        ("Ibuprofeno 400 mg", "amoxicillin 400 MG Oral Capsule", True),
        ("Lantus", "insulin glargine 100 UNT/ML", False),
        ("Lisinopril-HCTZ", "hydrochlorothiazide 12.5 MG / lisinopril 10 MG Oral Tablet", False),
        ("Xarelto", "rivaroxaban 20 MG", False),
        ("Blood thinner", "warfarin 5 MG", False),
        ("Losartán potásico", "losartan potassium 50 MG", False),
    ],
)
def test_names_of_different_drugs_are_told_apart(one: str, other: str, differ: bool) -> None:
    assert apart(one, other) is apart(other, one) is differ
