"""Paths and query strings."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilum.problems import Malformed
from hilum.web import uri

_TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")))


@given(st.lists(st.tuples(_TEXT, _TEXT)))
def test_what_is_encoded_is_decoded_again(parameters: list[tuple[str, str]]) -> None:
    assert (
        uri.pairs(uri.encode(parameters)) == [pair for pair in parameters if pair != ("", "")] or ("", "") in parameters
    )


@given(_TEXT, _TEXT)
def test_an_encoded_query_is_ascii_without_separators_in_values(name: str, value: str) -> None:
    text = uri.encode([(name, value)])
    assert text.isascii()
    assert "&" not in text
    assert "#" not in text
    assert " " not in text


@pytest.mark.parametrize(
    ("raw", "segments"),
    [
        (b"", ()),
        (b"/", ()),
        (b"/Patient", ("Patient",)),
        (b"/Patient/", ("Patient",)),
        (b"/Patient/17/_history/2", ("Patient", "17", "_history", "2")),
        (b"/Patient//17", ("Patient", "", "17")),
        (b"//Patient", ("", "Patient")),
        (b"/Patient/a%2Fb", ("Patient", "a/b")),
        (b"/Patient/%c3%a9", ("Patient", "é")),
    ],
)
def test_path(raw: bytes, segments: tuple[str, ...]) -> None:
    assert uri.path(raw) == segments


@pytest.mark.parametrize("raw", [b"/%", b"/%4", b"/%zz", b"/%ff", b"/a%00", b"/a%0a", b"/a\x01b"])
def test_a_path_that_does_not_decode_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed, match="path"):
        uri.path(raw)


def test_pairs_keep_order_repeats_and_empty_values() -> None:
    assert uri.pairs("b=1&a=&&b=2+3&c") == [("b", "1"), ("a", ""), ("b", "2 3"), ("c", "")]
    assert uri.pairs("code=http%3A%2F%2Floinc.org%7C1-1&x=%3D%26") == [("code", "http://loinc.org|1-1"), ("x", "=&")]


@pytest.mark.parametrize("path", ["/", "/a", "/a/b?c=d&e=%2F", "/auth/account", "/a//b", "/@a"])
def test_a_path_of_this_server_is_local(path: str) -> None:
    assert uri.is_local(path)


@pytest.mark.parametrize(
    "path", ["", "a", "//a", "//a/b", "/\\a", "https://a", "/a b", "/a\n", "/a#b", "/" + "a" * 2048]
)
def test_a_link_that_may_lead_away_is_not(path: str) -> None:
    assert not uri.is_local(path)
