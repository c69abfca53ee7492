"""PKCE. https://www.rfc-editor.org/rfc/rfc7636"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.oauth import pkce

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_example_of_the_rfc() -> None:
    """Appendix B."""
    assert pkce.challenge(VERIFIER) == CHALLENGE
    assert pkce.is_challenge(CHALLENGE)
    assert pkce.holds(VERIFIER, CHALLENGE)


@pytest.mark.parametrize(
    "verifier", ["", CHALLENGE, VERIFIER[:-1], VERIFIER + "=", VERIFIER + " ", VERIFIER + "\n", VERIFIER[::-1]]
)
def test_another_verifier_does_not_hold(verifier: str) -> None:
    assert not pkce.holds(verifier, CHALLENGE)


@pytest.mark.parametrize("verifier", ["a" * 42, "a" * 129, "a" * 42 + "ä", "a" * 42 + "+", "a" * 42 + "/"])
def test_a_malformed_verifier_does_not_hold_though_its_hash_does(verifier: str) -> None:
    assert not pkce.holds(verifier, pkce.challenge(verifier))


@pytest.mark.parametrize(
    "challenge", ["", CHALLENGE[:-1], CHALLENGE + "=", CHALLENGE + "A", CHALLENGE[:-1] + "+", CHALLENGE[:-1] + "\n"]
)
def test_what_is_no_challenge(challenge: str) -> None:
    assert not pkce.is_challenge(challenge)


@given(st.text("abcXYZ019-._~", min_size=43, max_size=128))
def test_every_well_formed_verifier_holds(verifier: str) -> None:
    assert pkce.is_challenge(pkce.challenge(verifier))
    assert pkce.holds(verifier, pkce.challenge(verifier))
