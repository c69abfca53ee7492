"""Scopes in plain words: what people read of them."""

from __future__ import annotations

import pytest

from hilum.access.roles import packaged
from hilum.oauth.scopes import Search
from hilum.smart import words


@pytest.mark.parametrize(
    ("type", "search", "expected"),
    [
        ("Observation", (("category", "http://x|laboratory"),), "Lab results"),
        ("Observation", (("code", "1"),), "Test results and measurements (code=1)"),
        ("Consent", (("identifier", "urn:hilum:grant|"),), "What apps were allowed"),
        ("*", (("_tag", "a"), ("_tag", "b")), "All kinds of data (_tag=a, _tag=b)"),
    ],
)
def test_what_search_parameters_leave_has_words(type: str, search: Search, expected: str) -> None:
    assert words.search_in_words(type, search) == expected


def test_what_the_roles_of_hilum_leave_of_a_type_is_shown_to_nobody_as_a_search() -> None:
    shown = [
        words.search_in_words(type, rule.search)
        for role in packaged().values() for rule in role.rules if rule.search for type in rule.types
    ]  # fmt: skip
    assert shown
    assert [text for text in shown if "=" in text] == []
