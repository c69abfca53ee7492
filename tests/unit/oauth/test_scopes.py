"""SMART scopes, read one by one. https://hl7.org/fhir/smart-app-launch/scopes-and-launch-context.html"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.oauth.scopes import Scope, parse, refusal, resource_scope


@pytest.mark.parametrize(
    ("text", "level", "type", "letters"),
    [
        ("patient/Observation.rs", "patient", "Observation", "rs"),
        ("system/*.cruds", "system", "*", "cruds"),
        ("user/Patient.cu", "user", "Patient", "cu"),
        ("user/*.read", "user", "*", "rs"),
        ("patient/Patient.write", "patient", "Patient", "cud"),
        ("system/*.*", "system", "*", "cruds"),
        ("patient/Patient.s", "patient", "Patient", "s"),
    ],
)
def test_both_versions_are_understood(text: str, level: str, type: str, letters: str) -> None:
    assert resource_scope(text) == Scope(level, type, frozenset(letters))
    assert refusal(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "patient/Observation.dus",
        "patient/Observation.rr",
        "patient/Observation.sr",
        "patient/Observation.",
        "patient/Observation",
        "patient/Observation.readwrite",
        "patient/observation.rs",
        "patient/*bservation.rs",
        "patient/.rs",
        "patient/Observation.RS",
        "patient/Observation.rs ",
        "patient/Observation.rs\n",
        "system/Obs/ervation.rs",
        "patient/Observation.rs?category=laboratory",
        "patient/Observation.rs?",
        "patient/Observation.?x",
    ],
)
def test_what_is_not_fully_understood_grants_nothing_and_is_refused(text: str) -> None:
    assert resource_scope(text) is None
    assert refusal(text) is not None


@pytest.mark.parametrize("text", ["openid", "fhirUser", "launch", "launch/patient", "offline_access", "xpatient/*.rs"])
def test_other_scopes_say_nothing_about_resources(text: str) -> None:
    assert resource_scope(text) is None
    assert refusal(text) is None


def test_granular_scopes_are_refused_in_words() -> None:
    assert "granular scopes are not supported yet" in (refusal("patient/Observation.rs?category=laboratory") or "")


def test_a_scope_value_is_read_in_order_without_doubles() -> None:
    found = parse("openid patient/Patient.rs  patient/Patient.read patient/Observation.dus system/*.c")
    assert found == (Scope("patient", "Patient", frozenset("rs")), Scope("system", "*", frozenset("c")))


@given(st.text(st.sampled_from("cruds"), max_size=6))
def test_exactly_the_letters_in_order_are_granted(letters: str) -> None:
    found = resource_scope(f"system/Patient.{letters}")
    if letters and letters == "".join(letter for letter in "cruds" if letter in letters):
        assert found == Scope("system", "Patient", frozenset(letters))
    else:
        assert found is None


@given(st.text(max_size=40))
def test_no_text_breaks_it(text: str) -> None:
    for item in parse(text):
        assert item.interactions <= frozenset("cruds")
        assert item.interactions
