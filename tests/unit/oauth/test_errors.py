"""OAuth's errors. https://www.rfc-editor.org/rfc/rfc6749#section-5.2"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum import problems
from hilum.oauth.errors import OAuthError, of


def test_an_error_has_the_status_of_its_code() -> None:
    error = OAuthError("invalid_client", "Key: unknown.")
    assert (error.status, error.fields()) == (401, {"error": "invalid_client", "error_description": "Key: unknown."})
    assert OAuthError("invalid_grant").fields() == {"error": "invalid_grant"}
    assert OAuthError("temporarily_unavailable", status=429, retry_after=7).status == 429


@given(st.text())
def test_a_description_has_the_characters_that_may_be_in_one(text: str) -> None:
    """RFC 6749, 5.2: %x20-21 / %x23-5B / %x5D-7E."""
    assert re.fullmatch(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*", OAuthError("invalid_request", text).description)


@pytest.mark.parametrize(
    ("problem", "error", "status", "described"),
    [
        (problems.Busy("wait"), "temporarily_unavailable", 503, True),
        (problems.TooLarge("big"), "invalid_request", 413, True),
        (problems.Malformed("m"), "invalid_request", 400, True),
        (problems.MultipleMatches("m"), "server_error", 500, False),
        (problems.Damaged("/data/hilum.sqlite is broken"), "server_error", 500, False),
        (problems.Misconfigured("x"), "server_error", 500, False),
        (problems.Forbidden("x"), "insufficient_scope", 403, True),
    ],
)
def test_other_problems_become_errors(problem: problems.Problem, error: str, status: int, described: bool) -> None:
    found = of(problem)
    assert (found.error, found.status, bool(found.description)) == (error, status, described)
    assert found.retry_after == (1 if status == 503 else None)


def test_an_error_stays_itself() -> None:
    error = OAuthError("invalid_scope")
    assert of(error) is error
